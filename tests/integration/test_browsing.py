"""Catalogues and facets against a plain Python model: every order, filter and page, on one server and on shards."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from tests.conftest import drop_databases
from tests.toy import embed_toys, publish_toys, toy, toy_algorithm

from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.errors import QueryError
from meshseek.model import LABEL_FIELDS, NUMBER_FIELDS, Asset, Condition
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.search import faceting
from meshseek.search.algorithm import Algorithm
from meshseek.search.browsing import SORTS, Browse, Shelf
from meshseek.search.faceting import FACETED
from meshseek.search.filters import conditions
from meshseek.search.query import Query
from meshseek.spans import Spent, spent
from meshseek.store.postgres import Server
from meshseek.store.read.facets import Facets
from meshseek.store.read.opening import open_library
from meshseek.store.shards import Shards
from meshseek.store.write.labels import figures_of, labels_of
from meshseek.workspace.tables import ADDED, asset_row
from meshseek.workspace.workspace import Workspace

COUNT = 70
WORDS = ("red", "green", "Blue", "old", "椅子", "Small", "chair", "table", "lamp", "bed")
BAD_KEYS: tuple[Any, ...] = (True, 1e39, 1e-60, 0.1, [], {}, float("nan"), 10**400)
"""No numbers of single precision."""
KEYS = {"faces": 0, "size": 1, "date": 2}


def some_assets(seed: int, count: int = COUNT) -> list[Asset]:
    """Assets with gaps of every kind, equal names, numbers and dates."""
    chance = random.Random(seed)
    return [_asset(number, chance) for number in range(count)]


def _asset(number: int, chance: random.Random) -> Asset:
    sides = {side: chance.randint(1, 5) / 10 for side in ("width", "depth", "height")}
    attributes = {
        "name": chance.choice([*WORDS, " Blue lamp ", ""]),
        "category": chance.choice(WORDS[6:]),
        "tags": chance.sample(WORDS, chance.randint(0, 3)),
        "licence": chance.choice(["CC0-1.0", "CC-BY-4.0", ""]),
        **({"faces": chance.choice([12, 12, 500, chance.randint(1, 90_000)])} if chance.random() < 0.8 else {}),
        **({"size": {"unit": "m", **sides}} if chance.random() < 0.6 else {}),
    }
    return Asset(
        asset_id=f"things/{number:03d} {'é椅'[number % 2]}",
        fingerprint="made",
        captions_english=(" ".join(chance.sample(WORDS, 2)),) if chance.random() < 0.9 else (),
        attributes=attributes,
        added=chance.choice([None, 1_700_000_000, 1_700_000_000 + number]),
    )


def write(workspace: Workspace, assets: Sequence[Asset]) -> None:
    """Put assets into a workspace as the stages would, and embed them."""
    workspace.assets_table().append([asset_row(asset) for asset in assets])
    embed_toys(workspace)


@dataclass(frozen=True, slots=True)
class Both:
    """The same library as a list, on one server and on shards."""

    assets: list[Asset]
    one: Algorithm
    shards: Algorithm


@pytest.fixture(scope="module")
def both(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A random library, published twice."""
    workspace = Workspace(tmp_path_factory.mktemp("browsed") / "workspace")
    assets = some_assets(5)
    write(workspace, assets)
    prefix = f"test_{uuid4().hex[:8]}_"
    one = Server(lambda: conninfo, f"{prefix}one_")
    shards = Shards([Server(lambda: conninfo, prefix) for _ in range(3)])
    libraries = []
    try:
        for databases in (one, shards):
            publish("toy", workspace, databases, max_assets=None, reporter=SilentReporter())
            libraries.append(open_library(databases, "toy"))
        yield Both(assets, *(Algorithm("toy", library, lambda space: toy(space.model)) for library in libraries))
    finally:
        for library in libraries:
            library.close()
        drop_databases(conninfo, prefix)


def passes(asset: Asset, condition: Condition) -> bool:
    """What a filter means."""
    if condition.field in NUMBER_FIELDS:
        figure = figures_of(asset.attributes)[NUMBER_FIELDS.index(condition.field)]
        low = -np.inf if condition.minimum is None else condition.minimum
        high = np.inf if condition.maximum is None else condition.maximum
        return bool(low <= np.float32(figure) <= high) is not condition.negated
    own = {value for name, value in labels_of(asset.attributes) if name == condition.field}
    return bool(own & {*condition.values}) is not condition.negated


def passing(assets: Sequence[Asset], filters: dict[str, Any], without: str = "") -> list[Asset]:
    """Those that pass all filters but one."""
    asked = [each for each in conditions(filters) if each.field != without]
    return [asset for asset in assets if all(passes(asset, each) for each in asked)]


