"""The HTTP API as a process of its own, over a real library: every route, and every bad input."""

from __future__ import annotations

import glob
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image
from tests.conftest import ServedLibrary
from tests.sample_library import BARE_ID, ODD_ID, SIZE, VIEWS

NO_FILE = {"file": ("x.png", b"", "image/png")}


@pytest.fixture(scope="module")
def api(api_url: str) -> Iterator[httpx.Client]:
    """A client of the running API."""
    with httpx.Client(base_url=api_url, timeout=30) as client:
        yield client


def find(api: httpx.Client, query: str, **options: Any) -> list[dict[str, Any]]:
    """Results of a text search."""
    answer = api.post("/search/text", json={"query": query, **options})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """The message of an error in our form, which is one line without a trace of the inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    assert sorted(body["error"]) == ["code", "message", "request_id"]
    assert body["error"]["request_id"] == answer.headers["X-Request-ID"]
    assert body["error"]["code"] == code
    message: str = body["error"]["message"]
    assert message
    assert not any(sign in message for sign in ("\n", "Traceback", 'File "', ".py"))
    return message


def picture(size: int = 64, form: str = "PNG") -> bytes:
    """A photo of noise."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (size, size, 3), dtype=np.uint8)).save(buffer, form)
    return buffer.getvalue()


def send(api: httpx.Client, content: bytes, **fields: str) -> httpx.Response:
    """An image search."""
    return api.post("/search/image", files={"file": ("picture.png", content, "image/png")}, data=fields)


def asset_path(asset_id: str) -> str:
    """Where an asset is."""
    return f"/assets/{quote(asset_id)}"


def test_words_find_the_asset_that_is_described(api: httpx.Client) -> None:
    """The whole answer has the form of the contract, in both languages."""
    for query, query_type in (("an antique wooden chair", "english"), ("一把古董木椅", "chinese")):
        answer = api.post("/search/text", json={"query": query, "top_k": 3}).json()

        assert re.fullmatch(r"[0-9a-f]{16,}", answer["version"])
        assert {**answer, "results": None, "took_ms": None, "version": None} == {
            "version": None,
            "results": None,
            "algorithm": "lite",
            "query_type": query_type,
            "cross_modal": False,
            "nothing_close": False,
            "target": "both",
            "hint": None,
            "translated_query": None,
            "reranked_by": None,
            "note": None,
            "partial": False,
            "shards": 1,
            "shards_answered": 1,
            "facets": {},
            "counted": None,
            "took_ms": None,
        }
        assert 0 <= answer["took_ms"]["embed"] + answer["took_ms"]["search"] <= answer["took_ms"]["total"] + 0.1
        first, *rest = answer["results"]
        assert len(rest) == 2
        assert first["score"] > rest[0]["score"]
        version = first["thumbnail_url"].partition("&v=")[2]
        assert len(version) == 16
        assert {**first, "score": None, "attributes": None} == {
            "asset_id": ODD_ID,
            "score": None,
            "relevance": "strong",
            "explanation": None,
            "caption_en": "an antique wooden chair",
            "caption_zh": "一把古董木椅",
            "basis": first["basis"],
            "duplicates": [],
            "viewpoint_id": first["viewpoint_id"],
            "thumbnail_url": f"{asset_path(ODD_ID)}/views/{first['viewpoint_id']}?algorithm=lite&v={version}",
            "model_url": f"{asset_path(ODD_ID)}/model?algorithm=lite&v={version}",
            "attributes": None,
        }
        assert "caption" in first["basis"]
        assert first["viewpoint_id"] in range(VIEWS)
        assert first["attributes"]["category"] == "Living room"
        assert first["attributes"]["tags"] == ["seat", "antique"]


def test_a_picture_is_kept_only_under_the_address_of_its_version(api: httpx.Client) -> None:
    """Search results name the version, so that no browser shows what was published before."""
    found = api.post("/search/text", json={"query": "sofa", "top_k": 1}).json()["results"][0]
    address, _, version = found["thumbnail_url"].partition("&v=")

    assert api.get(found["thumbnail_url"]).headers["cache-control"] == "max-age=3600"
    for other in (address, f"{address}&v={version[::-1]}"):
        assert api.get(other).headers["cache-control"] == "no-cache"


