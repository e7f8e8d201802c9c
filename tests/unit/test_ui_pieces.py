"""The pieces of HTML on the page: tiles, the line above the results, the panel of an asset, reasons."""

from __future__ import annotations

import json

import pytest

from meshseek.interfaces.ui.address import State
from meshseek.interfaces.ui.answers import Answer, Asset, Explanation, Facet, Result, Spread, TextShare
from meshseek.interfaces.ui.asset_panel import beside_person, panel, size
from meshseek.interfaces.ui.basket import Given
from meshseek.interfaces.ui.commands import asset_commands, search_commands
from meshseek.interfaces.ui.explanation import figure, why
from meshseek.interfaces.ui.finding import Found, agreement
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.summing_up import chips, compared, facets, summary
from meshseek.interfaces.ui.tiles_shown import Tiles
from meshseek.interfaces.ui.wording import Wording

EVIL = "<script>alert(1)</script>"
ENGLISH, CHINESE = Wording("en"), Wording("zh")


def tile(result: Result, wording: Wording = ENGLISH) -> dict[str, object]:
    """A result's tile."""
    (made,) = Tiles(State(), wording).all([result])
    return made


def details(asset: Asset, state: State | None = None, wording: Wording = ENGLISH) -> str:
    """The panel of an asset."""
    shown = panel(state or State(), wording, asset, None, "http://api")
    return piece("panel", wording, asset=shown, trouble="", reasons="")


def test_what_a_library_says_is_escaped() -> None:
    """A caption, an attribute or an id cannot bring markup of its own; nor can what a visitor writes."""
    attributes = {"creator": EVIL, "tags": [EVIL], "licence": EVIL, "category": EVIL, "faces": EVIL}
    asset = Asset(asset_id=EVIL, captions_en=(EVIL,), captions_zh=(EVIL,), model_url=EVIL, attributes=attributes)
    result = Result(asset_id=EVIL, score=1, caption_en=EVIL, relevance=EVIL, thumbnail_url=EVIL, attributes=attributes)
    state = State.read(f"?q={EVIL}&f.category={EVIL}&like={EVIL}&algorithm={EVIL}")
    found = Found(results=(result,), facets={"category": (Facet(value=EVIL, count=1),)})
    tiles = piece(
        "results", ENGLISH, tiles=Tiles(state, ENGLISH).all([result]), sides=[], more="", deepest=0, title=EVIL
    )

    for shown in (details(asset, state), tiles, chips(state, ENGLISH), facets(state, ENGLISH, found)):
        assert "<script" not in shown
        assert "alert" in shown


def test_caption_follows_the_language_of_the_page() -> None:
    """Where there is one in it; else the other one, or the id."""
    both = Result(asset_id="a", score=1, caption_en="chair", caption_zh="椅子")

    assert tile(both)["caption"] == "chair"
    assert tile(both, CHINESE)["caption"] == "椅子"
    assert tile(Result(asset_id="a", score=1, caption_en="chair"), CHINESE)["caption"] == "chair"
    assert tile(Result(asset_id="a", score=1))["caption"] == "a"


@pytest.mark.parametrize(
    ("relevance", "words"), [("strong", "Fits well"), ("fair", "May fit"), ("weak", "Far off")], ids=str
)
def test_relevance_is_a_word_and_its_score_is_not_shown(relevance: str, words: str) -> None:
    """A screen reader hears it with the category and the caption."""
    shown = tile(Result(asset_id="a", score=0.71, relevance=relevance, attributes={"category": "Kitchen"}))

    assert shown["fit"] == words
    assert shown["label"] == f"{words} · Kitchen: a"


def test_older_api_leaves_the_score_on_the_tile() -> None:
    """Where relevance is not told, or in a word that is not known here, the score is all there is."""
    for relevance in (None, EVIL):
        assert tile(Result(asset_id="a", score=0.71, relevance=relevance))["fit"] == "0.71"


def test_tiles_say_what_a_match_rests_on() -> None:
    """As a letter each, and in words for those who do not see it; an older API does not tell."""
    rests = Result(asset_id="a", score=1, basis=("caption", "words"))

    assert tile(rests)["basis_words"] == "captions, exact words"
    assert tile(Result(asset_id="a", score=1))["basis"] == ()


def test_copies_stand_behind_the_first() -> None:
    """A tile says how many there are, its panel which, and both lead to them."""
    result = Result(asset_id="a", score=1, duplicates=("b/c", "d"))
    assert tile(result)["copies"] == "and 2 like it"
    assert tile(Result(asset_id="a", score=1, duplicates=("b/c",)), CHINESE)["copies"] == "另有 1 个相同"
    shown = panel(State.read("?q=chair"), ENGLISH, Asset(asset_id="a"), result, "http://api")
    drawn = piece("panel", ENGLISH, asset=shown, trouble="", reasons="")
    assert 'href="?q=chair&amp;asset=b%2Fc">b/c</a>' in drawn
    assert 'href="?q=chair&amp;copies=1">show all</a>' in drawn


