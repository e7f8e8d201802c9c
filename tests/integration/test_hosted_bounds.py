"""A hosted service that sends without an end."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
from tests.http_service import JsonHandler, serving_json

from meshseek import hosted
from meshseek.errors import HostedError
from meshseek.hosted import HostedClient, HostedOptions


class Endless(JsonHandler):
    """Answers every request with a million bytes."""

    do_GET = JsonHandler.do_POST  # noqa: N815  # the name that http.server calls

    def answer(self) -> None:
        """Send them, as a failure where the path says so."""
        self.send(400 if self.path == "/refused" else 200, {"text": "a" * 1_000_000})


class Dripping(JsonHandler):
    """Sends an answer byte by byte, each soon after the one before it, until nobody takes it."""

    def answer(self) -> None:
        """Send them."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000000")
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.service.wait(0.01):
                self.wfile.write(b" ")


def test_an_answer_that_drips_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody waits, and where nobody does: each piece comes in time, and the whole never would."""
    monkeypatch.setattr(hosted, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(hosted, "SOON_SECONDS", 0.1)
    over = threading.Event()
    with serving_json(Dripping, over) as url:
        client = client_of(url)
        for soon, seconds in ((True, "0.1"), (False, "0.2")):
            with pytest.raises(HostedError, match=f"for more than {seconds} s"):
                client.post("/", {}, soon=soon)
        over.set()


def client_of(url: str) -> HostedClient:
    """A client that does not wait long before it tries again."""
    return HostedClient(
        HostedOptions(
            base_url=url,
            api_key="key",
            requests_per_minute=6000,
            tokens_per_minute=6000,
            concurrency=1,
            retry_seconds=0.01,
        )
    )


def test_no_more_is_read_than_is_sane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of an answer, nor of a refusal, nor of a file; nothing that was cut is kept."""
    monkeypatch.setattr(hosted, "MOST_BYTES", 100_000)
    monkeypatch.setattr(hosted, "MOST_FILE_BYTES", 200_000)
    with serving_json(Endless, None) as url:
        client = client_of(url)
        for path in ("/", "/refused"):
            for ask in (client.get, lambda path: client.post(path, {})):
                with pytest.raises(HostedError, match="sent more than"):
                    ask(path)
            with pytest.raises(HostedError, match="sent more than"):
                client.download(path, tmp_path / "file")
    assert not (tmp_path / "file").exists()