def test_the_language_can_be_forced(api: httpx.Client) -> None:
    """A forced language wins over the script, and is told."""
    answer = api.post("/search/text", json={"query": "chair", "query_type": "chinese"}).json()
    assert answer["query_type"] == "chinese"


def test_a_view_finds_its_asset(api: httpx.Client, library: ServedLibrary) -> None:
    """A picture that is a view is found with that view's number, cross-modal or by target."""
    content = next((library.folder / "views" / "sofa-0001").glob("@*/00002/00002.png")).read_bytes()
    answer = send(api, content, top_k="2").json()

    assert (answer["query_type"], answer["target"], answer["cross_modal"]) == ("image", "appearance", False)
    first = answer["results"][0]
    assert (first["asset_id"], first["viewpoint_id"]) == ("sofa-0001", 2)
    assert first["score"] == pytest.approx(1, abs=0.01)
    assert first["thumbnail_url"].startswith("/assets/sofa-0001/views/2?algorithm=lite&v=")
    assert send(api, content, cross_modal="true").json()["target"] == "caption"
    assert send(api, content, target="both").json()["target"] == "both"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_can_be_sent(api: httpx.Client, form: str) -> None:
    """The six formats are answered."""
    assert len(send(api, picture(form=form)).json()["results"]) == 10


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, "both"),
        ({"cross_modal": None}, "both"),
        ({"cross_modal": False}, "caption"),
        ({"cross_modal": True}, "appearance"),
        ({"target": "both", "cross_modal": True}, "both"),
        ({"target": "appearance"}, "appearance"),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_every_target_answers(api: httpx.Client, options: dict[str, Any], target: str, exact: bool) -> None:  # noqa: FBT001
    """Each mode gives distinct assets, best first, the same by the index as exactly."""
    options = {"diverse": False, **options}
    answer = api.post("/search/text", json={"query": "red sofa", "top_k": 10, "exact": exact, **options}).json()
    assert answer["target"] == target
    assert answer["cross_modal"] is bool(options.get("cross_modal"))
    scores = [result["score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert len({result["asset_id"] for result in answer["results"]}) == 10
    assert [result["asset_id"] for result in find(api, "red sofa", exact=not exact, **options)] == [
        result["asset_id"] for result in answer["results"]
    ]


def test_diversity_is_asked_for_or_not(api: httpx.Client) -> None:
    """For words unless ``exact``, for pictures not; the same assets in another order, the best one first."""
    plain, usual, diverse, exact = (
        [result["asset_id"] for result in find(api, "a chair", top_k=22, **options)]
        for options in ({"diverse": False}, {}, {"diverse": True}, {"exact": True})
    )
    assert usual == diverse != plain == exact
    assert sorted(diverse) == sorted(plain)
    assert diverse[0] == plain[0]
    by_picture = [
        [result["asset_id"] for result in send(api, picture(), top_k="22", **options).json()["results"]]
        for options in ({}, {"diverse": "false"}, {"diverse": "true"})
    ]
    assert by_picture[0] == by_picture[1] != by_picture[2]
    assert sorted(by_picture[0]) == sorted(by_picture[2])


def test_what_a_score_rests_on_is_told_when_asked(api: httpx.Client) -> None:
    """The parts of each mode; those of ``both`` add up to the score. Unasked, nothing is told."""
    expected = {"caption": {"caption"}, "appearance": {"appearance"}, "words": {"words"}}
    for target, names in expected.items():
        for result in find(api, "chair", target=target, explain=True):
            assert result["explanation"]["parts"].keys() == names
            assert result["explanation"]["parts"][target] == pytest.approx(result["score"], abs=1e-3)
    for result in find(api, "a pink chair", top_k=200, explain=True):
        parts = result["explanation"]["parts"]
        complete = {"caption_standard", "appearance_standard"} <= parts.keys()
        assert complete is (result["asset_id"] != BARE_ID)
        if complete:
            total = sum(parts[f"{name}_weight"] * parts[f"{name}_standard"] for name in ("caption", "appearance"))
            assert result["score"] == pytest.approx(total + parts.get("words", 0), abs=0.01)
    for asked in ({}, {"explain": False}):
        assert {result["explanation"] for result in find(api, "chair", **asked)} == {None}
    results = send(api, picture(), explain="true").json()["results"]
    assert all(result["explanation"]["parts"].keys() == {"appearance"} for result in results)


def test_the_texts_of_a_caption_share_its_cosine(api: httpx.Client) -> None:
    """What each of them gave adds up to the cosine with the caption, the largest share first."""
    for options in ({"cross_modal": False}, {}):
        results = [result for result in find(api, "a pink chair", explain=True, **options) if result["caption_en"]]
        assert results
        for result in results:
            explanation = result["explanation"]
            gave = [share["gave"] for share in explanation["texts"]]
            assert gave == sorted(gave, reverse=True)
            assert sum(gave) == pytest.approx(explanation["parts"]["caption"], abs=0.01)
            assert result["caption_en"] in {share["text"] for share in explanation["texts"]}
    assert {
        len(result["explanation"]["texts"]) for result in find(api, "chair", target="appearance", explain=True)
    } == {0}


def test_what_fits_less_is_left_out_when_asked(api: httpx.Client) -> None:
    """Each result says how well it fits; a minimum keeps those that fit so well, in their order."""
    levels = ("strong", "fair", "weak")
    for query in ("a chair", "红色的沙发", "a rocket on the moon"):
        whole = find(api, query, top_k=22)
        assert {result["relevance"] for result in whole} <= {*levels}
        for number, level in enumerate(levels):
            kept = find(api, query, top_k=22, min_relevance=level)
            assert kept == [result for result in whole if result["relevance"] in levels[: number + 1]]
    assert find(api, "a chair", min_relevance="strong")
    form = send(api, picture(), min_relevance="weak").json()["results"]
    assert form == send(api, picture()).json()["results"]
    refused(send(api, picture(), min_relevance="good"), 422, "invalid")


def test_a_name_typed_as_it_is_comes_first(api: httpx.Client) -> None:
    """Words that are a whole caption find its asset before all others, in any letters, and fit."""
    for text in ("an antique wooden chair", "An Antique Wooden CHAIR", "一把古董木椅"):
        first = find(api, text)[0]
        assert (first["asset_id"], first["relevance"]) == (ODD_ID, "strong")


def test_pages_are_cut_from_one_ranking(api: httpx.Client) -> None:
    """Two pages of five are one page of ten."""
    pages = [find(api, "table", top_k=5, offset=start) for start in (0, 5)]
    assert [*pages[0], *pages[1]] == find(api, "table", top_k=10)


def test_filters_keep_what_they_say(api: httpx.Client) -> None:
    """One value, several of which one must hold, several attributes, and a list in a form."""
    kitchen = find(api, "chair", top_k=200, filters={"category": "Kitchen"})
    seats = find(api, "chair", top_k=200, filters={"tags": ["seat", "tableware"], "category": ["Living room"]})

    assert kitchen
    assert {result["attributes"]["category"] for result in kitchen} == {"Kitchen"}
    assert seats
    assert all("seat" in result["attributes"]["tags"] for result in seats)
    assert {result["attributes"]["category"] for result in seats} == {"Living room"}
    by_form = send(api, picture(), filters=json.dumps({"category": "Kitchen"}), top_k="200").json()["results"]
    # The bare asset is a cup without attributes; all others of the kitchen have views and captions.
    assert {result["asset_id"] for result in by_form} == {result["asset_id"] for result in kitchen}
    assert find(api, "chair", filters={"category": "no such"}) == []


def test_filters_by_bounds_negation_and_permission(api: httpx.Client) -> None:
    """What passes and what does not are together all that there is."""

    def ids(filters: dict[str, Any]) -> set[str]:
        return {result["asset_id"] for result in find(api, "chair", top_k=200, filters=filters)}

    whole = ids({})
    for filters in ({"category": "Kitchen"}, {"faces": {"max": 100}}, {"permits": "commercial"}):
        (name, value), *_ = filters.items()
        assert ids(filters) | ids({name: {"not": value}}) == whole
        assert not ids(filters) & ids({name: {"not": value}})


def test_words_meant_exactly_and_copies(api: httpx.Client) -> None:
    """Full text finds only what has the word; a phrase narrows any search; collapsing only takes away."""
    found = find(api, "chairs", target="words", top_k=200)
    assert found
    assert all("chair" in json.dumps(result).lower() for result in found)
    assert all("chair" in json.dumps(result).lower() for result in find(api, 'thing "chair"', top_k=200))
    plain, collapsed = (find(api, "thing", cross_modal=True, top_k=200, collapsed=flag) for flag in (False, True))
    told = [name for result in collapsed for name in (result["asset_id"], *result["duplicates"])]
    assert sorted(told) == sorted(result["asset_id"] for result in plain)
    assert send(api, picture(), target="words").status_code == 422


def test_facets_count_the_library(api: httpx.Client, library: ServedLibrary) -> None:
    """The values of a filter field with their counts add up to the assets that have it."""
    facets = api.get("/facets/category").json()
    assert sum(facet["count"] for facet in facets) == len(library.asset_ids) - 1
    assert facets == sorted(facets, key=lambda facet: (-facet["count"], facet["value"]))
    for facet in facets:
        found = find(api, "thing", top_k=200, filters={"category": facet["value"]})
        assert len(found) == facet["count"]


def test_an_asset_its_views_and_its_model(api: httpx.Client, library: ServedLibrary) -> None:
    """Every asset's links lead to the files in the workspace, whatever the id is made of."""
    for asset_id in ("cup-0001", ODD_ID, BARE_ID):
        asset = api.get(asset_path(asset_id)).json()
        assert (asset["asset_id"], asset["viewpoint_ids"]) == (asset_id, list(range(VIEWS)))
        for number, url in enumerate(asset["view_urls"]):
            view = api.get(url)
            assert view.headers["content-type"] == "image/png"
            (picture,) = (library.folder / "views" / asset_id).glob(f"@*/{number:05d}/{number:05d}.png")
            assert view.content == picture.read_bytes()
            assert Image.open(io.BytesIO(view.content)).size == (SIZE, SIZE)
            camera = picture.with_suffix(".json").read_text()
            address, _, version = url.partition("?")
            assert api.get(f"{address}/camera?{version}").json() == json.loads(camera)
        model = api.get(asset["model_url"])
        assert model.headers["content-type"] == "model/gltf-binary"
        assert model.content == next((library.folder / "models").glob(f"{glob.escape(asset_id)}@*.glb")).read_bytes()
    assert asset["captions_en"] == asset["captions_zh"] == []


def test_similar_assets(api: httpx.Client) -> None:
    """Others like one, by views or captions; itself is not among them."""
    for target in ("appearance", "caption", "both"):
        answer = api.get(f"{asset_path(ODD_ID)}/similar", params={"top_k": 5, "target": target}).json()
        found = [result["asset_id"] for result in answer["results"]]
        assert (answer["target"], answer["algorithm"], len(found)) == (target, "lite", 5)
        assert ODD_ID not in found
    answer = api.get(f"{asset_path(ODD_ID)}/similar", params={"top_k": 1}).json()
    assert answer["results"][0]["asset_id"] == "chair-0001"  # the same model


def test_health_is_ready(api: httpx.Client) -> None:
    """The algorithm that was published is ready."""
    answer = api.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert answer.json()["algorithms"]["lite"] == "ready"


def test_the_api_describes_itself(api: httpx.Client) -> None:
    """OpenAPI names every route, the algorithms and the targets, and gives examples."""
    document = api.get("/openapi.json").json()
    assert sorted(document["paths"]) == [
        "/access",
        "/assets",
        "/assets/{asset_id}",
        "/assets/{asset_id}/model",
        "/assets/{asset_id}/similar",
        "/assets/{asset_id}/views/{viewpoint_id}",
        "/assets/{asset_id}/views/{viewpoint_id}/camera",
        "/attribution",
        "/collect",
        "/facets/{attribute}",
        "/health",
        "/live",
        "/metrics",
        "/ready",
        "/search",
        "/search/image",
        "/search/text",
        "/status",
    ]
    text = document["components"]["schemas"]["TextSearch"]
    assert "lite" in text["properties"]["algorithm"]["enum"]
    assert {"caption", "appearance", "both"} <= {*text["properties"]["target"]["anyOf"][0]["enum"]}
    for example in text["examples"]:
        assert api.post("/search/text", json=example).status_code == 200
    assert api.get("/docs").status_code == 200


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"query": ""}, "query", "the query is empty"),
        ({"query": "  \n"}, "query", "the query is empty"),
        ({"query": "a" * 1001}, "query", "has 1001 characters; use at most 1000"),
        ({"query": "?!，。"}, "query", "no English or Chinese words"),
        ({"query": "🪑🛋️"}, "query", "no English or Chinese words"),
        ({"query": "стул"}, "query", "no English or Chinese words"),
        ({"query": "كرسي"}, "query", "no English or Chinese words"),
        ({"query": "a", "top_k": 0}, "query", "top_k is 0; choose 1 to 200"),
        ({"query": "a", "top_k": 201}, "query", "top_k is 201; choose 1 to 200"),
        ({"query": "a", "top_k": -(10**30)}, None, "top_k"),
        ({"query": "a", "top_k": "many"}, "invalid", "top_k"),
        ({"query": "a", "top_k": 1.5}, "invalid", "top_k"),
        ({"query": "a", "offset": -1}, "query", "offset is -1"),
        ({"query": "a", "offset": 1000}, "query", "offset is 1000"),
        ({"query": "a", "algorithm": "no such"}, None, "no algorithm 'no such'; choose one of: "),
        ({"query": "a", "algorithm": "../lite"}, None, "no algorithm"),
        (
            {"query": "a", "target": "no such"},
            "unknown_plugin",
            "no mode 'no such'; choose one of: appearance, both, caption",
        ),
        ({"query": "a", "target": ""}, "unknown_plugin", "no mode ''"),
        ({"query": "a", "query_type": "klingon"}, "invalid", "query_type"),
        (
            {"query": "a", "filters": {"price": "1"}},
            "query",
            "cannot filter on 'price'; known fields: category, creator",
        ),
        ({"query": "a", "filters": {"category'); DROP TABLE assets; --": "1"}}, "query", "cannot filter on"),
        ({"query": "a", "filters": {"category": 5}}, "query", "the filter on 'category' is not a word"),
        ({"query": "a", "filters": {"faces": True}}, "invalid", "the filter on 'faces' takes a number"),
        ({"query": "a", "filters": {"faces": ["1", "2"]}}, "query", "has 2 values"),
        ({"query": "a", "filters": {"faces": {"max": 1e39}}}, "query", "at most 3.4e38"),
        ({"query": "a", "filters": {"faces": 10**400}}, "invalid", "the filter on 'faces' takes a number"),
        ({"query": "a", "filters": {"category": "a\x00b"}}, "query", "NUL"),
        ({"query": "a", "filters": "category"}, "invalid", "filters: give a JSON object"),
        ({"query": "a", "colour": "red"}, "invalid", "colour"),
        ({"query": "a", "min_relevance": "good"}, "invalid", "min_relevance"),
        ({"query": "a", "diverse": "sometimes"}, "invalid", "diverse"),
        ({"query": "a", "explain": "why"}, "invalid", "explain"),
        ({"query": 5}, "invalid", "query"),
        ({}, "invalid", "query"),
        ([], "invalid", ""),
        (None, "invalid", ""),
    ],
)
def test_a_bad_text_search_is_the_callers_mistake(api: httpx.Client, body: Any, code: str | None, words: str) -> None:
    """A 4xx in our form with the words that name the mistake."""
    answer = api.post("/search/text", json=body)
    assert 400 <= answer.status_code < 500
    assert words in refused(answer, answer.status_code, code or answer.json()["error"]["code"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"query=chair",
        b'{"query": "a"',
        b"\xff\xfe\x00",
        b'{"query": "\\ud83e"}',
        b"[" * 5000,
        b'{"query": NaN}',
    ],
)
def test_what_is_no_json_is_the_callers_mistake(api: httpx.Client, content: bytes) -> None:
    """Broken, cut, mis-encoded and very deep JSON are each an error in our form."""
    answer = api.post("/search/text", content=content, headers={"content-type": "application/json"})
    refused(answer, answer.status_code, answer.json()["error"]["code"])
    assert answer.status_code in {400, 422}


