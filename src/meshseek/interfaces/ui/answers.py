"""What the page asks of the API, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import RootModel

from meshseek.client.answers import (
    LOADING,
    READY,
    USUAL,
    Asset,
    AssetPage,
    Attribution,
    Explanation,
    Facet,
    Health,
    Listed,
    Result,
    Spread,
    TextShare,
    Took,
)
from meshseek.client.answers import SearchAnswer as Answer
from meshseek.client.standing import Status

__all__ = [
    "LOADING",
    "READY",
    "USUAL",
    "Abilities",
    "Answer",
    "Asked",
    "Asset",
    "AssetPage",
    "Attribution",
    "Camera",
    "Explanation",
    "Facet",
    "Health",
    "Listed",
    "Result",
    "Search",
    "Spread",
    "Status",
    "TextShare",
    "Took",
]


class Camera(RootModel[dict[str, Any]]):
    """Where a picture was taken from, in the G-Objaverse layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the API can be asked, by its own description."""

    paths: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    """Names of the search modes."""
    options: frozenset[str] = frozenset()
    """Fields of a search by words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One of the things that are searched together: words, the file of a picture, or an asset."""

    text: str = ""
    picture: Path | None = None
    asset_id: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked for."""

    parts: tuple[Asked, ...] = ()
    algorithm: str | None = None
    """None leaves the choice to the API, as it does for the target and the language."""
    target: str | None = None
    """Name of a search mode."""
    language: str | None = None
    """Of the words."""
    cross_modal: bool = False
    """Compare words with views, a picture with captions; else the API chooses, unless a target is named."""
    varied: bool = True
    """Neighbours differ where the API thinks that it suits; else nowhere."""
    collapsed: bool = False
    """Assets that look the same are one result."""
    explain: bool = False
    facets: tuple[str, ...] = ()
    """Fields whose values are counted."""
    filters: Mapping[str, Any] = field(default_factory=dict)
    """What must hold, as the API takes it."""
    limit: int = 24

    @property
    def only(self) -> Asked | None:
        """The one part, where it is searched as it is."""
        return self.parts[0] if len(self.parts) == 1 and self.parts[0].weight == 1 else None

    def fields(self, offset: int) -> dict[str, Any]:
        """The fields that all kinds of search have in common; what was not chosen is left to the API."""
        crossing = {"cross_modal": True} if self.cross_modal else {}
        plain = {} if self.varied else {"diverse": False}
        stacked = {"collapsed": True} if self.collapsed else {}
        explained = {"explain": True} if self.explain else {}
        counted = {"facets": list(self.facets)} if self.facets else {}  # on each page: it is another ranking without
        return {**self.likeness, "offset": offset, **crossing, **plain, **stacked, **explained, **counted}

    @property
    def likeness(self) -> dict[str, Any]:
        """The fields that a question for similar assets has as well."""
        chosen = {"target": self.target} if self.target else {}
        named = {"algorithm": self.algorithm} if self.algorithm else {}
        return {"top_k": self.limit, **named, **chosen}
