"""Assets that are asked for by their id, and copies of one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.crowd import SPACE, Crowd, units
from tests.toy import Toy

from meshseek.embedders import EmbedderOptions
from meshseek.errors import EmbedderError
from meshseek.model import Asset, Role
from meshseek.search.algorithm import Algorithm
from meshseek.search.judging import Judge
from meshseek.search.modes import MODES
from meshseek.search.parts import QueryPart
from meshseek.search.query import Query
from meshseek.search.question import Question
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library, Request
from meshseek.workspace.workspace import Workspace

COUNT = 280
COPIES = 70


def seen(crowd: Crowd) -> list[str]:
    """The assets that have views."""
    return [asset.asset_id for asset in crowd.assets if asset.asset_id in crowd.views]


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """Assets of which the last seventy look like the first seventy, and thirty say the very same."""
    made = Crowd.of(COUNT)
    names = seen(made)
    for original, copy in zip(names[:COPIES], names[-COPIES:], strict=True):
        made.views[copy] = made.views[original]
    spoken = sorted(made.english)
    for name in spoken[:30]:
        made.english[name] = made.english[spoken[0]]
    return made


@pytest.fixture
def library(crowd: Crowd, server: Server, workspace: Workspace) -> Iterator[Library]:
    """The crowd, published."""
    crowd.publish(workspace, server)
    opened = Library(server, "crowd")
    yield opened
    opened.close()


@pytest.fixture
def algorithm(library: Library) -> Algorithm:
    """The crowd's library behind an embedder that knows nothing of it."""

    class Stranger(Toy):
        space = SPACE

    return Algorithm("crowd", library, lambda _: Stranger(EmbedderOptions()))


@pytest.mark.parametrize("target", ["caption", "appearance", "both", "words"])
def test_an_id_finds_its_asset_first(algorithm: Algorithm, crowd: Crowd, target: str) -> None:
    """Also where thirty others say the same, or a copy looks the same, and in every mode; once, on the first page."""
    for asset_id in (sorted(crowd.english)[29], seen(crowd)[-1]):
        found = [
            hit.asset_id
            for offset in (0, 20)
            for hit in algorithm.search(Query(text=f" {asset_id} ", target=target, top_k=20, offset=offset)).hits
        ]
        assert found[0] == asset_id
        assert found.count(asset_id) == 1


def test_what_follows_is_like_the_asset(algorithm: Algorithm, crowd: Crowd) -> None:
    """After an id come the nearest by the asset's own caption or views; fused, both are among the first."""
    spoken = sorted(crowd.english)[:30]
    name, copy = next((n, c) for n, c in zip(seen(crowd), seen(crowd)[-COPIES:], strict=False) if n in spoken)

    def after(target: str, count: int) -> set[str]:
        query = Query(text=name, target=target, top_k=1 + count, diverse=False)
        return {hit.asset_id for hit in algorithm.search(query).hits[1:]}

    assert after("appearance", 1) == {copy}
    assert after("caption", 29) == {*spoken} - {name}
    assert copy in after("both", 40)
    assert after("both", 10) & {*spoken}


def test_an_id_that_does_not_pass_the_filter_still_says_what_is_wanted(algorithm: Algorithm, crowd: Crowd) -> None:
    """The asset itself is left out, and those that pass are ranked by their likeness to it."""
    asset = next(asset for asset in crowd.assets if asset.attributes.get("faces", 0) > 100 and asset.views)
    for limits, there in (({"min": 0}, True), ({"not": {"min": 101}}, False)):
        query = Query(text=asset.asset_id, target="appearance", top_k=20, filters={"faces": limits}, diverse=False)
        found = [hit.asset_id for hit in algorithm.search(query).hits]
        assert (asset.asset_id in found) is there
        (mean,) = algorithm.library.appearances([asset.asset_id]).values()
        question = Question.of(algorithm.library.published(), mean, "english")
        judge = Judge(algorithm.library, question)
        like = MODES.load("appearance")().search(algorithm.library, question, query, judge)
        assert found == [ranked.asset_id for ranked in like.ranking]


def test_copies_of_the_asset_that_is_named_are_collapsed_into_it(algorithm: Algorithm, crowd: Crowd) -> None:
    """It is one result with its copy."""
    hits = algorithm.search(Query(text=seen(crowd)[0], target="appearance", collapsed=True)).hits
    assert hits[0].asset_id == seen(crowd)[0]
    assert seen(crowd)[-COPIES] in hits[0].duplicates


@pytest.mark.parametrize("beside", [[], [QueryPart(text="red chair", weight=-0.5)]], ids=["alone", "in parts"])
def test_only_others_are_found(algorithm: Algorithm, crowd: Crowd, beside: list[QueryPart]) -> None:
    """All that would be found but the asset that is asked for, page by page, whether it comes first or not."""
    name = seen(crowd)[0]
    parts = [QueryPart(asset_id=name), *beside]

    def found(**options: Any) -> list[str]:
        query = Query(parts=parts, target="appearance", diverse=False, **options)
        return [hit.asset_id for hit in algorithm.search(query).hits]

    everything = found(top_k=60)
    assert name in everything
    others = [asset_id for asset_id in everything if asset_id != name]
    pages = [found(top_k=10, offset=offset, others_only=True) for offset in range(0, 50, 10)]
    assert [asset_id for page in pages for asset_id in page] == others[:50]


