"""What the page asks of the API, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import RootModel

from meshseek.client.answers import LOADING, READY, Explanation, Facet, Health, Result, TextShare, Took
from meshseek.client.answers import SearchAnswer as Answer

__all__ = [
    "LOADING",
    "READY",
    "Answer",
    "Camera",
    "Explanation",
    "Facet",
    "Health",
    "Result",
    "Search",
    "TextShare",
    "Took",
]


class Camera(RootModel[dict[str, Any]]):
    """Where a picture was taken from, in the G-Objaverse layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked for: words, or the file of a picture."""

    algorithm: str | None = None
    """None leaves the choice to the API, as it does for the target."""
    text: str = ""
    picture: Path | None = None
    target: str | None = None
    """Name of a search mode."""
    cross_modal: bool = False
    """Compare words with views, a picture with captions; else the API chooses, unless a target is named."""
    varied: bool = True
    """Neighbours differ where the API thinks that it suits; else nowhere."""
    explain: bool = False
    category: str | None = None
    limit: int = 12

    def fields(self, offset: int) -> dict[str, Any]:
        """The fields that both kinds of search have in common; what was not chosen is left to the API."""
        crossing = {"cross_modal": True} if self.cross_modal else {}
        plain = {} if self.varied else {"diverse": False}
        explained = {"explain": True} if self.explain else {}
        return {**self.likeness, "offset": offset, **crossing, **plain, **explained}

    @property
    def likeness(self) -> dict[str, Any]:
        """The fields that a question for similar assets has as well."""
        chosen = {"target": self.target} if self.target else {}
        named = {"algorithm": self.algorithm} if self.algorithm else {}
        return {"top_k": self.limit, **named, **chosen}

    @property
    def filters(self) -> Mapping[str, str]:
        """Attribute values that must hold."""
        return MappingProxyType({"category": self.category} if self.category else {})
