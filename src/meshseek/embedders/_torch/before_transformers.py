"""What must be so before the models of transformers are imported."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import sys

log = logging.getLogger(__name__)


def prepare() -> None:
    """Turn the hub's telemetry off, and let transformers go without a torchvision that cannot be imported.

    torchvision exists only for CUDA: beside torch for a CPU it is installed but fails, and every model of transformers
    that sees pictures fails with it, though none of ours needs it.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # noqa: BLE001  # whatever its parts do
        log.info("going on without torchvision: %s", error)
        _believe_that_it_is_missing()


def _believe_that_it_is_missing() -> None:
    """Ask transformers whether torchvision is there while it is hidden: it asks once, and remembers the answer."""
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # Python's own sign for "not there"
    try:
        with contextlib.suppress(ImportError):
            importlib.import_module("transformers.utils").is_torchvision_available()
    finally:
        del sys.modules["torchvision"]
