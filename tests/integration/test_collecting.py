"""Models of a basket as a zip over HTTP: whole, streamed, with what is missing told, and cut where it fails."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.testclient import TestClient
from tests.conftest import ServedLibrary, until_it_listens
from tests.integration.test_base_url import Host, host
from tests.sample_library import BARE_ID, ODD_ID
from tests.toy import toy_algorithm
from tests.toy_service import serving_toys

from meshseek.access.keys import make_key
from meshseek.access.keys_file import KeysFile
from meshseek.bootstrap import Meshseek
from meshseek.errors import BusyError
from meshseek.interfaces.http import collected, create_app
from meshseek.interfaces.http.collected import CollectedZip
from meshseek.interfaces.http.found_models import FoundModels
from meshseek.interfaces.http.upstream import Upstream
from meshseek.model import PublishedAsset
from meshseek.search.service import SearchService
from meshseek.settings import read_settings
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace

IDS = ["chair-0001", ODD_ID, BARE_ID]
GLB = b"glTF" + bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def api(api_url: str) -> Iterator[httpx.Client]:
    """A client of the running API."""
    with httpx.Client(base_url=api_url, timeout=30) as client:
        yield client


def zipped(answer: Any) -> dict[str, bytes]:
    """The files of a zip by name."""
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def table(files: dict[str, bytes]) -> list[dict[str, str]]:
    """The rows of the attribution."""
    return list(csv.DictReader(io.StringIO(files["attribution.csv"].decode("utf-8-sig"))))


def message(answer: Any, status: int) -> str:
    """What an error says, which is one line."""
    assert answer.status_code == status, answer.text
    text: str = answer.json()["error"]["message"]
    assert "\n" not in text
    return text


def test_a_basket_as_a_zip(api: httpx.Client, library: ServedLibrary) -> None:
    """Each model is byte for byte that of the workspace; the same basket is the same zip; an asset twice is once."""
    answer = api.post("/collect", json={"asset_ids": [*IDS, IDS[0]]})
    files = zipped(answer)

    models = {asset.asset_id: asset.model for asset in Workspace(library.folder).assets()}
    names = ["models/chair-0001.glb", "models/古董_家具_50_off_1_椅子.glb", "models/bare.glb"]
    assert list(files) == ["ATTRIBUTION.md", "attribution.csv", *names]
    for asset_id, name in zip(IDS, names, strict=True):
        assert files[name] == (library.folder / "models" / str(models[asset_id])).read_bytes()
    assert [(row["asset_id"], row["file"], row["missing"]) for row in table(files)] == [
        (asset_id, name, "") for asset_id, name in zip(IDS, names, strict=True)
    ]
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="meshseek-assets.zip"'
    assert answer.headers["x-missing-models"] == "0"
    assert "content-length" not in answer.headers
    assert api.post("/collect", json={"asset_ids": IDS}).content == answer.content


def test_whom_to_name(api: httpx.Client) -> None:
    """Each asset with its licence in words; what the licence does not say of the use is warned of, and in the zip."""
    asked = {"asset_ids": ["chair-0001", BARE_ID], "use": ["commercial", "modification"]}
    told = api.post("/attribution", json=asked).json()

    chair, bare = told["items"]
    assert (chair["creator"], chair["licence"], chair["missing"]) == ("Meshseek", "CC0-1.0", None)
    assert chair["licence_url"] == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert chair["verdicts"] == {"commercial": "allowed", "modification": "allowed"}
    assert bare["verdicts"] == {"commercial": "unknown", "modification": "unknown"}
    assert bare["in_words"] == "No licence is stated: ask the creator before you use it."
    assert len(told["warnings"]) == 2
    assert all(warning.startswith("'bare': nothing says that ") for warning in told["warnings"])
    assert zipped(api.post("/collect", json=asked))["ATTRIBUTION.md"].decode() == told["text"]


def test_an_asset_that_was_taken_out_meanwhile(api: httpx.Client) -> None:
    """The others come; the zip and a header say what is missing."""
    asked = {"asset_ids": ["chair-0001", "chairs/gone"]}
    answer = api.post("/collect", json=asked)
    files = zipped(answer)

    assert answer.headers["x-missing-models"] == "1"
    assert list(files) == ["ATTRIBUTION.md", "attribution.csv", "models/chair-0001.glb"]
    assert "## MISSING: 1 of 2 models\n\n* chairs/gone: no asset here has this id" in files["ATTRIBUTION.md"].decode()
    assert [row["file"] for row in table(files)] == ["models/chair-0001.glb", "MISSING"]
    told = api.post("/attribution", json=asked).json()
    assert told["items"][1]["missing"] == "no asset here has this id"
    assert told["warnings"] == ["'chairs/gone': no asset here has this id"]


@pytest.mark.parametrize("route", ["/collect", "/attribution"])
@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"asset_ids": []}, 422, "the basket is empty; name at least one asset"),
        (
            {"asset_ids": ["x", "y"]},
            404,
            "none of these assets is here; they may have been taken out meanwhile: search again",
        ),
        ({"asset_ids": ["x\0"]}, 404, "none of these assets is here"),
        (
            {"asset_ids": [str(number) for number in range(501)]},
            422,
            "there are 501 assets in the basket; take at most 500 at a time",
        ),
        (
            {"asset_ids": ["x"], "use": "war"},
            422,
            "there is no use 'war'; choose one of: commercial, modification, no-credit",
        ),
        ({"asset_ids": ["chair-0001"], "algorithm": "none"}, 404, "there is no algorithm 'none'"),
        ({}, 422, "asset_ids: Field required"),
    ],
)
def test_what_cannot_be_collected(api: httpx.Client, route: str, asked: dict[str, Any], status: int, said: str) -> None:
    """Each is a sentence that says what to do."""
    assert message(api.post(route, json=asked), status).startswith(said)


def test_a_key_is_needed_as_for_other_routes(tmp_path: Path) -> None:
    """From elsewhere; one that may read is enough."""
    app = create_app(Meshseek(read_settings(workspace=tmp_path)))
    text, key = make_key("alice", "read")
    KeysFile(tmp_path).add(key)
    stranger = TestClient(app, base_url="http://192.168.1.5:8000", client=("192.168.1.9", 50000))

    for route in ("/collect", "/attribution"):
        assert message(stranger.post(route, json={"asset_ids": ["a"]}), 401).startswith("this service needs a key")
        with_key = stranger.post(route, json={"asset_ids": []}, headers={"Authorization": f"Bearer {text}"})
        assert message(with_key, 422) == "the basket is empty; name at least one asset"


@pytest.fixture
def served_toys(published_toys: Workspace, server: Server) -> Iterator[Meshseek]:
    """A service of toys, of whose models two are in the workspace; the host of the others is set by the tests."""
    folder = published_toys.models / "toys"
    folder.mkdir(parents=True)
    for name in ("000", "001"):
        (folder / f"{name}.glb").write_bytes(GLB + name.encode())
    meshseek = Meshseek(read_settings(workspace=published_toys.folder, collect_megabytes=5))
    meshseek.__dict__["search_service"] = SearchService([toy_algorithm(server)])
    yield meshseek
    meshseek.search_service.close()


def client_of(service: Meshseek, port: int | None = None) -> TestClient:
    """A client of the service, whose other models are at a port of this machine."""
    base = None if port is None else f"http://127.0.0.1:{port}/glbs"
    service.settings = service.settings.model_copy(update={"base_url": base})
    return TestClient(create_app(service), base_url="http://localhost:8000", client=("127.0.0.1", 50000))


def test_models_from_elsewhere(served_toys: Meshseek) -> None:
    """What is not in the workspace comes from the host of models, and what is in neither is told."""

    def answer(to: Host) -> None:
        if to.path == "/glbs/toys/002.glb":
            to.say(200, GLB + b"there", Content_Length=str(len(GLB) + 5))
        elif to.path == "/glbs/toys/003.glb":
            to.say(200, GLB + b"of no told length")
        else:
            to.say(404)

    asked = {"asset_ids": ["toys/000", "toys/002", "toys/003", "toys/004"]}
    with host(answer) as (port, _):
        got = client_of(served_toys, port).post("/collect", json=asked)
    files = zipped(got)

    assert got.headers["x-missing-models"] == "1"
    assert {name: content[len(GLB) :] for name, content in files.items() if name.endswith(".glb")} == {
        "models/toys_000.glb": b"000",
        "models/toys_002.glb": b"there",
        "models/toys_003.glb": b"of no told length",
    }
    (missing,) = [row for row in table(files) if row["file"] == "MISSING"]
    assert missing["asset_id"] == "toys/004"
    assert missing["missing"].startswith("its model is neither in the workspace nor at MESHSEEK_BASE_URL")
    without = client_of(served_toys).post("/collect", json=asked)
    assert without.headers["x-missing-models"] == "3"
    assert "its model is not in the workspace" in zipped(without)["ATTRIBUTION.md"].decode()


def test_the_host_is_asked_after_models_before_any_is_sent(served_toys: Meshseek) -> None:
    """With HEAD, which costs it nothing; a model that it has not is asked for no more."""
    asked: list[str] = []

    def answer(to: Host) -> None:
        asked.append(f"{to.command} {to.path}")
        if to.path == "/glbs/toys/003.glb":
            to.say(404)
        else:
            to.say(200, GLB if to.command == "GET" else b"", Content_Length=str(len(GLB)))

    with host(answer, knows_head=True) as (port, _):
        got = client_of(served_toys, port).post("/collect", json={"asset_ids": ["toys/002", "toys/003"]})

    assert zipped(got)["models/toys_002.glb"] == GLB
    assert sorted(asked) == ["GET /glbs/toys/002.glb", "HEAD /glbs/toys/002.glb", "HEAD /glbs/toys/003.glb"]


def test_one_zip_too_many_asks_the_host_for_nothing(served_toys: Meshseek, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told to come back first; one that fails before it begins leaves its place to the next."""
    basket = {"asset_ids": ["toys/002"]}
    with host(lambda to: to.say(200, GLB)) as (port, asked):
        client = client_of(served_toys, port)
        monkeypatch.setattr(collected, "MOST_AT_ONCE", 0)
        assert message(client.post("/collect", json=basket), 503) == (
            "too many zips are being sent; try again in a minute"
        )
        assert asked == []
    monkeypatch.setattr(collected, "MOST_AT_ONCE", 1)
    for _ in range(2):
        said = message(client_of(served_toys, 9).post("/collect", json=basket), 503)
        assert said.startswith("the model cannot be fetched")


