"""Options that several commands share, and what they become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from meshseek.embedders import EMBEDDERS

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek

Command = TypeVar("Command", bound=Callable[..., Any])


def common(command: Command) -> Command:
    """``--workspace``, ``--max-assets`` and ``--json``."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        click.option("--max-assets", type=click.IntRange(1), help="Take only the first so many assets, for trials."),
        click.option(
            "--workspace", type=click.Path(path_type=Path), help="Folder of all outputs.  [default: workspace]"
        ),
    ):
        command = option(command)
    return command


def algorithm(command: Command) -> Command:
    """``--algorithm``."""
    names = EMBEDDERS.names
    option = click.option(
        "--algorithm", type=click.Choice(names), default="lite", show_default=True, help="How things are compared."
    )
    return option(command)


@contextmanager
def application(**settings: Any) -> Iterator[Meshseek]:
    """Everything that a command needs, closed at its end."""
    from meshseek.bootstrap import Meshseek
    from meshseek.settings import read_settings

    meshseek = Meshseek(read_settings(**settings))
    try:
        yield meshseek
    finally:
        meshseek.close()


def show(value: Any, *, as_json: bool, text: str) -> None:
    """Print a result on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2) if as_json else text)
