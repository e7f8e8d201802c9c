"""Events as Gradio gets them: nothing but what the page sends, which are words."""

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


def send(content: Any, path: str = EVENT) -> httpx.Response:
    """Send an event, as JSON or as it is; the value is what comes to Gradio, or a refusal."""
    events = Events(gradio, {3: 1})

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


def test_an_event_arrives_as_it_was_sent() -> None:
    """Under a session that is of this visitor only, and without what the page never sends."""
    sent = event(
        "chair",
        trigger_id=4,
        event_data={"index": 2, "value": {"path": "/etc/passwd"}},
        event_id="x",
        batched=True,
        simple_format=True,
    )
    got = send(sent).json()["body"]

    assert got == {
        "fn_index": 3,
        "data": ["chair"],
        "session_hash": "mary-abc123",
        "trigger_id": 4,
    }


def test_a_heartbeat_is_of_the_same_session() -> None:
    """What the visitor sees is kept as long as their page is open."""
    assert send(b"", HEARTBEAT + "abc123").json()["path"] == HEARTBEAT + "mary-abc123"


@pytest.mark.parametrize(
    "value",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"url": "http://evil.example/", "meta": {"_type": "gradio.FileData"}},
        [{"path": "{uploads}/mary/0/picture.png"}],
        ["chair"],
        {},
        7,
        True,
    ],
)
def test_nothing_but_words_reaches_gradio(value: object) -> None:
    """It would fetch an address, and copy a file: neither is what the page sends."""
    assert send(event(value)).status_code == 400


def test_what_is_left_out_is_none() -> None:
    """The browser has nothing of what the server remembers."""
    assert send(event(None)).json()["body"]["data"] == [None]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        {"fn_index": 4, "data": ["1"]},
        {"fn_index": 3, "data": []},
        {"fn_index": 3, "data": ["1", "2"]},
        {"fn_index": 3, "data": {"0": "1"}},
        {"fn_index": "3", "data": ["1"]},
        {"fn_index": [], "data": ["1"]},
        {"data": ["1"]},
        {"fn_index": 3},
    ],
)
def test_what_is_no_event_is_refused(content: object) -> None:
    """Before Gradio, whose errors fill the log."""
    assert send(content).status_code == 400


def test_a_full_basket_passes() -> None:
    """With the longest ids that are kept."""
    ids = [f"{number:03}{'椅' * (LONGEST_ID - 3)}" for number in range(MOST_TAKEN)]
    body = json.dumps(event(json.dumps({"ids": ids, "use": ""}, ensure_ascii=False)), ensure_ascii=False).encode()

    assert len(Given.read(send(body).json()["body"]["data"][0]).ids) == MOST_TAKEN


def test_events_are_bounded() -> None:
    """In bytes."""
    assert send(event("x" * EVENT_BYTES)).status_code == 413


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
