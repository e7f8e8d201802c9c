"""Which noun says what a thing is, and what it means."""

from __future__ import annotations

import lzma
from importlib import resources

import pytest

from meshseek.embedders.lite import glosses
from meshseek.embedders.lite.glosses import Glosses, load_glosses
from meshseek.embedders.lite.head_noun import words_up_to_head


@pytest.mark.parametrize(
    ("text", "noun"),
    [
        ("Armchair, seat, living room", "armchair"),
        ("Oak chairs", "chair"),
        ("Lip stick", "lipstick"),
        ("Coat rack", "coat rack"),
        ("T-shirt", "t-shirt"),
        ("fire-extinguisher", "fire extinguisher"),
        ("Set of three shelves", "shelf"),
        ("a pair of knives", "knife"),
        ("a 3D model of a small red house with a roof and a chimney", "house"),
        ("a low-poly 3D rendering of a set of wooden chairs and a table", "chair"),
        ("A white and black cat sitting on a chair", "cat"),
        ("a cup of coffee", "cup"),
        ("OfficeChair_02", "chair"),
        ("SM_Prop_Barrel_01", "barrel"),
        ("Bed 140x190", "bed"),
        ("Eiffel Tower", "eiffel tower"),
        ("two geese", "goose"),
        ("of", None),
        ("untitled", None),
        ("椅子", None),
        ("", None),
        ("!?", None),
        ("1234", None),
        ("house " * 2000, "house"),
    ],
)
def test_the_head_noun_is_found(text: str, noun: str | None) -> None:
    """Names, captions as models write them, file names, plurals, and what is no name at all."""
    assert load_glosses().noun_at_end(words_up_to_head(text)) == noun


def test_senses_come_with_the_most_usual_first() -> None:
    """A noun has its meanings in order, with lemmas, definition and what they are a kind of; no more than ten."""
    chair = load_glosses().senses("chair")
    assert chair[0].gloss == "chair: a seat for one person, with a support for the back"
    assert (chair[0].wider, chair[0].kind, chair[0].is_single) == ("seat, furniture", "artifact", False)
    assert [sense.rank for sense in chair] == sorted(sense.rank for sense in chair)
    assert load_glosses().senses("eiffel tower")[0].is_single
    assert len(load_glosses().senses("head")) == 10
    assert load_glosses().senses("no such noun") == []


def test_a_gloss_shows_three_lemmas() -> None:
    """Of many names for one thing, the first three."""
    line = "artifact\t\ta=0|b=1|c=0|d=0\tsomething\tthing, entity"
    table = Glosses([line, "bees\tb"])
    assert table.senses("d")[0].gloss == "a, b, c: something"
    assert table.senses("b")[0].rank == 1
    assert table.noun_at_end(["old", "bees"]) == "b"


def test_the_notice_travels_with_the_table() -> None:
    """WordNet's licence asks for its notice on all copies; it is no line of the table."""
    table = lzma.decompress(resources.files(glosses.__package__).joinpath(glosses.GLOSSES_FILE).read_bytes()).decode()
    assert "# WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved." in table.splitlines()
    assert not [line for line in load_glosses()._lines if line.startswith("#")]
