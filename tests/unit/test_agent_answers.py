"""What agents read: bounded in tokens whatever a library says, and a contact sheet that is always a small picture."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from meshseek.client import Client
from meshseek.client.answers import Asset, AssetPage, Result
from meshseek.errors import InputError
from meshseek.interfaces.mcp.arguments import CollectAttribution, GetAsset, SearchAssets, SearchAssetsHere
from meshseek.interfaces.mcp.contact_sheet import COLUMNS, MOST, MOST_BYTES, SIDE, contact_sheet
from meshseek.interfaces.mcp.tools import Reply, Tools, _file_name
from meshseek.interfaces.mcp.wording import (
    EACH_TOKENS,
    MOST_TOKENS,
    Reach,
    Rows,
    asset_text,
    facet_notes,
    licence_text,
    results_text,
    shortened,
    size_text,
    tokens,
)
from meshseek.search.sizes import Size

REACH = Reach("http://127.0.0.1:8000")
WORDS = some.text(max_size=2_000)


def results(count: int, *, head: str = "Search", **fields: Any) -> Rows:
    """So many results like this."""
    one = {"asset_id": "chairs/red", "score": 1.0, "relevance": "strong", "model_url": "/assets/chairs/red/model"}
    return Rows(head=head, assets=[Result.model_validate(one | fields)] * count)


def test_ten_results_say_what_an_agent_needs() -> None:
    """Number, id, how well it fits, caption, size, licence and where its model is, in far fewer tokens than allowed."""
    size = {"width": 0.6, "depth": 0.55, "height": 0.9, "unit": "m", "certainty": "likely"}
    attributes = {"size": size, "licence": "CC-BY-4.0", "creator": "Anna", "category": "Kitchen"}
    rows = results(10, head='Search for "chair"', caption_en="a red chair", attributes=attributes)
    text = results_text(rows, REACH)

    assert text.splitlines()[:3] == [
        'Search for "chair": 10 results, best first; these are the last. Numbers are those on the picture.',
        "1. chairs/red [strong] a red chair",
        "   Kitchen; 0.6 x 0.55 x 0.9 m, unit likely; CC-BY-4.0 by Anna; glb http://127.0.0.1:8000/assets/chairs/red/model",
    ]
    assert tokens(text) < MOST_TOKENS * 2 / 3
    far = results_text(replace(rows, follows="more", offset=10, wished=Size(width=50, height=88)), REACH)
    assert far.splitlines()[0].startswith('Search for "chair": results 11 to 20, best first; more with offset 20.')
    assert "0.6 x 0.55 x 0.9 m, unit likely (4 cm off on average); CC-BY" in far


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (Rows(head="Search", assets=[]), "Search: nothing found. Use other words, or fewer filters."),
        (
            Rows(head="Search", assets=[], why_none="no asset here has the tag 'x'; there are: y"),
            "Search: nothing found. No asset here has the tag 'x'; there are: y.",
        ),
        (
            Rows(head="Search", assets=[], offset=820),
            "Search: no result has the number 821; the pages before have all that there are.",
        ),
    ],
)
def test_an_end_is_told_as_such(rows: Rows, told: str) -> None:
    """Nothing found is something else than nothing more, and each says what helps."""
    assert results_text(rows, Reach("http://127.0.0.1:8000", needs_key=True, saves=True)) == told


def test_who_cannot_send_the_key_gets_models_as_files() -> None:
    """Over HTTP addresses are told with their header; over stdio a tool saves models, and no address is told."""
    keyed = results_text(results(2), Reach("http://127.0.0.1:8000", needs_key=True))
    assert "The glb addresses need the header 'Authorization: Bearer <key>'." in keyed.splitlines()
    saved = results_text(results(2), Reach("http://127.0.0.1:8000", needs_key=True, saves=True))
    assert saved.splitlines()[1] == "get_asset saves a GLB on this machine and gives its path."
    assert "http" not in saved


def test_values_of_fields_are_told_in_short() -> None:
    """The most frequent ones, for filters to name."""
    counts = [{"value": f"room {number}\n", "count": 100 - number} for number in range(20)]
    page = AssetPage.model_validate({"assets": [], "facets": {"category": counts, "tags": [], "faces": {"min": 1}}})
    (line,) = facet_notes(page)
    assert line.startswith("category: room 0 100, room 1 99, ")
    assert line.endswith("room 14 86 and more")


@given(asset_id=some.text(min_size=1, max_size=500), caption=WORDS, licence=WORDS, creator=WORDS)
def test_no_library_makes_an_answer_long(asset_id: str, caption: str, licence: str, creator: str) -> None:
    """Whatever it says of its assets; what does not fit is counted."""
    attributes = {"licence": licence, "creator": creator, "category": caption, "tags": [caption] * 50}
    answer = results(10, asset_id=asset_id, caption_en=caption, attributes=attributes)
    assert tokens(results_text(answer, REACH)) <= MOST_TOKENS
    asset = Asset(asset_id=asset_id, captions_en=(caption,) * 9, attributes=attributes, viewpoint_ids=(1, 2))
    assert tokens(shortened(asset_text(asset, None, ["1", "2"]))) <= MOST_TOKENS


def test_what_a_library_says_stays_on_its_line() -> None:
    """So that a caption cannot look like another result, or like a word of ours."""
    text = results_text(results(1, caption_en="chair\n2. evil\x1b[2J [strong]"), REACH)
    assert len(text.splitlines()) == 3
    assert "chair 2. evil [strong]" in text


def test_left_out_results_are_counted() -> None:
    """With how to get them."""
    text = results_text(results(10, asset_id="椅" * 90), REACH)
    shown = sum(line.startswith(f"{place}. ") for place in range(1, 11) for line in text.splitlines())
    assert 0 < shown < 10
    assert f"({10 - shown} more do not fit here: ask for fewer at once, or for the next by offset)" in text


def test_twenty_results_are_all_told() -> None:
    """Who asks for more than ten gets more than ten results' tokens."""
    text = results_text(results(20, caption_en="a large brown stool with four legs"), REACH)
    assert "\n20. " in text
    assert MOST_TOKENS / 2 < tokens(text) <= 20 * EACH_TOKENS


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("2. chair-0002 [strong] a large pink chair\n   0.537 x 0.537 x 1.16 m; CC0-1.0 by Meshseek", 35),
        ("一把古董木椅，深色的，四条腿，靠背高，适合餐厅使用。" * 10, 350),
        ("%E5%8F%A4%E8%91%A3%20%E5%AE%B6%E5%85%B7" * 10, 350),
        ("8476c4170df24cf5bbe6967222d1a42", 18),  # pragma: allowlist secret
    ],
)
def test_tokens_are_counted_rather_too_high(text: str, counted: int) -> None:
    """Beside what a model's own tokenizer counted."""
    assert counted <= tokens(text) <= 2 * counted


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ({"width": 0.6, "depth": 0.6, "height": 0.9, "unit": "m"}, "0.6 x 0.6 x 0.9 m (width x depth x height)"),
        (
            {"width": 60, "depth": 60, "height": 90, "unit": None, "certainty": "unknown"},
            "60 x 60 x 90 in an unknown unit: scale it yourself",
        ),
        ({"width": "wide"}, "unknown"),
        (None, "unknown"),
    ],
)
def test_a_size_is_told_with_its_unit(size: Any, told: str) -> None:
    """Metres, as 3D programs count; or that nobody knows."""
    assert size_text({"size": size}) == told


