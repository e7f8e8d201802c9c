"""Translation by batch against a hostile service: every caption once, nothing paid twice, whatever breaks."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.batch_service import Service, batch_service, expected

from meshseek.errors import HostedError, HostedItemError, TranslatorError
from meshseek.hosted import HostedOptions
from meshseek.translators import Translation, TranslatorOptions
from meshseek.translators.openai_batch import Limits, OpenaiBatch

TEXTS = [f"a model of a small thing, number {number}" for number in range(25)]
POLL = 0.01


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service."""
    with batch_service() as running:
        yield running


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten captions in a file."""
    monkeypatch.setattr(OpenaiBatch, "limits", Limits(lines=10, size=20_000, line=15_000))


def hosted(service: Service, key: str | None = None) -> HostedOptions:
    """How to reach it, quickly."""
    return HostedOptions(
        base_url=service.url,
        api_key=key or service.key,
        requests_per_minute=600_000,
        tokens_per_minute=600_000_000,
        retry_seconds=0.005,
    )


def translator(service: Service, folder: Path, **options: Any) -> OpenaiBatch:
    """A translator that keeps its ledger in the folder."""
    given: dict[str, Any] = {"hosted": hosted(service), "folder": folder, "poll_seconds": POLL, **options}
    return OpenaiBatch(TranslatorOptions(**given))


def check(translations: Sequence[Translation], texts: Sequence[str] = TEXTS) -> None:
    """Each text is there once, with its own translation."""
    assert sorted(translation.text for translation in translations) == sorted(texts)
    assert {translation.text: translation.chinese for translation in translations} == {
        text: expected(text) for text in texts
    }


def test_every_caption_is_translated_once(service: Service, tmp_path: Path) -> None:
    """Captions go out in files within the limits, answers come in any order, and each is paid once."""
    said: list[str] = []
    check(list(translator(service, tmp_path, say=said.append).translate(TEXTS)))

    assert set(service.paid.values()) == {1}
    assert len(service.batches) == 3
    assert "3 of 3 batches done, 25 of 25 captions answered" in said
    assert {body["enable_thinking"] for body in service.bodies} == {False}


def test_a_second_run_sends_nothing(service: Service, tmp_path: Path) -> None:
    """What the ledger has is taken from it, even without a key; only new captions are sent."""
    list(translator(service, tmp_path).translate(TEXTS))
    without_key = HostedOptions(base_url=service.url)
    check(list(translator(service, tmp_path, hosted=without_key).translate(TEXTS)))
    assert len(service.batches) == 3

    more = [*TEXTS, "a new caption"]
    again = translator(service, tmp_path)
    assert again.estimate(more).items == 1
    check(list(again.translate(more)), more)
    assert set(service.paid.values()) == {1}


def test_another_model_is_another_ledger(service: Service, tmp_path: Path) -> None:
    """Answers of one model are not taken for another's."""
    list(translator(service, tmp_path).translate(TEXTS[:2]))
    assert translator(service, tmp_path, model="qwen-plus").estimate(TEXTS[:2]).items == 2


@pytest.mark.parametrize("outcome", ["expired", "cancelled"])
def test_what_a_batch_left_is_sent_again(service: Service, tmp_path: Path, outcome: str) -> None:
    """Of a batch that ended early the answers are kept, and only the rest is sent again."""
    service.outcomes = [outcome, "completed", outcome]
    check(list(translator(service, tmp_path).translate(TEXTS)))
    assert set(service.paid.values()) == {1}


def test_a_refused_batch_is_sent_once_more(service: Service, tmp_path: Path) -> None:
    """One refusal may be chance; captions go into another batch."""
    service.outcomes = ["failed"]
    check(list(translator(service, tmp_path).translate(TEXTS)))


