"""What answers say and how they are ordered where a library or a query is out of the ordinary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.toy import embed_toys, publish_toys, toy_algorithm, toy_assets

from meshseek.errors import QueryError
from meshseek.model import Asset, Hit
from meshseek.search.algorithm import Algorithm
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

Publish = Callable[[Sequence[Asset]], Algorithm]


@pytest.fixture
def published(workspace: Workspace, server: Server) -> Iterator[Publish]:
    """Publishes assets with the toy algorithm."""
    opened: list[Algorithm] = []

    def publish(assets: Sequence[Asset]) -> Algorithm:
        workspace.assets_table().append([asset_row(asset) for asset in assets])
        embed_toys(workspace)
        publish_toys(workspace, server)
        opened.append(toy_algorithm(server))
        return opened[0]

    yield publish
    for algorithm in opened:
        algorithm.library.close()


@pytest.fixture
def toys(workspace: Workspace) -> list[Asset]:
    """Forty of them, not published yet."""
    return list(toy_assets(workspace.folder / "pictures", 40))


def copies(toys: Sequence[Asset], count: int) -> list[Asset]:
    """So many assets of each, with the same views and captions."""
    return [
        replace(asset, asset_id=f"{asset.asset_id}-{number}", fingerprint=f"{asset.fingerprint}-{number}")
        for asset in toys
        for number in range(count)
    ]


def picture_of(asset: Asset) -> Image.Image:
    """A view of an asset, as a user might send it."""
    assert asset.views is not None
    path = asset.views.folder / "00000" / "00000.png"
    noise = np.random.default_rng(0).integers(-6, 7, (16, 16, 3))
    return Image.fromarray((np.asarray(Image.open(path), dtype=np.int64) + noise).clip(0, 255).astype(np.uint8))


def ids(hits: Sequence[Hit]) -> list[str]:
    """Their ids, in order."""
    return [hit.asset_id for hit in hits]


def test_what_is_asked_for_by_its_id_fits(published: Publish, toys: list[Asset]) -> None:
    """It comes first in every mode and fits strongly, also where little else is left, or another size is wished."""
    algorithm = published(toys)
    for asset in toys[::7]:
        for target in ("appearance", "caption", "both"):
            strong = algorithm.search(Query(text=asset.asset_id, target=target, min_relevance="strong")).hits
            assert ids(strong)[:1] == [asset.asset_id]
    wished = Query(text=f"{toys[3].asset_id} size~1000x1000x1000", target="both")
    assert ids(algorithm.search(wished).hits)[0] == toys[3].asset_id


def test_the_only_asset_is_found_by_its_id(published: Publish, toys: list[Asset]) -> None:
    """A library of one has no background to stand out from."""
    algorithm = published(toys[:1])
    hits = algorithm.search(Query(text=toys[0].asset_id, min_relevance="strong")).hits
    assert [(hit.asset_id, hit.relevance) for hit in hits] == [(toys[0].asset_id, "strong")]


def test_pictures_of_what_is_there_twice_fit(published: Publish, toys: list[Asset]) -> None:
    """Copies are no pictures of other things: thresholds are not learnt from them."""
    algorithm = published(copies(toys, 2))
    answer = algorithm.search(Query(image=picture_of(toys[4])))
    assert not answer.nothing_close
    assert answer.hits[0].relevance != "weak"


def test_equal_assets_teach_nothing(published: Publish, toys: list[Asset]) -> None:
    """Captions find no views of their own where all views are the same, and nothing is strong by rounding."""
    algorithm = published(copies(toys[:1], 100))
    version = algorithm.library.published()
    assert version.trust < 0.01
    assert not {key for key in version.thresholds if key[1] == "image"}
    assert {hit.relevance for hit in algorithm.search(Query(image=picture_of(toys[7]))).hits} == {"fair"}
    assert len(set(ids(algorithm.search(Query(text="red chair", top_k=100)).hits))) == 100


@pytest.mark.parametrize("text", ["zeppelin or sofa", "zeppelin - sofa", "-zeppelin", "sofa -zeppelin"])
def test_words_are_words(published: Publish, toys: list[Asset], text: str) -> None:
    """Neither a hyphen nor an "or" makes an asset one that holds all words of the query."""
    algorithm = published(toys)
    assert algorithm.search(Query(text=text, target="words")).hits == []
    assert all("words" not in hit.parts for hit in algorithm.search(Query(text=text)).hits)


def test_a_whole_name_comes_first_among_many_that_hold_it(published: Publish, toys: list[Asset]) -> None:
    """However many hold the word in short texts, and however long the texts of the one that is called just so."""
    many = [replace(asset, captions_english=("chair leg",), captions_chinese=()) for asset in copies(toys, 4)]
    long = "chair, " + " ".join(f"with a part{number} of wood" for number in range(200))
    one = replace(toys[0], asset_id="the-one", captions_english=(long,), captions_chinese=())
    algorithm = published([*many, one])
    for target in ("both", "words"):
        assert ids(algorithm.search(Query(text="  Chair ", target=target)).hits)[0] == "the-one"


def test_an_asset_without_captions_is_compared_as_what_it_is(published: Publish, toys: list[Asset]) -> None:
    """By its id: its views count for views, and for captions only as far as these are trusted in the library."""
    bare = replace(toys[0], captions_english=(), captions_chinese=())
    algorithm = published([bare, *toys[1:]])
    hits = algorithm.search(Query(text=bare.asset_id, target="both", top_k=5)).hits
    weights = [hit.parts["caption_weight"] for hit in hits if "caption" in hit.parts]
    assert ids(hits)[0] == bare.asset_id
    assert weights
    assert weights == pytest.approx([algorithm.library.published().trust] * len(weights))
    assert {hit.parts["appearance_weight"] for hit in hits} == {1.0}


def test_assets_without_captions_are_alike_by_their_views(published: Publish, toys: list[Asset]) -> None:
    """Beside some that have captions; to these they are like nothing."""
    bare = [replace(asset, captions_english=(), captions_chinese=()) for asset in copies(toys[1:3], 2)]
    names = [toys[0].asset_id, *(asset.asset_id for asset in bare)]
    vectors = published([toys[0], *bare]).library.likeness(names)
    matrix = np.stack([vectors[name] for name in names])
    assert matrix @ matrix[0] == pytest.approx([1, 0, 0, 0, 0], abs=2e-3)
    assert (matrix @ matrix[1])[2] == pytest.approx(1, abs=2e-3)
    assert (matrix @ matrix[1])[3] < 0.99


def test_scores_add_up_to_what_is_told(published: Publish, toys: list[Asset]) -> None:
    """Also of assets that lack a kind of vector: what stands in for it is told."""
    bare = [replace(asset, captions_english=(), captions_chinese=()) for asset in toys[:20]]
    hits = published([*bare, *toys[20:]]).search(Query(text="red chair", explain=True, top_k=40)).hits
    assert any("caption_instead" in hit.parts for hit in hits)
    for hit in hits:
        parts = hit.parts
        standards = [parts.get(f"{n}_standard", 0) * parts.get(f"{n}_weight", 0) for n in ("caption", "appearance")]
        others = sum(parts.get(name, 0) for name in ("caption_instead", "appearance_instead", "words"))
        assert hit.score == pytest.approx(sum(standards) + others)


@pytest.mark.parametrize("text", ["a", "7", "1234567890", "椅", "红色 chair", "a red 椅子 7"])
def test_odd_queries_are_answered(published: Publish, toys: list[Asset], text: str) -> None:
    """One letter, numbers, both languages at once: results with a relevance each, in every mode."""
    algorithm = published(toys)
    for target in ("caption", "appearance", "both", "words"):
        answer = algorithm.search(Query(text=text, target=target, explain=True))
        assert target == "words" or len(answer.hits) == 10
        assert {hit.relevance for hit in answer.hits} <= {"strong", "fair", "weak"}


@pytest.mark.parametrize("text", ["стул", "いす", "!?"])
def test_queries_in_neither_language_get_one_line(text: str) -> None:
    """Nothing is embedded or searched for them."""
    with pytest.raises(QueryError, match="no English or Chinese words; type some in either language"):
        Query(text=text)


def test_odd_captions_are_searched(published: Publish, toys: list[Asset]) -> None:
    """Of ten thousand characters, in a third language, and of signs only; each is found by its id, and explained."""
    odd = ("red " * 2500, "Красный стул из дерева", "!!! ???", "赤い椅子です")
    assets = [
        replace(asset, captions_english=(caption,), captions_chinese=())
        for asset, caption in zip(toys, odd, strict=False)
    ]
    algorithm = published([*assets, *toys[len(odd) :]])
    for asset in assets:
        hits = algorithm.search(Query(text=asset.asset_id, explain=True, target="caption")).hits
        assert ids(hits)[0] == asset.asset_id
        assert all(len(share.text) <= 300 for hit in hits for share in hit.texts)
    assert len(algorithm.search(Query(text="red chair", top_k=40)).hits) == 40
