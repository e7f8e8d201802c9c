"""Searches whose first results are put in another order: pages, what stays in its place, and what the answer says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event, Semaphore, Thread
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image
from tests.command_lines import Ended, run_here
from tests.conftest import ServedLibrary, drop_databases, serving, wait_until_ready
from tests.toy import embed_toys, import_toys, publish_toys, toy, toy_algorithm
from tests.vlm_service import KEY, MODEL, Service, vlm_service

from meshseek.errors import HostedError, UnknownPluginError
from meshseek.model import PublishedAsset
from meshseek.rerankers import Candidate, Judgement, Reranker, RerankerOptions, Wanted
from meshseek.search.algorithm import Algorithm
from meshseek.search.query import Query
from meshseek.search.reranking import Reranking
from meshseek.store.postgres import POOL_SIZE, Server
from meshseek.store.read.library import Library
from meshseek.store.read.published import Published
from meshseek.workspace.workspace import Workspace

PATIENCE = 30.0
QUERIES: dict[str, dict[str, Any]] = {
    "words": {"text": "red chair"},
    "captions": {"text": "红色的椅子", "target": "caption"},
    "views": {"text": "red chair", "cross_modal": True},
    "collapsed": {"text": "chair", "collapsed": True},
    "not diverse": {"text": "chair", "diverse": False},
    "filtered": {"text": "chair", "exact": True, "filters": {"tags": ["red", "blue"]}},
    "picture": {"image": Image.new("RGB", (16, 16), "red")},
}


class Backwards(Reranker):
    """The last of the first results is the best."""

    failure: HostedError | None = None
    before: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, options: RerankerOptions | None = None) -> None:
        super().__init__(options or RerankerOptions())
        self.judged: list[tuple[Wanted, list[str]]] = []
        self.views_seen = 0

    def judge(self, wanted: Wanted, candidates: Sequence[Candidate]) -> Judgement:
        """Score by place."""
        self.before()
        if self.failure:
            raise self.failure
        self.judged.append((wanted, [candidate.asset_id for candidate in candidates]))
        self.views_seen += sum(len(candidate.views(1)) for candidate in candidates)
        return Judgement(scores=np.arange(len(candidates), dtype=np.float32))


@pytest.fixture(scope="module")
def published(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Server]]:
    """The toys, published once for all tests; to be read only."""
    prefix = f"reranked_{uuid4().hex[:12]}_"
    workspace, server = Workspace(tmp_path_factory.mktemp("toys")), Server(lambda: conninfo, prefix)
    import_toys(workspace)
    embed_toys(workspace)
    publish_toys(workspace, server)
    yield workspace, server
    drop_databases(conninfo, prefix)


@pytest.fixture
def backwards() -> Backwards:
    """The reranker of these tests."""
    return Backwards()


@pytest.fixture
def algorithm(published: tuple[Workspace, Server], backwards: Backwards) -> Iterator[Algorithm]:
    """The published toys, with that one reranker in the stead of a real one."""
    workspace, server = published
    reranking = Reranking(lambda _: backwards, workspace.folder, PATIENCE)
    opened = Algorithm("toy", Library(server, "toy"), lambda space: toy(space.model), None, reranking)
    yield opened
    opened.library.close()


def ids(algorithm: Algorithm, **options: Any) -> list[str]:
    """Ids of a page."""
    return [hit.asset_id for hit in algorithm.search(Query(**options)).hits]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_the_first_results_change_places_and_no_others(
    algorithm: Algorithm, backwards: Backwards, query: dict[str, Any]
) -> None:
    """The first twenty come in the reranker's order, with their captions and views, the rest as before."""
    before = algorithm.search(Query(**query, top_k=40))
    after = algorithm.search(Query(**query, top_k=40, rerank="openai_vlm"))

    first = [hit.asset_id for hit in before.hits[:20]]
    assert [hit.asset_id for hit in after.hits] == [*first[::-1], *(hit.asset_id for hit in before.hits[20:])]
    assert {hit.asset_id: hit for hit in before.hits} == {hit.asset_id: hit for hit in after.hits}
    assert (before.reranked_by, before.note) == (None, None)
    assert after.reranked_by == "openai_vlm"
    assert after.note is not None
    assert after.note.startswith("the first ")
    ((wanted, judged),) = backwards.judged
    assert judged == first
    assert (wanted.text, wanted.image) == (query.get("text"), query.get("image"))
    assert backwards.views_seen == len(first)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_pages_are_disjoint_and_complete(algorithm: Algorithm, backwards: Backwards, query: dict[str, Any]) -> None:
    """Cut anywhere, they are the whole in pieces; the reranker is asked once."""
    asked = query | {"rerank": "openai_vlm"}
    whole = ids(algorithm, **asked, top_k=40)
    for size in (1, 7, 20, 33):
        pages = [ids(algorithm, **asked, top_k=size, offset=start) for start in range(0, 40, size)]
        assert [asset_id for page in pages for asset_id in page] == whole

    assert len(set(whole)) == len(whole)
    assert len(backwards.judged) == 1


