"""In what unit a file's numbers are and which of its axes points up, and how sure we are of either.

A GLB is in metres with Y up; everything else is brought there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

Up = Literal["x", "y", "z"]
How = Literal["declared", "convention", "guessed", "forced"]
"""The file says it; it does not, but its format does; neither does, so it is what is most common; the user says it."""

UNITS: Final = MappingProxyType(
    {"micron": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3, "inch": 0.0254, "foot": 0.3048, "yard": 0.9144}
)
"""Metres of each unit that a user may name."""
UPS: Final = ("x", "y", "z")
AUTO: Final = "auto"
"""What a user says to have files believed again."""
_NEAR = 1e-6
_TURNS = {
    "x": ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "y": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "z": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
}
"""From the file's axes to those with Y up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Unit and axes of one file."""

    metres: float = 1.0
    """Of one unit."""
    unit_from: How = "convention"
    up: Up = "y"
    up_from: How = "convention"

    def declared(self, metres: float | None, up: Up | None) -> Space:
        """The space of a file of this format that says so much of itself; None where it says nothing usable."""
        space = self
        if metres is not None and math.isfinite(metres) and metres > 0:
            space = replace(space, metres=float(metres), unit_from="declared")
        return space if up is None else replace(space, up=up, up_from="declared")

    def forced(self, unit: str | None, up: str | None) -> Space:
        """As the user says, where the user says anything.

        Args:
            unit: One of :data:`UNITS`.
            up: One of :data:`UPS`.
        """
        space = self if unit in {None, AUTO} else replace(self, metres=UNITS[str(unit)], unit_from="forced")
        return space if up in {None, AUTO} else replace(space, up=up, up_from="forced")  # type: ignore[arg-type]

    @property
    def matrix(self) -> list[list[float]]:
        """Four rows of four numbers: from the file's coordinates to metres, Y up."""
        turned = [[self.metres * number for number in row] for row in _TURNS[self.up]]
        return [*([*row, 0.0] for row in turned), [0.0, 0.0, 0.0, 1.0]]

    @property
    def unit(self) -> str:
        """Its name; of an unusual one, how many metres it has."""
        near = (name for name, metres in UNITS.items() if abs(self.metres / metres - 1) < _NEAR)
        return next(near, f"{self.metres:.6g} m")

    def attribute(self, file_format: str) -> dict[str, Any]:
        """What is kept of it with an asset."""
        return {
            "format": file_format,
            "unit": self.unit,
            "unit_from": self.unit_from,
            "up": self.up,
            "up_from": self.up_from,
        }
