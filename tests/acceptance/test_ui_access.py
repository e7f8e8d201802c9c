"""What the page gives to those who speak to it without a browser."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from tests.browsing import Events, serving_page
from tests.conftest import ServedLibrary, free_port

SECRET = "nobody outside may read this"
SERVED = re.compile(r"/gradio_api/file=[^'\"\s\\]+")


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the front end keeps its own, private folder; what Gradio would make there is taken."""
    folder = tmp_path_factory.mktemp("temporary")
    (folder / "gradio").write_text("somebody else's")
    return folder


@pytest.fixture(scope="module")
def page_url(temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a front end whose API does not answer."""
    log = tmp_path_factory.mktemp("page") / "log"
    with serving_page("http://127.0.0.1:9", log, TMPDIR=str(temporary)) as url:
        yield url


@pytest.fixture
def page(page_url: str) -> Iterator[httpx.Client]:
    """Somebody who speaks to it."""
    with httpx.Client(base_url=page_url, timeout=30) as client:
        yield client


def files(folder: Path) -> dict[Path, int]:
    """Sizes of all files in a folder."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_no_event_reads_a_file_of_the_machine(page: httpx.Client, temporary: Path, tmp_path: Path) -> None:
    """Whatever event is sent a path on the server's disk, its file is neither copied nor served."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    events = Events.of(page).asked
    assert events

    for event in events:
        given = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
        body = {"fn_index": event["id"], "data": [given] * len(event["inputs"]), "session_hash": "visitor"}
        answer = page.post("/gradio_api/run/predict", json=body)
        for address in SERVED.findall(answer.text):
            assert SECRET not in page.get(address).text
        assert answer.status_code == 400 or not event["inputs"]
    assert [path for path in files(temporary) if SECRET in path.read_text(errors="ignore")] == []


def test_files_of_the_machine_are_not_served(page: httpx.Client, temporary: Path, tmp_path: Path) -> None:
    """A path in the address gives nothing either; nor does one of the page's folder that is no visitor's."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    (folder,) = temporary.glob("meshseek-ui-*")
    stray = folder / "uploads" / "stray.txt"
    stray.write_text(SECRET)

    for path in (secret, stray, f"{folder}/uploads/everybody/../stray.txt"):
        assert page.get(f"/gradio_api/file={path}").status_code == 404
    stray.unlink()  # other tests look whether the secret got there


def test_the_page_asks_no_other_machine(page: httpx.Client) -> None:
    """An address in place of a path is refused, in what is asked for and in every event; nobody is asked."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        host = f"127.0.0.1:{other.getsockname()[1]}"
        for address in (f"http://{host}/a.png", f"HTTP://{host}/a.png", f"//{host}/a.png"):
            for path in (f"file={address}", f"proxy={address}", f"file/{address}", f"stream/{address}"):
                assert page.get(f"/gradio_api/{path}").status_code == 404
            for event in Events.of(page).asked:
                given = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
                body = {"fn_index": event["id"], "data": [given] * len(event["inputs"]), "session_hash": "visitor"}
                page.post("/gradio_api/run/predict", json=body)
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_pictures_and_models_lead_to_nothing_but_assets(page: httpx.Client) -> None:
    """No other address of the API is asked in a visitor's name; a picture that cannot be had is a plain tile."""
    for address in (
        "/tiles/metrics",
        "/models/assets/../keys/model",
        "/models/assets/%2e%2e/x/model",
        "/models/assets/a",
    ):
        assert page.get(address).status_code == 404
    assert page.get("/tiles/assets/a/views/0?side=7").status_code == 404
    failed = page.get("/tiles/assets/a/views/0?algorithm=lite&side=192")
    assert (failed.headers["content-type"], failed.headers["cache-control"]) == ("image/webp", "no-store")
    tile = page.get("/tiles/none?side=192")
    assert tile.content == failed.content
    again = page.get(str(tile.url), headers={"If-None-Match": tile.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    refused = page.get("/models/assets/a/model", headers={"Accept-Language": "zh-CN"})
    assert (refused.status_code, refused.text) == (502, "检索服务没有响应，可能仍在启动。")
    assert page.post("/basket.zip", data={"use": ""}).status_code == 422
    assert page.post("/basket.zip", data={"id": "a"}).status_code == 502


def test_a_hostile_upload_is_not_written(page_url: str, temporary: Path) -> None:
    """A thousand files of 30 MB in one request: refused by its length, and the connection is closed."""
    address = urlsplit(page_url)
    before = files(temporary)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30) as connection:
        head = (
            "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=a\r\n"
        )
        connection.sendall(f"{head}Content-Length: {1000 * 30_000_000}\r\n\r\n".encode() + b"--a\r\n" + b"x" * 100_000)
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # what was sent and not read may be told so
            while chunk := connection.recv(65536):
                answer += chunk
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert files(temporary) == before


def test_an_upload_is_seen_by_whoever_sent_it(page: httpx.Client) -> None:
    """Under a name that cannot be guessed, and never as a page of this site."""
    for name in ("chair.png", "page.html", "picture.svg"):
        (path,) = page.post("/gradio_api/upload", files={"files": (name, b"<script>")}).json()
        answer = page.get(f"/gradio_api/file={path}")
        assert answer.content == b"<script>"
        assert "html" not in answer.headers["content-type"]
        assert "svg" not in answer.headers["content-type"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_other_names_and_websites_are_refused(page: httpx.Client) -> None:
    """A website cannot speak to the page, neither by a name of its own (DNS rebinding) nor across origins."""
    assert page.get("/", headers={"Host": "evil.example"}).status_code == 400
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = page.post("/gradio_api/upload", files={"files": b"picture"}, headers=headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    own = page.get("/", headers={"Origin": str(page.base_url).rstrip("/")})
    assert own.status_code == 200
    assert "access-control-allow-credentials" not in own.headers


def test_odd_values_are_answered(page: httpx.Client) -> None:
    """What no page would send is no traceback in the log, and a page that the server has forgotten is served."""
    events = Events.of(page)
    for odd in (None, 7, 1e300, -1, "nonsense", [], ["a"]):
        for event in events.asked:
            values = [odd for _ in event["inputs"]]
            body = {
                "fn_index": event["id"],
                "data": values,
                "session_hash": "odd",
                "event_data": odd,
                "trigger_id": odd,
            }
            assert page.post("/gradio_api/run/predict", json=body).status_code in {200, 400}


def test_gradio_s_other_routes_are_closed(page: httpx.Client) -> None:
    """Its description, its settings, its fetching for others, its monitoring, its queue."""
    for path in ("/config", "/gradio_api/info", "/monitoring", "/gradio_api/queue/data?session_hash=a", "/login"):
        assert page.get(path).status_code == 404
    assert page.get("/?deep_link=" + "a" * 20).status_code == 200
    assert str(Path.cwd()) not in page.get("/").text


def test_the_front_end_knows_no_secret_and_ends_with_the_service(library: ServedLibrary) -> None:
    """What strangers talk to is told its names, and neither keys nor passwords; it never outlives its parent."""
    ports = ["--api-port", str(free_port()), "--ui-port", str(free_port())]
    program = [sys.executable, "-m", "meshseek", "serve", *ports]
    environment = {**os.environ, **library.environment, "MESHSEEK_DASHSCOPE_API_KEY": "sk-very-secret"}
    environment["MESHSEEK_ALLOWED_HOSTS"] = "assets.example.com,*.example.net"
    service = psutil.Popen(program, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (found := [child for child in service.children() if "meshseek.interfaces.ui" in child.cmdline()]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    known, options = found[0].environ(), found[0].cmdline()
    service.kill()
    service.wait(30)

    assert [name for name in known if name.startswith("MESHSEEK_")] == []
    assert library.environment["MESHSEEK_DATABASE_URL"] not in known.values()
    assert options[-4:] == ["--allowed-host", "assets.example.com", "--allowed-host", "*.example.net"]
    found[0].wait(30)
