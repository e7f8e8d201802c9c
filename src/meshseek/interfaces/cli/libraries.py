"""The libraries of a workspace: which they are, and what the user wants out of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.interfaces.cli.options import application, show, workspace_options

if TYPE_CHECKING:
    from meshseek.pipeline.standing import Standing
    from meshseek.workspace.workspace import Workspace

LEAVES = "the next 'meshseek update' takes them out of the search, 'meshseek clean' then deletes their files"


@click.command("libraries")
@workspace_options
def libraries_command(*, workspace: Path | None, as_json: bool) -> None:
    """List the libraries and their state.

    For each: where it comes from, its assets, its last import, and what is outdated.
    """
    with application(workspace=workspace, needs="workspace") as meshseek:
        libraries = _libraries(meshseek.workspace)
    text = "\n".join(map(_as_text, libraries)) or "no library was imported; run 'meshseek import DATASET PATH'"
    show(libraries, as_json=as_json, text=text)


@click.command("forget")
@click.argument("asset_ids", nargs=-1, metavar="[ASSET_ID]...")
@click.option("--library", help="Forget a whole library.")
@workspace_options
def forget_command(*, asset_ids: tuple[str, ...], library: str | None, workspace: Path | None, as_json: bool) -> None:
    """Take assets or a library out of the workspace.

    The library's own files are left alone. A forgotten asset stays out at later imports; 'import --recall' brings it
    back.
    """
    if bool(asset_ids) == (library is not None):
        raise click.UsageError("name either assets, or a library with --library")
    with application(workspace=workspace, needs="workspace") as meshseek, meshseek.workspace.lock("import"):
        libraries = meshseek.workspace.libraries
        if library is not None:
            record = libraries.named(library)
            count = len(libraries.listing_before(record))
            libraries.remove(record)
        else:
            count = len(set(asset_ids))
            libraries.forget(asset_ids)
    show({"forgotten": count}, as_json=as_json, text=f"forgot {count:,} assets; {LEAVES}")


def _libraries(workspace: Workspace) -> list[dict[str, Any]]:
    from meshseek.pipeline.standing import standings

    known = standings(workspace, workspace.algorithms())
    if not workspace.libraries.are_known:
        return [_described({"name": None, "dataset": None, "path": None}, standing) for standing in known.values()]
    return [
        _described(
            {
                "name": library.name,
                "dataset": library.dataset,
                "path": library.path,
                "captions": library.captions,
                "imported_at": library.imported_at,
                "forgotten": len(library.forgotten),
            },
            known[library.name],
        )
        for library in workspace.libraries.all()
    ]


def _described(library: dict[str, Any], standing: Standing) -> dict[str, Any]:
    return {
        **library,
        "assets": standing.assets,
        "waiting": dict(standing.waiting),
        "outdated": dict(standing.outdated),
        "skipped": dict(standing.skipped),
    }


def _as_text(library: dict[str, Any]) -> str:
    name, origin = library["name"] or "(imported before libraries had names)", library["dataset"]
    first = f"{name}: {library['assets']:,} assets"
    if origin is not None:
        first += f", {origin} {library['path']}, imported {library['imported_at'] or 'in part'}"
    lines = [first]
    lines += [f"  {count:,} outdated; run '{stage}'" for stage, count in library["outdated"].items()]
    lines += [f"  {count:,} waiting for '{stage}'" for stage, count in library["waiting"].items()]
    lines += [f"  {count:,} skipped by '{stage}'" for stage, count in library["skipped"].items()]
    if library.get("forgotten"):
        lines.append(f"  {library['forgotten']:,} forgotten")
    return "\n".join(lines)
