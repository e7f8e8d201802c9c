"""The log of a service: its two forms, and what must never be in it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshseek.errors import SettingsError
from meshseek.hosted import HostedOptions
from meshseek.interfaces.http import log_lines, logs
from meshseek.interfaces.http.log_queue import PatientHandler
from meshseek.interfaces.http.logs import write_logs
from meshseek.interfaces.http.request_ids import request_id
from meshseek.settings import read_settings

PASSWORD = "p%40ss/w0rd"  # as it stands in a URL; it means p@ss/w0rd
URL = f"postgresql://somebody:{PASSWORD.replace('/', '%2F')}@db.example/postgres"
DASHSCOPE = "sk-0123456789abcdef"
KEY = "msk_AbCd1234_" + "s3cr3t-_" * 5 + "end"
log = logging.getLogger("meshseek.test")

Write = Callable[..., Callable[[], str]]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Let the log be written to a file, as the settings say; the value reads it."""
    root, ours = logging.getLogger(), logging.getLogger("meshseek")
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(each, each.handlers[:], each.level, each.propagate) for each in (root, ours, *loggers)]
    root.handlers[:] = []
    for each in loggers:
        each.setLevel(logging.NOTSET)  # a server in another test may have let it tell of nothing

    def begin(**settings: Any) -> Callable[[], str]:
        file = tmp_path / "log"
        write_logs(read_settings(workspace=tmp_path, log_file=file, **settings))

        def read() -> str:
            logging.getLogger().handlers[0].flush()
            return file.read_text("utf-8")

        return read

    yield begin
    logging.captureWarnings(capture=False)
    for handler in root.handlers:
        with contextlib.suppress(OSError):
            handler.close()
    for each, handlers, level, propagate in before:
        each.handlers[:], each.propagate = handlers, propagate
        each.setLevel(level)
        each.disabled = False


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_record_is_one_line(write: Write, form: str) -> None:
    """Whatever a stranger has sent, nothing that he wrote looks like another record, or moves the cursor."""
    read = write(log_format=form)
    foreign = "chair\n2026-01-01T00:00:00.000Z ERROR forged\r\x1b[2J\x9b1m\u2028\u202eback \ud800 \u200b\U000e0041 椅子"
    log.info("asked for %s", foreign, extra={"fields": {"key": "a name=b\n"}})
    (line,) = read().splitlines()

    assert line.isprintable()
    if form == "json":
        told = json.loads(line)
        assert (told["message"], told["key"]) == (f"asked for {foreign}", "a name=b\n")
        assert line.isascii()
    else:
        assert "椅子" in line
        assert line.endswith(r'key="a name=b\\u000a"')


def test_a_traceback_is_set_in(write: Write) -> None:
    """No line of it begins like a record, even if the error's message tries."""
    read = write()
    log.error("failed", exc_info=ValueError("x\n2026-01-01T00:00:00.000Z ERROR forged"))
    first, *rest = read().splitlines()

    assert first.endswith("ERROR   meshseek.test: failed")
    assert all(line.startswith("    ") for line in rest)
    assert any("ValueError: x" in line for line in rest)


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_written(write: Write, form: str) -> None:
    """Neither those of the settings in any form, nor what looks like a key or stands before the @ of an address."""
    read = write(log_format=form, database_url=URL, dashscope_api_key=DASHSCOPE, base_url="http://me:hidden@models/")
    log.error("with %s and %s", KEY, DASHSCOPE, exc_info=RuntimeError(f"could not open {URL}"))
    log.warning("host=x password=p@ss/w0rd then p@ss/w0rd; Authorization: Bearer %s", "abcdefgh12345")
    log.warning("GET http://me:hidden@models/a.glb, ftp://you:short@x")
    text = read()

    for secret in ("p%40ss", "p@ss/w0rd", "w0rd", DASHSCOPE, KEY[13:], "abcdefgh12345", "hidden", "you", "short"):
        assert secret not in text, secret
    assert "msk_AbCd1234_***" in text
    assert "***@db.example/postgres" in text


def test_each_record_names_its_request(write: Write) -> None:
    """Whoever writes it; outside of a request there is none to name."""
    read = write(log_format="json")
    token = request_id.set("abc")
    logging.getLogger("uvicorn.error").error("of another library")
    request_id.reset(token)
    log.info("of no request")
    first, second = map(json.loads, read().splitlines())

    assert (first["request_id"], first["logger"], first["level"]) == ("abc", "uvicorn.error", "ERROR")
    assert "request_id" not in second
    assert list(first)[:4] == ["time", "level", "logger", "message"]


def test_how_much_is_told(write: Write) -> None:
    """From the level that is set; other libraries only warn, and uvicorn's line with the whole address is left out."""
    read = write(log_level="debug")
    log.debug("one")
    logging.getLogger("httpx").info("two")
    logging.getLogger("uvicorn.access").warning("three")
    with warnings.catch_warnings(action="default"):
        logging.captureWarnings(capture=False)  # a service in another test may have begun to, and pytest ended it
        logging.captureWarnings(capture=True)
        warnings.warn_explicit("four", UserWarning, "file", 1)
    text = read()

    assert [word in text for word in ("one", "two", "three", "four")] == [True, False, False, True]


def test_the_log_is_bounded(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its files and in each record; the files are for their owner and group only."""
    monkeypatch.setattr(logs, "FILE_BYTES", 20_000)
    read = write()
    log.info("%s", "word " * 10_000)
    assert len(read()) < log_lines.LONGEST + 200
    for _ in range(100):
        log.info("%s", "word " * 1_000)
    read()
    files = list(tmp_path.glob("log*"))

    assert len(files) == logs.FILES
    assert sum(file.stat().st_size for file in files) <= 20_000 * logs.FILES
    assert {file.stat().st_mode & 0o777 for file in files} <= {0o640, 0o600}


def test_a_log_that_cannot_be_written(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the start that is an error with the setting's name; later it is told once, and ends nothing."""
    with pytest.raises(SettingsError, match="MESHSEEK_LOG_FILE"):
        write_logs(read_settings(workspace=tmp_path, log_file=tmp_path / "nowhere" / "log"))
    (tmp_path / "log").symlink_to("/dev/full")
    write()
    for _ in range(3):
        log.info("lost")
    logging.getLogger().handlers[0].flush()

    assert capsys.readouterr().err.splitlines() == [f"meshseek: {tmp_path / 'log'} cannot be written; make room there"]


def test_a_log_that_nobody_reads() -> None:
    """It keeps nobody who writes to it waiting; what did not fit is counted, and told when it is read again."""
    reading, writing = os.pipe()
    with open(writing, "w") as full, open(reading) as reader:  # noqa: PTH123  # descriptors
        handler = PatientHandler(logging.StreamHandler(full), most=5)
        for number in range(100):
            handler.handle(logging.LogRecord("x", logging.INFO, "", 0, f"{number} {'x' * 50_000}", None, None))
        lines = (line[:60].split(" x")[0].strip() for line in reader)
        told = [next(lines)]
        while "left out" not in told[-1]:
            told.append(next(lines))
        rest = threading.Thread(target=lambda: list(lines))
        rest.start()
        handler.close()
        full.close()
        rest.join()

    assert told[0] == "0"
    assert re.fullmatch(r"\d\d records were left out: who reads the log was too slow", told[-1])


def test_a_hosted_service_is_named_without_its_password() -> None:
    """Messages name the service; what stands before the @ of its address is left out."""
    assert HostedOptions(base_url="https://me:hidden@models.example:8443/v1").host == "models.example:8443"
    assert HostedOptions(base_url="https://models.example").host == "models.example"
