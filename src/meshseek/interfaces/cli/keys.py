"""``meshseek keys``: who may ask the services of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.access.keys import SCOPES, Scope, expiry, make_key
from meshseek.interfaces.cli.options import application, show, workspace_options

if TYPE_CHECKING:
    from datetime import datetime

    from meshseek.access.keys import Key

HEADINGS = ("name", "scope", "created", "last used", "expires")


@click.group("keys")
def keys_command() -> None:
    """Say who may ask the API and the page.

    Keys are needed where a service can be reached from other machines. They are sent as 'Authorization: Bearer KEY'.
    """


@keys_command.command("add")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default="read",
    show_default=True,
    help="read: search, see and download; write: also what costs money or much time; admin: also metrics and details.",
)
@click.option(
    "--expires", metavar="90d|DATE", help="When it ends: after so many days, or with a day such as 2027-01-31."
)
@workspace_options
def add_command(*, name: str, scope: Scope, expires: str | None, workspace: Path | None, as_json: bool) -> None:
    """Make a key and show it, this once: only its hash is kept."""
    from meshseek.access.keys_file import KeysFile

    text, key = make_key(name, scope, None if expires is None else expiry(expires))
    with application(workspace=workspace, needs="published") as meshseek:
        KeysFile(meshseek.workspace.folder).add(key)
    if not as_json:
        click.echo("keep it now: it is not shown again", err=True)
    show({**_described(key, None), "key": text}, as_json=as_json, text=text)


@keys_command.command("list")
@workspace_options
def list_command(*, workspace: Path | None, as_json: bool) -> None:
    """Show all keys, and when each was last used."""
    from meshseek.access.keys_file import KeysFile
    from meshseek.access.ring import LastUsed

    with application(workspace=workspace, needs="published") as meshseek:
        folder = meshseek.workspace.folder
        used = LastUsed(folder).read()
        keys = [_described(key, used.get(key.id)) for key in KeysFile(folder).read()]
    show(keys, as_json=as_json, text=_table(keys) or "there are no keys; run 'meshseek keys add NAME' to make one")


@keys_command.command("revoke")
@click.argument("name")
@workspace_options
def revoke_command(*, name: str, workspace: Path | None, as_json: bool) -> None:
    """Make a key useless, within a second and for running services as well."""
    from meshseek.access.keys_file import KeysFile

    with application(workspace=workspace, needs="published") as meshseek:
        key = KeysFile(meshseek.workspace.folder).revoke(name)
    show({"revoked": key.name}, as_json=as_json, text=f"revoked '{key.name}'")


def _described(key: Key, used: datetime | None) -> dict[str, Any]:
    return {
        "name": key.name,
        "scope": key.scope,
        "created": key.created.isoformat(),
        "last_used": used.isoformat() if used else None,
        "expires": key.expires.isoformat() if key.expires else None,
    }


def _table(keys: Sequence[dict[str, Any]]) -> str:
    if not keys:
        return ""
    rows = [HEADINGS, *((str(value or "never") for value in key.values()) for key in keys)]
    cells = [[cell.removesuffix("+00:00") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
