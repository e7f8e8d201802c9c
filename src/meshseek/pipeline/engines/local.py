"""This process, with processes of its own that read and render."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from meshseek.pipeline.engines import Engine

if TYPE_CHECKING:
    from meshseek.pipeline.stage import Work
    from meshseek.pipeline.units import Job

T = TypeVar("T")


class Local(Engine):
    """Works here, and keeps what is done every few seconds."""

    def work(self, job: Job[T]) -> Work[T]:
        """As the job says."""
        return job.here
