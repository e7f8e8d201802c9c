"""Taking assets away: their models, with whom to name for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.interfaces.cli.options import application, show, workspace_options
from meshseek.licences import USE_NAMES

if TYPE_CHECKING:
    from meshseek.collecting.local import LocalBasket


@click.command("collect")
@click.argument("asset_ids", nargs=-1, metavar="[ASSET_ID]...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.zip|FOLDER",
    help="Where to: a zip, or a folder that is not there yet.",
)
@click.option(
    "--use", "uses", multiple=True, type=click.Choice(USE_NAMES), help="Warn where a licence does not allow this."
)
@click.option("--from", "listed", type=click.Path(path_type=Path), help="A file with more ids, one a line.")
@click.option("--blender", is_flag=True, help="Make the folder an asset library for Blender, where bpy is installed.")
@workspace_options
def collect_command(
    *,
    asset_ids: tuple[str, ...],
    out: Path,
    uses: tuple[str, ...],
    listed: Path | None,
    blender: bool,
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Collect the models of assets, with ATTRIBUTION.md and attribution.csv.

    The exit status is 1 if a model is missing in the workspace, or Blender cannot read one; the others are collected,
    and what is missing is told in the files.
    """
    from meshseek.collecting.asked import checked_ids, checked_uses, ids_in
    from meshseek.collecting.local import LocalBasket
    from meshseek.errors import BasketError

    out = out.absolute()
    is_zip = out.suffix.lower() == ".zip"
    if is_zip and blender:
        raise BasketError("a library for Blender is a folder; give --out a name without .zip")
    ids = checked_ids([*asset_ids, *(ids_in(listed) if listed else ())])
    with application(workspace=workspace, needs="workspace") as meshseek:
        basket = LocalBasket.read(meshseek.workspace, ids, checked_uses(uses), with_views=blender)
        if is_zip:
            basket.write_zip(out)
        told = {} if is_zip else _write_folder(basket, out, meshseek.settings.asset_seconds if blender else None)
    value = {**_described(basket, out), **told}
    show(value, as_json=as_json, text="\n".join(_lines(value)))
    if value["missing"] or value.get("blender_failed"):
        raise SystemExit(1)


def _write_folder(basket: LocalBasket, out: Path, blender_seconds: float | None) -> dict[str, Any]:
    """Write a folder, for Blender where it is told how long that may take an asset; what is to be said of that."""
    from meshseek.collecting.blender import BlenderLibrary
    from meshseek.collecting.blender_process import lacking

    if blender_seconds is None:
        basket.write_folder(out)
        return {}
    why_not = lacking()
    if why_not is not None:
        basket.write_folder(out)
        return {"blender": None, "blender_lacks": why_not}
    library = BlenderLibrary(basket, blender_seconds)
    basket.write_folder(out, library.write)
    return {"blender": len(basket.there) - len(library.failed), "blender_failed": library.failed}


def _described(basket: LocalBasket, out: Path) -> dict[str, Any]:
    from meshseek.collecting.cautions import warnings_of

    return {
        "out": str(out),
        "models": len(basket.there),
        "missing": {credit.asset_id: credit.missing for credit in basket.credits if credit.missing is not None},
        "warnings": warnings_of(basket.credits, basket.uses),
    }


def _lines(value: dict[str, Any]) -> list[str]:
    count = value["models"]
    lines = [f"collected {count:,} model{'s' * (count != 1)} in {value['out']}"]
    if value.get("blender") is not None:
        lines.append(f"made {value['blender']:,} .blend files of them, and the lists of a remote library for Blender")
    elif "blender_lacks" in value:
        lines.append(f"the folder has the models alone: {value['blender_lacks']}")
    lines += [f"no .blend of '{key}': {reason}" for key, reason in value.get("blender_failed", {}).items()]
    lines += [f"missing: '{key}': {reason}" for key, reason in value["missing"].items()]
    return lines + [f"warning: {warning}" for warning in value["warnings"]]
