"""Words that are meant exactly: ids, single Chinese characters, and quoted phrases, in a published library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from tests.conftest import drop_databases
from tests.crowd import DIM, Crowd, units

from meshseek.model import LABEL_FIELDS, Asset, Condition
from meshseek.search.modes.words import WordsMode
from meshseek.search.phrases import phrases
from meshseek.search.query import Query
from meshseek.search.question import Question
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library, Request
from meshseek.store.read.reader import Reader
from meshseek.store.read.statements import statement
from meshseek.store.read.statistics import WORDS, Phrases, read_statistics
from meshseek.workspace.workspace import Workspace

HEX_ID = "000-023/8476c4170df24cf5bbe6967222d1a42d"
CAPTIONS = {
    "toys/003": ("an oak table 30 inches wide", "红木椅"),
    "toys/old_Chair-07": ("the red chair and a lamp", "椅子"),
    "古董 家具/50% off? #1 椅": ("a lamp, red, beside a chair", "一张木桌"),
    HEX_ID: ("a boat", "红椅 and 桌子"),
}
EVERY = [*CAPTIONS]


@pytest.fixture(scope="module")
def server(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that has four assets published, all with one and the same vector."""
    prefix = f"words_{uuid4().hex[:12]}_"
    made = Server(lambda: conninfo, prefix)
    assets = [
        Asset(
            asset_id=name, fingerprint="made", captions_english=(english,), captions_chinese=(chinese,), attributes={}
        )
        for name, (english, chinese) in CAPTIONS.items()
    ]
    crowd = Crowd(assets=assets, english=dict.fromkeys(CAPTIONS, units(np.ones(DIM))))
    crowd.publish(Workspace(tmp_path_factory.mktemp("words")), made)
    yield made
    drop_databases(conninfo, prefix)


@pytest.fixture
def library(server: Server) -> Iterator[Library]:
    """Their library, open for reading."""
    opened = Library(server, "crowd")
    yield opened
    opened.close()


def with_words(library: Library, text: str) -> list[str]:
    """Ids of the assets that have the words."""
    request = Request(limit=10, conditions=Query(text=text).conditions)
    return [hit.asset_id for hit in library.with_words(library.published(), text, request)]


@pytest.mark.parametrize("asset_id", EVERY)
def test_an_id_is_a_word(library: Library, asset_id: str) -> None:
    """Typed as it is, it finds its asset and no other; so it does in quotes."""
    assert with_words(library, asset_id) == [asset_id]
    assert with_words(library, f'"{asset_id}"') == [asset_id]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("toys", ["toys/003", "toys/old_Chair-07"]),
        ("003", ["toys/003"]),
        ("old", ["toys/old_Chair-07"]),
        ("old chairs 07", ["toys/old_Chair-07"]),
        ("000-023", [HEX_ID]),
        ("8476c4170df24cf5bbe6967222d1a42d", [HEX_ID]),
        ("古董", ["古董 家具/50% off? #1 椅"]),
    ],
)
def test_parts_of_an_id_are_words(library: Library, part: str, expected: list[str]) -> None:
    """A folder's name, a number, and the words of a name."""
    assert sorted(with_words(library, part)) == expected


def test_a_single_chinese_character_is_found_anywhere(library: Library) -> None:
    """At the end of a word, at its beginning, and alone; in quotes as well."""
    expected = sorted(EVERY)
    assert sorted(with_words(library, "椅")) == expected
    assert sorted(with_words(library, "“椅”")) == expected
    assert with_words(library, "桌") == with_words(library, "「桌」") != []
    assert with_words(library, "“红木”，椅！") == ["toys/003"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“木椅”", ["toys/003"]),
        ("“红木椅”", ["toys/003"]),
        ("“红椅”", [HEX_ID]),
        ("“红椅 桌”", [HEX_ID]),
        ("“椅红”", []),
        ("“木红”", []),
        ("“椅木红”", []),
        ('"red chair"', ["toys/old_Chair-07"]),
        ('"chair red"', []),
        ('lamp "red chair"', ["toys/old_Chair-07"]),
        ('oak 30" wide, "table"', ["toys/003"]),
        ('wide 30" oak table" inches', ["toys/003"]),
    ],
)
def test_a_phrase_stands_in_its_order(library: Library, text: str, expected: list[str]) -> None:
    """Chinese of two and more characters, and English; marks of inches are no quotes."""
    assert with_words(library, text) == expected


