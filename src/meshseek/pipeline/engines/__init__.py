"""Engines: each module here is a way to do a stage's work, in this process or on many machines.

To add one, add one file with one :class:`Engine`. Nothing of it may change what comes out: vectors are the same, byte
for byte, whichever engine made them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from meshseek.plugins import Family

if TYPE_CHECKING:
    from meshseek.pipeline.stage import Work
    from meshseek.pipeline.units import Job

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What the user says about an engine."""

    address: str | None = None
    """Of a cluster; None for one of this machine alone."""
    workers: int | None = None
    """How many at a time; None for as many as there is room for."""


class Engine(ABC):
    """Where a stage's work is done.

    Args:
        options: What the user says.
    """

    def __init__(self, options: EngineOptions) -> None:
        self.options = options

    @abstractmethod
    def work(self, job: Job[T]) -> Work[T]:
        """What turns a job's tasks into outcomes.

        Raises:
            EngineError: While outcomes are taken: the cluster cannot be reached, or a worker not be used.
        """


ENGINES: Family[Engine] = Family(__name__, Engine)  # type: ignore[type-abstract]