def test_a_host_that_is_away(served_toys: Meshseek) -> None:
    """Then there is no zip at all, and a sentence without its address."""
    said = message(client_of(served_toys, 9).post("/collect", json={"asset_ids": ["toys/002", "toys/003"]}), 503)

    assert said == "the model cannot be fetched from MESHSEEK_BASE_URL; the server's log says why"


def test_too_much_for_one_zip(served_toys: Meshseek) -> None:
    """The sizes are added up before anything is sent."""
    for name in ("000", "001"):
        with (served_toys.workspace.models / "toys" / f"{name}.glb").open("wb") as file:
            file.truncate(3_000_000)

    said = message(client_of(served_toys).post("/collect", json={"asset_ids": ["toys/000", "toys/001"]}), 422)
    assert said == ("the models of the basket have 6 MB; MESHSEEK_COLLECT_MEGABYTES allows 5: take fewer at a time")


def test_a_zip_that_fails_midway_is_cut(
    published_toys: Workspace, server: Server, conninfo: str, tmp_path: Path
) -> None:
    """A client of the real service sees that the answer does not end, and has no zip; the service goes on."""
    asked: list[str] = []

    def answer(to: Host) -> None:
        asked.append(to.path)
        to.say(200, GLB, Content_Length=str(len(GLB) if len(asked) == 1 else len(GLB) + 1))

    settings = {
        "workspace": published_toys.folder,
        "database_url": conninfo,
        "database_prefix": server.database_name("").removesuffix("_embeddings"),
    }
    basket = {"asset_ids": ["toys/000"], "algorithm": "toy"}
    with (
        host(answer) as (port, _),
        serving_toys(tmp_path / "log", **settings, base_url=f"http://127.0.0.1:{port}/glbs") as (process, url),
    ):
        until_it_listens(f"{url}/live", process, tmp_path / "log")
        with httpx.Client(base_url=url, timeout=30) as client:
            parts: list[bytes] = []
            with client.stream("POST", "/collect", json=basket) as stream:
                with pytest.raises(httpx.RemoteProtocolError):
                    parts.extend(stream.iter_bytes())  # those that came before it fails stay
                assert stream.status_code == 200
            got = b"".join(parts)
            assert len(asked) == 2
            assert got.startswith(b"PK")
            with pytest.raises(zipfile.BadZipFile):
                zipfile.ZipFile(io.BytesIO(got))
            assert client.post("/attribution", json=basket).status_code == 200
    assert "a zip of models is left unfinished" in (tmp_path / "log").read_text()


