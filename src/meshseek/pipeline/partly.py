"""What comes of asking an embedder that may refuse some items or stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from meshseek.embedders import PartlyEmbeddedError
from meshseek.errors import MeshseekError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def partly(
    call: Callable[[], NDArray[np.float32]],
) -> tuple[NDArray[np.float32], Mapping[int, str], MeshseekError | None]:
    """The vectors, why some of them are missing, and what ended the work early."""
    try:
        return call(), {}, None
    except PartlyEmbeddedError as partly:
        return partly.vectors, partly.reasons, partly.stop
