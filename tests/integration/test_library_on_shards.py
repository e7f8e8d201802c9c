"""A library that lies on three shards answers as one server does; all are databases of one server here."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image
from tests.conftest import drop_databases
from tests.toy import embed_toys, toy

from meshseek.model import LABEL_FIELDS, Asset, ViewSet
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.search.algorithm import Algorithm
from meshseek.search.answer import Answer
from meshseek.search.parts import QueryPart
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.store.read.opening import open_library
from meshseek.store.shards import Shards
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

COUNT = 60
WORDS = ("red", "green", "blue", "old", "round", "small", "chair", "table", "lamp", "bed")
CHINESE = ("红色", "椅子", "台灯", "床", "旧")
PATTERNS = 12
"""Fewer than assets, so that some look just the same."""
SIDE = 16


def write_random(workspace: Workspace, seed: int, count: int = COUNT) -> list[str]:
    """A library of which little is known: words, copies, sizes and gaps of every kind; gives its ids."""
    chance = random.Random(seed)
    folders = [_draw(workspace.folder / "pictures" / str(number), seed + number) for number in range(PATTERNS)]
    assets = [_asset(number, chance, chance.choice(folders)) for number in range(count)]
    workspace.assets_table().append([asset_row(asset) for asset in assets])
    embed_toys(workspace)
    return [asset.asset_id for asset in assets]


def _asset(number: int, chance: random.Random, folder: Path) -> Asset:
    english = " ".join(chance.sample(WORDS, chance.randint(1, 4)))
    views = ViewSet(folder=folder, viewpoint_ids=(0, 1), fingerprint=str(folder))
    attributes = {
        "name": chance.choice([english, f"thing {number}"]),
        "category": chance.choice(WORDS[6:]),
        "tags": chance.sample(WORDS, 2),
        "creator": f"maker {chance.randint(0, 2)}",
        **({"faces": chance.randint(10, 1000)} if chance.random() < 0.8 else {}),
        **({"size": {"unit": "m", **_sides(chance)}} if chance.random() < 0.5 else {}),
    }
    return Asset(
        asset_id=f"things/{number:03d}",
        fingerprint="made",
        captions_english=(english,) if chance.random() < 0.9 else (),
        captions_chinese=("".join(chance.sample(CHINESE, 2)),) if chance.random() < 0.6 else (),
        views=views if chance.random() < 0.9 else None,
        attributes=attributes,
    )


def _sides(chance: random.Random) -> dict[str, float]:
    return {side: chance.randint(1, 9) / 10 for side in ("width", "depth", "height")}


def _draw(folder: Path, seed: int) -> Path:
    for viewpoint in range(2):
        pixels = np.random.default_rng([seed, viewpoint]).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        path = folder / f"{viewpoint:05d}" / f"{viewpoint:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(path)
    return folder


@dataclass(frozen=True, slots=True)
class Both:
    """The same library on one server and on shards."""

    ids: list[str]
    one: Algorithm
    shards: Algorithm


def shards_at(conninfo: str, prefix: str, count: int = 3) -> Shards:
    """Shards that are databases of one server."""
    return Shards([Server(lambda: conninfo, prefix) for _ in range(count)])


def algorithm_of(library: Library) -> Algorithm:
    """Searches in it."""
    return Algorithm("toy", library, lambda space: toy(space.model))


@pytest.fixture(scope="module", params=[("exact", 1), ("hnsw", 2)], ids=lambda param: param[0])
def both(request: pytest.FixtureRequest, conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A random library, published twice."""
    kind, seed = request.param
    workspace = Workspace(tmp_path_factory.mktemp("random") / "workspace")
    ids = write_random(workspace, seed)
    prefix = f"test_{uuid4().hex[:8]}_"
    one, shards = Server(lambda: conninfo, f"{prefix}one_"), shards_at(conninfo, prefix)
    libraries = []
    try:
        for databases in (one, shards):
            publish("toy", workspace, databases, index_kind=kind, max_assets=None, reporter=SilentReporter())
            libraries.append(open_library(databases, "toy"))
        yield Both(ids, *map(algorithm_of, libraries))
    finally:
        for library in libraries:
            library.close()
        drop_databases(conninfo, prefix)


