"""What a batch service, a disk and a user may do to open batches, and the way out of each."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import tests.batch_service
from tests.batch_service import Service, batch_service, expected

from meshseek.errors import HostedError, TranslatorError
from meshseek.hosted import HostedOptions
from meshseek.translators import TranslatorOptions
from meshseek.translators.openai_batch import Limits, OpenaiBatch

TEXTS = [f"a model of a small thing, number {number}" for number in range(25)]
ALL = {text: expected(text) for text in TEXTS}


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service."""
    with batch_service() as running:
        yield running


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten captions in a file."""
    monkeypatch.setattr(OpenaiBatch, "limits", Limits(lines=10, size=20_000, line=15_000))


def translator(service: Service, folder: Path, **options: Any) -> OpenaiBatch:
    """A translator that keeps its ledger in the folder."""
    hosted = HostedOptions(
        base_url=service.url,
        api_key=service.key,
        requests_per_minute=600_000,
        tokens_per_minute=600_000_000,
        retry_seconds=0.002,
    )
    given: dict[str, Any] = {"hosted": hosted, "folder": folder, "poll_seconds": 0.005, **options}
    return OpenaiBatch(TranslatorOptions(**given))


def run(service: Service, folder: Path, texts: list[str] = TEXTS, **options: Any) -> dict[str, str | None]:
    """Translate, and give what came of each text."""
    answers = list(translator(service, folder, **options).translate(texts))
    assert sorted(answer.text for answer in answers) == sorted(texts)
    return {answer.text: answer.chinese for answer in answers}


def interrupted(service: Service, folder: Path, when: tuple[str, str]) -> None:
    """Translate until a step, and stop there as Ctrl-C does."""

    def say(_: str) -> None:
        if done:
            raise KeyboardInterrupt

    done: list[str] = []
    service.on_step = lambda kind, now: done.append(kind) if (kind, now) == when else None
    with pytest.raises(KeyboardInterrupt):
        run(service, folder, say=say)
    service.on_step = lambda *_: None


def test_too_many_batches_under_way(service: Service, tmp_path: Path) -> None:
    """A service that takes one batch at a time is waited for, however often it says so."""
    service.batch_limit, service.polls = 1, 30
    assert run(service, tmp_path) == ALL
    assert (len(service.batches), len(service.files)) == (3, 6)
    assert set(service.paid.values()) == {1}


def test_a_service_that_never_takes_one(service: Service, tmp_path: Path) -> None:
    """It is not waited for without end, and the reason is shown meanwhile."""
    service.batch_limit = 0
    said: list[str] = []
    with pytest.raises(HostedError, match=r"^[^\n]*Throttling[^\n]*run again later[^\n]*$"):
        run(service, tmp_path, say=said.append)
    assert any("Throttling" in line for line in said)
    service.batch_limit = None
    assert run(service, tmp_path) == ALL
    assert len(service.batches) == 3


def test_after_ctrl_c_the_batches_go_on(service: Service, tmp_path: Path) -> None:
    """Running it again collects them, and the price of what is left is known before."""
    service.polls = 4
    interrupted(service, tmp_path, ("create", "after"))
    assert len(service.batches) == 3
    estimate = translator(service, tmp_path).estimate([*TEXTS, "one more"])
    assert estimate.items == 1
    assert run(service, tmp_path) == ALL
    assert len(service.batches) == 3


def test_open_batches_of_other_captions_are_not_waited_for(service: Service, tmp_path: Path) -> None:
    """Whoever wants a few captions gets them when their own batch is done."""
    service.polls = 10_000
    interrupted(service, tmp_path, ("create", "after"))
    service.polls = 1
    for batch in service.batches.values():
        batch["polls"] = -10_000
    service.answer = lambda text, _: "" if text == "a hopeless one" else None
    wanted = ["a new one", "a hopeless one"]
    assert run(service, tmp_path, wanted) == {"a new one": expected("a new one"), "a hopeless one": None}


def test_a_batch_the_service_has_lost(service: Service, tmp_path: Path) -> None:
    """Where it was sent and how to give it up are said; then only its captions are sent again."""
    service.polls = 4
    interrupted(service, tmp_path, ("create", "after"))
    lost = service.batches.pop("batch_2")
    with pytest.raises(HostedError, match=r"^[^\n]*batch_2 was sent to 127[^\n]*remove \S*input.jsonl to give[^\n]*$"):
        run(service, tmp_path)
    service.batches["batch_2"] = lost  # numbers new batches as before
    next(tmp_path.rglob("batch-0002.input.jsonl")).unlink()
    assert run(service, tmp_path) == ALL
    assert len(service.batches) == 4


def test_an_uploaded_file_the_service_has_lost(service: Service, tmp_path: Path) -> None:
    """The batch is refused; the next run uploads it again."""

    def lose(kind: str, when: str) -> None:
        if (kind, when) == ("create", "before"):
            service.error = (404, {"error": {"code": "not_found", "message": "no such file"}})

    service.on_step = lose
    with pytest.raises(HostedError, match="no such file"):
        run(service, tmp_path)
    service.on_step, service.error = (lambda *_: None), None
    service.files.clear()
    assert run(service, tmp_path) == ALL
    assert set(service.paid.values()) == {1}


def test_answers_that_are_named_late(service: Service, tmp_path: Path) -> None:
    """A batch that has ended without its file yet is asked for again, not taken for empty."""
    kept: dict[str, Any] = {}

    def hide(kind: str, when: str) -> None:
        for name, batch in service.batches.items():
            if (kind, when) == ("poll", "after") and batch["status"] == "completed":
                if name in kept:
                    batch["output_file_id"] = kept[name]
                else:
                    kept[name], batch["output_file_id"] = batch["output_file_id"], None

    service.on_step = hide
    assert run(service, tmp_path) == ALL
    assert len(service.batches) == 3


def test_a_list_that_never_ends(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose pages repeat is not asked for ever."""
    page = {"data": [{"id": "other", "input_file_id": "other", "metadata": None}], "has_more": True}
    monkeypatch.setattr(tests.batch_service._Handler, "_page", lambda *_: page)
    service.faults = {"create": ["drop"]}
    assert run(service, tmp_path) == ALL
    assert len(service.batches) == 3


