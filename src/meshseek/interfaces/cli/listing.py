"""The catalogue on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.errors import BusyError
from meshseek.interfaces.cli.facet_lines import facets_as_lines, facets_option
from meshseek.interfaces.cli.files import files_of
from meshseek.interfaces.cli.options import algorithm, application, common, show
from meshseek.interfaces.cli.searching import FILTER_HELP, parsed_filters
from meshseek.sizes import sides_in_cm
from meshseek.untrusted.text import plain

if TYPE_CHECKING:
    from meshseek.search.algorithm import Algorithm
    from meshseek.search.browsing import Browse, Listed, Shelf
    from meshseek.workspace.workspace import Workspace

ATTEMPTS = 2
"""To list a library that is published meanwhile."""


@click.command("list")
@algorithm
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE", help=FILTER_HELP)
@click.option(
    "--sort",
    default="name",
    show_default=True,
    help="name, faces, size (the longest side) or date (of the first import); with a minus before it, descending.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Assets at most.")
@click.option("--cursor", help="Go on after an earlier list of the same order and filters: what its --json gave.")
@facets_option
@common
def list_command(
    *,
    algorithm: str,
    filters: tuple[str, ...],
    sort: str,
    limit: int,
    cursor: str | None,
    facets: tuple[str, ...],
    workspace: Path | None,
    max_assets: int | None,
    as_json: bool,
) -> None:
    """List what is published, filtered and in an order."""
    from meshseek.search.browsing import MOST_LISTED, Browse

    page = min(limit, MOST_LISTED)
    wanted = Browse(filters=parsed_filters(filters), sort=sort, limit=page, cursor=cursor, facets=facets)
    with application(workspace=workspace, max_assets=max_assets, needs="published") as meshseek:
        shelf = _pages(meshseek.search_service.algorithm(algorithm), wanted, limit)
        value = _as_json(shelf, algorithm, meshseek.workspace) if as_json else None
    show(value, as_json=as_json, text=_as_text(shelf))


def _pages(algorithm: Algorithm, wanted: Browse, limit: int) -> Shelf:
    """So many assets of one version, from as many pages as it takes; what is told beside them is of the first.

    Raises:
        BusyError: Another version is published again and again.
    """
    for _ in range(ATTEMPTS):
        shelf = _of_one_version(algorithm, wanted, limit)
        if shelf is not None:
            return shelf
    raise BusyError("another version was published twice while it was listed; list it when publishing has ended")


def _of_one_version(algorithm: Algorithm, wanted: Browse, limit: int) -> Shelf | None:
    """The same, or None where another version was published meanwhile."""
    first = page = algorithm.browse(wanted)
    assets = [*first.assets]
    while page.cursor is not None and len(assets) < limit:
        rest = min(wanted.limit, limit - len(assets))
        page = algorithm.browse(replace(wanted, cursor=page.cursor, limit=rest, facets=()))
        if page.version != first.version:
            return None
        assets += page.assets
    return replace(first, assets=assets, cursor=page.cursor)


def _as_json(shelf: Shelf, algorithm: str, workspace: Workspace) -> dict[str, Any]:
    return {
        "assets": [_listed_as_json(listed, workspace) for listed in shelf.assets],
        "cursor": shelf.cursor,
        "total": shelf.total,
        "hint": shelf.hint,
        **(shelf.facets.as_plain() if shelf.facets else {}),
        "algorithm": algorithm,
        "version": shelf.version,
        "partial": shelf.shares.is_partial,
        "shards": shelf.shares.all,
        "shards_answered": shelf.shares.asked,
    }


def _listed_as_json(listed: Listed, workspace: Workspace) -> dict[str, Any]:
    asset = listed.asset
    viewpoint_id = next(iter(asset.viewpoint_ids), None)
    return {
        "asset_id": asset.asset_id,
        "caption_en": next(iter(asset.captions_english), None),
        "caption_zh": next(iter(asset.captions_chinese), None),
        "viewpoint_id": viewpoint_id,
        **files_of(workspace, asset, viewpoint_id),
        "attributes": dict(asset.attributes),
        "added": None if listed.added is None else _moment(listed.added).isoformat(),
    }


def _as_text(shelf: Shelf) -> str:
    lines = [_line(listed) for listed in shelf.assets]
    lines.append(f"{len(shelf.assets):,} of {shelf.total:,} assets" if lines else "no asset passes")
    if shelf.hint:
        lines.append(f"({shelf.hint})")
    if shelf.shares.is_partial:
        lines.append(f"(only {shelf.shares.asked} of {shelf.shares.all} shards answered; assets may be missing)")
    return "\n".join([*lines, *facets_as_lines(shelf.facets)])


def _line(listed: Listed) -> str:
    """Id, name, faces, size and date, as far as they are known."""
    asset = listed.asset
    name = asset.attributes.get("name")
    faces = asset.attributes.get("faces")
    sides = sides_in_cm(asset.attributes)
    told = [
        plain(str(name)) if name else next(map(plain, (*asset.captions_english, *asset.captions_chinese)), ""),
        f"{faces:,} faces" if isinstance(faces, int) else "",
        f"{_sides(sides)} cm" if sides and not any(map(math.isnan, sides)) else "",
        "" if listed.added is None else f"{_moment(listed.added):%Y-%m-%d}",
    ]
    return f"{asset.asset_id:<40}  " + "  ".join(filter(None, told))


def _sides(sides: Sequence[float]) -> str:
    return " x ".join(f"{side:.0f}" for side in sides)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
