"""The library faiss, which is imported here alone, and only where codes are made or searched: that takes a moment."""

import logging

logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # it tells which processors it was not built for

import faiss  # noqa: E402

__all__ = ["faiss"]
