"""What the page gives to those who speak to it without a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.browsing import serving_page
from tests.conftest import ServedLibrary, free_port

SECRET = "nobody outside may read this"
SERVED = re.compile(r"/gradio_api/file=[^'\"\s\\]+")


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the front end keeps its own, private folder."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def page_url(uploads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a front end whose API does not answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(uploads))
        log = tmp_path_factory.mktemp("page") / "log"
        with serving_page("http://127.0.0.1:9", log, tracebacks_allowed=True) as url:
            yield url


@pytest.mark.parametrize("endpoint", ["run/predict", "queue/join"])
def test_no_event_reads_a_file_of_the_machine(page_url: str, uploads: Path, tmp_path: Path, endpoint: str) -> None:
    """Whatever event is sent a path on the server's disk, its file is neither copied nor served."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    events = httpx.get(f"{page_url}/config").json()["dependencies"]
    assert len(events) > 20

    for event in events:
        given = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
        body = {"fn_index": event["id"], "data": [given] * max(1, len(event["inputs"])), "session_hash": "visitor"}
        answer = httpx.post(f"{page_url}/gradio_api/{endpoint}", json=body)
        for address in SERVED.findall(answer.text):
            assert SECRET not in httpx.get(page_url + address).text
    copies = [path for path in uploads.rglob("*") if path.is_file() and SECRET in path.read_text(errors="ignore")]
    assert copies == []


def test_files_of_the_machine_are_not_served(page_url: str, tmp_path: Path) -> None:
    """A path in the address gives nothing either."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)

    assert httpx.get(f"{page_url}/gradio_api/file={secret}").status_code == 403


def test_the_front_end_knows_no_secret_and_ends_with_the_service(library: ServedLibrary) -> None:
    """The process that strangers talk to is not even told the keys and passwords, and never outlives its parent."""
    ports = ["--api-port", str(free_port()), "--ui-port", str(free_port())]
    program = [sys.executable, "-m", "meshseek", "serve", *ports]
    environment = {**os.environ, **library.environment, "MESHSEEK_DASHSCOPE_API_KEY": "sk-very-secret"}
    service = psutil.Popen(program, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (found := [child for child in service.children() if "meshseek.interfaces.ui" in child.cmdline()]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    known = found[0].environ()
    service.kill()
    service.wait(30)

    assert [name for name in known if name.startswith("MESHSEEK_")] == []
    assert library.environment["MESHSEEK_DATABASE_URL"] not in known.values()
    found[0].wait(30)
