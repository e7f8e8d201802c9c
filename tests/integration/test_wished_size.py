"""A wished size in a real search: over HTTP, in the words, in every mode, and page by page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from meshseek.search.sizes import Size
from meshseek.sizes import sides_in_cm


@pytest.fixture(scope="module")
def api(api_url: str) -> Iterator[httpx.Client]:
    """A client of the running API."""
    with httpx.Client(base_url=api_url, timeout=30) as client:
        yield client


def find(api: httpx.Client, query: str, **options: Any) -> list[dict[str, Any]]:
    """Results of a text search with their explanations."""
    answer = api.post("/search/text", json={"query": query, "explain": True, **options})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def ids(results: list[dict[str, Any]]) -> list[str]:
    """In their order."""
    return [result["asset_id"] for result in results]


@pytest.mark.parametrize("target", ["both", "caption", "appearance", "words"])
@pytest.mark.parametrize("diverse", [True, False])
def test_the_nearest_in_size_gains_most(api: httpx.Client, target: str, diverse: bool) -> None:  # noqa: FBT001
    """Each result says what the size took off, which follows from its own size; other things stay as they were."""
    wished = Size(width=50, depth=50, height=300)
    plain = find(api, "chair", target=target, diverse=diverse, top_k=200)
    results = find(api, "chair", target=target, diverse=diverse, top_k=200, size="50x50x300")
    before = {result["asset_id"]: result["score"] for result in plain}

    assert before.keys() == set(ids(results))
    differences = []
    for result in results:
        sides = sides_in_cm(result["attributes"])
        assert sides is not None
        term = result["explanation"]["parts"]["size"]
        assert result["score"] == pytest.approx(before[result["asset_id"]] + term, abs=1e-3)
        differences.append((wished.difference(sides), term))
    for (nearer, more), (farther, less) in zip(sorted(differences), sorted(differences)[1:], strict=False):
        assert (more >= less - 1e-4) == (nearer <= farther)
    if not diverse:
        scores = [result["score"] for result in results]
        assert scores == sorted(scores, reverse=True)


def test_a_size_among_the_words_is_the_same(api: httpx.Client) -> None:
    """In both languages; a size that is given by itself comes first, and without one nothing speaks of size."""
    wished = find(api, "chair", size="50x50x300cm")

    assert find(api, "chair size≈0.5x0.5x3m") == wished
    assert find(api, "chair size~9x9x9", size="50x50x300") == wished
    assert ids(find(api, "椅子 尺寸≈50x50x300")) == ids(find(api, "椅子", size="50x50x300"))
    assert not any("size" in result["explanation"]["parts"] for result in find(api, "chair"))


def test_pages_are_cut_from_one_ranking(api: httpx.Client) -> None:
    """Also one whose order a size has changed; filters and collapsing still hold."""
    whole = ids(find(api, "table", size="?x?x300", top_k=10))

    assert [
        name for start in (0, 5) for name in ids(find(api, "table", size="?x?x300", top_k=5, offset=start))
    ] == whole
    kitchen = find(api, "chair", size="9x9x9", filters={"category": "Kitchen"}, collapsed=True)
    assert kitchen
    assert {result["attributes"]["category"] for result in kitchen} == {"Kitchen"}


def test_pictures_may_have_a_size_as_well(api: httpx.Client) -> None:
    """As a field of the form."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 60, 30)).save(buffer, "PNG")
    files = {"file": ("picture.png", buffer.getvalue(), "image/png")}
    answer = api.post("/search/image", files=files, data={"size": "50x50x300", "explain": "true"})

    assert answer.status_code == 200, answer.text
    assert all("size" in result["explanation"]["parts"] for result in answer.json()["results"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query": "chair", "size": "large"}, "'large' is not a size; write width x depth x height"),
        ({"query": "chair", "size": "0x1x1"}, "not between 0.1 mm and 1 km"),
        ({"query": "chair size~big"}, "'size~big' does not tell a size"),
        ({"query": "size~60x60x90"}, "the query is empty"),
    ],
)
def test_a_size_that_is_none_is_refused(api: httpx.Client, fields: dict[str, Any], message: str) -> None:
    """With one line that says how to write one."""
    answer = api.post("/search/text", json=fields)
    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"]


def test_filters_hold_for_measured_models(api: httpx.Client) -> None:
    """These have no stated size: what passes has the size that was measured."""
    tall = find(api, "chair", filters={"height": {"min": 70, "max": 120}}, top_k=200)
    short = find(api, "chair", filters={"height": {"not": {"min": 70, "max": 120}}}, top_k=200)

    assert tall
    assert short
    assert all(0.7 <= result["attributes"]["size"]["height"] <= 1.2 for result in tall)
    assert not any(0.7 <= result["attributes"]["size"]["height"] <= 1.2 for result in short)
