"""Which viewpoints are chosen, and what pictures are known by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.bootstrap import Meshseek
from meshseek.embedders import EMBEDDERS
from meshseek.embedders._told import usual_views
from meshseek.errors import EmbedderError
from meshseek.interfaces.cli.options import ViewRange, Views
from meshseek.model import ViewCount
from meshseek.settings import read_settings
from meshseek.viewpoints import Picture, evenly, views_fingerprint, views_of_pictures
from meshseek.workspace.made_from import HeldViews, is_current, joint_fingerprint, joint_viewpoints
from meshseek.workspace.tables import Viewpoints

FAR = 40_000_000_000 * 10**9
"""Nanoseconds to a year that eight bytes do not reach."""


def test_eight_of_forty_are_those_that_were_always_taken() -> None:
    """So the vectors of a library that was imported when only eight were taken stay what they are."""
    assert evenly(range(40), 8) == (2, 7, 12, 17, 22, 27, 32, 37)


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        (Views(), "all", "all"),
        (Views(), "12", 12),
        (Views(), "0", "0 is not in the range 1<=x<=1000"),
        (Views(), "1001", "1001 is not in the range"),
        (Views(), "many", "'many' is neither 'all' nor a number"),
        (ViewRange(), "8", (None, 8)),
        (ViewRange(), "1-40", (1, 40)),
        (ViewRange(), "0-0", (0, 0)),
        (ViewRange(), "40-1", "'40-1' is from more to less; give the smaller number first"),
        (ViewRange(), "-4", "'-4' is neither a number nor two with a dash between them"),
        (ViewRange(), "1-1001", "1001 is not in the range"),
    ],
)
def test_numbers_of_views_are_typed(kind: click.ParamType[Any], typed: str, value: object) -> None:
    """What commands take, and what they say of anything else."""
    if isinstance(value, str) and value != "all":
        with pytest.raises(click.BadParameter, match=re.escape(value)):
            kind.convert(typed, None, None)
    else:
        assert kind.convert(typed, None, None) == value


def test_the_choice_is_remembered(tmp_path: Path) -> None:
    """An update embeds as many views as the last run was told, also in a process that has loaded the model before."""
    meshseek = Meshseek(read_settings(workspace=tmp_path))
    assert meshseek.usual_embedder("synthetic").views == "all"
    for count in (3, "all", 8):
        meshseek.workspace.remembered.keep("embed", {"languages": ["english"], "views": count}, "synthetic")
        assert meshseek.usual_embedder("synthetic").views == count
    assert EMBEDDERS.load("lite").views_default == 8


def test_a_usual_number_is_no_choice(tmp_path: Path) -> None:
    """Eight suited a local model; a hosted one that takes five is told eight only where somebody chose them."""
    kept = {"languages": ["english"], "views": 8, "chosen": None, "together": 8}
    meshseek = Meshseek(read_settings(workspace=tmp_path, dashscope_api_key="none"))
    meshseek.workspace.remembered.keep("embed", kept, "qwen")
    assert meshseek.usual_embedder("qwen").views == 5
    meshseek.workspace.remembered.keep("embed", {**kept, "chosen": 8}, "qwen")
    with pytest.raises(EmbedderError, match="give --views 5, or fewer"):
        assert meshseek.usual_embedder("qwen").views


@pytest.mark.parametrize(
    ("algorithm", "model", "count"),
    [("lite", None, 8), ("siglip", "any", "all"), ("qwen", "any", 8), ("qwen", "qwen3-vl-embedding", 5)],
)
def test_usual_numbers_are_told_without_a_model(algorithm: str, model: str | None, count: ViewCount) -> None:
    """What is due is counted with them while nobody has chosen."""
    assert usual_views(algorithm, model) == count


@given(
    viewpoints=st.lists(st.integers(0, 32_767), unique=True, max_size=200).map(sorted),
    count=st.integers(1, 250) | st.just("all"),
)
def test_choices_are_even(viewpoints: list[int], count: ViewCount) -> None:
    """So many as are wanted or there, in order; the gaps between them differ by one at most."""
    chosen = evenly(viewpoints, count)
    assert len(chosen) == (len(viewpoints) if count == "all" else min(count, len(viewpoints)))
    places = [viewpoints.index(number) for number in chosen]
    gaps = {after - before for before, after in pairwise(places)}
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)


def test_a_fingerprint_is_of_the_named_pictures() -> None:
    """It changes with any of them, in size or time, and not with others; times beyond what is stored are no error."""
    pictures = [Picture(0, 10, 1), Picture(3, 10, 2), Picture(7, 10, -FAR)]
    views = views_of_pictures(Path("a"), pictures, Path())
    other = views_of_pictures(Path("a"), [*pictures[:2], Picture(7, 10, FAR)], Path())
    larger = views_of_pictures(Path("a"), [pictures[0], Picture(3, 11, 2), pictures[2]], Path())
    assert views_fingerprint(views, (0, 3)) == views_fingerprint(other, (0, 3)) != views_fingerprint(larger, (0, 3))
    assert views_fingerprint(views, (0, 7)) == views_fingerprint(larger, (0, 7)) != views_fingerprint(other, (0, 7))
    assert views_fingerprint(views, (0, 3, 7)) == views.fingerprint != other.fingerprint


@pytest.mark.parametrize("make", [joint_fingerprint, views_fingerprint])
def test_pictures_that_had_no_stamps_are_known_when_they_have_some(make: Callable[..., str]) -> None:
    """Of an older import; a vector of some of them stays when their asset is read again, unless a picture changes."""
    pictures = [Picture(0, 10, 1), Picture(3, 10, 2), Picture(7, 10, 3)]
    views = views_of_pictures(Path("a"), pictures, Path())
    earlier = replace(views, stamps=b"")
    for known in (earlier, views):
        held = HeldViews(make(known, (0, 7)), (0, 7), together=make is joint_fingerprint, shard=0)
        assert is_current(held, known)
        assert is_current(held, views)
        assert not is_current(held, views_of_pictures(Path("a"), [*pictures[:2], Picture(7, 11, 3)], Path()))


def test_joint_fingerprints_are_read_back() -> None:
    """They say which views they are of; those of an older Meshseek say nothing, whatever they are of."""
    views = views_of_pictures(Path("a"), [Picture(0, 1, 1), Picture(12, 1, 1)], Path())
    assert joint_viewpoints(joint_fingerprint(views, (0, 12))) == (0, 12)
    assert joint_viewpoints(views.fingerprint) is None
    assert joint_viewpoints("abc:renderer#ground:8") is None


def test_lists_of_viewpoints_are_read_as_they_were_written() -> None:
    """In several chunks, sliced, with none and with empty ones; equal ones are one tuple."""
    lists = [[0, 1, 2], None, [], [5], [0, 1, 2], [32_767]]
    column = pa.array(lists, pa.list_(pa.int16()))
    table = pa.table({"asset_id": list("abcdef"), "viewpoint_ids": pa.chunked_array([column[:2], column[2:]])})
    rows = list(Viewpoints().rows_of(table))
    assert [row["viewpoint_ids"] for row in rows] == [None if own is None else tuple(own) for own in lists]
    assert rows[0]["viewpoint_ids"] is rows[4]["viewpoint_ids"]
    assert [row["viewpoint_ids"] for row in Viewpoints().rows_of(table.slice(3, 2))] == [(5,), (0, 1, 2)]
