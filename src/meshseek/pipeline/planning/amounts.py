"""How much there is of everything, of a library that is described or imported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from meshseek.errors import WorkspaceError
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
    table = workspace.assets_table()
    if not len(table):
        raise WorkspaceError(
            f"{workspace.folder} holds no assets; run 'meshseek import DATASET PATH' first, or describe a library "
            "with --assets"
        )
    most = facts.most(views or workspace.view_count(facts.algorithm))
    counts = _counted(table, most)
    bare = counts.assets - counts.with_views
    made = min(rendering, most or rendering)
    missing = max(0, bare - len(workspace.rendered_table()))
    kept = min(bare, missing + len(workspace.rendered_table())) * rendering
    pictures = counts.pictures + bare * made
    chinese = _translated(workspace) if "chinese" in facts.languages else 0
    return replace(
        counts,
        with_views=counts.assets,
        rendered=missing * rendering,
        kept=kept,
        viewpoints=counts.viewpoints + kept,
        pictures=pictures,
        views=counts.assets if facts.together else pictures,
        chinese=min(counts.english, counts.chinese + chinese) if "chinese" in facts.languages else 0,
        untranslated=max(0, counts.english - counts.chinese - chinese) if "chinese" in facts.languages else 0,
    )


def _translated(workspace: Workspace) -> int:
    """Assets that got Chinese captions of the translate stage; it also notes those that it had none for."""
    parts = workspace.chinese_captions_table().tables(columns=["asset_id", "captions"])
    return sum(_sum(pc.greater(pc.list_value_length(part["captions"]), 0)) for part in parts)


def _counted(table: ShardFolder, most: int | None) -> Amounts:
    """What the assets brought with them."""
    columns = ["asset_id", "captions_english", "captions_chinese", "viewpoint_ids", "attributes", "model_bytes"]
    names = ("assets", "with_views", "viewpoints", "pictures", "english", "chinese", "model_bytes")
    sums: dict[str, float] = dict.fromkeys(names, 0)
    sizes: dict[str, float] = dict.fromkeys(("rows", "ids", "captions", "attributes"), 0)
    for number, part in enumerate(table.tables(columns=columns)):
        views = pc.fill_null(pc.list_value_length(part["viewpoint_ids"]), 0)
        sums["assets"] += part.num_rows
        sums["with_views"] += _sum(pc.greater(views, 0))
        sums["viewpoints"] += _sum(views)
        sums["pictures"] += _sum(views if most is None else pc.min_element_wise(views, most))
        sums["model_bytes"] += _sum(part["model_bytes"])
        sums["english"] += _sum(pc.greater(pc.list_value_length(part["captions_english"]), 0))
        sums["chinese"] += _sum(pc.greater(pc.list_value_length(part["captions_chinese"]), 0))
        if number < SAMPLED:
            texts = [pc.list_flatten(part[f"captions_{language}"]) for language in ("english", "chinese")]
            sizes["rows"] += part.num_rows
            sizes["ids"] += _sum(pc.binary_length(part["asset_id"]))
            sizes["captions"] += sum(_sum(pc.binary_length(each)) for each in texts)
            sizes["attributes"] += _sum(pc.binary_length(part["attributes"]))
    rows = max(1, sizes.pop("rows"))
    ids, captions, attributes = (size / rows for size in sizes.values())
    return Amounts(
        **{name: int(count) for name, count in sums.items()},
        rendered=0,
        kept=0,
        views=0,
        untranslated=0,
        id_bytes=ids,
        caption_bytes=captions,
        attribute_bytes=attributes,
    )


def _sum(values: pa.ChunkedArray | pa.Array) -> int:
    return int(pc.sum(values).as_py() or 0)