def test_summary_says_where_nothing_is_close() -> None:
    """The nearest are shown all the same, and counted."""
    result = Result(asset_id="a", score=1, relevance="weak")
    answer = Answer(results=(result,), algorithm="lite", target="both", query_type="english", nothing_close=True)

    said = summary(State(), ENGLISH, Found(results=(result,), answer=answer))
    assert "Probably nothing here is like this" in said
    assert "1 result<" in said
    near = answer.model_copy(update={"nothing_close": False})
    assert "Probably" not in summary(State(), ENGLISH, Found(results=(result,), answer=near))


@pytest.mark.parametrize(
    ("target", "query_type", "crossing", "words"),
    [
        ("both", "english", False, "captions, appearance and exact words"),
        ("both", "image", False, "captions and appearance"),
        ("appearance", "chinese", True, "appearance, cross-modal"),
        ("caption", "image", True, "captions, cross-modal"),
        ("words", "english", False, "exact words"),
        ("sketch", "english", False, "sketch"),
    ],
)
def test_summary_says_what_was_compared(target: str, query_type: str, crossing: bool, words: str) -> None:  # noqa: FBT001
    """Whatever the target is called by the API, people read what the results rest on."""
    answer = Answer(results=(), algorithm="lite", target=target, query_type=query_type, cross_modal=crossing)

    assert compared(answer, ENGLISH) == f"compared with {words}"


def test_summary_shows_what_the_api_has_to_say() -> None:
    """Who has put the results in order, and a note."""
    answer = Answer(results=(), algorithm="lite", target="both", reranked_by="qwen_reranker", note=EVIL)

    assert "put in order by qwen_reranker" in compared(answer, ENGLISH)
    assert "<script" not in summary(State(), ENGLISH, Found(answer=answer))


def test_facets_lead_to_filters_with_counts() -> None:
    """A value leads to its filter, a chosen one back; one value alone says nothing; numbers have bounds."""
    counted: dict[str, tuple[Facet, ...] | Spread] = {
        "category": (Facet(value="Kitchen", count=12), Facet(value="Bath", count=3)),
        "library": (Facet(value="one", count=15),),
        "faces": Spread(min=12, max=9000),
    }
    shown = facets(State.read("?q=chair&f.category=Bath"), ENGLISH, Found(facets=counted))

    assert 'href="?q=chair&amp;f.category=Bath&amp;f.category=Kitchen"' in shown
    assert 'href="?q=chair" class="chosen"' in shown
    assert "Library" not in shown
    assert 'placeholder="9000"' in shown


def test_agreement_tells_the_other_s_rank() -> None:
    """Of what both have found."""
    first, second = ([Result(asset_id=name, score=1) for name in names] for names in ("abc", "xca"))

    assert agreement(first, second) == {"a": 3, "c": 2}


def test_reasons_are_figures_with_words() -> None:
    """Each part stands in one line with its figures: likeness, how far from chance, how far it counts."""
    parts = {
        "caption": 0.714,
        "caption_standard": 3.62,
        "caption_weight": 1.0,
        "appearance": 0.21,
        "appearance_standard": -0.44,
        "appearance_weight": 0.143,
        "words": 1.0,
        "wished_size": -0.052,
        "new_part": 0.5,
    }

    said = why(ENGLISH, Explanation(parts=parts), 4.56)
    assert "<dt>Captions</dt><dd>0.71, 3.6 deviations above chance</dd>" in said
    assert "<dt>Appearance</dt><dd>0.21, 0.4 deviations below chance, counts for 14%</dd>" in said
    assert "<dt>Exact words</dt><dd>holds all words of the query, 1.00</dd>" in said
    assert "<dt>Wished size</dt><dd>−0.052</dd>" in said
    assert "<dt>New part</dt><dd>0.50</dd>" in said
    assert "<dt>Score</dt><dd>4.56</dd>" in said
    assert "<dt>文字说明</dt>" in why(CHINESE, Explanation(parts=parts), 4.56)


def test_reasons_name_the_texts_of_the_caption() -> None:
    """The first few of them, with their share of the likeness; long ones are cut, and all are escaped."""
    texts = [TextShare(text=f"text {number} {'x' * 200}", gave=0.5 - number / 100) for number in range(9)]

    said = why(ENGLISH, Explanation(parts={"caption": 0.7, EVIL: 1.0}, texts=tuple(texts)), 0.7)
    assert "text 0 x" in said
    assert "text 5" not in said
    assert "x" * 80 not in said
    assert "x…" in said
    assert "<script" not in said


def test_reasons_that_are_not_told() -> None:
    """Of an asset that was asked for by its id there are no figures; and an older API tells none."""
    assert "its id is what you searched for" in why(ENGLISH, Explanation(), 1.0)
    assert "does not tell" in why(ENGLISH, None, 0.5, silent=True)
    assert "Score" in why(ENGLISH, None, 0.5)