def test_one_number_is_a_filter(api: httpx.Client) -> None:
    """As a number, as a word, as a list of one, and what is not so."""
    faces = find(api, "chair")[0]["attributes"]["faces"]
    for value in (faces, str(faces), [str(faces)], {"min": faces, "max": faces}):
        found = find(api, "chair", filters={"faces": value}, top_k=200)
        assert {hit["attributes"]["faces"] for hit in found} == {faces}
        others = find(api, "chair", filters={"faces": {"not": value}}, top_k=200)
        assert faces not in {hit["attributes"].get("faces") for hit in others}
    assert find(api, "chair", filters={"faces": {"max": 1e-60}}) == []


def test_a_nul_character_is_no_word(api: httpx.Client) -> None:
    """Every target answers as if it were a blank."""
    for target in ("words", "caption", "appearance", "both"):
        plain = [hit["asset_id"] for hit in find(api, 'a "chair"', target=target)]
        assert plain
        assert [hit["asset_id"] for hit in find(api, 'a\x00"chair\x00"', target=target)] == plain


def test_odd_but_fair_queries_are_answered(api: httpx.Client) -> None:
    """Quotes, SQL, paths and URLs are words like others; the longest query and the largest page are allowed."""
    for query in (
        "'; DROP TABLE live.assets; --",
        "/etc/passwd",
        "http://127.0.0.1/x.png",
        "%s %(x)s {y}",
        "chair\x00",
        "木の椅子",
    ):
        assert len(find(api, query)) == 10
    assert len(find(api, "chair " * 166, top_k=200)) == 22
    assert len(find(api, "chair " * 166, top_k=200, cross_modal=False)) == 21  # all but the asset without a caption
    assert find(api, "chair", top_k=10, offset=990) == []