def test_pages_stay_as_they_were_where_the_first_was(algorithm: Algorithm, backwards: Backwards) -> None:
    """One that was down for the first page leaves the pages after it alone; the next first page asks it again."""
    before = ids(algorithm, text="red chair", top_k=20)
    backwards.failure = HostedError("the service is down; try later")
    answer = algorithm.search(Query(text="red chair", top_k=10, rerank="openai_vlm"))
    backwards.failure = None
    second = ids(algorithm, text="red chair", top_k=10, offset=10, rerank="openai_vlm")

    assert (answer.reranked_by, answer.note) == (None, "'openai_vlm' could not judge: the service is down; try later")
    assert [*(hit.asset_id for hit in answer.hits), *second] == before
    assert ids(algorithm, text="red chair", top_k=20, rerank="openai_vlm") == before[::-1]


def test_what_is_named_stays_first(algorithm: Algorithm, backwards: Backwards) -> None:
    """An asset whose whole name was typed is no matter of taste; a search by id is not reranked at all."""
    name: dict[str, Any] = {"text": "a red table number4", "top_k": 5}
    before = algorithm.search(Query(**name)).hits
    after = algorithm.search(Query(**name, rerank="openai_vlm")).hits
    assert before[0].asset_id == "toys/004"
    assert after[0] == before[0]
    assert after[1:] != before[1:]
    assert "toys/004" not in backwards.judged[0][1]

    by_id = algorithm.search(Query(text="toys/004", top_k=5, rerank="openai_vlm"))
    assert by_id.hits == algorithm.search(Query(text="toys/004", top_k=5)).hits
    assert by_id.reranked_by is None
    assert "an asset's id was searched" in (by_id.note or "")


def test_the_least_relevance_holds_in_the_new_order(algorithm: Algorithm) -> None:
    """What fits less is left out of a page wherever the reranker puts it."""
    answer = algorithm.search(Query(text="red chair", top_k=40, min_relevance="strong", rerank="openai_vlm"))
    assert {hit.relevance for hit in answer.hits} <= {"strong"}


