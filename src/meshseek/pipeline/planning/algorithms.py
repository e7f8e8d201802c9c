"""What is known of an algorithm without importing it: its file ``planning.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meshseek.embedders import EMBEDDERS
from meshseek.embedders._told import told_of
from meshseek.errors import InputError
from meshseek.model import ViewCount

UNNAMED: Final = "its usual model"
"""Of an algorithm that says nothing of its models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a plan needs of an algorithm."""

    algorithm: str
    model: str
    dim: int
    views: int | None
    """How many pictures of an asset it takes unless somebody says otherwise; None for all."""
    together: bool
    """Whether they become one vector, of no more pictures than it usually takes."""
    languages: tuple[str, ...]
    memory: float | None
    """Bytes that its loaded model takes; None where that is not known."""

    def most(self, chosen: ViewCount | None) -> int | None:
        """How many pictures of an asset are taken at most; None for all.

        Args:
            chosen: What somebody said; None where nobody did.
        """
        wanted = self.views if chosen is None else None if chosen == "all" else chosen
        return min(wanted or self.views, self.views) if self.together and self.views else wanted


def facts_of(algorithm: str, model: str | None, dim: int | None, *, gpu: bool, hosted: bool = False) -> Facts:
    """Read what is known.

    Args:
        algorithm: Name of the algorithm.
        model: Its model, if another than the usual one.
        dim: Length of the vectors, if another than the usual one.
        gpu: Whether there is a GPU, for which some algorithms have a larger model.
        hosted: Whether a hosted model is meant where none is named, by those algorithms that have one.

    Raises:
        InputError: The length of the vectors is not known.
    """
    EMBEDDERS.check(algorithm)
    told = told_of(algorithm)
    model = model or (told.get("default_hosted") if hosted else None) or told["default_on_gpu" if gpu else "default"]
    known = told["models"].get(model, {})
    dim = dim or known.get("dim")
    if dim is None:
        name = f"'{model}'" if model else f"the model of '{algorithm}'"
        raise InputError(f"how long the vectors of {name} are is not known without loading it; give --dim")
    return Facts(
        algorithm=algorithm,
        model=model or UNNAMED,
        dim=dim,
        views=known.get("views", told["views"]),
        together=told["together"],
        languages=tuple(told["languages"]),
        memory=known.get("memory"),
    )
