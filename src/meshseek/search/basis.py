"""What a match rests on, in a word or two: the parts of its score without their figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Basis = Literal["caption", "appearance", "words"]
BASES: Final[tuple[Basis, ...]] = get_args(Basis)
SHARE: Final = 0.4
"""A part counts as what a match rests on from so much of the largest part on."""


def basis(parts: Mapping[str, float]) -> tuple[Basis, ...]:
    """What a score rests on most; nothing where an asset was found by its name.

    Args:
        parts: As :attr:`meshseek.model.Hit.parts` has them. Of a combined query each name follows that of a term, as in
            ``part_1.caption``; what is not wanted supports no match, however far from it an asset is.
    """
    given: dict[Basis, float] = {}
    for kind in BASES:
        names = [name for name in parts if name.rpartition(".")[2] == kind]
        if names:
            given[kind] = sum(_given(name, parts) for name in names)
    most = max(given.values(), default=0.0)
    return tuple(kind for kind, value in given.items() if value > 0 and value >= SHARE * most)


def _given(name: str, parts: Mapping[str, float]) -> float:
    """What one part gave: its standard score as it counts, where it has one."""
    term, mark, _ = name.rpartition(".")
    share = parts.get(f"{term}.share", 1.0) if mark else 1.0
    return max(share, 0.0) * parts.get(f"{name}_standard", parts[name]) * parts.get(f"{name}_weight", 1.0)
