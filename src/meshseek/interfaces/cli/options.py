"""Options that several commands share, and what they become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from meshseek.embedders import EMBEDDERS
from meshseek.errors import WorkspaceError

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek

Command = TypeVar("Command", bound=Callable[..., Any])


def common(command: Command) -> Command:
    """``--workspace``, ``--max-assets`` and ``--json``."""
    few = "Take only the first N assets of each library, for trials."
    return workspace_options(click.option("--max-assets", type=click.IntRange(1), help=few)(command))


def workspace_options(command: Command) -> Command:
    """``--workspace`` and ``--json``."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
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
        "--algorithm", type=click.Choice(names), default="lite", show_default=True, help="Embedding algorithm."
    )
    return option(command)


@contextmanager
def application(*, must_exist: bool = False, **settings: Any) -> Iterator[Meshseek]:
    """Everything that a command needs, closed at its end.

    Args:
        must_exist: The command has nothing to do where there is no workspace, and must not make one.
        settings: Those that the user gave.

    Raises:
        WorkspaceError: There is no workspace, and no other server that has what is published.
    """
    from meshseek.bootstrap import Meshseek
    from meshseek.settings import read_settings

    meshseek = Meshseek(read_settings(**settings))
    folder = meshseek.settings.workspace
    if must_exist and meshseek.settings.database_url is None and not folder.is_dir():
        raise WorkspaceError(
            f"there is no workspace {folder}; check --workspace, or run 'meshseek import DATASET PATH' to make one"
        )
    try:
        yield meshseek
    finally:
        meshseek.close()


def show(value: Any, *, as_json: bool, text: str) -> None:
    """Print a result on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2) if as_json else text)