@pytest.mark.parametrize("text", ["红木椅", "“红木椅”", "「红木椅」", '"红木椅"'])
def test_a_name_in_quotes_is_a_name(library: Library, text: str) -> None:
    """Whichever quotes it is typed in, the asset with that name comes first as the one that is meant."""
    question = Question.of(library.published(), np.ones(DIM, dtype=np.float32), "chinese")
    question.text = text
    request = Request(limit=10, conditions=Query(text=text).conditions)

    ranking = WordsMode().rank(library, question, request)

    assert [(ranked.asset_id, ranked.is_named) for ranked in ranking] == [("toys/003", True)]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("phrase", ['"the"', '"of the"', '"!!!"', "“。”"])
def test_a_phrase_that_says_nothing_is_no_condition(library: Library, phrase: str, exact: bool) -> None:  # noqa: FBT001
    """Stop words and punctuation narrow nothing, whatever is compared."""
    conditions = Query(text=f"chair {phrase}").conditions
    vector = np.ones(DIM, dtype=np.float32)
    request = Request(limit=10, conditions=conditions, exact=exact)
    columns = ("english_embedding", "chinese_embedding")
    found = library.nearest_captions(library.published(), vector, columns, request)

    assert sorted(hit.asset_id for hit in found) == sorted(EVERY)
    assert sorted(with_words(library, f"lamp {phrase}")) == sorted(EVERY[1:3])


@pytest.mark.parametrize(
    ("phrases", "count"),
    [
        (["the"], 4),
        (["!!!"], 4),
        ([""], 4),
        (["red chair"], 1),
        (["椅"], 4),
        (["红木"], 1),
        (["lamp", "red chair"], 1),
        (["lamp", "the", "oak"], 0),
    ],
)
def test_phrases_are_counted_as_they_filter(library: Library, phrases: list[str], count: int) -> None:
    """What is known beforehand of how many pass, all phrases together; one that says nothing narrows nothing."""
    conditions = [Condition(field=WORDS, values=(phrase,)) for phrase in phrases]
    known = read_statistics(library._reader, 4, conditions, bound=10)
    assert known.phrases is not None
    assert (known.phrases.assets, known.matching(conditions)) == (count, count)
    assert read_statistics(library._reader, 4, conditions, bound=2).phrases == Phrases(
        known.phrases.query, min(count, 2)
    )


def test_many_phrases_cost_what_one_costs(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for, two statements are sent, and the texts of all searches are one and the same."""
    sent: list[str] = []
    rows = Reader.rows

    def watched(reader: Reader, text: Any, *others: Any) -> list[dict[str, Any]]:
        sent.append(text.decode() if isinstance(text, bytes) else text.as_string(None))
        return rows(reader, text, *others)

    published = library.published()
    monkeypatch.setattr(Reader, "rows", watched)
    texts = set()
    for count in (1, 2, 100, 250):
        sent.clear()
        conditions = phrases(" ".join(f'"{chr(0x4E00 + number)}"' for number in range(count)))
        assert len(conditions) == count
        library.nearest_views(published, np.ones(DIM, dtype=np.float32), Request(limit=10, conditions=conditions))
        assert len(sent) == 2
        texts.update(sent)
    assert len(texts) == 2


def test_few_statements_are_kept() -> None:
    """Users choose which filters go together: of all the texts that this makes, a bounded number stays."""
    for number in range(3 ** len(LABEL_FIELDS)):
        shape = tuple((name, number // 3**n % 3 == 1) for n, name in enumerate(LABEL_FIELDS) if number // 3**n % 3)
        statement("views_two_stage", None, shape)
    kept = statement.cache_info()
    assert 0 < kept.currsize <= 256
