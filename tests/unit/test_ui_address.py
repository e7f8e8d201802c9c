"""Addresses: what the page shows as a link, and a link as what the page shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.interfaces.ui.address import KINDS, LANGUAGES, MOST, SORTS, TARGETS, Filter, Part, State

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMES = st.text("abcdefgh/-.%&=+ ", min_size=1, max_size=12)
WEIGHTS = st.integers(-10, 10).map(lambda tenths: tenths / 10)
PARTS = st.builds(Part, kind=st.sampled_from(KINDS), value=WORDS, weight=WEIGHTS)
LABELS = st.builds(Filter, values=st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple))
BOUNDS = st.tuples(st.integers(0, 9999), st.integers(0, 9999)).map(lambda ends: Filter(low=ends[0], high=ends[1]))
STATES = st.builds(
    State,
    parts=st.lists(PARTS, max_size=4).map(tuple),
    language=st.sampled_from(("", *LANGUAGES)),
    target=st.sampled_from(("", *TARGETS)),
    cross_modal=st.booleans(),
    plain=st.booleans(),
    copies=st.booleans(),
    algorithm=st.sampled_from(("", "lite")),
    against=st.sampled_from(("", "siglip")),
    count=st.integers(4, MOST),
    pages=st.integers(1, 9),
    filters=st.fixed_dictionaries({}, optional={"category": LABELS, "tags": LABELS, "faces": BOUNDS}),
    sort=st.sampled_from(("", *SORTS)),
    asset=st.one_of(st.just(""), NAMES),
    view=st.one_of(st.none(), st.integers(0, 40)),
    place=st.sampled_from(("", "basket", "status")),
)


@given(STATES)
def test_every_state_is_a_link(state: State) -> None:
    """Whoever opens the link of a state is in it."""
    assert State.read(state.link()) == state


@given(st.text(max_size=200))
def test_any_address_is_read(address: str) -> None:
    """Whatever somebody writes there, the page opens."""
    read = State.read(f"?{address}")

    assert State.read(read.link()).troubles == ()


@pytest.mark.parametrize("address", [None, 7, "", "?", ["q=chair"]])
def test_what_is_no_address_is_the_start(address: object) -> None:
    """As a page would never send it."""
    assert State.read(address) == State()


@pytest.mark.parametrize(
    ("address", "trouble"),
    [
        ("?q=chair&f.colour=red", ("link.filter", "colour")),
        ("?q=chair&f.faces=many", ("link.number", "many")),
        ("?q=chair&target=taste", ("link.value", "taste")),
        ("?q=chair&sort=price", ("link.value", "price")),
        ("?q=chair&count=lots", ("link.value", "lots")),
        ("?q=chair&utm_source=mail", ("link.unknown", "utm_source")),
        ("?q=chair&q*nan=wood", ("link.weight", "nan")),
    ],
)
def test_what_a_link_says_wrongly_is_told(address: str, trouble: tuple[str, str]) -> None:
    """And left out; the rest of the link holds."""
    state = State.read(address)

    assert state.troubles == (trouble,)
    assert state.parts == (Part(kind="q", value="chair"),)
    assert state.filters == {}


def test_numbers_stay_within_bounds() -> None:
    """However large a link makes them."""
    state = State.read("?count=9999&pages=9999&q*50=chair")

    assert state.count == MOST
    assert state.pages <= 250
    assert state.parts[0].weight == 2
    assert len(State.read("?" + "&".join(["q=chair"] * 50)).parts) == 8


def test_filters_are_added_and_taken_off_one_by_one() -> None:
    """A word of a field goes without the others, and the results start anew."""
    state = State.read("?q=chair&pages=3")
    both = State.read(State.read(state.with_value("category", "Kitchen")).with_value("category", "Bath"))

    assert both.filters == {"category": Filter(values=("Kitchen", "Bath"))}
    assert both.pages == 1
    assert both.asked_filters == {"category": ["Kitchen", "Bath"]}
    assert State.read(both.without("category", "Kitchen")).filters == {"category": Filter(values=("Bath",))}
    assert State.read(both.without("category")).filters == {}
    assert State.read("?f.faces=..500&f.height=10").asked_filters == {
        "faces": {"max": 500},
        "height": {"min": 10, "max": 10},
    }