def bomb() -> bytes:
    """A PNG of few bytes that claims 400 million pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))

    header = struct.pack("!IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a picture; send a JPEG, PNG"),
        (b"hello", "not a picture; send a JPEG, PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (picture()[:3000], "damaged"),
        (bomb(), "pixels; send one of at most 50 million"),
        (picture() + bytes(10_000_000), "MB; send a picture of at most 10 MB"),
    ],
    ids=["empty", "text", "svg", "truncated", "bomb", "just over 10 MB"],
)
def test_a_bad_picture_is_the_callers_mistake(api: httpx.Client, content: bytes, words: str) -> None:
    """A 422 in our form that says what to send."""
    assert words in refused(send(api, content), 422, "image")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"top_k": "0"}, "query"),
        ({"top_k": "201"}, "query"),
        ({"top_k": "x"}, "invalid"),
        ({"algorithm": "no such"}, "not_found"),
        ({"target": "no such"}, "unknown_plugin"),
        ({"filters": "{"}, "invalid"),
        ({"filters": "[1]"}, "invalid"),
        ({"filters": '{"price": "1"}'}, "query"),
        ({"colour": "red"}, "invalid"),
        ({"cross_modal": "perhaps"}, "invalid"),
    ],
)
def test_a_bad_form_is_the_callers_mistake(api: httpx.Client, fields: dict[str, str], code: str) -> None:
    """The same rules as for text, in a form."""
    answer = send(api, picture(), **fields)
    assert 400 <= answer.status_code < 500
    refused(answer, answer.status_code, code)


def test_a_form_without_a_picture(api: httpx.Client) -> None:
    """A missing file, a text in its place and a body that is no form are errors in our form."""
    refused(api.post("/search/image", data={"top_k": "5"}), 422, "invalid")
    refused(api.post("/search/image", data={"file": "picture.png"}), 422, "invalid")
    refused(api.post("/search/image", json={"file": "x"}), 422, "invalid")
    refused(api.post("/search/image"), 422, "invalid")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    answer = api.post("/search/image", content=b"--y\r\nnothing", headers=broken)
    refused(answer, answer.status_code, answer.json()["error"]["code"])
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize("path", ["/search/image", "/search/text"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_refused(api: httpx.Client, path: str, declared: bool) -> None:  # noqa: FBT001
    """Much more than a picture may have, declared or in chunks, is a 413 in our form, with or without a picture."""
    content = bytes(12_000_000)
    request = api.build_request("POST", path, files={"file": ("x.png", content, "image/png")})
    if path == "/search/text":
        request = api.build_request("POST", path, content=b'{"query": "' + b"a" * 12_000_000 + b'"}')
    if not declared:
        body = request.read()
        chunks = (body[start : start + 65536] for start in range(0, len(body), 65536))
        request = api.build_request(
            "POST",
            path,
            content=chunks,
            headers={"content-type": request.headers.get("content-type", "application/json")},
        )
    assert "10 MB" in refused(api.send(request), 413, "too_large")


UNKNOWN = [
    "no such",
    "椅子",
    "a/b/c",
    "..",
    "../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "a\x00b",
    "'; --",
    "x" * 3000,
]


@pytest.mark.parametrize("asset_id", UNKNOWN)
@pytest.mark.parametrize("rest", ["", "/model", "/similar", "/views/0", "/views/0/camera"])
def test_an_unknown_asset_is_not_found(api: httpx.Client, asset_id: str, rest: str) -> None:
    """Nothing but published assets is ever looked for on the disk."""
    answer = api.get(f"/assets/{quote(asset_id, safe='')}{rest}")
    refused(answer, 404, "not_found")


def test_the_id_that_was_asked_for_is_named(api: httpx.Client) -> None:
    """Not more of the address; that an asset cannot be compared is told where it would have been."""
    for rest in ("", "/model", "/views/0", "/views/0/camera"):
        told = refused(api.get(f"/assets/chairs/nope{rest}"), 404, "not_found")
        assert told == "there is no asset 'chairs/nope' here; check the id"
    told = refused(api.get("/assets/nope/similar"), 404, "not_found")
    assert told == "there is no asset 'nope' here that can be compared; check the id"


def test_paths_are_not_left(api_url: str) -> None:
    """Dots that a client would resolve are sent as they are, and lead nowhere."""
    url = httpx.URL(api_url)
    for path in (
        "/assets/../../../../etc/passwd",
        "/assets/cup-0001/views/../../../../../etc/passwd",
        "/assets//etc/passwd/model",
    ):
        with httpx.Client() as client:
            request = httpx.Request("GET", url.copy_with(raw_path=path.encode()))
            refused(client.send(request), 404, "not_found")


@pytest.mark.parametrize("number", ["99", "-1", str(VIEWS), "9999999999999"])
def test_an_unknown_view_is_not_found(api: httpx.Client, number: str) -> None:
    """The numbers of an asset's views are those that were rendered."""
    refused(api.get(f"/assets/cup-0001/views/{number}"), 404, "not_found")
    refused(api.get(f"/assets/cup-0001/views/{number}/camera"), 404, "not_found")