def key_of(asset: Asset, by: str) -> Any:
    """What an asset is sorted by."""
    if by == "name":
        texts = (asset.attributes["name"], *asset.captions_english, asset.asset_id)
        return next(text for text in texts if text).strip().lower()
    faces, *sides = (np.float32(figure) for figure in figures_of(asset.attributes))
    return (None if np.isnan(faces) else faces, None if np.isnan(sides).all() else max(sides), asset.added)[KEYS[by]]


def in_order(assets: Sequence[Asset], sort: str) -> list[str]:
    """Their ids: those that have nothing to be sorted by come last."""
    by, descending = sort.removeprefix("-"), sort.startswith("-")
    keys = {asset.asset_id: key_of(asset, by) for asset in assets}
    known = sorted((key, name) for name, key in keys.items() if key is not None)
    unknown = sorted(name for name, key in keys.items() if key is None)
    return [name for _, name in (known[::-1] if descending else known)] + (unknown[::-1] if descending else unknown)


def some_filters(chance: random.Random) -> dict[str, Any]:
    """Filters of every kind, none and several."""
    every: dict[str, Any] = {
        "category": chance.choice([*WORDS[6:], ["chair", "bed"], "unknown"]),
        "tags": chance.choice(["red", {"not": "椅子"}, chance.sample(WORDS, 3)]),
        "faces": chance.choice([{"min": 12, "max": 500}, {"max": 12}, {"not": {"min": 600}}]),
        "height": {"min": chance.choice([10, 30])},
        "permits": "commercial",
    }
    return {name: every[name] for name in chance.sample(sorted(every), chance.choice([0, 0, 1, 1, 2, 3]))}


def pages(algorithm: Algorithm, wanted: Browse) -> Iterator[Shelf]:
    """All pages, each from the cursor of the one before."""
    while True:
        shelf = algorithm.browse(wanted)
        yield shelf
        if shelf.cursor is None:
            return
        wanted = replace(wanted, cursor=shelf.cursor)


def test_pages_put_together_are_the_whole_list_in_its_order(both: Both) -> None:
    """In every order, with any filters and any length of a page, each asset once, and with the right total."""
    chance = random.Random(1)
    for sort in SORTS * 3:
        filters = some_filters(chance)
        expected = in_order(passing(both.assets, filters), sort)
        wanted = Browse(filters=filters, sort=sort, limit=chance.choice([1, 7, 25, 70, 200]))
        for algorithm in (both.one, both.shards):
            told = list(pages(algorithm, wanted))
            listed = [listed.asset.asset_id for shelf in told for listed in shelf.assets]
            assert listed == expected, (sort, filters, wanted.limit)
            assert {shelf.total for shelf in told} == {len(expected)}
            assert all(len(shelf.assets) == wanted.limit for shelf in told[:-1])
            assert {shelf.shares.is_partial for shelf in told} == {False}


def counted_by_hand(assets: Sequence[Asset], name: str) -> Any:
    """How many assets have each value of a field, or numbers."""
    if name in LABEL_FIELDS:
        counts = Counter(value for asset in assets for field, value in labels_of(asset.attributes) if field == name)
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    figures = (figures_of(asset.attributes)[NUMBER_FIELDS.index(name)] for asset in assets)
    return sorted(float(np.float32(figure)) for figure in figures if not np.isnan(figure))


def agrees(facets: Facets, name: str, by_hand: Any) -> None:
    """Labels one for one; of numbers, each class has as many as lie between its bounds, and all have one."""
    if name in LABEL_FIELDS:
        assert [(each.value, each.count) for each in facets.labels[name]] == by_hand
        return
    classes = facets.numbers[name]
    assert sum(each.count for each in classes) == len(by_hand)
    for each in classes:
        inside = [number for number in by_hand if each.least <= number <= each.most]
        assert (len(inside), inside[0], inside[-1]) == (each.count, each.least, each.most)


def test_facets_of_a_catalogue_are_counted_by_hand(both: Both) -> None:
    """Of all assets that pass; a field's own filter is left out when it is counted."""
    chance = random.Random(2)
    names = ("category", "tags", "permits", "creator", "faces", "height")
    for _ in range(25):
        filters = some_filters(chance)
        fields = tuple(chance.sample(names, 3))
        for algorithm in (both.one, both.shards):
            shelf = algorithm.browse(Browse(filters=filters, facets=fields, limit=1))
            assert shelf.facets is not None
            assert shelf.facets.counted == shelf.total == len(passing(both.assets, filters))
            assert [*shelf.facets.labels, *shelf.facets.numbers] == sorted(
                fields, key=lambda name: name in NUMBER_FIELDS
            )
            for name in fields:
                agrees(shelf.facets, name, counted_by_hand(passing(both.assets, filters, name), name))