def test_assets_are_looked_up_once(algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the page, for the reranker, and for the explanation of what it put first."""
    asked, shown = [], Library.shown

    def counted(library: Library, published: Published, asset_ids: Sequence[str]) -> dict[str, PublishedAsset]:
        asked.append(len(asset_ids))
        return shown(library, published, asset_ids)

    monkeypatch.setattr(Library, "shown", counted)
    answer = algorithm.search(Query(text="red chair", top_k=5, rerank="openai_vlm", explain=True))

    assert asked == [40]
    assert answer.reranked_by == "openai_vlm"
    assert [bool(hit.texts) for hit in answer.hits] == [True] * 5


def test_judgements_keep_no_other_search_waiting(algorithm: Algorithm, backwards: Backwards) -> None:
    """While as many searches wait for judgements as may search at once, one that wants none is answered."""
    go, under_way = Event(), Semaphore(0)

    def hold() -> None:
        under_way.release()
        assert go.wait(PATIENCE)

    backwards.before = hold
    waiting = [
        Thread(target=lambda text=text: ids(algorithm, text=text, rerank="openai_vlm"))
        for text in ("chair", "lamp", "sofa", "bed")
    ]
    assert len(waiting) >= POOL_SIZE
    for thread in waiting:
        thread.start()
    for _ in waiting:
        assert under_way.acquire(timeout=PATIENCE)

    assert len(ids(algorithm, text="table")) == 10
    assert all(thread.is_alive() for thread in waiting)
    go.set()
    for thread in waiting:
        thread.join(PATIENCE)


def test_without_rerankers_the_search_says_so(published: tuple[Workspace, Server]) -> None:
    """An algorithm that was made without them answers as always."""
    bare = toy_algorithm(published[1])
    answer = bare.search(Query(text="red chair", rerank="openai_vlm"))
    bare.library.close()
    assert len(answer.hits) == 10
    assert (answer.reranked_by, answer.note) == (None, "there are no rerankers here")


def test_an_unknown_reranker_is_refused() -> None:
    """Before anything is searched, with the names of those that there are; none is imported for that."""
    with pytest.raises(UnknownPluginError, match="no reranker 'best'; choose one of: openai_vlm, qwen_reranker"):
        Query(text="chair", rerank="best")


@pytest.fixture
def service() -> Iterator[Service]:
    """A hosted model."""
    with vlm_service() as running:
        yield running


def environment(library: ServedLibrary, service: Service) -> dict[str, str]:
    """The settings of the library and of the service."""
    return library.environment | {
        "MESHSEEK_OPENAI_BASE_URL": service.url,
        "MESHSEEK_OPENAI_API_KEY": KEY,
        "MESHSEEK_RERANKER_MODEL": MODEL,
    }


def command(settings: dict[str, str], *arguments: str) -> Ended:
    """A search by command."""
    return run_here(["search", *arguments], settings)


def test_by_command(library: ServedLibrary, service: Service) -> None:
    """The option asks the model that the settings name, and the last line tells what it took."""
    settings = environment(library, service)
    ended = command(settings, "a red chair", "--rerank", "openai_vlm", "--json")
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["reranked_by"] == "openai_vlm"
    assert f"s; {MODEL} at 127.0.0.1" in answer["note"]
    assert len(service.bodies) == 1
    assert len(service.sizes) == 20

    service.said = lambda _: "no"
    ended = command(settings, "a red chair", "--rerank", "openai_vlm")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("(not reranked: 'openai_vlm' could not judge: ")
    assert len(ended.stdout.splitlines()) == 11

    ended = command(library.environment, "a red chair", "--rerank", "qwen_reranker", "--top-k", "3")
    assert ended.returncode == 0, ended.stderr
    assert "MESHSEEK_RERANKER_MODEL" in ended.stdout.splitlines()[-1]


def test_over_http(library: ServedLibrary, service: Service, tmp_path: Path) -> None:
    """Words and pictures are reranked where it is asked for; by default they are not; unknown names are refused."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    with serving(environment(library, service), tmp_path / "log") as url, httpx.Client(base_url=url, timeout=60) as api:
        wait_until_ready(url)
        plain = api.post("/search/text", json={"query": "a red chair"}).json()
        assert (plain["reranked_by"], plain["note"], service.bodies) == (None, None, [])

        answer = api.post("/search/text", json={"query": "a red chair", "rerank": "openai_vlm"}).json()
        assert answer["reranked_by"] == "openai_vlm"
        assert "CNY" in answer["note"]
        form = {"rerank": "openai_vlm"}
        answer = api.post("/search/image", data=form, files={"file": file.getvalue()}).json()
        assert answer["reranked_by"] == "openai_vlm"

        refused = api.post("/search/text", json={"query": "a red chair", "rerank": "best"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unknown_plugin")
        described = api.get("/openapi.json").json()["components"]["schemas"]["TextSearch"]["properties"]["rerank"]
        assert described["anyOf"][0]["enum"] == ["openai_vlm", "qwen_reranker"]

        service.error = (503, {"error": {"code": "busy", "message": "try again"}})
        answer = api.post("/search/text", json={"query": "a lamp", "rerank": "openai_vlm"})
        assert answer.status_code == 200
        assert (answer.json()["reranked_by"], len(answer.json()["results"])) == (None, 10)
        assert "a hosted service refused" in answer.json()["note"]
        assert "127.0.0.1" not in answer.json()["note"]