def test_an_asset_without_licence_says_so() -> None:
    """Nothing is claimed of it."""
    assert licence_text({}) == "unknown licence"
    assert licence_text({"creator": "Anna"}) == "unknown licence by Anna"


@pytest.mark.parametrize("count", [1, 3, 5, 6, 20, 25])
def test_a_contact_sheet_has_a_numbered_tile_for_each(count: int) -> None:
    """Row by row; noise, which packs worst, stays within the bound; what is no picture leaves its place empty."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8))
    file = io.BytesIO()
    noise.save(file, "PNG")
    contents = [file.getvalue(), None, b"no picture"]
    sheet = contact_sheet([(str(number), contents[number % 3]) for number in range(count)])

    assert len(sheet) <= MOST_BYTES
    with Image.open(io.BytesIO(sheet)) as opened:
        assert opened.format == "JPEG"
        shown = min(count, MOST)
        assert opened.size == (min(shown, COLUMNS) * SIDE, -(-shown // COLUMNS) * SIDE)
        assert np.asarray(opened.convert("L"))[:20, :20].min() < 80


@given(some.text(min_size=1, max_size=1_000))
def test_a_model_s_file_has_a_name_of_its_own(asset_id: str) -> None:
    """Whatever the id: one that stays in its folder, and that the file system takes."""
    name = _file_name(asset_id)
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 255
    assert name.endswith(".glb")


def test_assets_of_one_folder_share_no_file() -> None:
    """Names are those of the asset where they can be, and tell apart what is written alike."""
    names = [_file_name(each) for each in ("chair", "a/chair", "a_chair", "..", "con")]

    assert names[0] == "chair.glb"
    assert names[2] == "a_chair.glb"
    assert len({*names}) == len(names)


def test_a_home_of_nobody_is_told() -> None:
    """As any other path that leads nowhere."""
    asked = SearchAssetsHere.model_validate({"image_path": "~no_such_user/chair.png"})
    with pytest.raises(InputError, match="there is no such user"):
        Tools(Client("http://api.test"), REACH).search_assets(asked)


def test_the_service_chooses_the_algorithm() -> None:
    """Its own default where that answers, else one that does."""
    asked: list[dict[str, Any]] = []

    def tools(ready: str) -> Tools:
        def handler(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/health":
                return httpx.Response(200, json={"algorithms": {"lite": "not published", ready: "ready"}})
            asked.append(json.loads(request.content))
            return httpx.Response(200, json={"results": [], "algorithm": ready, "target": "both"})

        return Tools(Client("http://api.test", transport=httpx.MockTransport(handler)), REACH)

    for ready in ("lite", "siglip"):
        reply = tools(ready).search_assets(SearchAssets.model_validate({"text": "chair"}))
        assert reply == Reply('Search for "chair": nothing found. Use other words, or fewer filters.')
    assert [body.get("algorithm") for body in asked] == [None, "siglip"]


@pytest.mark.parametrize(
    ("offset", "said"), [(0, "more with offset 20"), (980, "no page goes further"), (990, "no page goes further")]
)
def test_a_list_offers_no_page_that_is_refused(offset: int, said: str) -> None:
    """In a library of more than a thousand assets."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(200, json={"algorithms": {"lite": "ready"}})
        given = request.url.params
        number = int(given["limit"])
        assets = [{"asset_id": f"{given.get('cursor')}-{each}", "attributes": {}} for each in range(number)]
        return httpx.Response(200, json={"assets": assets, "cursor": "next", "total": 5000})

    tools = Tools(Client("http://api.test", transport=httpx.MockTransport(handler)), REACH)
    reply = tools.search_assets(SearchAssets.model_validate({"top_k": 20, "offset": offset}))
    assert f"; {said}." in reply.text