def test_a_view_has_a_number(api: httpx.Client) -> None:
    """A name instead of a number is the caller's mistake."""
    answer = api.get("/assets/cup-0001/views/first")
    assert answer.status_code in {404, 422}
    refused(answer, answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(
    "parameters", [{"top_k": 0}, {"top_k": 201}, {"top_k": "x"}, {"target": "no such"}, {"algorithm": "x"}]
)
def test_a_bad_request_for_similar_assets(api: httpx.Client, parameters: dict[str, Any]) -> None:
    """The limits are those of a search."""
    answer = api.get("/assets/cup-0001/similar", params=parameters)
    assert answer.status_code in {404, 422}
    refused(answer, answer.status_code, answer.json()["error"]["code"])


def test_similar_by_a_caption_that_is_not_there(api: httpx.Client) -> None:
    """An asset without a caption has none to compare."""
    refused(api.get(f"/assets/{BARE_ID}/similar", params={"target": "caption"}), 404, "not_found")


def test_unknown_routes_methods_and_facets(api: httpx.Client) -> None:
    """These too are errors in our form."""
    refused(api.get("/no/such/route"), 404, "not_found")
    refused(api.get("/search/text"), 405, "method_not_allowed")
    refused(api.get("/facets/price"), 404, "not_found")
    refused(api.get("/facets/category", params={"algorithm": "x"}), 404, "not_found")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            "/assets?category=Office&limit=1",
            "category: there is no such parameter; there are: algorithm, filters, sort",
        ),
        ("/assets/cup-0001/similar?topk=1", "topk: there is no such parameter; there are: algorithm, target, top_k"),
        ("/assets/cup-0001/similar?filters={}", "filters: there is no such parameter; there are: algorithm, target"),
        ("/assets/cup-0001?asset_id=1", "asset_id: there is no such parameter; there are: algorithm"),
        ("/assets/cup-0001/views/0/camera?version=1", "version: there is no such parameter; there are: algorithm, v"),
        ("/status?algorithm=lite", "algorithm: there is no such parameter; nothing is asked in this address"),
        ("/access?=", ": there is no such parameter; nothing"),
    ],
)
def test_a_parameter_that_a_route_has_not_is_refused(api: httpx.Client, asked: str, words: str) -> None:
    """As a field is that a body may not have: it would have no effect, and nobody would know."""
    assert refused(api.get(asked), 422, "invalid").startswith(f"query.{words}")