def basket(folder: Path, models: int, size: int) -> CollectedZip:
    """Models of zeros that take no room on the disk, as an answer."""
    found = FoundModels(folder, 10**12)
    assets = {}
    for number in range(models):
        path = folder / f"{number}.glb"
        with path.open("wb") as file:
            file.truncate(size)
        assets[str(number)] = PublishedAsset(asset_id=str(number), model=path.name)
    upstream = Upstream(read_settings(workspace=folder))
    found.look_here(assets, upstream)

    async def find() -> FoundModels:
        return found

    return CollectedZip(list(assets), assets, (), upstream, find)


async def sent(answer: CollectedZip, *, leave_after: int | None = None) -> tuple[int, bool]:
    """How many bytes of an answer are sent, to a client that may go, and whether it ends."""
    size, parts, has_ended, gone = 0, 0, False, anyio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal size, parts, has_ended
        if message["type"] == "http.response.body":
            size, parts = size + len(message["body"]), parts + 1
            has_ended = not message.get("more_body")
            assert len(message["body"]) < 2 * collected.PART_BYTES
            if parts == leave_after:
                gone.set()
        await anyio.lowlevel.checkpoint()

    await answer({"type": "http"}, receive, send)
    return size, has_ended


@pytest.fixture
def anyio_backend() -> str:
    """One is enough."""
    return "asyncio"


