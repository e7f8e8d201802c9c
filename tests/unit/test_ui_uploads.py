"""Uploads: how many, how large, how slow, for how long; each in the room of whoever sent it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from meshseek.interfaces.ui import bodies, uploads
from meshseek.interfaces.ui.uploads import KEPT_SECONDS, PICTURE_BYTES, UPLOADS_AT_ONCE, Uploads
from meshseek.interfaces.ui.visitors import Rooms, Visitor

BOUNDARY = "limit"
VISITOR = Visitor(room="mary")


def part(content: bytes, name: str = "chair.png", field: str = "files") -> bytes:
    """One file of a form."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def request(chunks: Sequence[bytes], announced: int | None = None, *, silent: bool = False) -> Request:
    """A form in chunks; what was taken of them is counted in ``scope["taken"]``."""

    async def sent() -> AsyncIterator[Message]:
        for number, chunk in enumerate(chunks, 1):
            scope["taken"] += 1
            yield {"type": "http.request", "body": chunk, "more_body": silent or number < len(chunks)}
        await asyncio.Event().wait()

    length = [] if announced is None else [(b"content-length", str(announced).encode())]
    kind = f"multipart/form-data; boundary={BOUNDARY}".encode()
    scope: dict[str, Any] = {"type": "http", "taken": 0, "headers": [*length, (b"content-type", kind)]}
    messages = sent()
    return Request(scope, lambda: anext(messages))


def files(folder: Path) -> list[Path]:
    """All files in a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def refused(upload: Uploads, sent: Request) -> int:
    """Send what must not be taken; the value is the status."""
    with pytest.raises(HTTPException) as error:
        asyncio.run(upload.take(sent, VISITOR))
    return error.value.status_code


@pytest.fixture(autouse=True)
def _small_spool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is under way is on the disk, where the tests can see it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_picture_is_kept_in_its_visitor_s_room(tmp_path: Path) -> None:
    """Under a name that nobody can guess; of the visitor's own name for it only a harmless ending is left."""
    rooms = Rooms(tmp_path)
    for name, ending in (("../../chair.PNG", ".png"), ("page.html", ""), ("", "")):
        sent = request([part(b"picture", name or "x"), END])
        (path,) = asyncio.run(Uploads(rooms).take(sent, VISITOR))
        assert Path(path).read_bytes() == b"picture"
        assert Path(path).name == f"picture{ending}"
        assert rooms.uploaded_by(VISITOR, path) == Path(path)
        assert rooms.uploaded_by(Visitor(room="fred"), path) is None


def test_a_thousand_large_files_are_refused_without_reading(tmp_path: Path) -> None:
    """What is announced is believed: nothing is read, and nothing comes to the disk."""
    sent = request([b"x" * 1000] * 1000, announced=1000 * 30_000_000)

    assert refused(Uploads(Rooms(tmp_path)), sent) == 413
    assert sent.scope["taken"] == 0
    assert files(tmp_path) == []


def test_what_is_not_announced_is_counted(tmp_path: Path) -> None:
    """A form without a length ends where it is too much, and leaves nothing."""
    megabyte = b"x" * 1_000_000
    sent = request([part(b"")[:-2], *[megabyte] * 100])

    assert refused(Uploads(Rooms(tmp_path)), sent) == 413
    assert sent.scope["taken"] <= PICTURE_BYTES // len(megabyte) + 2
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        part(b"a") + part(b"b") + END,
        b"".join(part(b"") for _ in range(1000)) + END,
        part(b"a", field="other") + END,
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n'.encode() + END,
        f"--{BOUNDARY}\r\nX: {'y' * 50_000}\r\n\r\n".encode(),
        b"nonsense",
        END,
        b"",
    ],
    ids=["two", "a thousand", "another field", "text", "large head", "no form", "nothing in it", "nothing"],
)
def test_only_one_picture_is_taken(tmp_path: Path, body: bytes) -> None:
    """Whatever else a form is, it is refused, and nothing of it is kept."""
    assert refused(Uploads(Rooms(tmp_path)), request([body])) in {400, 413}
    assert files(tmp_path) == []


def test_a_form_whose_encoding_reads_nothing_is_refused(tmp_path: Path) -> None:
    """Python knows one such."""
    sent = request([part(b"a"), END])
    sent.scope["headers"] = [(name, value + b"; charset=undefined") for name, value in sent.scope["headers"]]

    assert refused(Uploads(Rooms(tmp_path)), sent) == 400
    assert files(tmp_path) == []


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 400, "x", ""])
def test_odd_lengths_are_refused(tmp_path: Path, length: str) -> None:
    """As if they were too large."""
    sent = request([part(b"a"), END])
    sent.scope["headers"].append((b"content-length", length.encode()))

    assert refused(Uploads(Rooms(tmp_path)), Request(sent.scope, sent.receive)) == 413


@pytest.mark.parametrize(("idle", "whole"), [(0.05, 60), (60, 0.05)], ids=["silent", "too long"])
def test_slow_uploads_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle: float, whole: float) -> None:
    """Whoever stops sending, and whoever sends for ever, loses the connection; what was sent is gone."""
    monkeypatch.setattr(bodies, "IDLE_SECONDS", idle)
    monkeypatch.setattr(uploads, "UPLOAD_SECONDS", whole)
    sent = request([part(b"x" * 2_000_000)[:-2]], silent=True)

    assert refused(Uploads(Rooms(tmp_path)), sent) == 408
    assert files(tmp_path) == []


def test_a_few_uploads_come_at_a_time(tmp_path: Path) -> None:
    """One more is asked to come again; when one of the others has ended there is room."""
    upload = Uploads(Rooms(tmp_path))

    async def scenario() -> list[int]:
        waiting = [
            asyncio.ensure_future(upload.take(request([b""], silent=True), VISITOR)) for _ in range(UPLOADS_AT_ONCE)
        ]
        await asyncio.sleep(0)
        codes = []
        for _ in range(2):
            try:
                await upload.take(request([part(b"a"), END]), VISITOR)
                codes.append(200)
            except HTTPException as error:
                codes.append(error.status_code)
            waiting[0].cancel()
            await asyncio.wait(waiting[:1])
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        return codes

    assert asyncio.run(scenario()) == [503, 200]


def test_the_oldest_go_where_all_are_too_large(tmp_path: Path) -> None:
    """All uploads together have a limit, whoever they are of."""
    upload = Uploads(Rooms(tmp_path), limit=25)

    async def scenario() -> list[str]:
        visitors = (VISITOR, Visitor(room="fred"), VISITOR)
        return [path for each in visitors for path in await upload.take(request([part(b"x" * 10), END]), each)]

    paths = asyncio.run(scenario())

    assert [Path(path).exists() for path in paths] == [False, True, True]
    assert not Path(paths[0]).parent.exists()


def test_uploads_go_after_some_minutes(tmp_path: Path) -> None:
    """Whether they were asked for meanwhile or not."""
    upload = Uploads(Rooms(tmp_path))
    (path,) = asyncio.run(upload.take(request([part(b"a"), END]), VISITOR))
    upload.clean(time.monotonic() + KEPT_SECONDS - 60)
    assert Path(path).exists()
    upload.clean(time.monotonic() + KEPT_SECONDS + 1)

    assert files(tmp_path) == []
    assert list((tmp_path / "uploads").iterdir()) == []
