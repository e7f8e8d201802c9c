"""Translation caption by caption, and of search queries."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.batch_service import Service, batch_service, expected

from meshseek.errors import HostedError, TranslatorError
from meshseek.hosted import HostedOptions
from meshseek.translators import Translation, TranslatorOptions
from meshseek.translators.openai_chat import OpenaiChat

TEXTS = [f"a model of a small thing, number {number}" for number in range(25)]


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service."""
    with batch_service() as running:
        yield running


def chat(service: Service, folder: Path | None, **options: Any) -> OpenaiChat:
    """A translator that keeps its answers in the folder."""
    hosted = HostedOptions(
        base_url=service.url,
        api_key=service.key,
        requests_per_minute=600_000,
        tokens_per_minute=600_000_000,
        concurrency=4,
        retry_seconds=0.005,
    )
    return OpenaiChat(TranslatorOptions(**{"hosted": hosted, "folder": folder, **options}))


def check(translations: Sequence[Translation], texts: Sequence[str] = TEXTS) -> None:
    """Each text is there once, with its own translation."""
    assert sorted(translation.text for translation in translations) == sorted(texts)
    assert {own.text: own.chinese for own in translations} == {text: expected(text) for text in texts}


def test_each_is_asked_once(service: Service, tmp_path: Path) -> None:
    """Several at a time, and never more than allowed; a second run asks for nothing."""
    service.together = 4
    check(list(chat(service, tmp_path).translate(TEXTS)))
    assert set(service.paid.values()) == {1}
    assert service.most_under_way == 4

    check(list(chat(service, tmp_path).translate(TEXTS)))
    assert set(service.paid.values()) == {1}
    assert chat(service, tmp_path).estimate([*TEXTS, "new"]).items == 1


@pytest.mark.parametrize("fault", ["429", "500", "drop", "slow", "truncate"])
def test_faults_are_lived_through(service: Service, tmp_path: Path, fault: str) -> None:
    """Throttling, errors, broken and slow connections cost time and nothing else."""
    service.faults = {"chat": [fault] * 4}
    check(list(chat(service, tmp_path).translate(TEXTS)))


def test_bad_answers_are_asked_for_again_and_then_given_up(service: Service, tmp_path: Path) -> None:
    """What stays bad has its reason; the others are there."""
    service.answer = lambda text, times: "抱歉" if text == TEXTS[3] or (text == TEXTS[4] and times < 3) else None
    found = {translation.text: translation for translation in chat(service, tmp_path).translate(TEXTS)}
    assert found[TEXTS[3]].reason == "the answer is a refusal"
    assert service.asked[TEXTS[3]] == 3
    check([own for own in found.values() if own.text != TEXTS[3]], [*TEXTS[:3], *TEXTS[4:]])


def test_an_account_that_runs_empty_keeps_what_it_paid(service: Service, tmp_path: Path) -> None:
    """The error comes after the answers that were paid for; the next run asks for the rest alone."""

    def stop(kind: str, when: str) -> None:
        if when == "before" and sum(service.paid.values()) >= 10:
            service.error = (403, {"code": "Arrearage", "message": "no money"})

    service.on_step = stop
    found: list[Translation] = []
    with pytest.raises(HostedError, match="no balance, quota or right"):
        found.extend(chat(service, tmp_path).translate(TEXTS))
    service.on_step, service.error = (lambda *_: None), None
    paid = sum(service.paid.values())
    assert paid >= 10

    check(list(chat(service, tmp_path).translate(TEXTS)))
    assert set(service.paid.values()) == {1}


CLIENT = """
import sys
from pathlib import Path
from meshseek.hosted import HostedOptions
from meshseek.translators import TranslatorOptions
from meshseek.translators.openai_chat import OpenaiChat
url, key, folder, *texts = sys.argv[1:]
hosted = HostedOptions(base_url=url, api_key=key, concurrency=4, requests_per_minute=600_000,
                       tokens_per_minute=600_000_000)
list(OpenaiChat(TranslatorOptions(hosted=hosted, folder=Path(folder))).translate(texts))
"""


def test_a_kill_costs_what_was_under_way(service: Service, tmp_path: Path) -> None:
    """After kill -9 every answer that came is there; at most the four that were being asked for are paid again."""
    client: list[subprocess.Popen[bytes]] = []

    def kill(_: str, when: str) -> None:
        if when == "before" and client and sum(service.paid.values()) >= 10:
            client[0].kill()
            client[0].wait()

    service.on_step = kill
    client.append(subprocess.Popen([sys.executable, "-c", CLIENT, service.url, service.key, str(tmp_path), *TEXTS]))
    assert client[0].wait(60) == -signal.SIGKILL
    service.on_step = lambda *_: None

    check(list(chat(service, tmp_path).translate(TEXTS)))
    assert max(service.paid.values()) <= 2
    assert sum(service.paid.values()) <= len(TEXTS) + 4