@pytest.mark.anyio
async def test_a_big_basket_is_never_whole_in_memory(tmp_path: Path) -> None:
    """Of 160 MB, a few parts are there at a time."""
    answer = basket(tmp_path, 20, 8_000_000)
    tracemalloc.start()
    try:
        size, has_ended = await sent(answer)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert has_ended
    assert size > 160_000_000
    assert peak < 8_000_000


@pytest.mark.anyio
async def test_nothing_more_is_read_for_who_has_gone(tmp_path: Path) -> None:
    """A client that hangs up ends it."""
    size, has_ended = await sent(basket(tmp_path, 20, 8_000_000), leave_after=3)

    assert not has_ended
    assert size < 10 * collected.PART_BYTES


@pytest.mark.anyio
async def test_a_few_zips_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to come back, and may when another has ended."""
    monkeypatch.setattr(collected, "MOST_AT_ONCE", 0)
    with pytest.raises(BusyError, match="try again in a minute"):
        await sent(basket(tmp_path, 1, 10))
    monkeypatch.setattr(collected, "MOST_AT_ONCE", 1)
    for _ in range(2):
        assert (await sent(basket(tmp_path, 1, 10)))[1]


@pytest.mark.anyio
async def test_a_model_that_goes_while_the_zip_is_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The zip is left unfinished, which the log says."""
    answer = basket(tmp_path, 3, 10)
    (tmp_path / "2.glb").unlink()

    assert not (await sent(answer))[1]
    assert "left unfinished: FileNotFoundError" in caplog.text