def test_a_disk_that_fills_up(service: Service, tmp_path: Path) -> None:
    """Answers that cannot be written are one line; with room again they are fetched, and nothing is sent again."""
    service.polls = 4
    interrupted(service, tmp_path, ("create", "after"))
    place = next(tmp_path.rglob("ledger.sqlite3")).parent / "batch-0001.output.jsonl"
    place.mkdir()
    with pytest.raises(TranslatorError, match=r"^[^\n]*cannot be written: [^\n]*make room and run again$"):
        run(service, tmp_path)
    place.rmdir()
    assert run(service, tmp_path) == ALL
    assert len(service.batches) == 3


SEAL = "'$.sealed', '$.checksum'"
STEPS = {
    "creating": f"UPDATE entries SET value = json_remove(value, {SEAL}, '$.batch_id', '$.host')",
    "uploading": f"UPDATE entries SET value = json_remove(value, {SEAL}, '$.batch_id', '$.host', '$.file_id')",
    "asking": f"UPDATE entries SET value = json_remove(value, {SEAL}, '$.answer')",
}
"""What the ledger had before the last steps."""


@pytest.mark.parametrize("step", STEPS)
def test_a_step_whose_end_was_not_written(service: Service, tmp_path: Path, step: str) -> None:
    """A batch that was created without our knowing is found again by its name or its file."""
    service.polls = 3
    interrupted(service, tmp_path, ("create", "after"))
    with closing(sqlite3.connect(next(tmp_path.rglob("ledger.sqlite3")))) as ledger, ledger:
        assert ledger.execute(STEPS[step]).rowcount == 3
    assert run(service, tmp_path) == ALL
    assert len(service.batches) == 3
    assert set(service.paid.values()) == {1}


LOCKED_LEDGER = """
import resource, signal, sys
from pathlib import Path
from meshseek.errors import TranslatorError
from meshseek.translators._ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
batch = ledger.batches[1]
batch.answer = {"long": "x" * 100_000}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    ledger.save(batch)
except TranslatorError as error:
    print(error)
"""


