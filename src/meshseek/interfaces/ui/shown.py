"""What one visitor sees; the only thing that the page remembers between two events, and can do without."""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup

from meshseek.interfaces.ui.address import State
from meshseek.interfaces.ui.answers import Abilities, Asset, Health, Listed
from meshseek.interfaces.ui.basket import Given
from meshseek.interfaces.ui.finding import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The asset that is looked at, with what was asked to show it."""

    asset: Asset | None = None
    listed: Listed | None = None
    """The result by which it was found, where there is one."""
    reasons: Markup | None = None
    trouble: str = ""
    """Why it, or its model, is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was answered last."""

    state: State | None = None
    """None before the first answer, and after one that failed."""
    health: Health | None = None
    abilities: Abilities | None = None
    found: Found | None = None
    second: Found | None = None
    """Of the algorithm that is compared with."""
    looked: Looked | None = None
    given: Given = field(default_factory=Given)
    """What the browser sent beside the address."""
    said: str = ""
    """The words that the box was last brought to, or last held when they were searched."""

    @property
    def otherwise(self) -> str | None:
        """The algorithm that is asked where an address names none; None leaves the choice to the API."""
        return self.health.otherwise if self.health else None
