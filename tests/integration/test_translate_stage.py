"""The translate stage: every caption once, nothing translated twice, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.toy import chinese_captions

from meshseek.errors import TranslatorError
from meshseek.model import Asset, Estimate
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.translate import preview, translate, write_requests
from meshseek.reporting import SilentReporter
from meshseek.translators import Translation, Translator, TranslatorOptions
from meshseek.translators.existing import Existing
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

WORDS = {"a chair": "椅子", "a table": "桌子", "a lamp": "灯", "a sofa": "沙发"}


class Dictionary(Translator):
    """Knows a few words, answers in reverse order, and remembers what it was asked."""

    def __init__(self, words: dict[str, str] | None = None) -> None:
        super().__init__(TranslatorOptions())
        self.words = WORDS if words is None else words
        self.asked: list[list[str]] = []

    def estimate(self, texts: Sequence[str]) -> Estimate:
        """One item a text."""
        return Estimate(
            service="dictionary",
            items=len(texts),
            requests=1,
            input_tokens=0,
            output_tokens=0,
            price=0.0,
            seconds=0.0,
        )

    def translate(self, texts: Sequence[str]) -> Iterator[Translation]:
        """Look each text up."""
        self.asked.append(list(texts))
        for text in reversed(texts):
            chinese = self.words.get(text)
            yield Translation(text=text, chinese=chinese, reason=None if chinese else f"does not know '{text}'")


class Tired(Dictionary):
    """Answers one text, then cannot go on."""

    def translate(self, texts: Sequence[str]) -> Iterator[Translation]:
        """Look the first text up."""
        yield from super().translate(texts[:1])
        raise TranslatorError("the dictionary is closed; come again tomorrow")


def fill(workspace: Workspace, *assets: Asset) -> None:
    """Import assets."""
    workspace.assets_table().append([asset_row(asset) for asset in assets])


def asset(asset_id: str, *english: str, chinese: tuple[str, ...] = ()) -> Asset:
    """An asset with captions only."""
    return Asset(asset_id=asset_id, fingerprint="1", captions_english=english, captions_chinese=chinese)


def run(workspace: Workspace, translator: Translator) -> Summary:
    """Run the stage."""
    return translate(translator, workspace, max_assets=None, reporter=SilentReporter())


def test_each_distinct_caption_is_asked_once(workspace: Workspace) -> None:
    """Assets share the translation of a caption they share; their own Chinese captions are not translated."""
    fill(
        workspace,
        asset("one", "a chair"),
        asset("two", "a chair", "a table"),
        asset("three", "a lamp", chinese=("台灯",)),
        asset("four"),
    )
    dictionary = Dictionary()

    assert preview(dictionary, workspace, max_assets=None) == dictionary.estimate(["a chair", "a table"])
    summary = run(workspace, dictionary)

    assert dictionary.asked == [["a chair", "a table"]]
    assert chinese_captions(workspace) == {
        "one": ("椅子",),
        "two": ("椅子", "桌子"),
        "three": ("台灯",),
        "four": (),
    }
    assert (summary.done, summary.skipped, summary.details["without Chinese"]) == (4, 0, 1)


def test_nothing_is_translated_twice(workspace: Workspace) -> None:
    """A second run, by whatever translator, asks for nothing; 'existing' does not undo what was translated."""
    fill(workspace, asset("one", "a chair"), asset("two", "a table", chinese=("桌",)))
    run(workspace, Dictionary())
    digest = workspace.chinese_captions_table().digest

    for again in (Dictionary({}), Existing(TranslatorOptions()), Dictionary()):
        assert run(workspace, again).already_there == 2
    assert workspace.chinese_captions_table().digest == digest
    assert chinese_captions(workspace) == {"one": ("椅子",), "two": ("桌",)}


def test_existing_first_then_translated(workspace: Workspace) -> None:
    """What 'existing' left without Chinese is translated later; running 'existing' again writes nothing."""
    fill(workspace, asset("one", "a chair"), asset("two", "a table", chinese=("桌",)))
    assert run(workspace, Existing(TranslatorOptions())).details["without Chinese"] == 1
    digest = workspace.chinese_captions_table().digest
    assert run(workspace, Existing(TranslatorOptions())).already_there == 2
    assert workspace.chinese_captions_table().digest == digest

    assert run(workspace, Dictionary()).done == 1
    assert chinese_captions(workspace) == {"one": ("椅子",), "two": ("桌",)}


def test_what_cannot_be_translated_is_listed_and_tried_again(workspace: Workspace) -> None:
    """An asset keeps what was translated of it; the reason is listed; the next run asks only for such assets."""
    fill(workspace, asset("one", "a chair"), asset("two", "a table", "a throne"), asset("three", "a throne"))
    summary = run(workspace, Dictionary())

    listing = workspace.chinese_captions_table().folder / "skipped.jsonl"
    reasons = {line["asset_id"]: line["reason"] for line in map(json.loads, listing.read_text().splitlines())}
    assert reasons == {"two": "does not know 'a throne'", "three": "does not know 'a throne'"}
    assert (summary.done, summary.skipped) == (1, 2)
    assert chinese_captions(workspace) == {"one": ("椅子",), "two": ("桌子",), "three": ()}
    digest = workspace.chinese_captions_table().digest

    better = Dictionary({**WORDS, "a throne": "宝座"})
    assert run(workspace, Dictionary()).skipped == 2
    assert run(workspace, Existing(TranslatorOptions())).already_there == 3
    assert workspace.chinese_captions_table().digest == digest
    assert run(workspace, better).done == 2
    assert better.asked == [["a table", "a throne"]]
    assert chinese_captions(workspace)["two"] == ("桌子", "宝座")


def test_a_changed_caption_loses_its_old_translation(workspace: Workspace) -> None:
    """The translation of a caption that is no longer there is not kept, though the new one cannot be translated."""
    first = asset("one", "a chair")
    fill(workspace, first)
    run(workspace, Dictionary())
    fill(workspace, replace(first, captions_english=("a throne",)))

    run(workspace, Dictionary())

    assert chinese_captions(workspace) == {"one": ()}


def test_an_interrupted_translation_keeps_what_it_has(workspace: Workspace) -> None:
    """A translator that cannot go on ends the stage with its error; finished assets stay, the rest is asked for."""
    fill(workspace, asset("one", "a chair"), asset("two", "a table"))
    with pytest.raises(TranslatorError, match="come again tomorrow"):
        run(workspace, Tired())
    dictionary = Dictionary()

    assert run(workspace, dictionary).already_there == 1
    assert dictionary.asked == [["a table"]]
    assert chinese_captions(workspace) == {"one": ("椅子",), "two": ("桌子",)}


def test_files_are_for_those_that_have_them(workspace: Workspace, tmp_path: Path) -> None:
    """A translator without request files says which one has them."""
    fill(workspace, asset("one", "a chair"))
    with pytest.raises(TranslatorError, match="use --translator openai_batch"):
        write_requests(Dictionary(), workspace, tmp_path / "requests.jsonl", max_assets=None)
    with pytest.raises(TranslatorError, match="use --translator openai_batch"):
        translate(
            Dictionary(), workspace, max_assets=None, reporter=SilentReporter(), answers=tmp_path / "answers.jsonl"
        )
