"""How a stage tells what it does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from meshseek.untrusted.text import printable


class Reporter(Protocol):
    """Shows the progress of stages."""

    def say(self, message: str) -> None:
        """Show one line."""

    def bar(self, title: str, total: int) -> contextlib.AbstractContextManager[Callable[[int], None]]:
        """Show a progress bar; the value is called with the number of steps made."""


class ConsoleReporter:
    """Bars and lines on the terminal's error stream, so that standard output stays for results."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, message: str) -> None:
        """Show one line."""
        self.console.print(printable(message), markup=False)

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a progress bar with the time that is left; nothing where there is no terminal to draw on."""
        if not self.console.is_terminal:
            yield lambda _: None
            return
        columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, *times, console=self.console, transient=True) as progress:
            task = progress.add_task(title, total=total)
            yield lambda steps: progress.advance(task, steps)


class SilentReporter:
    """Shows nothing."""

    def say(self, message: str) -> None:
        """Drop the line."""

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Drop the steps."""
        del title, total
        yield lambda _: None