def test_refused_batches_end_it(service: Service, tmp_path: Path) -> None:
    """Several refusals are not: the reason is said in one line, and the next run begins anew."""
    service.outcomes = ["failed"] * 3
    with pytest.raises(TranslatorError, match=r"^[^\n]*refused 2 batches \(invalid_model: no such model\)[^\n]*$"):
        list(translator(service, tmp_path).translate(TEXTS))
    check(list(translator(service, tmp_path).translate(TEXTS)))


BAD = ["", "Sorry, I cannot do that", "a model of a thing", "“译文", "好的，翻译如下：\n一\n二", None]


@pytest.mark.parametrize("bad", BAD)
def test_bad_answers_are_asked_for_again(service: Service, tmp_path: Path, bad: str | None) -> None:
    """Empty, refused, untranslated and explained answers are asked for again; good ones are not."""
    failure = {"error": {"code": "InternalError", "message": "oops"}}

    def answer(text: str, times: int) -> Any:
        return (failure if bad is None else bad) if times < 3 and text in TEXTS[::5] else None

    service.answer = answer
    translations = list(translator(service, tmp_path).translate(TEXTS))
    if bad == "“译文":
        assert all(translation.chinese for translation in translations)
        return
    check(translations)
    assert set(service.paid.values()) == {1}
    assert {service.asked[text] for text in TEXTS[::5]} == {3}


def test_what_stays_bad_is_given_up_with_its_reason(service: Service, tmp_path: Path) -> None:
    """After three batches a caption is given up; the others are there, and the reason is the last answer's."""
    refusal = {"error": {"code": "data_inspection_failed", "message": "inappropriate"}}
    service.answer = lambda text, _: refusal if text == TEXTS[7] else None
    translations = list(translator(service, tmp_path).translate(TEXTS))

    check([translation for translation in translations if translation.chinese], [*TEXTS[:7], *TEXTS[8:]])
    lost = next(translation for translation in translations if not translation.chinese)
    assert lost.text == TEXTS[7]
    assert "data_inspection_failed: inappropriate" in (lost.reason or "")
    assert service.asked[TEXTS[7]] == 3


def test_what_needs_no_translation_is_not_sent(service: Service, tmp_path: Path) -> None:
    """Chinese stays as it is; what has no words is said so; what is too long for the service too."""
    texts = ["椅子", "123", "🪑", "une chaise rouge", "x" * 20_000]
    found = {translation.text: translation for translation in translator(service, tmp_path).translate(texts)}
    assert found["椅子"].chinese == "椅子"
    assert found["123"].reason == found["🪑"].reason == "has no words to translate"
    assert found["une chaise rouge"].chinese == expected("une chaise rouge")
    assert "is longer than the 15,000 bytes" in (found["x" * 20_000].reason or "")
    assert list(service.asked) == ["une chaise rouge"]


def test_a_caption_of_ten_thousand_characters(service: Service, tmp_path: Path) -> None:
    """A long caption is translated like any other."""
    text = ("a very detailed castle " * 500)[:10_000]
    check(list(translator(service, tmp_path).translate([text])), [text])


@pytest.mark.parametrize("kind", ["upload", "create", "list", "poll", "content"])
@pytest.mark.parametrize("fault", ["429", "500", "drop", "drop_after", "slow", "truncate"])
def test_faults_are_lived_through(service: Service, tmp_path: Path, kind: str, fault: str) -> None:
    """Throttling, errors, broken and slow connections cost time and nothing else, at every step."""
    service.faults = {kind: [fault, fault], "create": ["drop_after"] if kind == "list" else []}
    if kind == "create":
        service.faults["create"] = [fault]
    check(list(translator(service, tmp_path).translate(TEXTS)))
    assert set(service.paid.values()) == {1}
    assert len(service.batches) == 3


