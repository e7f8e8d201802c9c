"""Options that several commands share, and what they become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from meshseek.datasets import DATASETS
from meshseek.embedders import EMBEDDERS
from meshseek.errors import WorkspaceError
from meshseek.pipeline.engines import ENGINES
from meshseek.untrusted.text import printable
from meshseek.viewpoints import MOST_VIEWS

if TYPE_CHECKING:
    from meshseek.bootstrap import Meshseek
    from meshseek.model import ViewCount

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


class Algorithms(click.ParamType[Any]):
    """One algorithm, or several with commas between them."""

    name = "algorithms"
    _one: click.ParamType[Any] = click.Choice(EMBEDDERS.names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Their names."""
        if isinstance(value, tuple):
            return value
        return tuple(self._one.convert(name.strip(), param, ctx) for name in str(value).split(","))


def algorithms(command: Command) -> Command:
    """``--algorithm``, of which there may be several."""
    names = "|".join(EMBEDDERS.names)
    option = click.option(
        "--algorithm",
        "algorithms",
        type=Algorithms(),
        default="lite",
        show_default=True,
        metavar=f"[{names}][,...]",
        help="Embedding algorithm, or several of which the scores are joined, as in lite,siglip.",
    )
    return option(command)


def engine(command: Command) -> Command:
    """``--engine`` and ``--address``."""
    kinds = click.Choice(ENGINES.names)
    for option in (
        click.option("--address", "engine_address", help="Of the engine's cluster.  [default: this machine alone]"),
        click.option("--engine", type=kinds, help="What has the work done.  [default: local, or as the settings say]"),
    ):
        command = option(command)
    return command


class Layout(click.Choice[str]):
    """A dataset; one that was renamed is also known by its former name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name that it has now."""
        return super().convert(DATASETS.present(str(value)), param, ctx)


class Views(click.ParamType[Any]):
    """A number of views, or ``all``."""

    name = f"1-{MOST_VIEWS}|all"
    _number = click.IntRange(1, MOST_VIEWS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ViewCount:
        """The value that was typed."""
        if value != "all" and not str(value).lstrip("-").isdecimal():
            self.fail(f"'{value}' is neither 'all' nor a number", param, ctx)
        return "all" if value == "all" else self._number.convert(value, param, ctx)


class ViewRange(click.ParamType[Any]):
    """A number of views, or the fewest and the most of them: ``8`` or ``1-40``."""

    name = "N|N-N"
    _number: click.ParamType[Any] = click.IntRange(0, MOST_VIEWS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | None, int]:
        """The fewest, where they were given, and the most."""
        fewest, dash, most = str(value).rpartition("-")
        if not all(number.isdecimal() for number in ([fewest, most] if dash else [most])):
            self.fail(f"'{value}' is neither a number nor two with a dash between them", param, ctx)
        numbers = self._number.convert(fewest, param, ctx) if dash else None, self._number.convert(most, param, ctx)
        if numbers[0] is not None and numbers[0] > numbers[1]:
            self.fail(f"'{value}' is from more to less; give the smaller number first", param, ctx)
        return numbers


@contextmanager
def application(*, needs: Literal["workspace", "published"] | None = None, **settings: Any) -> Iterator[Meshseek]:
    """Everything that a command needs, closed at its end.

    Args:
        needs: What the command cannot do without, and must not make: a workspace; or, unless a database server of the
            user's own has what is published, likewise.
        settings: Those that the user gave.

    Raises:
        WorkspaceError: There is no workspace, and no other server that has what is published.
    """
    from meshseek.bootstrap import Meshseek
    from meshseek.settings import read_settings

    meshseek = Meshseek(read_settings(**settings))
    folder = meshseek.settings.workspace
    elsewhere = needs == "published" and meshseek.settings.has_named_servers
    if needs is not None and not elsewhere and not meshseek.workspace.is_there:
        raise WorkspaceError(
            f"there is no workspace {folder}; check --workspace, or run 'meshseek import DATASET PATH' to make one"
        )
    try:
        yield meshseek
    finally:
        meshseek.close()


def show(value: Any, *, as_json: bool, text: str) -> None:
    """Print a result on standard output; whatever assets say of themselves, no terminal obeys it."""
    click.echo(printable(json.dumps(value, ensure_ascii=False, indent=2) if as_json else text))
