"""What a paid service would cost, and whether the user wants it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import click

from meshseek.interfaces.cli.options import show
from meshseek.model import Estimate

Command = TypeVar("Command", bound=Callable[..., Any])


def payment(command: Command) -> Command:
    """``--dry-run`` and ``--yes``."""
    for option in (
        click.option("--yes", is_flag=True, help="Send to a paid service without asking."),
        click.option("--dry-run", is_flag=True, help="Show what a paid service would cost, and send nothing."),
    ):
        command = option(command)
    return command


def agreed(estimate: Estimate | None, *, dry_run: bool, yes: bool, as_json: bool) -> bool:
    """Show what it would cost, and ask unless nothing is paid; False where nothing is to be sent.

    Raises:
        click.UsageError: There is nobody to ask.
    """
    if dry_run:
        value = {"paid": estimate is not None, **(asdict(estimate) if estimate else {})}
        show(value, as_json=as_json, text=str(estimate) if estimate else "none of this costs anything")
        return False
    if estimate is None or not estimate.items:
        return True
    click.echo(str(estimate), err=True)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError(
            "this costs money, and there is no terminal to ask on: give --yes, or --dry-run to see the price"
        )
    return click.confirm("Send it?", err=True)
