"""Wished sizes: how they are written, found among words, and what they do to a ranking."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.errors import QueryError
from meshseek.model import Ranked
from meshseek.search.sizes import LONGEST, SHORTEST, Size, preferred, size_terms, take_size
from meshseek.sizes import sides_in_cm

CHAIR = Size(width=60, depth=50, height=90)
SIDE = st.none() | st.floats(SHORTEST, LONGEST).map(lambda side: round(side, 4)).filter(lambda side: side >= SHORTEST)
KNOWN = st.tuples(*[st.floats(0, 10_000)] * 3)


@pytest.mark.parametrize(
    "text",
    [
        "60x50x90",
        "60×50×90",
        " 60 x 50 X 90 ",
        "60*50*90 cm",
        "60x50x90CM",
        "0.6x0.5x0.9m",
        ".6x.5x.9 m",
        "600mm x 500mm x 900mm",
        "60cm x 50cm x 0.9m",
        "600x500x0.9m".replace("0.9m", "900mm"),
        "６０×５０×９０厘米",
        "60 x 50 x 90公分",
        "0.6米x0.5米x0.9米",
    ],
)
def test_ways_to_write_a_size(text: str) -> None:
    """With any sign, and in any unit."""
    assert Size.parse(text) == CHAIR


def test_sides_that_may_be_anything() -> None:
    """One or two question marks; inches as well."""
    assert Size.parse("?x?x30in") == Size(height=76.2)
    assert Size.parse("120x？x?") == Size(width=120)


@pytest.mark.parametrize(
    "text", ["", "60", "60x50", "60x50x90x10", "axbxc", "60x50x-90", "60,5x50x90", "60x50x90kg", "1e3x1x1", "x" * 999]
)
def test_what_is_no_size_is_refused_with_a_cure(text: str) -> None:
    """One line that shows how to write one."""
    with pytest.raises(QueryError, match=r"^'.{0,80}' is not a size; write width x depth x height, such as 60x60x90"):
        Size.parse(text)


@pytest.mark.parametrize("text", ["0x60x90", "60x60x100001", "9000x60x90m", "0.001x1x1"])
def test_sides_that_no_thing_has(text: str) -> None:
    """Nothing, and more than a kilometre."""
    with pytest.raises(QueryError, match=r"not between 0\.1 mm and 1 km; check its unit"):
        Size.parse(text)
    with pytest.raises(QueryError, match="the size has no side"):
        Size.parse("?x?x?")


@given(SIDE, SIDE, SIDE)
def test_a_size_is_read_as_it_is_shown(width: float | None, depth: float | None, height: float | None) -> None:
    """To a micrometre."""
    if width or depth or height:
        size = Size(width=width, depth=depth, height=height)
        assert Size.parse(str(size)) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chair size≈60x50x90", "chair"),
        ("size~60x50x90 oak chair", "oak chair"),
        ("oak SIZE ≈ 60 x 50 x 90 cm chair", "oak chair"),
        ("chair size～60x50x90.", "chair ."),
        ("椅子 尺寸≈60x50x90", "椅子"),
        ("椅子大小～６０×５０×９０厘米的", "椅子 的"),
        ("size≈0.6x0.5x0.9m", ""),
    ],
)
def test_a_size_among_words(text: str, words: str) -> None:
    """It is taken out of them, in both languages."""
    assert take_size(text) == (words, CHAIR)


@pytest.mark.parametrize(
    "text",
    [
        "king size bed",
        "bed 60x60x90",
        "size 60x60x90",
        "resize~60x60x90",
        'plate "size~60x60x90"',
        "60～90",
        "",
        "ＡＢ½",
    ],
)
def test_words_that_are_only_words(text: str) -> None:
    """Nothing is taken out, or changed, where no size is called for."""
    assert take_size(text) == (text, None)


@pytest.mark.parametrize("text", ["chair size≈large", "chair size~60x60", "size≈60x60x90x10 chair", "chair 尺寸≈"])
def test_a_size_that_is_called_for_but_not_given(text: str) -> None:
    """Rather than searching for its letters, it is told."""
    with pytest.raises(QueryError, match="does not tell a size; write width x depth x height"):
        take_size(text)
    with pytest.raises(QueryError, match="two sizes"):
        take_size("size~1x1x1 chair size~2x2x2")


def test_how_far_an_asset_is_from_a_size() -> None:
    """The mean of its sides, turned as it fits best; of the sides that matter only."""
    assert CHAIR.difference((60, 50, 90)) == 0
    assert CHAIR.difference((50, 60, 90)) == 0
    assert CHAIR.difference((60, 90, 50)) == pytest.approx((40 + 40) / 3)
    assert CHAIR.difference((66, 50, 90)) == pytest.approx(2)
    assert Size(width=60).difference((10, 55, 999)) == 5
    assert math.isnan(CHAIR.difference((math.nan, 50, 90)))
    assert Size(height=90).difference((math.nan, math.nan, 80)) == 10


def test_a_metre_is_worth_one_deviation() -> None:
    """In the mean of the sides, whichever way they differ."""
    assert size_terms(CHAIR, [(160, 150, 190), (160, 50, 290)]) == pytest.approx([-1, -1])


def test_an_asset_of_unknown_size_counts_as_the_mean() -> None:
    """It neither gains nor loses against the others; where none is known, nothing changes."""
    assert size_terms(CHAIR, [(60, 50, 90), None, (90, 80, 120)]) == pytest.approx([0, -0.15, -0.3])
    assert size_terms(CHAIR, [None, (math.nan, 1, 1)]) == [0, 0]
    assert size_terms(CHAIR, []) == []


@given(st.lists(KNOWN, min_size=1, max_size=20), SIDE, SIDE, SIDE)
def test_terms_only_take_off_and_ignore_turns(
    sizes: list[tuple[float, float, float]], width: float | None, depth: float | None, height: float | None
) -> None:
    """Nothing gains; a thing that is turned about the vertical is the same thing; what fits loses nothing."""
    if not (width or depth or height):
        return
    wished = Size(width=width, depth=depth, height=height)
    terms = size_terms(wished, sizes)

    assert all(term <= 0 for term in terms)
    assert size_terms(wished, [(depth, width, height) for width, depth, height in sizes]) == pytest.approx(terms)
    assert size_terms(wished, [(width or 1, depth or 1, height or 1)]) == pytest.approx([0])


def test_the_sides_of_an_asset() -> None:
    """In centimetres where the unit is known, also as an older Meshseek noted them; else none."""
    assert sides_in_cm({"size": {"unit": "m", "width": 0.5, "depth": 1, "height": 2}}) == (50, 100, 200)
    assert (
        sides_in_cm({"size": {"unit": None, "width": 0.5, "depth": 1, "height": 2}, "dimensions_cm": [1, 2, 3]}) is None
    )
    assert sides_in_cm({"dimensions_cm": [1, 2, 3]}) == (1, 2, 3)
    assert sides_in_cm({}) is None
    assert str(sides_in_cm({"dimensions_cm": [1, "x"]})) == "(1.0, nan, nan)"


def ranking(*scores: float) -> list[Ranked]:
    """Assets a, b, c and so on with these scores."""
    return [Ranked(asset_id=chr(97 + number), score=score) for number, score in enumerate(scores)]


def test_what_fits_moves_up_and_says_why() -> None:
    """By so many deviations as it is nearer; equal ones stand by their ids, and those that are named stay first."""
    named = Ranked(asset_id="n", score=0.1, parts={"words": 1.0}, is_named=True)
    sizes = {"a": (160.0, 150.0, 190.0), "b": (50.0, 60.0, 90.0), "n": (1060.0, 1050.0, 1090.0)}
    moved = preferred([named, *ranking(0.5, 0.45, 0.2)], sizes, CHAIR, 0.1)

    mean = (100 + 0 + 1000) / 3 / 100 * 0.1
    assert [each.asset_id for each in moved] == ["n", "b", "a", "c"]
    assert [each.score for each in moved] == pytest.approx([0.1 - 1, 0.45, 0.5 - 0.1, 0.2 - mean])
    assert moved[0].parts == pytest.approx({"words": 1.0, "size": -1})
    assert [each.asset_id for each in preferred(ranking(1, 1, 1), {}, CHAIR, 1)] == ["a", "b", "c"]


def test_scores_of_an_unknown_scale_are_weighed_by_their_own_spread() -> None:
    """As those of a mode that does not know what its scores are worth; a lone result stays what it is."""
    sizes = {"a": (360.0, 350.0, 390.0), "b": (60.0, 50.0, 90.0)}

    assert [each.asset_id for each in preferred(ranking(50, 40), sizes, CHAIR, None)] == ["b", "a"]
    assert preferred(ranking(50), sizes, CHAIR, None)[0].score == 50
    assert preferred([], sizes, CHAIR, None) == []


def test_only_the_first_hundred_change_places() -> None:
    """What stands further down stays there, whatever its size."""
    deep = [Ranked(asset_id=f"{number:03}", score=-number) for number in range(150)]
    moved = preferred(deep, {"149": (60.0, 50.0, 90.0), "099": (60.0, 50.0, 90.0), "000": (1e6, 1, 1)}, CHAIR, 1)

    assert moved[0].asset_id == "099"
    assert moved[100:] == deep[100:]
