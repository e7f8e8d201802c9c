"""Holodeck's retriever over a running Meshseek: its documented calls, and a service that is away, busy or another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.sample_library import BARE_ID, ODD_ID

from meshseek.access.keys import make_key
from meshseek.client import connection
from meshseek.errors import InputError, MeshseekError, ServiceError
from meshseek.integrations import holodeck, service
from meshseek.integrations.holodeck import MeshseekRetriever, place_by_words
from meshseek.integrations.service import MeshseekService

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def retriever(api_url: str) -> Iterator[MeshseekRetriever]:
    """Over a real service with 22 models."""
    with MeshseekRetriever(api_url) as retriever:
        yield retriever


def faked(handler: Handler, **options: Any) -> MeshseekRetriever:
    """Over a service that answers as a function says."""
    transport = httpx.MockTransport(handler)
    return MeshseekRetriever(service=MeshseekService("http://meshseek.test", transport), **options)


def box_of(entry: dict[str, Any]) -> dict[str, float]:
    """As Holodeck looks for it: below ``assetMetadata``, with sides, with a size, or with two corners."""
    box = entry["assetMetadata"]["boundingBox"]
    if "x" in box:
        return dict(box)
    return dict(box["size"]) if "size" in box else {axis: box["max"][axis] - box["min"][axis] for axis in "xyz"}


def selected(retriever: MeshseekRetriever, what: str, size: tuple[float, ...], threshold: float) -> list[str]:
    """Choose floor objects in Holodeck's order of steps; the ids, best first."""
    candidates = retriever.retrieve([f"a 3D model of {what}"], threshold)
    on_floor = [
        candidate
        for candidate in candidates
        if (annotation := retriever.database[candidate[0]]["annotations"])["onFloor"]
        and not annotation["onCeiling"]
        and all(word not in annotation["category"].lower() for word in ("door", "window", "frame"))
    ]
    fitting = [candidate for candidate in on_floor if max(box_of(retriever.database[candidate[0]]).values()) < 10]
    return [uid for uid, _ in retriever.compute_size_difference(size, fitting[:20])[:10]]


def test_a_scene_is_furnished_in_holodecks_order(retriever: MeshseekRetriever) -> None:
    """What is asked for stands on the floor, and the wished size brings the one up that has it."""
    found = selected(retriever, "chair, wooden", (45, 45, 90), 31)
    chairs = [uid for uid in found if "chair" in uid or uid == ODD_ID]
    assert found[: len(chairs)] == chairs
    assert len(chairs) > 1

    for uid in chairs:
        box = box_of(retriever.database[uid])
        assert all(0.01 < side < 5 for side in box.values())
        wished = tuple(100 * side for side in box.values())
        (nearest, score), *_ = retriever.compute_size_difference(wished, [(name, 0.0) for name in chairs])
        assert score == pytest.approx(0, abs=1e-6)
        assert nearest == uid or box_of(retriever.database[nearest]) == box


def test_results_are_candidates_by_score(retriever: MeshseekRetriever) -> None:
    """Pairs of id and score, best first; of several queries, all; one query may be a mere text."""
    tables = retriever.retrieve(["a 3D model of table"], threshold=28)
    both = retriever.retrieve(["a 3D model of table", "sofa"], threshold=28)

    assert tables == retriever.retrieve("table", 28)
    assert [score for _, score in tables] == sorted((score for _, score in tables), reverse=True)
    assert sorted(both) == sorted([*tables, *retriever.retrieve(["sofa"], 28)])
    assert retriever.retrieve([]) == []
    assert retriever.retrieve(["一张桌子"], 28)[0][0].startswith("table")


def test_a_low_threshold_leaves_nothing_out(retriever: MeshseekRetriever, library: Any) -> None:
    """A high one does: it leaves out what fits weakly."""
    every = {uid for uid, _ in retriever.retrieve(["chair"], threshold=-1e9)}

    assert every == set(library.asset_ids)
    assert 0 < len(retriever.retrieve(["chair"], threshold=31)) <= len(every)


def test_views_alone_are_compared_where_text_is_off(api_url: str) -> None:
    """Then scores are a hundred times a cosine."""
    with MeshseekRetriever(api_url) as retriever:
        retriever.use_text = False
        scores = [score for _, score in retriever.retrieve(["sofa"], threshold=-1e9)]

    assert scores
    assert all(abs(score) <= 100 for score in scores)