def test_a_bucket_is_a_filter(both: Both) -> None:
    """Its bounds let just as many assets pass as it says."""
    shelf = both.one.browse(Browse(facets=["faces"]))
    assert shelf.facets
    for each in shelf.facets.numbers["faces"]:
        bounds = {"faces": {"min": each.least, "max": each.most}}
        assert both.one.browse(Browse(filters=bounds)).total == each.count


def test_of_very_many_assets_a_part_stands_for_all(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one on shards; counts are of all, and the answer says how many were looked at."""
    monkeypatch.setattr(faceting, "MOST_COUNTED", 20)
    wanted = Browse(filters={"tags": {"not": "red"}}, facets=["tags", "category", "faces"])
    one, shards = both.one.browse(wanted), both.shards.browse(wanted)
    assert one.facets == shards.facets
    assert one.facets
    assert 0 < one.facets.counted < one.total
    assert {each.count % 2 for each in one.facets.labels["category"]} == {0}

    whole = both.shards.browse(Browse(facets=["tags"]))
    assert whole.facets
    agrees(whole.facets, "tags", counted_by_hand(both.assets, "tags"))
    assert whole.facets.counted == COUNT


@pytest.mark.parametrize("target", ["both", "caption", "words"])
def test_facets_of_a_search_are_those_of_its_first_results(both: Both, target: str) -> None:
    """Of those that fit fairly or better; where nothing does, of all; with each field's own filter left out."""
    chance = random.Random(3)
    for _ in range(8):
        filters = {name: value for name, value in some_filters(chance).items() if name != "height"}
        text = " ".join(chance.sample(WORDS, 2))
        fields = ("category", "tags", "faces")
        plain: dict[str, Any] = {"text": text, "target": target, "top_k": FACETED, "diverse": False}
        for algorithm in (both.one, both.shards):
            facets = algorithm.search(Query(**{**plain, "top_k": 3}, filters=filters, facets=fields)).facets
            assert facets
            for name in fields:
                others = {field: value for field, value in filters.items() if field != name}
                hits = algorithm.search(Query(**plain, filters=others)).hits
                fitting = [hit for hit in hits if hit.relevance != "weak"] or hits
                ids = {hit.asset_id for hit in fitting}
                agrees(facets, name, counted_by_hand([each for each in both.assets if each.asset_id in ids], name))
                if name not in filters:
                    assert facets.counted == len(ids)


def test_a_search_asks_once_what_is_known_of_its_filters(both: Both) -> None:
    """However many rankings it makes: of captions, views and words, and for each filtered field without its filter."""
    asked: list[str] = []

    def note(_: str, about: str) -> AbstractContextManager[object]:
        asked.append(about)
        return nullcontext()

    filters = {"tags": ["red", "none has it"], "category": "chair", "faces": {"min": 1}}
    query = Query(text='"red" chair', filters=filters, facets=["tags", "category", "faces", "licence"])
    token = spent.set(Spent(tracer=note))
    try:
        for _ in range(2):  # another search asks anew: by then other assets may have these numbers
            asked.clear()
            both.one.search(query)
            once = {"labels_named", "percentiles", "count_phrases", "facets_of_lots"}
            assert Counter(name for name in asked if name in once) == Counter(once)
            assert asked.count("words") == 1 + 3
    finally:
        spent.reset(token)


def test_searches_without_facets_count_nothing(both: Both) -> None:
    """And what is found is the same with them."""
    plain = both.one.search(Query(text="red chair"))
    counted = both.one.search(Query(text="red chair", facets=["tags"]))
    assert plain.facets is None
    assert [hit.asset_id for hit in counted.hits] == [hit.asset_id for hit in plain.hits]


def test_a_cursor_stays_right_over_publications(workspace: Workspace, server: Server) -> None:
    """The next page is of the version that is live then, and says so; nothing is given twice or left out."""
    assets = some_assets(6, 30)
    write(workspace, assets)
    publish_toys(workspace, server)
    algorithm = toy_algorithm(server)
    first = algorithm.browse(Browse(limit=10, facets=["category"]))
    newer = [replace(asset, fingerprint="new", captions_english=("new",)) for asset in assets[:3]]
    write(workspace, [*newer, replace(assets[0], asset_id="another", attributes={"name": "zzz"})])
    publish_toys(workspace, server)
    assert first.cursor is not None
    rest = algorithm.browse(Browse(limit=200, cursor=first.cursor))
    assert rest.version != first.version
    assert (first.total, rest.total) == (30, 31)
    names = [listed.asset.asset_id for shelf in (first, rest) for listed in shelf.assets]
    expected = in_order([*assets, replace(assets[0], asset_id="another", attributes={"name": "zzz"})], "name")
    kept = [name for name in names if name not in {asset.asset_id for asset in newer}]
    assert kept == [name for name in expected if name not in {asset.asset_id for asset in newer}]
    algorithm.library.close()


def encoded(value: object) -> str:
    """What stands in a cursor."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_cursors_from_elsewhere_are_refused(both: Both) -> None:
    """In one line with the cure, whatever is in them."""
    cursor = both.one.browse(Browse(sort="faces", limit=3)).cursor
    assert cursor is not None
    question = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0]
    again = "leave it out to begin at the first page$"
    for bad in (
        *("", "%", "é", "x" * 5000, cursor[:-3], encoded(7), encoded([question, 1]), encoded([question, "a", "b"])),
        *(encoded([question, key, "a"]) for key in BAD_KEYS),
        *(encoded([question, 1, name]) for name in (None, 5, "a\0", "\ud800")),
        base64.urlsafe_b64encode(b"[" * 2900).decode(),
    ):
        with pytest.raises(QueryError, match=f"cannot be read; {again}"):
            Browse(sort="faces", limit=3, cursor=bad)
    for other in ({"sort": "-faces"}, {"sort": "faces", "filters": {"category": "bed"}}):
        with pytest.raises(QueryError, match=f"another order or with other filters; {again}"):
            Browse(cursor=cursor, **other)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sort": "colour"}, "cannot sort by 'colour'; choose one of: name, -name, faces"),
        ({"limit": 0}, "limit is 0; choose 1 to 200"),
        ({"limit": 201}, "limit is 201"),
        ({"facets": ["colour"]}, "cannot count 'colour'; known fields: category, "),
        ({"facets": ["tags", "tags"]}, "a field is to be counted twice"),
        ({"filters": {"colour": "red"}}, "cannot filter on 'colour'"),
    ],
)
def test_what_cannot_be_browsed_is_told(wrong: dict[str, Any], message: str) -> None:
    """In one line."""
    with pytest.raises(QueryError, match=message):
        Browse(**wrong)


@pytest.mark.parametrize(
    ("filters", "hint"),
    [
        ({"category": "Chair"}, "no asset here has the category 'Chair'; there are: chair, bed, lamp, table"),
        (
            {"category": ["lmp", "x\n"]},
            "no asset here has the category 'lmp'; there are: lamp, .*; .* the category 'x ';",
        ),
        ({"tags": "rod", "height": {"min": 10}}, "no asset here has the tag 'rod'; there are: red, "),
        ({"creator": "Anna"}, "^no asset here has any creator: leave this filter out$"),
        ({"category": "chair", "faces": {"min": 100_000}}, None),
        ({"category": {"not": "Chair"}, "faces": {"min": 100_000}}, None),
        ({"category": ["Chair", "chair"]}, None),
        ({"category": ["lmp", "chair"], "faces": {"min": 100_000}}, None),
    ],
)
def test_a_value_that_nothing_has_is_told(both: Both, filters: dict[str, Any], hint: str | None) -> None:
    """Where it leaves nothing to be found: with what there is instead, the nearest first, in one line."""
    for algorithm in (both.one, both.shards):
        searched = algorithm.search(Query(text="red chair", filters=filters)).hint
        for told in (searched, algorithm.browse(Browse(filters=filters)).hint):
            assert told is None if hint is None else told and re.search(hint, told), told


def test_an_import_notes_when_an_asset_came(
    samples: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps that date when it changes; one that an older Meshseek imported stays without."""

    def imported(now: int, *, again: bool = False) -> dict[str, int | None]:
        monkeypatch.setattr("meshseek.pipeline.dating.time.time", lambda: now)
        dataset = DATASETS.load("folder")(DatasetOptions(path=samples, captions=samples / "captions.csv"))
        every = [path.stem for path in samples.glob("*.glb")] if again else []
        options = LibraryOptions(again=every, yes=True)
        import_assets(dataset, workspace, workers=0, max_assets=None, reporter=SilentReporter(), library=options)
        return {asset.asset_id: asset.added for asset in workspace.assets()}

    first = imported(1000)
    assert {*first.values()} == {1000}
    shutil.copy(samples / f"{min(first)}.glb", samples / "newer.glb")
    assert imported(2000, again=True) == {**first, "newer": 2000}
    table = workspace.assets_table()
    rows = [row for part in table.tables() for row in part.to_pylist()]
    table.append([{**row, ADDED: None} for row in rows])
    assert {*imported(3000, again=True).values()} == {None}


def test_dates_are_those_of_the_first_import(workspace: Workspace, server: Server) -> None:
    """Newest first; an asset whose date nobody kept comes last."""
    assets = [replace(asset, added=added) for asset, added in zip(some_assets(7, 3), (5, None, 9), strict=True)]
    write(workspace, assets)
    publish_toys(workspace, server)
    algorithm = toy_algorithm(server)
    shelf = algorithm.browse(Browse(sort="-date"))
    assert [listed.added for listed in shelf.assets] == [9, 5, None]
    algorithm.library.close()
