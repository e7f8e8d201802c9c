"""Backing up a workspace with what is published of it, and restoring it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.embedders import EMBEDDERS
from meshseek.errors import InputError
from meshseek.interfaces.cli.options import application, show, workspace_options

if TYPE_CHECKING:
    from meshseek.pipeline.backup import BackupOptions
    from meshseek.store.postgres import Server

backup_folder = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))


@click.command("backup")
@backup_folder
@click.option("--keep", type=click.IntRange(1), help="Then remove all snapshots but the last N.  [default: keep all]")
@click.option("--verify", is_flag=True, help="Read every file again, and mend what is damaged in DIR.")
@click.option("--check", "only_check", is_flag=True, help="Make no snapshot; read those in DIR and compare digests.")
@click.option("--list", "only_list", is_flag=True, help="Make no snapshot; list those in DIR.")
@workspace_options
def backup_command(
    *,
    folder: Path,
    keep: int | None,
    verify: bool,
    only_check: bool,
    only_list: bool,
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Copy the workspace and what is published into DIR.

    Stages and searches may go on meanwhile. Only what is new since the last snapshot is copied. DIR holds what the
    workspace holds, keys and settings included: keep it where only you can read it.
    """
    if only_check + only_list + verify > 1 or ((only_check or only_list) and keep):
        raise InputError("--list, --check and --verify exclude each other, and --keep goes with a new snapshot only")
    if only_list:
        _list(folder, as_json=as_json)
    elif only_check:
        _check(folder, as_json=as_json)
    else:
        from meshseek.pipeline.backup import BackupOptions

        _back_up(folder.absolute(), BackupOptions(verify=verify, keep=keep), workspace, as_json=as_json)


@click.command("restore")
@backup_folder
@click.option("--snapshot", help="Name or number, as 'backup --list' shows it.  [default: the last one]")
@click.option("--yes", is_flag=True, help="Move aside what is in the workspace, and replace what is published.")
@workspace_options
def restore_command(*, folder: Path, snapshot: str | None, yes: bool, workspace: Path | None, as_json: bool) -> None:
    """Make a workspace, and what was published of it, from DIR.

    Every content is compared with its digest. Where a restore was interrupted, run the same command again: it goes on.
    """
    from meshseek.pipeline.restore import RestoreOptions, restore
    from meshseek.reporting import ConsoleReporter

    with _restoring(workspace) as (target, connect):
        options = RestoreOptions(snapshot=snapshot, yes=yes)
        summary = restore(folder.absolute(), target, connect, options, ConsoleReporter())
    show(summary.as_json(), as_json=as_json, text=str(summary))


@contextmanager
def _restoring(workspace: Path | None) -> Iterator[tuple[Path, Callable[[], Server]]]:
    """The workspace that is restored into, and its database server as the restored settings name it."""
    from meshseek.bootstrap import Meshseek
    from meshseek.settings import read_settings

    opened: list[Meshseek] = []

    def connect() -> Server:
        if not opened:
            opened.append(Meshseek(read_settings(workspace=workspace), restoring=True))
        return opened[0].server

    try:
        yield read_settings(workspace=workspace).workspace, connect
    finally:
        for meshseek in opened:
            meshseek.close()


def _back_up(folder: Path, options: BackupOptions, workspace: Path | None, *, as_json: bool) -> None:
    from meshseek.pipeline.backup import backup
    from meshseek.reporting import ConsoleReporter

    with application(workspace=workspace, needs="workspace") as meshseek:
        own = not meshseek.settings.has_named_servers
        nothing = own and not (meshseek.workspace.folder / "database").is_dir()  # no server is started for nothing
        names = [] if nothing else list(EMBEDDERS.names)
        reporter = ConsoleReporter()
        server = None if meshseek.settings.shards else meshseek.server
        if server is None:
            reporter.say("backup: databases on shards are left out; 'meshseek publish' makes them from the workspace")
        summary = backup(meshseek.workspace, server, names, folder, options, reporter)
    told = summary.details
    text = (
        f"backup: snapshot {told['snapshot']}, {summary.done:,} files new and {summary.already_there:,} as before, "
        f"{told['databases']} databases; {told['new bytes'] / 1e6:,.1f} MB copied of {told['bytes'] / 1e6:,.1f} MB, "
        f"{summary.seconds:.1f} s"
    )
    show(summary.as_json(), as_json=as_json, text=text)


def _check(folder: Path, *, as_json: bool) -> None:
    from meshseek.pipeline.backup_check import check_backups
    from meshseek.reporting import ConsoleReporter

    report = check_backups(folder.absolute(), ConsoleReporter())
    lines = [f"damaged: snapshot {name}: {fault}" for name, fault in report.faults.items()]
    whole = f"{report.snapshots:,} snapshots are whole; {report.contents:,} contents were read"
    cure = f"run 'meshseek backup {folder} --verify' to copy again what the workspace still has"
    show(report.as_json(), as_json=as_json, text="\n".join([*lines, cure] if lines else [whole]))
    if report.faults:
        raise SystemExit(1)


def _list(folder: Path, *, as_json: bool) -> None:
    from meshseek.pipeline.backup_check import list_snapshots

    listed = list_snapshots(folder.absolute())
    show(listed, as_json=as_json, text="\n".join(_listed(listed)) or "there is no finished snapshot")


def _listed(listed: list[dict[str, Any]]) -> Iterator[str]:
    for each in listed:
        if "damaged" in each:
            yield f"{each['snapshot']}  damaged: {each['damaged']}"
        else:
            published = ", ".join(f"{name} ({assets:,} assets)" for name, assets in each["databases"].items())
            size = f"{each['files']:>9,} files {each['bytes'] / 1e6:>12,.1f} MB"
            yield f"{each['snapshot']} {size}  {published or 'nothing published'}"
