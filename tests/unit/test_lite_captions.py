"""Which texts make a caption vector of ``lite``, with vectors that are made up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from meshseek.embedders.lite import recent
from meshseek.embedders.lite.captions import CHINESE_WEIGHT, GLOSS_WEIGHT, PART_WEIGHT, CaptionTexts, weighted_texts
from meshseek.embedders.lite.recent import RecentTexts
from meshseek.model import AssetTexts, Language

DIM = 64
CRANE_BIRD = "large long-necked wading bird of marshes and plains in many parts of the world"
CRANE_LIFT = "lifts and moves heavy objects"


def by_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """A vector for each text, near to those with the same words; of bytes, so that any text has one."""
    vectors = np.full((len(texts), DIM), 1e-3, dtype=np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for word in text.lower().replace(",", "").replace(":", "").split():
            row[sum(word.encode()) % DIM] += 1
    made: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return made


def texts_of(texts: AssetTexts, language: Language = "english") -> dict[str, float]:
    """The texts of one asset by weight."""
    (weighted,) = CaptionTexts(by_words).of([texts], language)
    return dict(weighted)


def test_a_column_has_name_both_languages_and_gloss() -> None:
    """Captions of one language share its weight; a caption that repeats the name does not count again."""
    texts = AssetTexts(name="Chair", english=("Chair", "chair seat", "seat for a person"), chinese=("椅子", "座椅"))
    gloss = "chair: a seat for one person, with a support for the back"

    for language in ("english", "chinese"):
        half = CHINESE_WEIGHT[language] / 2
        assert texts_of(texts, language) == {
            "Chair": 1.0,
            "chair seat": 0.5,
            "seat for a person": 0.5,
            "椅子": half,
            "座椅": half,
            gloss: GLOSS_WEIGHT,
        }


@pytest.mark.parametrize(
    ("caption", "definition"), [(f"a crane, a {CRANE_BIRD}", CRANE_BIRD), (f"a crane that {CRANE_LIFT}", CRANE_LIFT)]
)
def test_the_captions_choose_the_meaning(caption: str, definition: str) -> None:
    """A crane among birds is a bird, one on a building site lifts things."""
    (gloss,) = CaptionTexts(by_words).glosses([AssetTexts(name="Crane", english=(caption,))])
    assert gloss is not None
    assert definition in gloss.text


def test_what_fits_nothing_has_no_gloss() -> None:
    """Where no meaning is near the captions, or nothing is a noun, the captions stand alone."""
    odd = AssetTexts(name="Cat", english=("zzz qqq www",))
    assert texts_of(odd) == {"Cat": 1.0, "zzz qqq www": 1.0}
    assert texts_of(AssetTexts(chinese=("椅子",)), "chinese") == {"椅子": 2.0}
    assert texts_of(AssetTexts(english=("Chair",), name="Chair")).keys() >= {"Chair"}
    assert CaptionTexts(by_words).of([], "english") == []


def test_a_noun_that_is_part_of_the_name_says_less() -> None:
    """The gloss of an oak table is that of a table, and counts half."""
    caption = "an oak table, a piece of furniture having a smooth flat top that is usually supported by vertical legs"
    for name, weight in (("Table", GLOSS_WEIGHT), ("Oak table", PART_WEIGHT)):
        glosses = [own for text, own in texts_of(AssetTexts(name=name, english=(caption,))).items() if ": " in text]
        assert glosses == [weight]


def test_a_long_caption_has_its_beginning_for_a_name() -> None:
    """Without a name, what stands up to the head noun counts once more."""
    texts = AssetTexts(english=("a 3D model of a small red house with a roof", "another"))
    assert list(weighted_texts(texts, "english", None)) == [
        ("small house", 1.0),
        ("a 3D model of a small red house with a roof", 0.5),
        ("another", 0.5),
    ]


def test_the_caption_helps_where_the_name_says_nothing() -> None:
    """A file name without a noun leaves it to the first caption."""
    texts = AssetTexts(name="untitled", english=("a chair, a seat for one person with a support for the back",))
    assert any(text.startswith("chair: a seat") for text in texts_of(texts))


def test_every_asset_has_a_text() -> None:
    """A name, or a caption of either language, is enough."""
    for texts in (AssetTexts(english=("x",)), AssetTexts(chinese=("x",)), AssetTexts(name="x", english=("x",))):
        assert list(weighted_texts(texts, "english", None))


def test_recent_texts_are_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was embedded lately is not embedded again; the oldest are forgotten first."""
    monkeypatch.setattr(recent, "MOST", 3)
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.extend(texts)
        return by_words(texts)

    texts = RecentTexts(embed, DIM)
    assert texts([]).shape == (0, DIM)
    assert np.array_equal(texts(["a", "b", "a"]), by_words(["a", "b", "a"]))
    texts(["c", "a"])
    assert asked == ["a", "b", "c"]
    texts(["d"])
    texts(["a", "c", "d"])
    assert asked == ["a", "b", "c", "d"]
    texts(["b"])
    assert asked[-1] == "b"
    assert np.array_equal(texts(list("abcdef")), by_words(list("abcdef")))


def test_threads_may_share_recent_texts() -> None:
    """Many threads at once get what one gets."""
    together = threading.Barrier(4)
    texts = RecentTexts(by_words, DIM)

    def ask(number: int) -> bool:
        together.wait()
        own = [str(part) for part in range(number, number + 50)]
        return np.array_equal(texts(own), by_words(own))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(4)))
