"""What is left to do is looked up by one at a time, and not again for a while."""

from __future__ import annotations

import pytest
from tests.waiting import eventually

from meshseek.interfaces.http.work_left import WorkLeft
from meshseek.pipeline.overview import Overview


def test_what_cannot_be_told_is_not_looked_up_by_everybody_who_asks(caplog: pytest.LogCaptureFixture) -> None:
    """A look that fails is remembered as long as one that does not; the log says why it failed."""
    looks: list[int] = []

    def look() -> Overview:
        looks.append(1)
        raise OSError("the disk is gone")

    work = WorkLeft(look)
    for _ in range(5):
        assert work.told(30) is None
        eventually(lambda: work._looking is None)
    assert looks == [1]
    assert "the disk is gone" in caplog.text


def test_what_was_seen_is_remembered() -> None:
    """The second who asks is told what the first was."""
    looks: list[int] = []

    def look() -> Overview:
        looks.append(1)
        return Overview(note="seen")

    work = WorkLeft(look)
    assert [work.told(30), work.told(30)] == [Overview(note="seen")] * 2
    assert looks == [1]
