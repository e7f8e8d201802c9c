"""Readers of files that are not glTF: each gives the surfaces of one format, and what the file says of its unit."""

from __future__ import annotations

import importlib
from typing import Any

from meshseek.errors import UnreadableAssetError


def installed(module: str, extra: str, what: str) -> Any:
    """A package that reads a format, imported only where such a file is read.

    Args:
        module: To import.
        extra: Of Meshseek, that brings it.
        what: The sentence's beginning, such as "a USD file".

    Raises:
        UnreadableAssetError: It is not installed, or does not work here.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnreadableAssetError(
            f"{what} is read by a package that is not here; run: pip install 'meshseek[{extra}]', then import again"
        ) from error


def pxr(name: str) -> Any:
    """A module of OpenUSD; see :func:`installed`."""
    return installed(f"pxr.{name}", "usd", "a USD file")
