"""What one visitor sees; the only thing that the page remembers between two events, and can do without."""

from __future__ import annotations

from dataclasses import dataclass

from meshseek.interfaces.ui.address import State
from meshseek.interfaces.ui.answers import Abilities, Health
from meshseek.interfaces.ui.finding import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was answered last."""

    state: State | None = None
    """None before the first answer, and after one that failed."""
    health: Health | None = None
    abilities: Abilities | None = None
    found: Found | None = None

    @property
    def otherwise(self) -> str | None:
        """The algorithm that is asked where an address names none; None leaves the choice to the API."""
        return self.health.otherwise if self.health else None