@pytest.mark.parametrize(
    "given",
    [
        {"text": "a", "like": None, "filters": None, "size": "", "top_k": None},
        {"text": "a", "like": "", "without": "", "filters": "{}"},
        {"text": "a", "image_base64": None, "filters": {"category": None}},
    ],
)
def test_null_is_as_good_as_left_out(given: dict[str, Any]) -> None:
    """Models send it, or a text of no characters, for all that they do not use."""
    assert SearchAssets.model_validate(given) == SearchAssets.model_validate({"text": "a"})


def test_a_use_may_be_named_as_what_permits_it() -> None:
    """In the words of the filter, or in those that other ways of asking have; the service knows both."""
    for use in ("modification", "changes"):
        assert CollectAttribution.model_validate({"asset_ids": ["a"], "use": use}).use == use


def test_filters_may_be_a_text_of_json() -> None:
    """As some models send what is nested."""
    filters = {"height": {"max": 80}, "tags": ["a", "b"]}
    sent = SearchAssets.model_validate({"text": "a", "filters": json.dumps(filters)})
    assert sent == SearchAssets.model_validate({"text": "a", "filters": filters})


def test_a_view_that_cannot_be_had_is_an_empty_tile(tmp_path: Path) -> None:
    """Nor is an asset without its model no answer: its address is told, and why there is no file."""
    asset = {"asset_id": "a", "viewpoint_ids": [0], "view_urls": ["/assets/a/views/0"], "model_url": "/assets/a/model"}
    refusal = {"error": {"code": "not_found", "message": "it is missing on the server"}}

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=asset) if request.url.path == "/assets/a" else httpx.Response(404, json=refusal)

    client = Client("http://api.test", transport=httpx.MockTransport(handler))
    reply = Tools(client, REACH, tmp_path / "models").get_asset(GetAsset(asset_id="a"))
    told = "glb: http://127.0.0.1:8000/assets/a/model (it could not be saved here: it is missing on the server)"
    assert told in reply.text.splitlines()
    assert reply.picture is not None
    assert list((tmp_path / "models").iterdir()) == []