def test_assets_are_looked_up_by_their_id(retriever: MeshseekRetriever) -> None:
    """Also ids that mean something in an address; unknown ones are not in it."""
    database = retriever.database

    assert ODD_ID in database
    entry = database[ODD_ID]
    assert entry["annotations"]["category"] == "Living room"
    assert entry["annotations"]["description"] == "an antique wooden chair"
    assert httpx.get(entry["model_url"]).content[:4] == b"glTF"
    assert database[BARE_ID]["annotations"]["onFloor"] is True
    assert "no such asset" not in database
    assert 5 not in database
    assert database.get("no such asset", "none") == "none"
    with pytest.raises(KeyError):
        database["no such asset"]


def test_the_size_term_is_holodecks(retriever: MeshseekRetriever) -> None:
    """Ten points for each metre of the mean difference of the sorted sides, whichever way the wish is written."""
    entry = retriever.database["sofa-0001"]
    x, y, z = (100 * side for side in box_of(entry).values())
    candidates = [("sofa-0001", 40.0)]

    for wished in ((x, y, z), (z, x, y), [y, z, x]):
        assert retriever.compute_size_difference(wished, candidates)[0][1] == pytest.approx(40)
    larger = retriever.compute_size_difference((x + 100, y + 100, z + 100), candidates)
    assert larger[0][1] == pytest.approx(30)
    assert retriever.compute_size_difference((1, 2, 3), []) == []
    for nonsense in ((1, 2), (1, 2, 0), (1, 2, "x"), (1, 2, float("nan")), None):
        with pytest.raises(InputError, match="not three positive numbers; give centimetres"):
            retriever.compute_size_difference(nonsense, candidates)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asset", "places"),
    [
        ({"caption_en": "an oil painting", "attributes": {}}, {"onWall"}),
        ({"caption_en": "lamp", "attributes": {"tags": ["ceiling"]}}, {"onCeiling"}),
        ({"captions_en": ["a bed"], "attributes": {}}, {"onFloor"}),
        ({"attributes": {"name": "cup", "size": {"unit": "m", "width": 0.1, "depth": 0.1, "height": 0.1}}}, None),
        ({"attributes": {"name": "mirror", "onFloor": "true", "onWall": False}}, {"onFloor"}),
    ],
)
def test_where_things_belong(asset: dict[str, Any], places: set[str] | None) -> None:
    """By their names and sizes, unless the library says it."""
    told = place_by_words(asset)
    assert {name for name, value in told.items() if value} == (places or {"onFloor", "onObject"})


def result(number: int, **more: Any) -> dict[str, Any]:
    """A result as the API gives it."""
    size = {"unit": "m", "width": 1, "depth": 1, "height": 1, "certainty": "likely"}
    return {"asset_id": f"a{number}", "score": 1.0, "relevance": "fair", "attributes": {"size": size}, **more}


def test_pages_are_bounded() -> None:
    """No more is asked for than the limit, and nothing more once the end is reached."""
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        fields = json.loads(request.content)
        asked.append((fields["offset"], fields["top_k"], fields["diverse"]))
        end = min(450, fields["offset"] + fields["top_k"])
        return httpx.Response(200, json={"results": [result(number) for number in range(fields["offset"], end)]})

    assert len(faked(handler, limit=1000).retrieve(["chair"])) == 450
    assert asked == [(0, 200, False), (200, 200, False), (400, 200, False)]
    asked.clear()
    assert len(faked(handler, limit=250).retrieve(["chair"])) == 250
    assert asked == [(0, 200, False), (200, 50, False)]
    for limit in (0, 1001):
        with pytest.raises(InputError, match="choose 1 to 1000"):
            faked(handler, limit=limit)
    with pytest.raises(InputError, match="ask at most 100 at once"):
        faked(handler).retrieve(["chair"] * 101)


def test_what_has_no_size_is_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """As a candidate it is what the others are on average."""
    unsized = {"size": {"unit": None, "width": 1, "depth": 1, "height": 1, "certainty": "unknown"}}
    rows = [result(0), result(1, attributes=unsized), result(2, attributes=None), result(3, relevance="weak")]
    retriever = faked(lambda _: httpx.Response(200, json={"results": rows}))

    assert [uid for uid, _ in retriever.retrieve(["chair"])] == ["a0"]
    assert retriever.without_size == 2
    assert "2 results have no size in metres" in caplog.text
    moved = retriever.compute_size_difference((100, 100, 400), [("a1", 5.0), ("a0", 5.0), ("a3", 5.0)])
    assert moved == [("a1", -5.0), ("a0", -5.0), ("a3", -5.0)]