def test_a_ledger_that_cannot_grow(service: Service, tmp_path: Path) -> None:
    """The step is said not to be written, in one line; the ledger is as it was, and the work goes on from there."""
    service.polls = 3
    interrupted(service, tmp_path, ("create", "after"))
    folder = next(tmp_path.rglob("ledger.sqlite3")).parent
    command = [sys.executable, "-c", LOCKED_LEDGER, str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert re.fullmatch(r"\S*ledger.sqlite3 cannot be written: [^\n]*; make room and run again\n", said)
    assert run(service, tmp_path) == ALL
    assert len(service.batches) == 3


def test_a_ledger_that_is_damaged(service: Service, tmp_path: Path) -> None:
    """It is named with the ways out; without it everything is asked for anew."""
    assert run(service, tmp_path) == ALL
    ledger = next(tmp_path.rglob("ledger.sqlite3"))
    ledger.write_bytes(b"no database " * 1000)
    with pytest.raises(TranslatorError, match=r"^\S*ledger.sqlite3 is damaged [^\n]*; [^\n]*or remove it[^\n]*$"):
        run(service, tmp_path)
    ledger.unlink()
    assert run(service, tmp_path) == ALL


def test_a_folder_of_an_older_version(service: Service, tmp_path: Path) -> None:
    """Its journal is not read; the folder is named, and without it everything is asked for anew."""
    assert run(service, tmp_path) == ALL
    folder = next(tmp_path.rglob("ledger.sqlite3")).parent
    (folder / "journal.jsonl").write_text("")
    with pytest.raises(TranslatorError, match=rf"^{folder} was written by an older Meshseek; remove it[^\n]*$"):
        run(service, tmp_path)
    shutil.rmtree(folder)
    assert run(service, tmp_path) == ALL


def test_a_second_try_is_not_the_same_question(service: Service, tmp_path: Path) -> None:
    """The first one is repeatable; after a bad answer the model may choose other words."""
    service.answer = lambda _, times: "" if times == 1 else None
    assert run(service, tmp_path, TEXTS[:1]) == {TEXTS[0]: ALL[TEXTS[0]]}
    assert [body["temperature"] for body in service.bodies] == [0, 0.7]


def test_broken_characters_are_captions_too(service: Service, tmp_path: Path) -> None:
    """Half a surrogate pair is sent as a question mark, and is not mixed up with one."""
    texts = ["a chair \ud83e", "a chair ?"]
    assert run(service, tmp_path, texts) == dict.fromkeys(texts, expected("a chair ?"))


def test_of_several_answers_a_good_one_is_taken(service: Service, tmp_path: Path) -> None:
    """A line may come twice, once well and once not, in either order; unknown names are passed over."""
    batch = translator(service, tmp_path)
    batch.write_requests(TEXTS[:2], tmp_path / "requests.jsonl")
    keys = [json.loads(line)["custom_id"] for line in (tmp_path / "requests.jsonl").read_bytes().splitlines()]

    def line(key: str, content: str | None) -> str:
        response = {"status_code": 200, "body": {"choices": [{"message": {"content": content}}]}}
        failed = {"status_code": 500, "body": {"error": {"code": "oops", "message": "two\nlines"}}}
        return json.dumps({"custom_id": key, "response": response if content is not None else failed})

    good = ALL[TEXTS[0]]
    lines = [line(keys[0], good), line(keys[0], None), line("unknown", good), "[]", line(keys[1], None)]
    for order in (lines, lines[::-1]):
        (tmp_path / "answers.jsonl").write_text("\n".join(order))
        first, second = batch.read_answers(TEXTS[:2], tmp_path / "answers.jsonl")
        assert first.chinese == good
        assert second.reason == "the service refused it (oops: two lines)"
    (tmp_path / "answers.jsonl").write_text(line("unknown", good))
    with pytest.raises(TranslatorError, match=r"^[^\n]*answers none of the captions[^\n]*$"):
        list(batch.read_answers(TEXTS[:2], tmp_path / "answers.jsonl"))


def test_altered_answers_are_fetched_again(service: Service, tmp_path: Path) -> None:
    """What the disk has made of a translation is not believed; the service still has what was paid for."""
    assert run(service, tmp_path) == ALL
    first = min(tmp_path.rglob("*.output.jsonl"))
    first.write_bytes(first.read_bytes().replace("号".encode(), "吗".encode()))
    assert run(service, tmp_path) == ALL
    assert (len(service.batches), set(service.paid.values())) == (3, {1})


def test_an_altered_ledger_is_told_of(service: Service, tmp_path: Path) -> None:
    """An entry that says something else than was written could pay twice."""
    assert run(service, tmp_path) == ALL
    (file,) = tmp_path.rglob("ledger.sqlite3")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE entries SET value = replace(value, 'batch_1', 'batch_2')")
    with pytest.raises(
        TranslatorError, match=r"^[^\n]*ledger\.sqlite3 is damaged[^\n]*restore it from a backup[^\n]*$"
    ):
        run(service, tmp_path)