def test_only_others_are_counted(algorithm: Algorithm, crowd: Crowd) -> None:
    """Also where a field is counted without its own filter, by a ranking of its own."""
    asset = next(asset for asset in crowd.assets if asset.attributes.get("tags") and asset.views)
    tag = asset.attributes["tags"][0]

    def counted(*, others_only: bool) -> int:
        query = Query(asset_id=asset.asset_id, target="appearance", filters={"tags": tag}, facets=["tags"])
        facets = algorithm.search(replace(query, others_only=others_only)).facets
        assert facets is not None
        return next(each.count for each in facets.labels["tags"] if each.value == tag)

    assert counted(others_only=True) == counted(others_only=False) - 1


def test_an_id_needs_no_model(library: Library, crowd: Crowd) -> None:
    """What is like an asset is known from its own vectors, also while words cannot be embedded."""

    class Silent(Toy):
        space = SPACE

        def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
            raise EmbedderError("the model is away")

    silent = Algorithm("crowd", library, lambda _: Silent(EmbedderOptions()))
    assert silent.search(Query(text=seen(crowd)[0], cross_modal=True)).hits[0].asset_id == seen(crowd)[0]
    with pytest.raises(EmbedderError):
        silent.search(Query(text="chair"))


@pytest.mark.parametrize("target", ["caption", "appearance"])
@pytest.mark.parametrize("diverse", [True, False])
def test_collapsed_pages_lose_nothing(
    library: Library,
    crowd: Crowd,
    target: str,
    diverse: bool,  # noqa: FBT001
) -> None:
    """Whatever the size of the pages, each asset is a hit or the duplicate of one, exactly once on all pages."""
    published = library.published()
    vector = np.random.default_rng(3).normal(size=SPACE.dim).astype(np.float32)
    question = Question.of(published, vector / np.linalg.norm(vector), "english")
    mode = MODES.load(target)()
    everything = {hit.asset_id for hit in mode.rank(library, question, Request(limit=1000))}
    assert len(everything) > 200
    for size in (7, 20, 200):
        pages = [
            mode.search(
                library,
                question,
                Query(text="any", top_k=end - start, offset=start, collapsed=True, diverse=diverse),
                Judge(library, question),
            )
            for start, end in pairwise(range(0, 1001, size))
        ]
        told = [
            asset_id
            for page in pages
            for ranked in page.ranking
            for asset_id in (ranked.asset_id, *page.duplicates.get(ranked.asset_id, ()))
        ]
        assert len(told) == len(set(told))
        assert set(told) == everything
        assert len(told) - sum(len(page.ranking) for page in pages) > COPIES // 3


NAMED = {
    "named": (("a very long caption of a table that is made of oak, and of much else",), "Oak table"),
    "captioned": (("oak table, with four legs that are made of something else and a caption as long",), None),
    "chinese": (("一张桌子", "橡木桌"), None),
    "beside": (("oak table oak table oak table",), "oak table oak table"),
    "inside": (("table of oak, oak table",), "an oak table"),
}


@pytest.mark.parametrize("target", ["both", "words"])
@pytest.mark.parametrize("options", [{}, {"diverse": False}, {"exact": True}], ids=str)
def test_words_that_are_the_whole_name_come_first(
    server: Server, workspace: Workspace, target: str, options: dict[str, bool]
) -> None:
    """Its name, one of its captions, or what stands in one before the first comma, in any letters; then the rest."""
    assets = [
        Asset(
            asset_id=asset_id,
            fingerprint="made",
            captions_english=captions if captions[0].isascii() else (),
            captions_chinese=() if captions[0].isascii() else captions,
            attributes={"name": name} if name else {},
        )
        for asset_id, (captions, name) in NAMED.items()
    ]
    vectors = units(np.random.default_rng(5).normal(size=(len(assets), SPACE.dim)))
    Crowd(
        assets=assets,
        english={asset.asset_id: v for asset, v in zip(assets, vectors, strict=True) if asset.captions_english},
        chinese={asset.asset_id: v for asset, v in zip(assets, vectors, strict=True) if asset.captions_chinese},
    ).publish(workspace, server)

    class Stranger(Toy):
        space = SPACE

    algorithm = Algorithm("crowd", Library(server, "crowd"), lambda _: Stranger(EmbedderOptions()))
    for text in ("oak table", "Oak  TABLE"):
        hits = algorithm.search(Query(text=text, target=target, **options)).hits  # type: ignore[arg-type]
        assert {hit.asset_id for hit in hits[:2]} == {"named", "captioned"}
        assert {hit.relevance for hit in hits[:2]} == {"strong"}
        assert {"beside", "inside"} <= {hit.asset_id for hit in hits[2:]}
    for text in ("橡木桌", "一张桌子"):
        assert algorithm.search(Query(text=text, target=target, **options)).hits[0].asset_id == "chinese"  # type: ignore[arg-type]
    algorithm.library.close()
