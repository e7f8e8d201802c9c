"""Memory or a disk that has no more room is told in one line."""

from __future__ import annotations

import errno

import click
import pyarrow as pa
import pytest
from click.testing import CliRunner

from meshseek.interfaces.cli import OUT_OF_MEMORY, main


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        pa.ArrowMemoryError("malloc of size 4096 failed"),
        RuntimeError("can't start new thread"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libarrow.so: failed to map segment from shared object"),
    ],
)
def test_memory_that_runs_out_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Whoever notices it: Python, Arrow, or the system while it loads a library."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(click.Group, "invoke", fail)
    done = CliRunner().invoke(main, ["libraries"])
    assert (done.exit_code, done.stderr) == (1, f"meshseek: {OUT_OF_MEMORY}\n")


def test_a_library_that_is_not_there_is_no_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised as it is."""

    def fail(*_: object) -> None:
        raise ImportError("No module named 'torch'")

    monkeypatch.setattr(click.Group, "invoke", fail)
    assert isinstance(CliRunner().invoke(main, ["libraries"]).exception, ImportError)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_takes_nothing_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Whatever was being written: the file is named, and what to do."""

    def fail(*_: object) -> None:
        raise OSError(number, "no more", "workspace/x")

    monkeypatch.setattr(click.Group, "invoke", fail)
    done = CliRunner().invoke(main, ["libraries"])
    assert done.exit_code == 1
    assert done.stderr.startswith("meshseek: ")
    assert "workspace/x" in done.stderr
    assert done.stderr.count("\n") == 1
