"""Embedders: each module here turns texts and images into unit vectors for one algorithm.

To add an algorithm, add one file with one :class:`Embedder`; see ``docs/how-to/add-an-embedder.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar

from meshseek.embedders._nouns import everyday_nouns
from meshseek.errors import EmbedderError, MeshseekError, SpaceMismatchError
from meshseek.hosted import HostedOptions
from meshseek.model import LANGUAGES, AssetTexts, CaptionBasis, Estimate, Language, Role, Space, ViewCount
from meshseek.plugins import Family

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

ONE_LOADS = RLock()
"""Held while a model is loaded: libraries of models do not bear being imported by two threads at once."""
WeightedTexts = Sequence[tuple[str, float]]
"""Texts, each with how much of it goes into a vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderOptions:
    """What the user, or the published space, says about the model; None means the algorithm's default."""

    model: str | None = None
    """Id of the model, or its folder."""
    dim: int | None = None
    """Length of the vectors, for models that can shorten them."""
    languages: tuple[Language, ...] | None = None
    """Caption languages that are to be embedded."""
    views: ViewCount | None = None
    """How many views of each asset are to be embedded."""
    model_dir: Path | None = None
    """Holds a checkpoint, or checkpoints in folders named by their ids."""
    device: str | None = None
    cache_dir: Path | None = None
    """Where files that are made from the model may be kept."""
    hosted: HostedOptions | None = None
    """How to reach a hosted model."""

    @property
    def prefer_hosted(self) -> bool:
        """Whether a hosted model is meant where none is named: there is a key, and no weights to look for."""
        return self.hosted is not None and self.hosted.api_key is not None and self.model_dir is None


class PartlyEmbeddedError(EmbedderError):
    """Some items could not be embedded; what was embedded, and perhaps paid for, is here.

    Args:
        vectors: One row for each item; the rows of the failed ones mean nothing.
        reasons: Why, by the number of the item.
        stop: What ended the work early, so that the next batch need not be tried; None where only items were refused.
    """

    def __init__(
        self, vectors: NDArray[np.float32], reasons: Mapping[int, str], stop: MeshseekError | None = None
    ) -> None:
        super().__init__(str(stop) if stop else next(iter(reasons.values())))
        self.vectors = vectors
        self.reasons = reasons
        self.stop = stop