def test_what_is_wrong_inside_of_a_body_is_told_there(api: httpx.Client) -> None:
    """Not of the whole body, which is JSON; nor of filters that nobody asks for there."""
    message = refused(api.post("/search", json={"parts": ["chair"]}), 422, "invalid")
    assert message.startswith("parts.0: ")
    message = refused(api.post("/search", json={"parts": [{"text": "chair", "filters": {}}]}), 422, "invalid")
    assert message.startswith("parts.0.filters: ")


def test_what_is_asked_beside_a_body_is_refused(api: httpx.Client) -> None:
    """By words, which go past the framework, and otherwise."""
    for path, body in (("/search/text", {"query": "chair"}), ("/attribution", {"asset_ids": [BARE_ID]})):
        message = refused(api.post(f"{path}?top_k=1", json=body), 422, "invalid")
        assert message == "query.top_k: there is no such parameter; nothing is asked in this address"


def test_probes_and_pages_take_what_is_added_to_their_addresses(api: httpx.Client) -> None:
    """Such as the time, so that no cache answers; and the addresses that an answer names are whole."""
    for path in ("/health", "/live", "/ready", "/metrics", "/docs", "/openapi.json"):
        assert api.get(f"{path}?now=1").status_code == 200
    first = find(api, "cup", top_k=1)[0]
    for path in (first["model_url"], first["thumbnail_url"]):
        assert api.get(path).status_code == 200


def test_many_at_once(api: httpx.Client) -> None:
    """Forty searches side by side, of every kind, are answered as alone."""
    alone = {query: find(api, query) for query in ("chair", "桌子", "lamp", "blue vase")}

    def ask(number: int) -> bool:
        query = list(alone)[number % 4]
        return find(api, query) == alone[query] and send(api, picture()).status_code == 200

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(20)))
