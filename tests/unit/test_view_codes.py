"""Codes of every view, and the checksum of what they are kept in: no database is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.test_codes import units

from meshseek.store.codes.checksums import WORDS, checksum
from meshseek.store.codes.steps import AT_ONCE, Steps, step_bytes
from meshseek.store.codes.views import Views

FIRST = 40
"""Number of the first asset."""


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.sampled_from([0, 1, 2, 9, 200]), min_size=1, max_size=12),
    order=st.sampled_from(["by number", "together", "mixed"]),
    dim=st.sampled_from([2, 7, 32]),
    seed=st.integers(0, 99),
)
def test_an_asset_counts_by_the_best_code_of_its_views(counts: list[int], *, order: str, dim: int, seed: int) -> None:
    """Any number of views, standing together or not; one without views is behind all others."""
    random = np.random.default_rng(seed)
    assets = np.arange(FIRST, FIRST + len(counts), dtype=np.int32)
    if order == "together":
        random.shuffle(assets)
    rows = np.repeat(assets, np.array(counts)[assets - FIRST])
    if order == "mixed":
        random.shuffle(rows)
    vectors, query = units(len(rows) + 50, dim, seed), units(1, dim, seed + 1)[0]
    steps = Steps.learn(vectors)
    codes = steps.codes(vectors[: len(rows)])
    asked = []
    views = Views(steps, FIRST, len(counts), rows, codes, lambda starts, ends: asked.append((starts, ends)))
    numbers = random.permutation(len(counts)) + FIRST
    told, each = views.scores(query, numbers), steps.scores(query, codes)
    for number, score in zip(numbers, told, strict=True):
        assert score == each[rows == number].max(initial=-np.inf)
    assert asked or order == "mixed"
    for starts, ends in asked:
        assert [*(ends - starts)] == [counts[number - FIRST] for number in numbers]


@pytest.mark.parametrize("dim", [1, 8, 50, 768])
@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_codes_do_not_depend_on_how_many_are_made_at_once(dim: int, count: int) -> None:
    """Of halves as of the same singles, and as the definition says: the step that a number lies in, or the nearest."""
    vectors = units(max(count, 2), dim).astype(np.float16)
    steps = Steps.learn(vectors)
    codes = steps.codes(vectors[:count])
    assert codes.shape == (count, step_bytes(dim))
    low, width = steps.values[:, :dim]
    wanted = np.clip(np.floor((vectors[:count].astype(np.float32) - low) / width), 0, 15)
    told = np.concatenate([codes & 15, codes >> 4], axis=1)
    assert not told[:, dim:].any()
    assert np.abs(told[:, :dim] - wanted).max(initial=0) <= 1  # at a border, rounding decides
    assert (told[:, :dim] != wanted).mean() < 0.01 if count else True
    np.testing.assert_array_equal(codes, steps.codes(vectors[:count].astype(np.float32)))
    query = units(1, dim, 3)[0]
    np.testing.assert_allclose(steps.scores(query, codes), (told[:, :dim] * width) @ query, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    length=st.sampled_from([1, 7, 8, 63, 8 * WORDS - 1, 8 * WORDS, 8 * WORDS + 9, 40 * WORDS + 3]),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
def test_a_checksum_tells_any_bit_that_changed(length: int, place: float, bit: int) -> None:
    """Also a piece that is missing, or one that stands elsewhere; the same content has always the same one."""
    content = bytearray(np.random.default_rng(length).bytes(length))
    before = checksum(bytes(content))
    assert before == checksum(memoryview(content))
    content[int(place * length)] ^= 1 << bit
    assert checksum(content) != before
    content[int(place * length)] ^= 1 << bit
    assert checksum(content) == before
    assert checksum(content + b"\0") != before
    if length > 8 * WORDS:
        moved = content[8 * WORDS :] + content[: 8 * WORDS]
        assert checksum(moved) != before


def test_the_checksum_of_nothing_is_one_too() -> None:
    """And differs from that of zeros."""
    assert len({checksum(bytes(length)) for length in range(20)}) == 20
