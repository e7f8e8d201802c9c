"""Runs command lines: as processes of their own, or here, where imports and the model of ``lite`` are there already.

A process takes a second for its imports, another where it loads ``lite``, and another for each worker that it starts.
It is right where the process is what is tested: that it starts, how it ends, what it does when it is killed.
``python -m tests.command_lines`` runs many in one new process, for those that need another package than ours.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner

from meshseek.embedders import EMBEDDERS, Embedder, EmbedderOptions
from meshseek.interfaces.cli import main
from meshseek.settings import Settings, read_settings
from tests.shared_lite import shared_lite

Ended = subprocess.CompletedProcess[str]
SECONDS = 300


def run_process(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Ended:
    """Run a command to its end, as a process."""
    return subprocess.run(
        [sys.executable, "-m", "meshseek", *arguments],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def run_here(arguments: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ended:
    """Run a command to its end, in this process alone; what is no deliberate error is raised."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with contextlib.chdir(cwd or Path.cwd()), _shared_models(), _without_workers():
            ended = CliRunner().invoke(main, [*arguments], env=dict(environment or {}), prog_name="meshseek")
    finally:
        root.handlers[:], root.level = handlers, level
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return Ended([*arguments], ended.exit_code, ended.stdout, ended.stderr)


@contextlib.contextmanager
def _shared_models() -> Iterator[None]:
    """Let every command use the same ``lite``, as the commands of one service would."""
    load = EMBEDDERS.load

    def shared(name: str) -> Callable[[EmbedderOptions], Embedder]:
        return shared_lite if name == "lite" else load(name)

    with mock.patch.object(EMBEDDERS, "load", shared):
        yield


def _without_workers() -> contextlib.AbstractContextManager[object]:
    """Let stages do their work in this process."""
    return mock.patch("meshseek.settings.read_settings", lambda **given: _no_workers(read_settings(**given)))


def _no_workers(settings: Settings) -> Settings:
    return settings.model_copy(update={"workers": 0})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another process that runs command lines."""

    _process: subprocess.Popen[str]

    def run(self, command_lines: Sequence[Sequence[str]], environment: Mapping[str, str], cwd: Path) -> list[Ended]:
        """Run commands one after the other, up to the first that fails."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {"command_lines": command_lines, "environment": dict(environment), "cwd": str(cwd)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        assert told, f"the process ended with {self._process.wait()}"
        values: list[dict[str, Any]] = json.loads(told)
        return [Ended(**value) for value in values]


@contextlib.contextmanager
def another_process(environment: Mapping[str, str]) -> Iterator[Elsewhere]:
    """Start a process with this environment; what it imports and loads for one command is there for the next."""
    command = [sys.executable, "-m", "tests.command_lines"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, **environment}, **pipes) as process:
        yield Elsewhere(process)


def run_together(command_lines: Sequence[Sequence[str]], environment: Mapping[str, str], cwd: Path) -> list[Ended]:
    """Run commands one after the other in one new process, up to the first that fails."""
    with another_process(environment) as process:
        return process.run(command_lines, {}, cwd)


def _run_all() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        told: list[dict[str, Any]] = []
        for arguments in asked["command_lines"]:
            ended = run_here(arguments, asked["environment"], Path(asked["cwd"]))
            kept = {"args": ended.args, "returncode": ended.returncode, "stdout": ended.stdout, "stderr": ended.stderr}
            told.append(kept)
            if ended.returncode:
                break
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _run_all()
