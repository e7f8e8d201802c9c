"""A query as it is put to one version of a library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meshseek.model import Ranked
from meshseek.store.read.published import CAPTION_COLUMNS, QueryType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from meshseek.store.read.background import Background, Scale
    from meshseek.store.read.published import Published, QueryKind, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What became of a query."""

    vector: NDArray[np.float32]
    """Unit vector, shape ``(dim,)``."""
    query_type: QueryType
    """Of what was embedded: English where a Chinese query was translated."""
    translated: str | None = None
    """The English words that were embedded in place of a Chinese query."""
    understood: bool = True
    """Whether the model knows what the query is written in."""
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Question:
    """A query to one version. It is embedded when a mode first asks for its vector, and never where none does."""

    published: Published
    embed: Callable[[], Embedded]
    """Called once at most."""
    text: str | None = None
    """The words as they were typed; None where a picture is searched."""
    own: Mapping[Target, NDArray[np.float32]] = field(default_factory=dict)
    """Where an asset is asked for: its own vectors."""
    first: Ranked | None = None
    """What stands before all others, whatever the ranking says."""
    scales: dict[Target, Scale | None] = field(default_factory=dict)
    """What :meth:`scale` gave."""
    embedded: Embedded | None = None
    """What ``embed`` gave; None as long as no mode asked."""

    @classmethod
    def of(cls, published: Published, vector: NDArray[np.float32], query_type: QueryType) -> Question:
        """A question whose vector is known."""
        embedded = Embedded(vector=vector, query_type=query_type)
        return cls(published=published, embed=lambda: embedded)

    def vector_for(self, target: Target) -> NDArray[np.float32]:
        """The vector to compare with, shape ``(dim,)``."""
        own = self.own.get(target)
        return self._embedded().vector if own is None else own

    @property
    def query_type(self) -> QueryType:
        """The language that is compared, or ``image``."""
        return self._embedded().query_type

    @property
    def is_understood(self) -> bool:
        """Whether its vector says something of what is meant."""
        return self.embedded is None or self.embedded.understood

    @property
    def kind(self) -> QueryKind:
        """What its vector was made from; texts and pictures are not equally hard for an index."""
        return "image" if self.query_type == "image" else "text"

    def scale(self, background: Background, target: Target) -> Scale | None:
        """What the question gives for assets taken at random, computed once; None where nothing is known of that."""
        if target not in self.scales:
            vector = self.vector_for(target)
            column = CAPTION_COLUMNS[self.query_type][0]
            is_caption = target == "caption"
            self.scales[target] = (
                background.caption_scale(column, vector) if is_caption else background.view_scale(vector)
            )
        return self.scales[target]

    def is_own_kind(self, target: Target) -> bool:
        """Whether what is compared is of the query's own kind, or else cross-modal."""
        if self.own:
            return target in self.own
        return (target == "caption") == (self.kind == "text")

    def asked(self, target: Target) -> QueryType:
        """What kind of query the vector that is compared is one of."""
        if target not in self.own:
            return self.query_type
        if target == "appearance":
            return "image"
        return "english" if self.query_type == "image" else self.query_type

    def _embedded(self) -> Embedded:
        if self.embedded is None:
            self.embedded = self.embed()
        return self.embedded
