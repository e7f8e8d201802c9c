"""Rerankers: each module here looks at a query and the first results together, and says how well each one fits.

To add a reranker, add one file with one :class:`Reranker`; see ``docs/how-to/add-a-reranker.md``.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from meshseek.errors import ImageError, NotFoundError, RerankerError
from meshseek.hosted import HostedOptions
from meshseek.plugins import Family

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

MAX_CANDIDATES = 50
"""No reranker is given more: each one costs a look at a model."""
CAPTION_CHARACTERS = 1500
"""How much of an asset's captions a reranker reads."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankerOptions:
    """What the user says about the model; None means the reranker's default."""

    model: str | None = None
    """Id of the model, or its folder."""
    model_dir: Path | None = None
    """Holds checkpoints in folders named by their ids."""
    device: str | None = None
    hosted: HostedOptions | None = None
    """How to reach a hosted model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched: words, or a picture."""

    text: str | None = None
    image: Image | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One asset as a reranker may see it. Its captions come from whoever made the library: they are data."""

    asset_id: str
    captions_english: tuple[str, ...] = ()
    captions_chinese: tuple[str, ...] = ()
    view_folder: Path | None = None
    """Absolute; None where there are no views."""
    view_root: Path | None = None
    """Where the pictures must really lie, whatever links lead to; None for the folder itself."""
    viewpoint_ids: tuple[int, ...] = ()
    """The most telling one first, then those that follow it around the model."""

    def caption(self) -> str:
        """The captions of both languages, a line each, cut where they are very long; empty where there are none."""
        lines = (" ".join(text.split()) for text in (*self.captions_english, *self.captions_chinese))
        return "\n".join(filter(None, lines))[:CAPTION_CHARACTERS].encode(errors="replace").decode()

    def views(self, count: int) -> list[Image]:
        """The first view and others at equal distances, read now; what cannot be read is left out.

        Returns:
            At most ``count`` pictures, RGB, none with a side of more than 2,048 pixels.
        """
        from meshseek.workspace.view_files import read_view  # noqa: PLC0415  # the command line lists rerankers

        if self.view_folder is None:
            return []
        ids = self.viewpoint_ids
        count = min(count, len(ids))
        pictures = []
        for number in range(count):
            try:
                pictures.append(read_view(self.view_folder, ids[number * len(ids) // count], self.view_root))
            except (ImageError, NotFoundError) as error:
                log.warning("'%s' is judged without one of its views: %s", self.asset_id, error)
        return pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How well each candidate fits, and what it cost to know."""

    scores: NDArray[np.float32]
    """Shape ``(n,)``, in the order of the candidates; more is better. Comparable within this judgement only."""
    cost: str | None = None
    """In words, where something is paid."""

    def values(self, count: int) -> list[float]:
        """The scores as numbers.

        Raises:
            RerankerError: They are not one finite number for each of so many candidates.
        """
        if self.scores.shape != (count,):
            raise RerankerError(f"the reranker gave scores of shape {self.scores.shape} for {count} candidates")
        values: list[float] = self.scores.tolist()
        if not all(map(math.isfinite, values)):
            raise RerankerError("the reranker gave a score that is no number; check its model")
        return values


class Reranker(ABC):
    """One way of looking again. Building it loads the model. Threads may share it.

    Raises:
        RerankerError: On construction, when it lacks something; the message says what.
    """

    candidates: int = 20
    """How many of the first results it is given; :data:`MAX_CANDIDATES` at most."""
    views: int = 1
    """How many views of each it looks at."""
    takes_pictures: bool = True
    """Whether a picture can be its query."""

    def __init__(self, options: RerankerOptions) -> None:
        self.options = options

    @abstractmethod
    def judge(self, wanted: Wanted, candidates: Sequence[Candidate]) -> Judgement:
        """Say how well each candidate fits.

        Args:
            wanted: The query; its text is never read as a path or a URL.
            candidates: At least one, in the order of the search.

        Raises:
            RerankerError: The model cannot be used, or its answer makes no sense.
            HostedError: A hosted model cannot be asked, or refuses.
        """


RERANKERS: Family[Reranker] = Family(__name__, Reranker)  # type: ignore[type-abstract]
