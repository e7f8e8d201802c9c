"""Every command that a message names as a cure is one that exists, with the options and arguments it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from meshseek.interfaces.cli import main
from meshseek.pipeline.publish import CURES

ROOT = Path(__file__).parents[2]
QUOTED = re.compile(r"'meshseek ([^'\n]+?)'")
STANDS_FOR = {
    "DATASET": "folder",
    "PATH": "models",
    "FOLDER": "models",
    "NAME": "lite",
    "DIR": "workspace",
    "N": "8",
    r"\{[^}]*\}": "lite",
}
"""What stands for the user's own words, and for what is filled in: an algorithm or a library."""


def named_commands() -> dict[str, list[str]]:
    """The commands that messages name, each with the files that do."""
    named: dict[str, list[str]] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        joined = re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8"))  # a sentence goes over several lines
        for command in QUOTED.findall(joined):
            if command != "{cure}":  # those follow
                named.setdefault(command, []).append(path.name)
    return named | {key: ["publish.py"] for key in CURES.values()}


@pytest.mark.parametrize("command", named_commands())
def test_a_cure_is_a_command(command: str) -> None:
    """It is parsed as if it were typed; nothing is run."""
    for name, value in STANDS_FOR.items():
        command = re.sub(rf"(?<!-)\b{name}\b" if name.isalpha() else name, value, command)
    name, *arguments = shlex.split(command)
    group: click.Command | None = main
    with click.Context(main) as context:
        while isinstance(group, click.Group):
            group = group.get_command(context, name)
            assert group is not None, f"there is no command '{name}'"
            if isinstance(group, click.Group):
                name, *arguments = arguments
        assert group is not None
        try:
            group.make_context(name, arguments, parent=context)
        except click.UsageError as error:
            pytest.fail(f"{named_commands()}: {error.format_message()}")


def test_there_are_cures() -> None:
    """The commands are found in the source."""
    assert len(named_commands()) > 10