@pytest.mark.parametrize(("value", "said"), [(0.714, "0.71"), (0.0331, "0.033"), (-1.25, "−1.25"), (0, "0.000")])
def test_figures_have_digits_that_say_something(value: float, said: str) -> None:
    """Small numbers have one digit more."""
    assert figure(value) == said


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        (
            {"size": {"width": 0.6, "depth": 0.055, "height": 2, "unit": "m", "certainty": "stated"}},
            "60 wide × 5.5 deep × 200 cm high",
        ),
        (
            {"size": {"width": 0.6, "depth": 0.5, "height": 2, "unit": "m", "certainty": "likely"}},
            "60 wide × 50 deep × 200 cm high, likely",
        ),
        (
            {"size": {"width": 45, "depth": 0.12345, "height": 90, "unit": None, "certainty": "unknown"}},
            "45 × 0.123 × 90, in an unknown unit",
        ),
        ({"dimensions_cm": [60, 5.5, 200]}, "60 wide × 5.5 deep × 200 cm high"),
        ({"size": {"width": "<b>", "depth": None, "height": 90, "unit": None, "certainty": "unknown"}}, ""),
        ({"size": None}, ""),
        ({"dimensions_cm": "<b>"}, ""),
        ({}, ""),
    ],
)
def test_a_size_says_how_sure_it_is(attributes: dict[str, object], shown: str) -> None:
    """As libraries of this Meshseek and of an older one have it; what is none is not shown."""
    assert size(attributes, ENGLISH) == shown


def test_a_thing_stands_beside_a_person() -> None:
    """At the same scale, whichever is taller; a thing whose size is not known does not."""
    chair, tower = (beside_person({"dimensions_cm": sides}) for sides in ([60, 60, 85], [400, 400, 1700]))

    assert chair is not None
    assert tower is not None
    assert chair["h"] == pytest.approx(58 / 2, abs=0.1)
    assert tower["radius"] < chair["radius"] / 8
    assert beside_person({}) is None
    assert beside_person({"dimensions_cm": [0, 1, 1]}) is None


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("CC-BY-4.0", ["May be used commercially", "May be changed and passed on", "Its author must be named"]),
        ("CC-BY-NC-ND-4.0", ["Not for commercial use", "Changed versions may not be passed on"]),
        ("CC0-1.0", ["Its author need not be named"]),
        ("Ask Bob", ["What it permits is not known here"]),
    ],
)
def test_a_licence_is_told_in_plain_words(licence: str, said: list[str]) -> None:
    """What it permits and what not; nothing is claimed of one that is not known."""
    shown = details(Asset(asset_id="a", attributes={"licence": licence}))

    for words in said:
        assert words in shown


def test_commands_do_what_the_page_does() -> None:
    """For curl, Python and the command line; not where an uploaded picture is searched by."""
    state = State.read("?q=it's a chair&like*0.5=a/b&f.category=Kitchen&target=caption")
    curl, python, line = search_commands("http://api", state).values()

    assert "http://api/search " in curl
    assert '"asset_id": "a/b", "weight": 0.5' in curl
    compile(python, "example", "exec")
    assert line.startswith("meshseek search 'it'\"'\"'s a chair' --part 0.5:like:a/b --target caption")
    assert search_commands("http://api", State.read("?picture=abc")) == {}
    for text in asset_commands("http://api", "a/b c").values():
        assert "b c" in text or "b%20c" in text


def test_commands_take_no_name_for_an_option() -> None:
    """An id or words may begin with a dash, and files are named as everywhere."""
    curl, _, collect = asset_commands("http://api", "-rf/-o x").values()
    assert curl.startswith("curl -o o_x.glb ")
    assert collect == "meshseek collect --out o_x -- '-rf/-o x'"
    assert (
        search_commands("http://api", State.read("?q=-lamp"))["CLI"]
        == "meshseek search --collapsed --top-k 24 -- -lamp"
    )
    assert "--like -a" in search_commands("http://api", State.read("?like=-a"))["CLI"]


def test_bounds_keep_their_digits() -> None:
    """In the address, on the chip, in the box and in commands."""
    state = State.read("?q=chair&f.faces=1234567..12345678")
    found = Found(facets={"faces": Spread(min=1234567, max=12345678)})

    assert "f.faces=1234567..12345678" in state.link()
    assert "1234567–12345678" in chips(state, ENGLISH)
    assert 'value="1234567" placeholder="1234567"' in facets(state, ENGLISH, found)
    assert "--filter faces=1234567..12345678" in search_commands("http://api", state)["CLI"]


@pytest.mark.parametrize("given", [None, "", "[]", '{"ids": 7, "use": ""}', '{"ids": ["a"]}', "\ud800"])
def test_a_basket_that_makes_no_sense_is_empty(given: object) -> None:
    """As a page would never send it."""
    assert Given.read(given) == Given()


def test_a_basket_is_bounded() -> None:
    """Each asset once, not too many, and no use that is not offered."""
    sent = {"ids": ["a", "a", 7, "", "x" * 5000, *map(str, range(500))], "use": EVIL}
    given = Given.read(json.dumps(sent))

    assert given.ids[:2] == ("a", "0")
    assert len(given.ids) == 200
    assert given.use == ""
