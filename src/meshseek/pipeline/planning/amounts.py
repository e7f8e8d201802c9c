"""How much there is of everything, of a library that is described or imported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from meshseek.errors import WorkspaceError
from meshseek.model import LANGUAGES
from meshseek.pipeline.planning.algorithms import Facts

if TYPE_CHECKING:
    from meshseek.workspace.shards import ShardFolder
    from meshseek.workspace.workspace import Workspace

ID_BYTES, CAPTION_BYTES, ATTRIBUTE_BYTES = 12.0, 70.0, 200.0
"""Of an asset of G-Objaverse with Cap3D's caption, its uid, size and library."""
SAMPLED = 8
"""Shards of an imported library that texts are measured in: as many assets as that are much like the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What is planned for."""

    assets: int
    with_views: int
    """Assets that have pictures, or will be rendered."""
    rendered: int
    """Pictures that the render stage has still to make."""
    kept: int
    """Pictures that the workspace will hold: these, and those that were rendered."""
    model_bytes: int
    """Of all models in the workspace."""
    viewpoints: int
    """Pictures that there are, or will be: those that came with the library, and those in the workspace."""
    pictures: int
    """Those that an algorithm looks at."""
    views: int
    """Vectors of views."""
    english: int
    chinese: int
    """Vectors of captions."""
    untranslated: int
    """Assets with an English caption and no Chinese one."""
    id_bytes: float = ID_BYTES
    caption_bytes: float = CAPTION_BYTES
    """Of all captions of an asset, in the mean."""
    attribute_bytes: float = ATTRIBUTE_BYTES
    table_bytes: int | None = None
    """Of the assets' own table on the disk; None where there is none yet."""

    @property
    def brought(self) -> int:
        """Pictures that came with the library."""
        return self.viewpoints - self.kept

    @property
    def captioned(self) -> int:
        """Assets with a caption vector of any language."""
        return max(self.english, self.chinese)


def described(facts: Facts, *, assets: int, views: int, chinese: bool) -> Amounts:
    """A library of so many assets with as many pictures each, which are there, and an English caption each."""
    taken = min(views, facts.most(None) or views)
    in_chinese = assets if chinese and "chinese" in facts.languages else 0
    return Amounts(
        assets=assets,
        with_views=assets,
        rendered=0,
        kept=0,
        model_bytes=0,
        viewpoints=assets * views,
        pictures=assets * taken,
        views=assets * (1 if facts.together else taken),
        english=assets,
        chinese=in_chinese,
        untranslated=in_chinese,
    )


def imported(workspace: Workspace, facts: Facts, views: int | None, rendering: int) -> Amounts:
    """What is in a workspace.

    Args:
        workspace: With an imported library.
        facts: Of the algorithm that is planned for.
        views: How many pictures of each asset are to be embedded; None for as many as were last chosen for the
            algorithm, or else as it usually takes.
        rendering: How many pictures are made of an asset that has none.

    Raises:
        WorkspaceError: Nothing was imported, or a table is damaged.
    """
    most = facts.most(views or workspace.view_count(facts.algorithm))
    counts, ids = _counted(workspace, most)
    if not counts.assets:
        raise WorkspaceError(
            f"{workspace.folder} holds no assets; run 'meshseek import DATASET PATH' first, or describe a library "
            "with --assets"
        )
    bare = len(ids["bare"])
    rendered = _some(workspace.rendered_table(), ids["bare"])
    made = min(rendering, most or rendering)
    pictures = counts.pictures + bare * made
    chinese = _some(workspace.chinese_captions_table(), ids["english"], "captions")
    speaks = "chinese" in facts.languages
    return replace(
        counts,
        with_views=counts.assets,
        rendered=(bare - rendered) * rendering,
        kept=bare * rendering,
        viewpoints=counts.viewpoints + bare * rendering,
        pictures=pictures,
        views=counts.assets if facts.together else pictures,
        chinese=counts.chinese + chinese if speaks else 0,
        untranslated=len(ids["english"]) - chinese if speaks else 0,
        table_bytes=sum(shard["bytes"] for shard in workspace.assets_table().shards),
    )


def _some(table: ShardFolder, wanted: pa.ChunkedArray, filled: str | None = None) -> int:
    """How many of some assets have a row, or one with something in the column ``filled``."""
    count = 0
    for part in table.tables(columns=["asset_id", *([filled] if filled else [])]):
        rows = pc.is_in(part["asset_id"], wanted)
        count += _sum(pc.and_(rows, pc.greater(pc.list_value_length(part[filled]), 0)) if filled else rows)
    return count


def _counted(workspace: Workspace, most: int | None) -> tuple[Amounts, dict[str, pa.ChunkedArray]]:
    """What the assets brought with them; and ids of those without views, and of those with English captions only."""
    columns = ["asset_id", "captions_english", "captions_chinese", "viewpoint_ids", "attributes", "model_bytes"]
    names = ("assets", "with_views", "viewpoints", "pictures", "english", "chinese", "model_bytes")
    sums: dict[str, float] = dict.fromkeys(names, 0)
    sizes: dict[str, float] = dict.fromkeys(("rows", "ids", "captions", "attributes"), 0)
    ids: dict[str, list[pa.Array]] = {"bare": [], "english": []}
    for number, part in enumerate(workspace.asset_tables(columns)):
        views = pc.fill_null(pc.list_value_length(part["viewpoint_ids"]), 0)
        sums["assets"] += part.num_rows
        sums["with_views"] += _sum(pc.greater(views, 0))
        sums["viewpoints"] += _sum(views)
        sums["pictures"] += _sum(views if most is None else pc.min_element_wise(views, most))
        sums["model_bytes"] += _sum(part["model_bytes"])
        english, chinese = (pc.greater(pc.list_value_length(part[f"captions_{each}"]), 0) for each in LANGUAGES)
        sums["english"] += _sum(english)
        sums["chinese"] += _sum(chinese)
        ids["bare"] += part["asset_id"].filter(pc.equal(views, 0)).chunks
        ids["english"] += part["asset_id"].filter(pc.and_not(english, chinese)).chunks
        if number < SAMPLED:
            texts = [pc.list_flatten(part[f"captions_{language}"]) for language in LANGUAGES]
            sizes["rows"] += part.num_rows
            sizes["ids"] += _sum(pc.binary_length(part["asset_id"]))
            sizes["captions"] += sum(_sum(pc.binary_length(each)) for each in texts)
            sizes["attributes"] += _sum(pc.binary_length(part["attributes"]))
    rows = max(1, sizes.pop("rows"))
    id_bytes, caption_bytes, attribute_bytes = (size / rows for size in sizes.values())
    amounts = Amounts(
        **{name: int(count) for name, count in sums.items()},
        rendered=0,
        kept=0,
        views=0,
        untranslated=0,
        id_bytes=id_bytes,
        caption_bytes=caption_bytes,
        attribute_bytes=attribute_bytes,
    )
    return amounts, {name: pa.chunked_array(chunks, pa.string()) for name, chunks in ids.items()}


def _sum(values: pa.ChunkedArray | pa.Array) -> int:
    return int(pc.sum(values).as_py() or 0)
