"""What is asked, what it costs, and the words whose translation is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshseek.errors import TranslatorError
from meshseek.hosted import HostedOptions, count_tokens
from meshseek.translators._prompt import Prompt, key_of, read_completion, read_terms

HOSTED = HostedOptions(base_url="https://host.example/v1", requests_per_minute=60, tokens_per_minute=10_000_000)


def _terms(tmp_path: Path, content: str) -> Path:
    (tmp_path / "terms.csv").write_text(content, "utf-8")
    return tmp_path / "terms.csv"


def test_a_fingerprint_tells_what_changes_answers(tmp_path: Path) -> None:
    """The model and the terms do; the order of the terms does not."""
    prompts = [
        Prompt("qwen-flash", {}),
        Prompt("qwen-plus", {}),
        Prompt("qwen-flash", {"a": "甲", "b": "乙"}),
        Prompt("qwen-flash", {"a": "甲"}),
    ]
    assert len({prompt.fingerprint for prompt in prompts}) == 4
    assert Prompt("qwen-flash", {"b": "乙", "a": "甲"}).fingerprint == prompts[2].fingerprint


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("qwen-flash", {"enable_thinking": False}),
        ("Qwen/Qwen3-8B", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("gpt-nano", {}),
    ],
)
def test_models_that_think_are_told_not_to(model: str, expected: dict[str, object]) -> None:
    """Each engine in its own words; other models are not told what they do not know."""
    body = Prompt(model, {}).body("a chair")
    assert {name: body[name] for name in body if "thinking" in name or "kwargs" in name} == expected
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == "a chair"


def test_terms_are_whole_words(tmp_path: Path) -> None:
    """In any case, and not inside of others."""
    prompt = Prompt("qwen-flash", read_terms(_terms(tmp_path, "\ufeffsource,target\ncat,猫咪\nB-2 (bomber),轰炸机\n")))
    systems = {text: prompt.body(text)["messages"][0]["content"] for text in ("A Cat.", "a catalogue", "b-2 (Bomber)")}
    assert ["猫咪" in systems["A Cat."], "猫咪" in systems["a catalogue"]] == [True, False]
    assert "B-2 (bomber) = 轰炸机" in systems["b-2 (Bomber)"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "columns 'source' and 'target'"),
        ("a,b\n1,2\n", "columns 'source' and 'target'"),
        ("source,target\nchair,椅子\nsofa\n", "line 3: give both"),
        ("source,target\n,椅子\n", "line 2: give both"),
        ("source,target\nchair,  \n", "line 2: give both"),
    ],
)
def test_a_bad_file_of_terms_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    """Nothing in it is passed over silently."""
    with pytest.raises(TranslatorError, match=rf"^[^\n]*terms.csv[^\n]*{said}[^\n]*$"):
        read_terms(_terms(tmp_path, content))


def test_a_file_of_terms_that_is_none(tmp_path: Path) -> None:
    """A missing file, a folder and a file in another encoding are one line each."""
    (tmp_path / "gbk.csv").write_bytes("source,target\nchair,椅子\n".encode("gbk"))
    for name, said in (("none.csv", "cannot be read"), ("", "cannot be read"), ("gbk.csv", "UTF-8")):
        with pytest.raises(TranslatorError, match=rf"^[^\n]*{said}[^\n]*$"):
            read_terms(tmp_path / name)


def test_a_price_is_of_all_that_is_sent() -> None:
    """The instructions are paid for with each caption; a model whose price is not known has none."""
    texts = ["a chair"] * 120
    estimate = Prompt("qwen-flash", {}).estimate(texts, HOSTED, requests=120)
    assert estimate.input_tokens > 120 * count_tokens(Prompt("qwen-flash", {}).body("")["messages"][0]["content"])
    assert estimate.price == pytest.approx((estimate.input_tokens * 0.15 + estimate.output_tokens * 1.5) / 1e6)
    assert (estimate.items, estimate.requests, estimate.seconds) == (120, 120, 120)
    assert estimate.service == "qwen-flash at host.example"
    half = Prompt("qwen-flash", {}).estimate(texts, HOSTED, share=0.5, requests=1)
    assert half.price == pytest.approx((estimate.price or 0) / 2)
    assert "price not known" in str(Prompt("qwen-mt-flash", {}).estimate(texts, HOSTED, requests=1))


def test_names_of_requests() -> None:
    """The same for the same caption, another for any other one."""
    texts = ["a chair", "a chair ", "A chair", "椅子", "a \ud83e", "a ?"]
    assert len({key_of(text) for text in texts}) == len(texts)
    assert key_of("a chair") == key_of("a chair")
    assert all(len(key_of(text)) == 32 for text in texts)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "no chat completion"),
        ({}, "no chat completion"),
        ({"choices": []}, "no chat completion"),
        ({"choices": [{"message": None}]}, "no chat completion"),
        ({"choices": [{"message": {"content": None}}]}, "is empty"),
        ({"choices": [{"message": {"content": "一把"}, "finish_reason": "length"}]}, "cut off"),
        ({"choices": [{"message": {"content": "一把椅子"}, "finish_reason": "content_filter"}]}, "content check"),
    ],
)
def test_a_completion_without_a_translation(body: object, reason: str) -> None:
    """Each has its reason."""
    cleaned = read_completion("a chair", body)
    assert cleaned.chinese is None
    assert reason in (cleaned.reason or "")