@pytest.mark.parametrize("cut", ["short", "unannounced"])
def test_short_downloads_are_fetched_again(service: Service, tmp_path: Path, cut: str) -> None:
    """An answer file that comes short without an error is noticed; if it stays so, nothing is sent again for it."""
    service.faults = {"content": [cut, cut]}
    check(list(translator(service, tmp_path / "a").translate(TEXTS)))

    service.paid.clear()
    service.faults = {"content": [cut] * 5}
    with pytest.raises(TranslatorError, match=r"^[^\n]*came incomplete 5 times[^\n]*paid for[^\n]*run again later$"):
        list(translator(service, tmp_path / "b").translate(TEXTS))
    check(list(translator(service, tmp_path / "b").translate(TEXTS)))
    assert set(service.paid.values()) == {1}


def test_downloads_that_stay_short_end(service: Service, tmp_path: Path) -> None:
    """After some runs in which a file came cut off, what it has is taken, and only the rest is sent again."""
    service.faults = {"content": ["short"] * 15}
    for _ in range(2):
        with pytest.raises(TranslatorError, match="run again later"):
            list(translator(service, tmp_path).translate(TEXTS[:10]))
    check(list(translator(service, tmp_path).translate(TEXTS[:10])), TEXTS[:10])
    assert len(service.batches) == 2
    assert 0 < sum(count == 2 for count in service.paid.values()) < 10


def test_answers_that_are_counted_but_not_there(service: Service, tmp_path: Path) -> None:
    """A whole file with a line less than the service counts is taken, and what is missing is asked for again."""
    service.withheld.update({TEXTS[3]: 1, TEXTS[14]: 1})
    check(list(translator(service, tmp_path).translate(TEXTS)))
    assert {text for text, count in service.paid.items() if count > 1} == {TEXTS[3], TEXTS[14]}
    assert sum(service.paid.values()) == len(TEXTS) + 2


def test_an_answer_that_is_never_there_is_given_up(service: Service, tmp_path: Path) -> None:
    """It is asked for three times, the others are there, and the next run asks for it alone."""
    service.withheld[TEXTS[3]] = 100
    translations = list(translator(service, tmp_path).translate(TEXTS))
    check([translation for translation in translations if translation.chinese], [*TEXTS[:3], *TEXTS[4:]])
    lost = next(translation for translation in translations if not translation.chinese)
    assert lost.text == TEXTS[3]
    assert "completed without an answer for it" in (lost.reason or "")
    assert service.asked[TEXTS[3]] == 3

    service.withheld.clear()
    check(list(translator(service, tmp_path).translate(TEXTS)))
    assert sum(service.asked.values()) == len(TEXTS) + 3


def test_chaos(service: Service, tmp_path: Path) -> None:
    """A third of all requests fail in some way, batches end in all ways, answers are bad at times: all is well."""
    service.chaos = 0.33
    service.random = random.Random(4711)
    service.outcomes = ["expired", "cancelled", "completed", "failed", "expired"]
    service.answer = lambda text, times: "抱歉" if times == 1 and text in TEXTS[::4] else None
    translations: list[Translation] = []
    for _ in range(20):
        try:
            translations = list(translator(service, tmp_path).translate(TEXTS))
        except (HostedError, TranslatorError):
            continue
        if all(translation.chinese for translation in translations):
            break
    check(translations)
    assert set(service.paid.values()) == {1}


CLIENT = """
import sys
from pathlib import Path
from meshseek.hosted import HostedOptions
from meshseek.translators import TranslatorOptions
from meshseek.translators.openai_batch import Limits, OpenaiBatch
url, key, folder, count = sys.argv[1:]
OpenaiBatch.limits = Limits(lines=10, size=20_000, line=15_000)
hosted = HostedOptions(base_url=url, api_key=key, requests_per_minute=600_000, tokens_per_minute=600_000_000,
                       retry_seconds=0.005)
options = TranslatorOptions(hosted=hosted, folder=Path(folder), poll_seconds=0.01)
texts = [f"a model of a small thing, number {number}" for number in range(int(count))]
list(OpenaiBatch(options).translate(texts))
"""


