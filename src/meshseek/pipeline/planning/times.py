"""How long each stage takes; what depends on a model is only told where that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshseek.pipeline.planning.algorithms import Facts
from meshseek.pipeline.planning.amounts import Amounts
from meshseek.pipeline.planning.machine import Machine
from meshseek.store.codes.book import lists_for
from meshseek.store.indexes import INDEXES
from meshseek.store.write.index_build import BuildPlan, plan_build

IMPORT_ASSET, IMPORT_PICTURE = 3.0e-4, 2.0e-5
"""Seconds of one core for an asset of G-Objaverse and for each of its pictures, which is looked at and not read; a tree
of 5,000 assets, whose models stay on their server."""
RENDER_PICTURE = 0.5
"""Of one core, 512 pixels; 344 pictures of furniture."""
LOAD_VECTOR, LOAD_ASSET = 7.5e-6, 6.5e-5
"""A vector of 768 numbers, and an asset with its words: of a publication of 1,000,000 assets of 8 views that took 406 s
on two cores that did nothing else. Views took 60 s, all else 80 s."""
LEARN_CODES, CODE_VECTOR, CODE_VIEW, CODE_LIST = 1.2, 2.9e-5, 7.9e-6, 3.8e-8
"""For captions of a language or centroids; then each of them, and each view, of 768 numbers: 60 s and 63 s of it. For
each of them and each list that it may be in: such a publication takes 78 s longer since there are lists."""
FINISH_ASSET = 1.4e-4
"""What has no bar: reading the tables, plain indexes, counting, the file of codes: the rest of it, of which looking at
what there is took half."""
FINISH = 3.0
"""Of any publication: the server starts, and scores are calibrated."""
CHANGE_ASSET = 1.1e-4
"""Of each asset of that library where one in a hundred was changed in place: 114 s, most of it for looking at them."""
CHANGED = "again, 1 % changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a model works, in seconds of the whole machine."""

    picture: float
    caption: float | None
    source: str
    """Where that is from."""


def build_plans(
    graphs: Mapping[str, int], facts: Facts, index_kind: str, machine: Machine, free: int
) -> list[BuildPlan]:
    """What building each graph takes, as it will be told when it is built.

    Args:
        graphs: Vectors in each.
        facts: Of the algorithm.
        index_kind: What the library is asked by.
        machine: Where it is built.
        free: Bytes of its memory that are free; half of them are used.
    """
    node = INDEXES.load(index_kind)().node(facts.dim)
    return [plan_build(rows, facts.dim, node, free=free // 2, cores=machine.cores) for rows in graphs.values()]


def stage_seconds(
    amounts: Amounts, facts: Facts, machine: Machine, index_kind: str, builds: list[BuildPlan]
) -> dict[str, float | None]:
    """Seconds of each stage that has something to do, in their order; None where only a measurement could tell."""
    vectors = amounts.english + amounts.chinese + amounts.views + amounts.with_views
    captions = amounts.english + amounts.chinese
    seconds: dict[str, float | None] = {
        "import": amounts.assets * IMPORT_ASSET + amounts.brought * IMPORT_PICTURE,
        "render": amounts.rendered * RENDER_PICTURE / machine.cores,
        "embed captions": None,
        "embed views": None,
        "publish: load": vectors * LOAD_VECTOR * facts.dim / 768 + amounts.assets * LOAD_ASSET,
        "publish: graphs": sum(build.seconds for build in builds),
        "publish: codes": _codes_seconds(amounts, facts, index_kind),
        "publish: the rest": amounts.assets * FINISH_ASSET + FINISH,
        CHANGED: amounts.assets * CHANGE_ASSET + FINISH if INDEXES.load(index_kind).has_codes else 0,
    }
    absent = {"embed captions": not captions, "embed views": not amounts.pictures}
    return {name: taken for name, taken in seconds.items() if taken != 0 and not absent.get(name)}


def _codes_seconds(amounts: Amounts, facts: Facts, index_kind: str) -> float:
    if not INDEXES.load(index_kind).has_codes:
        return 0
    columns = [amounts.captioned] * (1 + (amounts.chinese > 0)) + [amounts.with_views] * (amounts.with_views > 0)
    each = sum(count * (CODE_VECTOR + CODE_LIST * lists_for(count)) for count in columns) + amounts.views * CODE_VIEW
    return LEARN_CODES * len(columns) + each * facts.dim / 768
