"""The ``meshseek`` command. Command modules import what is heavy only when they run."""

from __future__ import annotations

import errno
import logging
import re
import sys
from importlib import import_module
from pathlib import Path

import click

from meshseek import __version__
from meshseek.errors import MeshseekError
from meshseek.files import disk_error
from meshseek.untrusted.text import printable

COMMANDS = {
    "demo": "demo",
    "import": "stages",
    "render": "stages",
    "translate": "stages",
    "embed": "stages",
    "publish": "stages",
    "update": "upkeep",
    "libraries": "libraries",
    "forget": "libraries",
    "check": "upkeep",
    "clean": "upkeep",
    "backup": "backing_up",
    "restore": "backing_up",
    "plan": "planning",
    "tune": "tuning",
    "search": "searching",
    "list": "listing",
    "collect": "collecting",
    "evaluate": "evaluating",
    "serve": "serving",
    "mcp": "agents",
    "doctor": "doctor",
    "keys": "keys",
    "status": "database",
    "db": "database",
    "bench": "benchmarking",
}
"""Each command and the module that holds it, in the order of use."""
OUT_OF_MEMORY = (
    "there is not enough memory for this; end other programs, give it more, or set MESHSEEK_WORKERS to 1, "
    "then run the same command again: what is finished is kept"
)
NO_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""What a disk says that is full or takes nothing more: no command is at fault, whatever it was writing."""
_NO_ROOM = re.compile("annot allocate memory|failed to map segment|can't start new thread")
"""What is said where a library or a thread does not fit into memory."""


class _Commands(click.Group):
    """Imports a command's module when the command is needed, and shows deliberate errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a foreseen failure is one line on stderr and exit status 1."""
        try:
            return super().invoke(ctx)
        except MeshseekError as error:
            click.echo(printable(f"meshseek: {error}"), err=True)
            sys.exit(1)
        except (MemoryError, ImportError, RuntimeError, OSError) as error:
            if isinstance(error, OSError) and error.errno in NO_WRITING:
                line = str(disk_error(error, Path(error.filename or ".")))
            elif isinstance(error, MemoryError) or _NO_ROOM.search(str(error)):
                line = OUT_OF_MEMORY
            else:
                raise
            del error  # with what it holds, so that there is room for the line
            click.echo(printable(f"meshseek: {line}"), err=True)
            sys.exit(1)


class _Printable(logging.Formatter):
    """Names of files and assets are others' words: a terminal must not obey them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="meshseek")
def main() -> None:
    """Search 3D assets with words in English or Chinese, or with a picture."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Printable())