def start_client(service: Service, folder: Path) -> subprocess.Popen[bytes]:
    """A process of its own that translates all texts."""
    command = [sys.executable, "-c", CLIENT, service.url, service.key, str(folder), str(len(TEXTS))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["upload", "create", "poll", "content"])
def test_killed_at_a_step(service: Service, tmp_path: Path, kind: str, when: str) -> None:
    """Kill -9 before and after each kind of request was worked on: nothing is paid twice, nothing is lost."""
    client: list[subprocess.Popen[bytes]] = []

    def kill(step: str, now: str) -> None:
        if (step, now) == (kind, when) and client and client[0].poll() is None:
            client[0].kill()
            client[0].wait()

    service.on_step = kill
    client.append(start_client(service, tmp_path))
    assert client[0].wait(60) == -signal.SIGKILL
    service.on_step = lambda *_: None

    check(list(translator(service, tmp_path).translate(TEXTS)))
    assert set(service.paid.values()) == {1}
    assert len(service.batches) == 3


def test_killed_at_random(service: Service, tmp_path: Path) -> None:
    """Kill -9 again and again at random moments, on a network that fails at times."""
    service.chaos, service.polls = 0.05, 60
    chance = random.Random(42)
    killed = 0
    for _ in range(12):
        client = start_client(service, tmp_path)
        time.sleep(0.25 + chance.random() * 0.5)
        if client.poll() is None:
            os.kill(client.pid, signal.SIGKILL)
            killed += 1
        client.wait()
    service.chaos = 0.0
    check(list(translator(service, tmp_path).translate(TEXTS)))
    assert killed
    assert set(service.paid.values()) == {1}
    assert len(service.batches) == 3


def test_two_at_once(service: Service, tmp_path: Path) -> None:
    """The second process says that the first is there."""
    first = translator(service, tmp_path).translate(TEXTS)
    next(first)
    with pytest.raises(TranslatorError, match=r"^another process translates in [^\n]*; wait until it ends$"):
        next(translator(service, tmp_path).translate(TEXTS))
    first.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("status", "code", "cure"),
    [
        (401, "invalid_api_key", "check MESHSEEK_DASHSCOPE_API_KEY"),
        (403, "AccessDenied", "a key belongs to one region"),
        (403, "Arrearage", "no balance, quota or right"),
        (429, "insufficient_quota", "no balance, quota or right"),
        (404, "model_not_found", "check --model"),
        (400, "invalid_request", "refused it"),
    ],
)
def test_final_errors_are_one_line(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int, code: str, cure: str
) -> None:
    """No key, wrong key, wrong region, no money, no such model: one line with the cure, without the key, at once."""
    service.error = (status, {"error": {"code": code, "message": f"no: {service.key}"}})
    with caplog.at_level(logging.DEBUG), pytest.raises(HostedError, match=rf"^[^\n]*{cure}[^\n]*$") as caught:
        list(translator(service, tmp_path).translate(TEXTS))
    assert service.key not in f"{caught.value} {caplog.text}"
    service.error = None
    check(list(translator(service, tmp_path).translate(TEXTS)))


def test_a_missing_key_is_one_line(service: Service, tmp_path: Path) -> None:
    """The setting's name is said; the price can be seen without a key."""
    without = translator(service, tmp_path, hosted=HostedOptions(base_url=service.url))
    assert without.estimate(TEXTS).items == len(TEXTS)
    with pytest.raises(HostedError, match=r"^127[^\n]* needs a key; set MESHSEEK_DASHSCOPE_API_KEY$"):
        list(without.translate(TEXTS))


def test_an_unreachable_service_is_one_line(service: Service, tmp_path: Path) -> None:
    """A host that refuses connections is named with the setting of its address."""
    away = HostedOptions(base_url="http://127.0.0.1:9/v1", api_key="sk-x", retry_seconds=0.001)
    with pytest.raises(HostedError, match=r"^127.0.0.1:9 cannot be reached [^\n]*MESHSEEK_DASHSCOPE_BASE_URL[^\n]*$"):
        list(translator(service, tmp_path, hosted=away).translate(TEXTS))


