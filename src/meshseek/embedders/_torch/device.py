"""Where a model runs, and how much of it at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import torch

from meshseek.errors import EmbedderError

T = TypeVar("T")
GIGABYTE: Final = 1 << 30

log = logging.getLogger(__name__)


def choose_device(name: str | None) -> torch.device:
    """The device of that name; None means the best there is.

    Raises:
        EmbedderError: There is none of that name.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise EmbedderError(f"there is no device '{name}' here; set MESHSEEK_DEVICE to cpu, or leave it out") from error
    return device


def half_precision(device: torch.device) -> torch.dtype:
    """What weights are kept in: half precision on a GPU; on a CPU that is a hundred times slower.

    bfloat16 where there is a choice, because no activation is too large for it.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float32


def batch_size(device: torch.device, *, per_gigabyte: float, on_cpu: int) -> int:
    """How many items to start with, by the memory of the device."""
    if device.type != "cuda":
        return on_cpu
    return max(1, int(per_gigabyte * torch.cuda.get_device_properties(device).total_memory / GIGABYTE))


class Batches:
    """Runs a model batch by batch; where memory is short, batches become smaller and stay so.

    Args:
        size: How many items to start with.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, items: Sequence[T], forward: Callable[[Sequence[T]], torch.Tensor]) -> list[torch.Tensor]:
        """The results of all batches, in the order of the items.

        Raises:
            EmbedderError: Not even one item fits.
        """
        results: list[torch.Tensor] = []
        start = 0
        while start < len(items):
            batch = items[start : start + self.size]
            result = _tried(batch, forward)
            if result is None:
                self._shrink(len(batch))
            else:
                results.append(result)
                start += len(batch)
        return results

    def _shrink(self, failed: int) -> None:
        if failed == 1:
            raise EmbedderError(
                "the device has too little memory for one item; choose a smaller model, or set MESHSEEK_DEVICE=cpu"
            )
        torch.cuda.empty_cache()
        self.size = min(self.size, failed // 2)  # another thread may have gone lower
        log.warning("out of GPU memory: going on with batches of %d", self.size)


def _tried(batch: Sequence[T], forward: Callable[[Sequence[T]], torch.Tensor]) -> torch.Tensor | None:
    """None where memory is short. The error ends here, because its traceback holds on to the batch's memory."""
    try:
        return forward(batch)
    except torch.OutOfMemoryError:
        return None
