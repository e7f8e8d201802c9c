"""A made-up world of assets whose vectors behave like those of a model, for benchmarks at any size.

Assets lie in clusters of clusters within few dimensions. Views are their asset with noise, part of it shared by pose.
Texts see the same world through another projection and around another mean (the modality gap of Liang et al., 2022):
their nearest views are far away, and much harder for an index to find than those of pictures.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from meshseek.embedders._vectors import to_unit_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

LATENT: Final = 64
GROUPS: Final = 40
CLUSTERS_PER_GROUP: Final = 25
POSES: Final = 64
ASPECT, POSE, GRAIN = np.sqrt((0.6, 0.2, 0.2))
"""Of a view's difference from its asset: what is seen only from there, what the pose brings, and the rest."""
NOUNS: Final = (
    *("chair", "table", "lamp", "sofa", "bed", "desk", "shelf", "car", "truck", "boat"),
    *("plane", "house", "tower", "bridge", "tree", "flower", "rock", "dog", "cat", "horse"),
    *("bird", "fish", "dragon", "robot", "sword", "shield", "gun", "helmet", "cup", "bottle"),
    *("plate", "knife", "apple", "cake", "shoe", "hat", "guitar", "drum", "phone", "camera"),
)
_ADJECTIVES: Final = (
    *("small", "large", "old", "new", "red", "blue", "green", "white", "black", "golden", "wooden", "metal", "stone"),
    *("glass", "round", "square", "tall", "low", "broken", "painted", "simple", "ornate", "toy", "modern", "rustic"),
)
_GAP: Final = 1.0
"""Length of the mean of each modality, beside asset vectors of about the same length."""
_SHARED: Final = 0.75
"""How much of the texts' projection is that of the pictures."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Some assets: where they are (``(n, 64)``) and in which cluster (``(n,)``)."""

    latent: Vectors
    cluster: NDArray[np.int64]


class World:
    """Everything follows from the seed.

    Args:
        seed: Of all that is random.
        dim: Length of a vector.
        likeness: Mean cosine of two views of one asset.
    """

    def __init__(self, seed: int, dim: int, likeness: float) -> None:
        self.seed, self.dim, self.likeness = seed, dim, likeness
        random = np.random.default_rng(seed)
        scale = (1 + np.arange(LATENT)) ** -0.4
        groups = random.normal(size=(GROUPS, LATENT)) * scale
        clusters = np.repeat(groups, CLUSTERS_PER_GROUP, axis=0)
        self._centres = clusters + 0.7 * random.normal(size=(GROUPS * CLUSTERS_PER_GROUP, LATENT)) * scale
        self._scale = scale / np.linalg.norm(scale)
        sizes = 1 / (1 + random.permutation(GROUPS * CLUSTERS_PER_GROUP)) ** 0.5
        self._sizes = sizes / sizes.sum()
        # About length one each, so that the modalities' means, which are of length one too, weigh as much.
        self._centres /= np.sqrt(np.square(self._centres).sum(axis=1).mean())
        self._image = _directions(random, LATENT, dim)
        other = _directions(random, LATENT, dim)
        self._text = _SHARED * self._image + np.sqrt(1 - _SHARED**2) * other
        self._image_mean, self._text_mean = _GAP * _directions(random, 2, dim)
        self._poses = _directions(random, POSES, dim)
        self._corner = random.normal(size=LATENT)

    def assets(self, count: int, part: int) -> Crowd:
        """The ``part``-th lot of assets; another count is another lot."""
        random = np.random.default_rng([self.seed, 1, part])
        cluster = random.choice(len(self._centres), size=count, p=self._sizes)
        return Crowd(self._around(random, cluster), cluster)

    def views(self, crowd: Crowd, count: int, part: int) -> Vectors:
        """Unit vectors of views, shape ``(assets * count, dim)``, those of one asset together."""
        random = np.random.default_rng([self.seed, 2, part])
        centre = self._image_mean + crowd.latent @ self._image
        length = np.linalg.norm(centre, axis=1, keepdims=True)
        # Noise as long as this gives two views of an asset the wanted cosine: |m|^2 / (|m|^2 + |noise|^2) = likeness.
        noise = np.repeat(length, count, axis=0) * np.sqrt(1 / self.likeness - 1)
        vectors = np.repeat(centre, count, axis=0)
        grain = random.standard_normal(vectors.shape, dtype=np.float32) / np.sqrt(self.dim)
        aspect = random.standard_normal((len(vectors), LATENT), dtype=np.float32) * self._scale @ self._image
        poses = self._poses[np.tile(np.arange(count) % POSES, len(centre))]
        return to_unit_length(vectors + noise * (ASPECT * aspect + POSE * poses + GRAIN * grain))

    def captions(self, crowd: Crowd, part: int) -> Vectors:
        """Unit vectors of captions, shape ``(assets, dim)``."""
        random = np.random.default_rng([self.seed, 3, part])
        return self._texts(random, crowd.latent + 0.1 * random.normal(size=crowd.latent.shape) * self._scale)

    def texts(self, texts: list[str]) -> Vectors:
        """Unit vectors of queries in words: about what their noun means, else about anything."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            random = np.random.default_rng([self.seed, 4, zlib.crc32(text.encode(errors="replace"))])
            nouns = [NOUNS.index(word) for word in text.lower().split() if word in NOUNS]
            groups = nouns or [int(random.integers(GROUPS))]
            cluster = np.array([groups[0] * CLUSTERS_PER_GROUP + random.integers(CLUSTERS_PER_GROUP)])
            row[:] = self._texts(random, self._around(random, cluster))[0]
        return vectors

    def pictures(self, count: int, part: int) -> Vectors:
        """Unit vectors of pictures of assets that are not in the library, shape ``(count, dim)``."""
        return self.views(self.assets(count, 10_000_000 + part), 1, 10_000_000 + part)

    def projection(self, crowd: Crowd) -> Vectors:
        """Where assets stand in one direction of the world: what goes with it goes with the content."""
        return np.asarray(crowd.latent @ self._corner, dtype=np.float32)

    def _around(self, random: np.random.Generator, cluster: NDArray[np.int64]) -> Vectors:
        spread = 0.45 * random.normal(size=(len(cluster), LATENT)) * self._scale
        return np.asarray(self._centres[cluster] + spread, dtype=np.float32)

    def _texts(self, random: np.random.Generator, latent: NDArray[np.floating]) -> Vectors:
        grain = 0.3 * random.normal(size=(len(latent), self.dim)) / np.sqrt(self.dim)
        return to_unit_length(self._text_mean + latent @ self._text + grain)


def describe(cluster: int) -> tuple[str, str]:
    """Noun and adjective of a cluster."""
    return NOUNS[cluster // CLUSTERS_PER_GROUP], _ADJECTIVES[cluster % CLUSTERS_PER_GROUP]


def _directions(random: np.random.Generator, count: int, dim: int) -> Vectors:
    """Random unit vectors, shape ``(count, dim)``."""
    return to_unit_length(random.normal(size=(count, dim)))