def test_a_folder_that_cannot_be_written(service: Service, tmp_path: Path) -> None:
    """Nothing is sent where the ledger cannot be kept."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TranslatorError, match=r"^[^\n]*cannot be written[^\n]*run again$"):
        list(translator(service, tmp_path / "file").translate(TEXTS))
    assert not service.files


def test_the_price_is_of_what_is_left(service: Service, tmp_path: Path) -> None:
    """Half the usual price for known models; none for unknown ones."""
    estimate = translator(service, tmp_path).estimate(TEXTS)
    assert (estimate.items, estimate.requests) == (25, 3)
    tokens = estimate.input_tokens * 0.15 + estimate.output_tokens * 1.5
    assert estimate.price == pytest.approx(0.5 * tokens / 1e6)
    assert translator(service, tmp_path, model="my-own").estimate(TEXTS).price is None


def test_an_engine_of_ones_own(service: Service, tmp_path: Path) -> None:
    """The requests are written for it, and its answers are read, in the Batch API's format, with nothing sent."""
    batch = translator(service, tmp_path, model="Qwen/Qwen3-8B", hosted=HostedOptions(base_url=service.url))
    texts = [*TEXTS, "椅子"]
    assert batch.write_requests(texts, tmp_path / "requests.jsonl") == len(TEXTS)
    lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text("utf-8").splitlines()]
    answers = [
        {
            "id": "vllm-1",
            "custom_id": line["custom_id"],
            "response": {
                "status_code": 200,
                "body": {"choices": [{"message": {"content": expected(line["body"]["messages"][-1]["content"])}}]},
            },
            "error": None,
        }
        for line in lines[1:]
    ]
    (tmp_path / "answers.jsonl").write_text("\n".join(json.dumps(answer) for answer in reversed(answers)) + "\n{torn")
    found = {own.text: own for own in batch.read_answers(texts, tmp_path / "answers.jsonl")}

    assert found["椅子"].chinese == "椅子"
    assert "is not in" in (found[TEXTS[0]].reason or "")
    check([found[text] for text in TEXTS[1:]], TEXTS[1:])
    assert not service.files
    assert not service.batches
    with pytest.raises(TranslatorError, match="cannot be read"):
        list(batch.read_answers(texts, tmp_path / "none.jsonl"))


def test_terms_are_used_where_they_occur(service: Service, tmp_path: Path) -> None:
    """A caption with such a word gets the word's translation in its request; a bad file is said so."""
    terms = tmp_path / "terms.csv"
    terms.write_text("source,target\nBergère,贝杰尔椅\n", "utf-8")
    list(translator(service, tmp_path, terms=terms).translate(["a bergère chair", "a table"]))
    asked = {body["messages"][1]["content"]: body["messages"][0]["content"] for body in service.bodies}
    assert "Bergère = 贝杰尔椅" in asked["a bergère chair"]
    assert "贝杰尔椅" not in asked["a table"]
    terms.write_text("a,b\n1,2\n")
    with pytest.raises(TranslatorError, match="columns 'source' and 'target'"):
        translator(service, tmp_path, terms=terms)


def test_a_batch_the_service_would_not_begin(service: Service, tmp_path: Path) -> None:
    """Its captions are not stuck: they go into another one the next time."""
    step: list[str] = []

    def refuse(kind: str, when: str) -> None:
        if (kind, when) == ("create", "before") and not step:
            step.append(kind)
            service.error = (400, {"error": {"code": "invalid_request", "message": "no"}})

    service.on_step = refuse
    with pytest.raises(HostedItemError):
        list(translator(service, tmp_path).translate(TEXTS))
    service.error = None
    check(list(translator(service, tmp_path).translate(TEXTS)))
    assert set(service.paid.values()) == {1}