def test_a_busy_service_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As late as it says, within bounds, and not for ever."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    busy = httpx.Response(503, json={"error": {"code": "busy", "message": "too much"}}, headers={"Retry-After": "99"})
    answers: Iterator[httpx.Response] = iter([busy, busy, httpx.Response(200, json={"results": [result(0)]})])

    assert [uid for uid, _ in faked(lambda _: next(answers)).retrieve(["chair"])] == ["a0"]
    assert waits == [10, 10]
    with pytest.raises(ServiceError, match="too much"):
        faked(lambda _: busy).retrieve(["chair"])
    assert len(waits) == 2 + service.RETRIES


def test_a_key_is_sent_and_rates_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """With each request, as the service wants it; after too many it is asked again when it says."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    key, _ = make_key("holodeck", "read")
    sent: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("Authorization"))
        if len(sent) == 1:
            refusal = {"error": {"code": "too_many_requests", "message": "too many requests"}}
            return httpx.Response(429, json=refusal, headers={"Retry-After": "3"})
        return httpx.Response(200, json={"results": []})

    asked = MeshseekService("http://meshseek.test", httpx.MockTransport(handler), key=key)
    assert asked.search(query="chair") == []
    assert (sent, waits) == ([f"Bearer {key}"] * 2, [3])
    with pytest.raises(InputError, match="'meshseek keys add NAME'") as raised:
        MeshseekService("http://meshseek.test", key=f"{key}\n")
    assert key not in str(raised.value)


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        (_refuse, ServiceError, "does not answer; run 'meshseek serve' there"),
        (lambda _: httpx.Response(200, content=b"<html>"), ServiceError, "check the address"),
        (lambda _: httpx.Response(200, content=b"[" * 100_000), ServiceError, "check the address"),
        (lambda _: httpx.Response(200, json=[1]), ServiceError, "check the address"),
        (lambda _: httpx.Response(200, json={"results": [{}]}), ServiceError, "check the address"),
        (lambda _: httpx.Response(200, json={"results": [{"asset_id": "a", "score": "x"}]}), ServiceError, "check"),
        (lambda _: httpx.Response(404, json={"detail": "Not Found"}), ServiceError, "check the address"),
        (lambda _: httpx.Response(500, json={"error": {"message": "the disk is full"}}), ServiceError, "disk is full"),
        (lambda _: httpx.Response(422, json={"error": {"message": "no words"}}), InputError, "no words"),
    ],
)
def test_what_goes_wrong_is_one_line(handler: Handler, kind: type[MeshseekError], message: str) -> None:
    """Whether nothing answers, something else does, or Meshseek refuses."""
    with pytest.raises(kind, match=message) as raised:
        faked(handler).retrieve(["chair"])
    assert "\n" not in str(raised.value)


def test_a_huge_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is something taken for an address that is none."""
    monkeypatch.setattr(connection, "MOST_BYTES", 1000)
    with pytest.raises(ServiceError, match="more than 1,000 bytes"):
        faked(lambda _: httpx.Response(200, content=b" " * 2000)).retrieve(["chair"])
    for nothing in ("", "meshseek", "ftp://host", "http://"):
        with pytest.raises(InputError, match=r"give one such as http://127\.0\.0\.1:8000"):
            MeshseekRetriever(nothing)


def test_only_so_many_assets_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are fetched again."""
    monkeypatch.setattr(holodeck, "MOST_KEPT", 3)
    fetched = []

    def handler(request: httpx.Request) -> httpx.Response:
        fetched.append(request.url.path)
        return httpx.Response(200, json={"attributes": {}})

    database = faked(handler).database
    for uid in ("a", "b", "c", "d", "d", "a"):
        database[uid]
    assert fetched == [f"/assets/{uid}" for uid in ("a", "b", "c", "d", "a")]


def test_the_how_to_works(api_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its code runs as it stands, but for the address, and names chairs with their sizes."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "furnish-holodeck-scenes.md"
    code = page.read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(code.replace("http://127.0.0.1:8000", api_url), names)
    names["retriever"].close()

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("'x': " in line and "True http://127.0.0.1" in line for line in lines)
    assert "chair" in lines[0] or ODD_ID in lines[0]