class Embedder(ABC):
    """One algorithm. Building it loads the model.

    Only ``space``, ``embed_texts`` and ``embed_images`` must be written; the rest is for models that are hosted, that
    make one vector of several views, or that a GPU runs faster than one process can read pictures.

    Raises:
        EmbedderError: On construction, when the model cannot be loaded; the message says how to get it.
    """

    languages: tuple[Language, ...] = LANGUAGES
    """Caption languages that get a column of their own, if the options do not say otherwise."""
    weak_languages: ClassVar[tuple[Language, ...]] = ()
    """Languages in which queries are better translated first, where a translator is configured."""
    caption_basis: ClassVar[CaptionBasis] = "own_language"
    """What ``caption_texts`` looks at; what else is said of an asset may change without its vectors being made anew."""

    views_default: ClassVar[ViewCount] = "all"
    """How many views of each asset are embedded, if the options do not say otherwise and each has its own vector."""

    def __init__(self, options: EmbedderOptions) -> None:
        self.options = options
        if options.languages:
            self.languages = options.languages

    @classmethod
    def lacks(cls, options: EmbedderOptions) -> str | None:
        """What is missing to build it, and how to get it; told without loading or fetching anything large.

        Returns:
            One line, or None where nothing is known to be missing.
        """
        del options
        return None

    @property
    @abstractmethod
    def space(self) -> Space:
        """Where this embedder's vectors are comparable."""

    @property
    def recipe(self) -> Recipe:
        """Makes one like it in another process; a hosted model is asked from one process alone."""
        options = replace(self.options, model=self.space.model, dim=self.space.dim, languages=self.languages)
        return Recipe(self.space, replace(options, hosted=None))

    @property
    def is_on_device(self) -> bool:
        """Whether it computes on a device beside the processors, which had better not wait for what these do."""
        return False

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.space.dim

    @abstractmethod
    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed texts in English or Chinese.

        Args:
            texts: Any strings; they are never read as a path or a URL.
            role: What the vectors are for; some models treat the two differently.

        Returns:
            Unit vectors, shape ``(len(texts), dim)``, in the order of ``texts``.

        Raises:
            PartlyEmbeddedError: A hosted model refused some of them.
        """

    @abstractmethod
    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size, as queries.

        Returns:
            Unit vectors, shape ``(len(images), dim)``, in the order of ``images``.

        Raises:
            PartlyEmbeddedError: A hosted model refused some of them.
        """

    def caption_texts(self, assets: Sequence[AssetTexts], language: Language) -> list[WeightedTexts]:
        """Say which texts make the caption vectors of a language.

        The vector is the sum of the texts' unit vectors, as documents, each times its weight, scaled to length one. It
        is only asked for assets that have captions of the language.

        Args:
            assets: What each asset is called; by ``caption_basis``, only some of it may count.
            language: Whose column of vectors it is.

        Returns:
            For each asset its texts, at least one, with their weights.
        """
        return [[(caption, 1.0) for caption in texts.captions(language)] for texts in assets]

    def understands(self, text: str) -> bool:
        """Whether the model knows what a text is written in, so that its vector says something of what is meant."""
        del text
        return True

    def world_texts(self) -> list[tuple[str, Language | None]]:
        """Names of everyday things, with their languages: what a query may well be about, whatever a library holds.

        They are embedded once as queries; a query that is much nearer to one of them than to anything in the library
        is about something that the library does not have. A word without a language is no name of a thing, or a rare
        one: those with a language, that stand in a library's texts, show what scores in that language mean.
        """
        english, chinese = zip(*everyday_nouns(), strict=True)
        return [*((noun, "english") for noun in english), *((noun, "chinese") for noun in chinese)]

    @property
    def views_together(self) -> int | None:
        """How many views at most make one vector of an asset; None where each view has its own."""
        return None

    @property
    def views(self) -> ViewCount:
        """How many views of each asset are embedded.

        Raises:
            EmbedderError: The options ask for more than the model makes one vector of.
        """
        most, wanted = self.views_together, self.options.views
        if most is None:
            return wanted or self.views_default
        if wanted == "all" or (wanted or 0) > most:
            raise EmbedderError(
                f"'{self.space.model}' makes one vector of at most {most} views; give --views {most}, or fewer"
            )
        return wanted or most

    def image_preparer(self) -> Callable[[Image], Any]:
        """What can be done to one image before the model sees it; picklable, it runs in processes of its own."""
        return _as_it_is

    def embed_prepared(self, images: Sequence[Any]) -> NDArray[np.float32]:
        """Embed what ``image_preparer`` made of views, as documents; otherwise like ``embed_images``."""
        return self.embed_images(images)

    def embed_together(self, views: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """Embed each asset's prepared views as one vector, where ``views_together`` is set.

        Returns:
            Unit vectors, shape ``(len(views), dim)``.
        """
        raise NotImplementedError

    def warm_up(self) -> None:  # noqa: B027  # most have loaded all when they are made
        """Load what was left until it is needed, for a service whose first query is to be as fast as the others.

        Raises:
            EmbedderError: It cannot be loaded.
        """

    def export_onnx(self) -> str:
        """Write a form of the model that embeds queries faster on a CPU; returns a sentence about it.

        Raises:
            EmbedderError: This model has none.
        """
        raise EmbedderError(f"'{self.space.embedder}' has no ONNX form; leave --export-onnx out")

    def estimate_texts(self, texts: Sequence[str]) -> Estimate | None:
        """What embedding these texts would cost; None where nothing is paid."""
        del texts
        return None

    def estimate_views(self, views: Sequence[int]) -> Estimate | None:
        """What embedding so many views of each asset would cost; None where nothing is paid."""
        del views
        return None


def _as_it_is(image: Image) -> Image:
    return image


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an embedder is made anew in another process, perhaps on another machine. Picklable."""

    space: Space
    options: EmbedderOptions

    def make(self) -> Embedder:
        """Load the model.

        Raises:
            EmbedderError: It cannot be loaded.
            SpaceMismatchError: It is another model.
        """
        embedder = EMBEDDERS.load(self.space.embedder)(self.options)
        if embedder.space != self.space:
            raise SpaceMismatchError(
                f"the model is {embedder.space}, where it is {self.space} in the process that asks"
            )
        return embedder


EMBEDDERS: Family[Embedder] = Family(__name__, Embedder)  # type: ignore[type-abstract]
