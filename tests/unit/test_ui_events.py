"""Events as Gradio gets them: nothing but what the page sends, and no file of anybody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from meshseek.interfaces.ui.basket import LONGEST_ID, MOST_TAKEN, Given
from meshseek.interfaces.ui.events import EVENT, EVENT_BYTES, HEARTBEAT, Events
from meshseek.interfaces.ui.visitors import Rooms, Visitor

VISITOR = Visitor(room="mary")


async def gradio(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells what it is sent."""
    body = await Request(scope, receive).body()
    await JSONResponse({"path": scope["path"], "body": json.loads(body or "null")})(scope, receive, send)


def send(folder: Path, content: Any, path: str = EVENT) -> httpx.Response:
    """Send an event, as JSON or as it is; the value is what comes to Gradio, or a refusal."""
    events = Events(gradio, Rooms(folder), {3: 1})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await events({**scope, "state": {"visitor": VISITOR}}, receive, send)

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            return await client.post(path, content=body)

    return asyncio.run(run())


def event(value: Any, **more: Any) -> dict[str, Any]:
    """An event with one value."""
    return {"fn_index": 3, "data": [value], "session_hash": "abc123", **more}


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    """A picture of the visitor."""
    path = tmp_path / "uploads" / "mary" / "0" / "picture.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"picture")
    return path


def test_an_event_arrives_as_it_was_sent(tmp_path: Path) -> None:
    """Under a session that is of this visitor only, and without what the page never sends."""
    sent = event(
        "chair",
        trigger_id=4,
        event_data={"index": 2, "value": {"path": "/etc/passwd"}},
        event_id="x",
        batched=True,
        simple_format=True,
    )
    got = send(tmp_path, sent).json()["body"]

    assert got == {
        "fn_index": 3,
        "data": ["chair"],
        "session_hash": "mary-abc123",
        "trigger_id": 4,
        "event_data": {"index": 2, "value": None, "selected": True},
    }


def test_a_heartbeat_is_of_the_same_session(tmp_path: Path) -> None:
    """What the visitor sees is kept as long as their page is open."""
    assert send(tmp_path, b"", HEARTBEAT + "abc123").json()["path"] == HEARTBEAT + "mary-abc123"


def test_a_visitor_s_picture_passes_with_nothing_beside(tmp_path: Path, upload: Path) -> None:
    """An address that stands beside the path is left out: Gradio might fetch it."""
    given = {
        "path": str(upload),
        "url": "http://evil.example/",
        "is_stream": True,
        "meta": {"_type": "gradio.FileData"},
    }
    got = send(tmp_path, event(given)).json()["body"]["data"]

    assert got == [{"path": str(upload), "meta": {"_type": "gradio.FileData"}}]


def test_a_picture_that_is_gone_is_none(tmp_path: Path, upload: Path) -> None:
    """Searching by words goes on after the picture in the other tab was cleaned away."""
    upload.unlink()

    assert send(tmp_path, event({"path": str(upload), "meta": {}})).json()["body"]["data"] == [None]


@pytest.mark.parametrize(
    "path",
    [
        "http://evil.example/a.png",
        "https://evil.example/a.png",
        "HTTP://evil.example",
        "file:///etc/passwd",
        "ftp://evil.example/a",
        "data:image/png;base64,AAAA",
        "//evil.example/a",
        "\\\\evil.example\\a",
        "/etc/passwd",
        "/proc/self/environ",
        "{uploads}/fred/0/picture.png",
        "{uploads}/mary/../fred/0/picture.png",
        "{uploads}/mary",
        "picture.png",
        "",
        None,
        7,
        ["http://evil.example"],
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_no_other_path_reaches_gradio(tmp_path: Path, upload: Path, path: object, *, nested: bool) -> None:
    """Neither an address nor a file of the machine or of another visitor, wherever it stands."""
    other = tmp_path / "uploads" / "fred" / "0" / "picture.png"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"picture")
    given = path.format(uploads=tmp_path / "uploads") if isinstance(path, str) else path
    file = {"path": given, "url": given, "meta": {"_type": "gradio.FileData"}}
    answer = send(tmp_path, event([{"image": [file]}] if nested else file))

    if answer.status_code == 200:  # a path that would be outside of the room is as one that is gone
        assert str(given) not in answer.text
    else:
        assert answer.status_code == 403


def test_an_address_alone_is_left_out(tmp_path: Path) -> None:
    """A file with an address and no path."""
    given = {"url": "http://evil.example/", "meta": {"_type": "gradio.FileData"}}

    assert "evil" not in send(tmp_path, event(given)).text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        {"fn_index": 4, "data": [1]},
        {"fn_index": 3, "data": []},
        {"fn_index": 3, "data": [1, 2]},
        {"fn_index": 3, "data": {"0": 1}},
        {"fn_index": "3", "data": [1]},
        {"fn_index": [], "data": [1]},
        {"data": [1]},
        {"fn_index": 3},
    ],
)
def test_what_is_no_event_is_refused(tmp_path: Path, content: object) -> None:
    """Before Gradio, whose errors fill the log."""
    assert send(tmp_path, content).status_code == 400


def test_a_full_basket_passes(tmp_path: Path) -> None:
    """With the longest ids that are kept."""
    ids = [f"{number:03}{'椅' * (LONGEST_ID - 3)}" for number in range(MOST_TAKEN)]
    body = json.dumps(event(json.dumps({"ids": ids, "use": ""}, ensure_ascii=False)), ensure_ascii=False).encode()

    assert len(Given.read(send(tmp_path, body).json()["body"]["data"][0]).ids) == MOST_TAKEN


def test_events_are_bounded(tmp_path: Path) -> None:
    """In bytes."""
    assert send(tmp_path, event("x" * EVENT_BYTES)).status_code == 413


def test_links_in_a_room_lead_nowhere(tmp_path: Path) -> None:
    """Were there one, its target would not be served."""
    rooms = Rooms(tmp_path)
    room = tmp_path / "shown" / "mary"
    room.mkdir()
    (room / "tile.webp").write_bytes(b"tile")
    (room / "link").symlink_to("/etc/passwd")

    assert rooms.shown_to(VISITOR, str(room / "tile.webp")) is not None
    for name in ("link", ".", "none", "./tile.webp", "/tile.webp", "\0", "x/" * 9000, "x" * 300, "\ud800"):
        assert rooms.shown_to(VISITOR, f"{room}/{name}") is None
    assert rooms.shown_to(Visitor(room="fred"), str(room / "tile.webp")) is None