def seen(answer: Answer) -> list[tuple[object, ...]]:
    """What is seen of an answer."""
    return [
        (hit.asset_id, round(hit.score, 5), hit.viewpoint_id, hit.relevance, hit.duplicates, hit.attributes)
        for hit in answer.hits
    ]


def some_queries(seed: int, ids: list[str], count: int) -> Iterator[Query]:
    """Queries of all kinds, at random."""
    chance = random.Random(seed)
    for _ in range(count):
        words = " ".join(chance.sample(WORDS, chance.randint(1, 3)))
        text = chance.choice([words, f'"{chance.choice(WORDS)}" {words}', "".join(chance.sample(CHINESE, 2))])
        pixels = np.random.default_rng(chance.randint(0, 9)).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels)
        parts = [
            QueryPart(text=text),
            QueryPart(image=picture),
            QueryPart(text=f"1 {chance.choice(WORDS)}", weight=-0.5),
        ]
        asked: dict[str, Any] = chance.choice(
            [{"text": text}, {"text": chance.choice(ids)}, {"image": picture}, {"parts": parts}]
        )
        target = chance.choice([None, "both", "caption", "appearance", *(["words"] if "text" in asked else [])])
        filters: dict[str, Any] = chance.choice(
            [
                {},
                {"category": chance.choice(WORDS[6:])},
                {"tags": chance.sample(WORDS, 3), "faces": {"min": 100, "max": 700}},
                {"creator": {"not": "maker 1"}},
            ]
        )
        yield Query(
            **asked,
            target=target,
            top_k=chance.choice([3, 10, 25]),
            offset=chance.choice([0, 0, 5, 20]),
            filters=filters,
            exact=chance.random() < 0.3,
            collapsed=chance.random() < 0.3,
            diverse=chance.choice([None, True, False]),
        )


def test_answers_are_those_of_one_server(both: Both) -> None:
    """Whatever is asked: words, pictures, ids, several together, phrases, filters, pages, copies, in every mode."""
    for number, query in enumerate(some_queries(7, both.ids, 100)):
        one, shards = both.one.search(query), both.shards.search(query)
        assert seen(shards) == seen(one), (number, query)
        assert shards.nothing_close == one.nothing_close
        assert (shards.version, shards.shares) == (one.version, (3, 3))
        assert not shards.shares.is_partial


def test_what_is_known_of_the_whole_is_the_same(both: Both) -> None:
    """Counts, values of fields, background, thresholds, trust, single assets, and those that are alike."""
    one, shards = both.one.library, both.shards.library
    told, said = one.published(), shards.published()
    for name in ("assets", "english_captions", "chinese_captions", "views", "content", "space", "index_kind"):
        assert getattr(said, name) == getattr(told, name)
    assert (said.trust, said.found) == pytest.approx((told.trust, told.found))
    assert said.thresholds == told.thresholds
    for name in LABEL_FIELDS:
        assert sorted(shards.facet(name)) == sorted(one.facet(name))
    here, there = one.background(told), shards.background(said)
    assert (there.caption_ids, there.view_ids, there.words) == (here.caption_ids, here.view_ids, here.words)
    for kind in ("text", "image"):
        assert np.array_equal(shards.sample(kind, 20), one.sample(kind, 20))
    for asset_id in both.ids[:10]:
        assert shards.asset(asset_id) == one.asset(asset_id)
    names = [*both.ids[:3], "red", "nobody"]
    assert shards.known_as(names) == one.known_as(names)
    wanted = next(asset_id for asset_id in both.ids if "appearance" in one.own_vectors(asset_id))
    alike = [each.similar(wanted, "appearance", 10).hits for each in (both.one, both.shards)]
    assert [hit.asset_id for hit in alike[1]] == [hit.asset_id for hit in alike[0]]