def test_translation_models_take_terms(service: Service, tmp_path: Path) -> None:
    """Qwen-MT gets one message with its options; other models get instructions."""
    terms = tmp_path / "terms.csv"
    terms.write_text("source,target\nbergère,贝杰尔椅\n", "utf-8")
    list(chat(service, tmp_path / "mt", terms=terms).translate(["a bergère"]))
    list(chat(service, tmp_path / "plus", terms=terms, model="qwen-plus").translate(["a bergère"]))
    translation, other = service.bodies
    assert translation["translation_options"]["terms"] == [{"source": "bergère", "target": "贝杰尔椅"}]
    assert [message["role"] for message in translation["messages"]] == ["user"]
    assert "bergère = 贝杰尔椅" in other["messages"][0]["content"]


@pytest.mark.parametrize("model", ["qwen-mt-flash", "qwen-plus"])
def test_queries_become_english(service: Service, model: str) -> None:
    """A Chinese query is translated; what comes back in Chinese, or not at all, is no translation."""
    service.answer = lambda text, _: {"椅子": "“chair”", "桌子": "桌子", "灯": ""}.get(text, {"error": {}})
    translator = chat(service, None, model=model)
    assert translator.to_english("椅子") == "chair"
    assert translator.to_english("桌子") is translator.to_english("灯") is translator.to_english("沙发") is None
    service.error = (500, {})
    assert translator.to_english("椅子") is None


def test_a_service_that_refuses_everything(service: Service, tmp_path: Path) -> None:
    """One refused caption is given up; if the first twenty are refused, the request is wrong, and it stops."""
    refusal = {"error": {"code": "invalid_parameter_error", "message": "no such option"}}
    service.error = (400, refusal)
    found: list[Translation] = []
    with pytest.raises(HostedError, match=r"^[^\n]*no such option[^\n]*all of the first 20 captions[^\n]*$"):
        found.extend(chat(service, tmp_path).translate(TEXTS))
    assert all("no such option" in (translation.reason or "") for translation in found)

    service.error = None
    service.on_step = lambda _, when: setattr(service, "error", (400, refusal) if len(service.bodies) >= 12 else None)
    found = list(chat(service, tmp_path).translate(TEXTS))
    assert sorted(translation.text for translation in found) == sorted(TEXTS)
    assert any(translation.chinese for translation in found)


def test_what_is_paid_is_kept_when_nobody_waits(service: Service, tmp_path: Path) -> None:
    """Whoever stops in the middle loses none of the answers that were under way."""
    service.faults = {"chat": ["slow"] * 25}
    asked = chat(service, tmp_path).translate(TEXTS)
    next(asked)
    asked.close()  # type: ignore[attr-defined]
    assert 1 < sum(service.paid.values()) < 25
    check(list(chat(service, tmp_path).translate(TEXTS)))
    assert set(service.paid.values()) == {1}


def test_a_key_is_needed_only_to_ask(service: Service, tmp_path: Path) -> None:
    """The price, and what was answered before, are there without one."""
    list(chat(service, tmp_path).translate(TEXTS[:2]))
    keyless = chat(service, tmp_path, hosted=HostedOptions(base_url=service.url))
    check(list(keyless.translate(TEXTS[:2])), TEXTS[:2])
    assert keyless.estimate(TEXTS).items == 23
    with pytest.raises(HostedError, match=r"^[^\n]* needs a key; set MESHSEEK_DASHSCOPE_API_KEY$"):
        list(keyless.translate(TEXTS))


@pytest.mark.parametrize("answer", ["", "椅子", "chair\nseat", "いす", "…", "chair " * 100, None])
def test_queries_that_are_not_translated(service: Service, answer: str | None) -> None:
    """What is no short English is no translation of a query."""
    service.answer = lambda *_: {"choices": [{"message": {"content": answer}}]}
    assert chat(service, None).to_english("椅子") is None


def test_answers_that_cannot_be_kept(service: Service, tmp_path: Path) -> None:
    """A folder that cannot be written is one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TranslatorError, match=r"^[^\n]*cannot be written[^\n]*$"):
        list(chat(service, tmp_path / "file").translate(TEXTS[:1]))
