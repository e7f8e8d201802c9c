"""Measures import, status and update with nothing to do on a G-Objaverse tree of true size: seconds, memory, growth.

``make bench-tree`` takes 100,000 assets of 40 viewpoints and an id map of 1,000,000, and the same with a quarter of the
assets and of the map; ``make bench-tree ARGS="--assets 1000000 --shared"`` takes the whole. What is measured are names
and tables: the pictures are tiny, and vectors are made up for them. With ``--known`` no larger than ``--assets`` the
memory of a larger tree is foretold, as id map, captions and assets then grow alike.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from commands import Taken, run_meshseek
from common import Report
from gobjaverse_tree import NoRoomError, Tree, TreeSize, add_arguments, make_tree, size_of

from meshseek.embedders import EMBEDDERS, EmbedderOptions
from meshseek.embedders.synthetic import Synthetic, model_name
from meshseek.model import Asset
from meshseek.pipeline.embed import preview
from meshseek.pipeline.synthetic import ALGORITHM
from meshseek.pipeline.world import embed_world
from meshseek.reporting import SilentReporter
from meshseek.viewpoints import evenly, views_fingerprint
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.halves import COLUMN, to_column
from meshseek.workspace.made_from import caption_sources
from meshseek.workspace.tables import SOURCE_OF
from meshseek.workspace.workspace import Workspace

PART = 4
"""So much smaller is the tree that growth is measured by."""
DIM = 16
LOT = 4096
LIMIT_MEMORY_MB = 2000.0
LIMIT_EXPONENT = 1.15
"""CPU seconds grow with the assets to this power at most."""
FORETOLD = 1_000_000


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add_arguments(parser)
    parser.add_argument("--folder", type=Path, help="keep the trees and workspaces here, for another run")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    report = Report("A G-Objaverse tree, metadata only")
    whole = size_of(arguments)
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        folder = arguments.folder or Path(temporary)
        try:
            parts = [_measure(size, folder) for size in (_part(whole), whole)]
        except NoRoomError as error:
            raise SystemExit(str(error)) from error
    report.table("Commands", list(_rows(whole, *parts)))
    report.write(arguments.json)


def _part(size: TreeSize) -> TreeSize:
    assets = max(1, size.assets // PART)
    return replace(size, assets=assets, known=max(assets, size.known // PART))


def _measure(size: TreeSize, folder: Path) -> dict[str, Taken]:
    """What each command takes."""
    place = folder / f"{size.assets}-assets-{size.views}-views"
    print(f"making {place}\n", flush=True)
    tree = make_tree(size, place)
    run = partial(run_meshseek, workspace=place / "workspace")
    importing = partial(run, *_import_of(tree))
    taken = {"import": importing(), "import, nothing to do": importing()}
    embed_made_up(Workspace(place / "workspace"))
    taken["publish"] = run("publish", "--algorithm", ALGORITHM, "--index", "exact")
    run("update")  # what the stages had left
    for title, arguments in {
        "status": ["status"],
        "update --dry-run, nothing to do": ["update", "--dry-run"],
        "update, nothing to do": ["update", "--json"],
    }.items():
        taken[title] = run(*arguments)
    _expect_nothing_done(taken["update, nothing to do"].printed)
    return taken


def _import_of(tree: Tree) -> list[str]:
    return ["import", "gobjaverse", str(tree.root), "--id-map", str(tree.id_map), "--captions", str(tree.captions)]


def _expect_nothing_done(printed: str) -> None:
    done = [stage for stage in json.loads(printed)["stages"] if stage["done"] or stage["skipped"]]
    if done:
        raise SystemExit(f"there was something to do: {done}")


def embed_made_up(workspace: Workspace) -> None:
    """Write vectors as the embed stage would have, of what the assets are now."""
    embedder = Synthetic(EmbedderOptions(model=model_name(0, 0.95), dim=DIM, languages=("english",)))
    values = {"languages": list(embedder.languages), "views": embedder.views, "code": EMBEDDERS.digest(ALGORITHM)}
    workspace.remembered.keep("embed", values, ALGORITHM)
    tables = {
        "caption_english": workspace.vectors_table(
            ALGORITHM, "caption_english", embedder.space, embedder.caption_basis
        ),
        "appearance": workspace.vectors_table(ALGORITHM, "appearance", embedder.space),
    }
    known = {source: table.fingerprints() for source, table in tables.items()}
    for lot in _lots(CurrentAssets(workspace)):
        for source, table in tables.items():
            rows = []
            for asset in lot:
                views, made_from = _wanted(asset, source, embedder)
                if made_from is not None and known[source].get(asset.asset_id) != made_from:
                    rows += [(asset.asset_id, view, made_from) for view in views]
            if rows:
                table.append_table(_table(rows))
    embed_world(embedder, ALGORITHM, workspace, SilentReporter())
    assert preview(embedder, ALGORITHM, workspace, max_assets=None) is None


def _wanted(asset: Asset, source: str, embedder: Synthetic) -> tuple[Sequence[int | None], str | None]:
    """Which vectors the embed stage would make of an asset, and from what; None where it has nothing of the source."""
    if source != "appearance":
        return [None], caption_sources(asset, embedder.caption_basis).get(SOURCE_OF["english"])
    if asset.views is None:
        return [], None
    chosen = evenly(asset.views.viewpoint_ids, embedder.views)
    return chosen, views_fingerprint(asset.views, chosen)


def _lots(assets: Any) -> Iterator[list[Any]]:
    lot: list[Any] = []
    for asset in assets:
        lot.append(asset)
        if len(lot) == LOT:
            yield lot
            lot = []
    yield lot


def _table(rows: list[tuple[str, int | None, str]]) -> pa.Table:
    vectors = np.random.default_rng(len(rows)).standard_normal((len(rows), DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids, views, made_from = zip(*rows, strict=True)
    columns = {
        "asset_id": pa.array(ids, pa.string()),
        "viewpoint_id": pa.array(views, pa.int16()),
        "fingerprint": pa.array(made_from, pa.string()),
        COLUMN: to_column(vectors.astype(np.float16)),
    }
    return pa.table(columns)


def _rows(size: TreeSize, small: dict[str, Taken], large: dict[str, Taken]) -> Iterator[dict[str, Any]]:
    shown: Callable[[float], float] = partial(round, ndigits=2)
    for title, taken in large.items():
        exponent = math.log(taken.cpu / small[title].cpu) / math.log(PART)
        each = (taken.peak - small[title].peak) / (size.assets - _part(size).assets)  # MB
        foretold = taken.peak + each * max(0, FORETOLD - size.assets)
        yield {
            "command": title,
            "assets": size.assets,
            "seconds": shown(taken.seconds),
            "CPU seconds": shown(taken.cpu),
            f"CPU seconds with 1/{PART}": shown(small[title].cpu),
            "grows with assets to the power of": shown(exponent),
            f"limit {LIMIT_EXPONENT:g}": "kept" if exponent <= LIMIT_EXPONENT else "exceeded",
            "peak MB": round(taken.peak),
            f"peak MB with 1/{PART}": round(small[title].peak),
            "bytes an asset": round(each * 2**20),
            **({f"MB at {FORETOLD:,}, extrapolated": round(foretold)} if size.known == size.assets else {}),
            f"limit {LIMIT_MEMORY_MB:,.0f} MB": "kept" if taken.peak <= LIMIT_MEMORY_MB else "exceeded",
        }


if __name__ == "__main__":
    main()
