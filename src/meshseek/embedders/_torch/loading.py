"""Loads checkpoints through transformers, and says in one line what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from meshseek.embedders._torch.checkpoints import Checkpoint, first_line
from meshseek.embedders._torch.device import half_precision
from meshseek.errors import EmbedderError


@contextmanager
def reading(checkpoint: Checkpoint, device: torch.device, extra: str) -> Iterator[None]:
    """Translate whatever transformers raises on damaged files.

    Args:
        checkpoint: What is read.
        device: Where to.
        extra: What of our package brings the libraries that it needs.

    Raises:
        EmbedderError: It cannot be read.
    """
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # what matters is checked here
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    except EmbedderError:
        raise
    except torch.OutOfMemoryError as error:
        raise EmbedderError(
            f"'{checkpoint.model}' does not fit into the memory of {device}; choose a smaller one"
        ) from error
    except ImportError as error:
        raise EmbedderError(f"{first_line(error)}; run: pip install 'meshseek[{extra}]'") from error
    except Exception as error:  # the library raises whatever its parts do
        raise EmbedderError(f"cannot read {checkpoint.folder} ({first_line(error)}); fetch it again") from error


def load_model(checkpoint: Checkpoint, device: torch.device, kind: Any = AutoModel) -> Any:
    """The model of a checkpoint, on the device; within ``reading``.

    Args:
        checkpoint: What is read.
        device: Where to.
        kind: The class of transformers that reads it: by default one without a head.

    Raises:
        EmbedderError: Weights are missing, which the library would fill with noise.
    """
    model, loaded = kind.from_pretrained(
        checkpoint.folder,
        dtype=half_precision(device),
        attn_implementation="sdpa",
        local_files_only=True,
        output_loading_info=True,
    )
    for name in sorted(loaded["missing_keys"])[:1]:
        raise EmbedderError(f"{checkpoint.folder} lacks weights, among them '{name}'; fetch it again")
    return model.eval().to(device)
