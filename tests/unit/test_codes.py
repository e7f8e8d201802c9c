"""Codes of vectors, the files that they are kept in, and masks over them: no database is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from meshseek.errors import DatabaseError
from meshseek.model import Condition
from meshseek.store.codes import lists, segment
from meshseek.store.codes import snapshot as snapshots
from meshseek.store.codes.book import Book, coarse_bytes
from meshseek.store.codes.file import CodesFile, DamagedFileError, remove_others, write_codes
from meshseek.store.codes.masks import MOST_KEPT, MOST_LISTED, Passing
from meshseek.store.codes.parts import (
    BOOK,
    CENTROIDS,
    COARSE,
    FINE,
    GONE,
    HASHES,
    LABELS,
    LISTS,
    ROWS,
    VIEWS,
    asset_parts,
    joined,
    part_of,
    type_of,
    with_empty,
)
from meshseek.store.codes.snapshot import Base, Snapshot
from meshseek.store.codes.steps import Steps, step_bytes

COUNT = 600


def units(count: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors around a few centres, away from zero as those of a modality are."""
    random = np.random.default_rng(seed)
    made = random.normal(size=(12, dim))[random.integers(0, 12, count)] + random.normal(size=(count, dim)) + 0.5
    scaled: NDArray[np.float32] = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def parts_of(vectors: NDArray[np.float32], book: Book, first: int = 0) -> dict[str, NDArray[Any]]:
    """The parts of assets that have one vector each."""
    numbers = range(first, first + len(vectors))
    assets = asset_parts(
        [f"椅子/{n}" for n in numbers],
        list(numbers),
        [[n % 7, 100] if n % 5 else [] for n in numbers],
        [(float(n) if n % 3 else None, None, 2.0, None) for n in numbers],
    )
    lists, coarse = book.coarse(vectors)
    rows = np.array(numbers, dtype="<i4")
    codes = {ROWS: rows, LISTS: lists, COARSE: coarse, FINE: book.steps.codes(vectors)}
    made = {**assets, **{part_of(CENTROIDS, name): content for name, content in codes.items()}}
    return with_empty({part: np.frombuffer(content.tobytes(), dtype=np.uint8) for part, content in made.items()})


def base_of(vectors: NDArray[np.float32], book: Book) -> Base:
    """Edition 0 of them."""
    return Base("one", vectors.shape[1], {**parts_of(vectors, book), part_of(CENTROIDS, BOOK): book.values})


@pytest.mark.parametrize("dim", [2, 7, 8, 32, 50, 768])
def test_codes_of_vectors_of_any_length(dim: int) -> None:
    """They are as long as is said, the same each time, and near what they stand for."""
    vectors = units(COUNT, dim)
    book = Book.learn(vectors, 20)
    assert book.coarse(vectors)[1].shape == (COUNT, coarse_bytes(dim))
    assert book.steps.codes(vectors).shape == (COUNT, step_bytes(dim))
    again = Book.from_bytes(Book.learn(vectors, 20).to_bytes(), dim)
    for each, other in zip(again.coarse(vectors), book.coarse(vectors), strict=True):
        np.testing.assert_array_equal(each, other)
    np.testing.assert_array_equal(again.steps.codes(vectors), book.steps.codes(vectors))

    exact, told = vectors @ vectors[3], book.steps.scores(vectors[3], book.steps.codes(vectors))
    assert np.corrcoef(exact, told)[0, 1] > 0.98


def test_vectors_that_are_all_alike_have_codes() -> None:
    """A library of copies teaches nothing; nothing is divided by zero either."""
    vectors = np.repeat(units(1, 32), 50, axis=0)
    book = Book.learn(vectors, 20)
    assert np.isfinite(book.values).all()
    assert len(np.unique(book.steps.codes(vectors), axis=0)) == len(np.unique(book.coarse(vectors)[1], axis=0)) == 1


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("share", [None, 1.0, 0.5, 0.03, 0.0])
def test_the_nearest_that_pass_are_found(few: int, share: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many, by scanning, as by looking at all: nearly all that are nearest of those."""
    monkeypatch.setattr(segment, "FEW_CODES", few)
    vectors = units(COUNT, 64)
    snapshot = Snapshot("a", base_of(vectors, Book.learn(vectors, 20)))
    allowed = np.random.default_rng(1).random(COUNT) < (2.0 if share is None else share)
    passing = None if share is None else Passing(allowed)
    for query in units(10, 64, seed=3):
        found = snapshot.candidates(CENTROIDS, query, looked_at=250, count=40, compared=40, passing=passing)
        assert len(found) == len({*found}) == min(40, int(allowed.sum()))
        numbers = [int(name.removeprefix("椅子/")) for name in found]
        assert allowed[numbers].all()
        order = [n for n in np.argsort(-(vectors @ query)) if allowed[n]][:10]
        assert len(set(order) & set(numbers)) >= 0.9 * len(order)


def test_lists_are_looked_through_until_they_held_enough_that_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the nearest, where all may be given; as far as those that may, however far these are."""
    monkeypatch.setattr(segment, "FEW_CODES", 0)
    monkeypatch.setattr(lists, "LEAST", 0)
    monkeypatch.setattr(lists, "SCANNED", 2)
    monkeypatch.setattr(snapshots, "LEAST_FOLLOWED", 0)
    vectors = units(4 * COUNT, 64)
    book = Book.learn(vectors, 40)
    snapshot = Snapshot("a", base_of(vectors, book))
    column = snapshot._columns[CENTROIDS][0]
    for query in vectors[::250] + 0.02 * units(10, 64, seed=3):
        nearest = {*np.argsort(-(vectors @ query))[:5].tolist()}
        numbers, _ = snapshot._nearest(CENTROIDS, query, 60, None)
        assert len({*column.lists[numbers].tolist()}) < 20
        assert len(nearest & {*numbers.tolist()}) >= 3
        farthest = np.isin(column.lists, np.argsort(book.centres[:, :64] @ query)[:3])
        numbers, _ = snapshot._nearest(CENTROIDS, query, 60, Passing(farthest))
        assert len(numbers) == min(60, int(farthest.sum()))
        assert farthest[numbers].all()


def test_what_was_added_later_is_looked_for_in_more_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """In four times as many, the nearest, and so it is found."""
    monkeypatch.setattr(segment, "FEW_CODES", 0)
    monkeypatch.setattr(lists, "LEAST", 0)
    monkeypatch.setattr(lists, "SCANNED", 2)
    monkeypatch.setattr(snapshots, "LEAST_FOLLOWED", 30)
    vectors, added = units(4 * COUNT, 64), units(COUNT, 64, seed=5)
    book = Book.learn(vectors, 40)
    later = {**parts_of(added, book, first=len(vectors)), GONE: np.array([], dtype="<i4")}
    snapshot = Snapshot("b", base_of(vectors, book), later)
    looked_in: list[int] = []
    nearest = segment.Column.nearest

    def told(column: segment.Column, vector: Any, count: int, near: lists.NearLists, among: Any) -> Any:
        looked_in.append(len(near.order))
        return nearest(column, vector, count, near, among)

    monkeypatch.setattr(segment.Column, "nearest", told)
    for number in range(0, COUNT, 100):
        numbers, _ = snapshot._nearest(CENTROIDS, added[number], 60, None)
        assert len(vectors) + number in numbers
        first, second = looked_in[-2:]
        assert first < second == min(40, lists.LATER * first)


def test_what_is_gone_is_not_found_and_what_came_is() -> None:
    """Assets of a later edition beside those of the first, and none that are gone from either."""
    vectors = units(COUNT, 32)
    book = Book.learn(vectors, 20)
    later = {**parts_of(vectors[:50], book, first=COUNT), GONE: np.array([0, 7, COUNT + 1], dtype="<i4")}
    snapshot = Snapshot("b", base_of(vectors, book), later)
    found = snapshot.candidates(
        CENTROIDS, vectors[0], looked_at=2 * COUNT, count=2 * COUNT, compared=COUNT, passing=None
    )
    assert len(snapshot) == COUNT + 50
    assert len(found) == COUNT + 50 - 3
    assert not {"椅子/0", "椅子/7", f"椅子/{COUNT + 1}"} & {*found}
    assert found[0] == f"椅子/{COUNT}"


@pytest.mark.parametrize("edition", [0, 1])
def test_parts_that_are_cut_are_refused(edition: int) -> None:
    """Each of those that are not empty, whatever it lacks: a number, a block, or all."""
    vectors = units(COUNT, 32)
    book, views = Book.learn(vectors, 20), {part_of(VIEWS, BOOK): Steps.learn(vectors).values}
    whole = base_of(vectors, book).segment.parts

    def with_views(parts: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        copied = {part_of(VIEWS, name): parts[part_of(CENTROIDS, name)] for name in (ROWS, FINE)}
        return {**parts, **copied, GONE: np.array([3], dtype="<i4")}

    first, later = with_views({**whole, **views}), with_views(parts_of(vectors, book, first=COUNT))
    Snapshot("a", Base("one", 32, first), later, 1)
    cut = first if edition == 0 else later
    for part, content in cut.items():
        for kept in {0, len(content) // 2, len(content) - 1} if part != GONE and len(content) else ():
            parts = {**cut, part: content[:kept]}
            with pytest.raises(DatabaseError, match="are cut"):
                Snapshot("a", Base("one", 32, first if edition else parts), parts if edition else later, 1)
    for outside in ({GONE: cut[GONE] + 2 * COUNT}, {part_of(VIEWS, ROWS): cut[part_of(VIEWS, ROWS)] + COUNT}):
        parts = {**cut, **outside}
        with pytest.raises(DatabaseError, match="are cut"):
            Snapshot("a", Base("one", 32, first if edition else parts), {**later, **outside}, 1)


def test_a_part_that_ends_within_a_number_is_refused() -> None:
    """The name of the part is told, and what to do."""
    with pytest.raises(DatabaseError, match=r"are cut: 'hashes' does not fit the others; run 'meshseek publish' with"):
        joined([(HASHES, bytes(15))])


@pytest.fixture(scope="module")
def blocks() -> list[tuple[str, bytes]]:
    """What a database would give, in two blocks of each part."""
    vectors = units(COUNT, 32)
    base = base_of(vectors, Book.learn(vectors, 20))
    parts = sorted(base.segment.parts.items())
    halves = ((part, content[: len(content) // 2], content[len(content) // 2 :]) for part, content in parts)
    return [(part, half.tobytes()) for part, *both in halves for half in both]


def sizes_of(blocks: list[tuple[str, bytes]]) -> dict[str, int]:
    """Bytes of each part."""
    sizes: dict[str, int] = {}
    for part, content in blocks:
        sizes[part] = sizes.get(part, 0) + len(content)
    return sizes


def test_a_file_holds_what_was_written(tmp_path: Path, blocks: list[tuple[str, bytes]]) -> None:
    """Every part, as numbers of its type."""
    path = tmp_path / "a.codes"
    write_codes(path, "one", iter(blocks))
    opened = CodesFile(path, "one", sizes_of(blocks)).parts
    for part in sizes_of(blocks):
        whole = b"".join(content for name, content in blocks if name == part)
        assert opened[part].tobytes() == whole
        assert opened[part].dtype == type_of(part)
    assert not opened[LABELS].flags.writeable


def _cut(content: bytearray) -> None:
    del content[-5:]


def _cut_in_two(content: bytearray) -> None:
    del content[len(content) // 2 :]


def _emptied(content: bytearray) -> None:
    content.clear()


def _grown(content: bytearray) -> None:
    content.extend(b"more")


def _of_zeros(content: bytearray) -> None:
    content[:] = bytes(len(content))


@pytest.mark.parametrize("harm", [_cut, _cut_in_two, _emptied, _grown, _of_zeros])
def test_a_file_that_is_cut_is_not_opened(
    tmp_path: Path, blocks: list[tuple[str, bytes]], harm: Callable[[bytearray], None]
) -> None:
    """At its end, in the middle, to nothing; or with something more."""
    path = tmp_path / "a.codes"
    write_codes(path, "one", iter(blocks))
    content = bytearray(path.read_bytes())
    harm(content)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        CodesFile(path, "one", sizes_of(blocks))


def test_a_file_of_other_codes_is_not_opened(tmp_path: Path, blocks: list[tuple[str, bytes]]) -> None:
    """Neither under another identity, nor with other parts, nor where nothing is."""
    path = tmp_path / "a.codes"
    write_codes(path, "one", iter(blocks))
    with pytest.raises(DamagedFileError, match="other codes"):
        CodesFile(path, "two", sizes_of(blocks))
    for sizes in ({}, {**sizes_of(blocks), LABELS: 4}):
        with pytest.raises(DamagedFileError, match="not those of the database"):
            CodesFile(path, "one", sizes)
    with pytest.raises(FileNotFoundError):
        CodesFile(tmp_path / "b.codes", "one", sizes_of(blocks))


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_that_changed_is_seen(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[tuple[str, bytes]], place: float, bit: int
) -> None:
    """Wherever it is, but in the gaps between parts: then the file is not opened, or is as it was."""
    path = tmp_path_factory.mktemp("bits") / "a.codes"
    write_codes(path, "one", iter(blocks))
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        opened = CodesFile(path, "one", sizes_of(blocks)).parts
    except DamagedFileError:
        return
    for part in sizes_of(blocks):
        assert opened[part].tobytes() == b"".join(content for name, content in blocks if name == part)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, blocks: list[tuple[str, bytes]]) -> None:
    """Where the database fails in the middle, nothing is left under its name, and no draft."""

    def failing() -> Iterator[tuple[str, bytes]]:
        yield from blocks[:4]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_codes(tmp_path / "a.codes", "one", failing())
    assert not [*tmp_path.iterdir()]


def test_files_of_former_versions_are_removed(tmp_path: Path) -> None:
    """Those of the same database that are not newer, and no others; and drafts of processes that were killed."""
    (tmp_path / ".0123456789abcdef.tmp").write_bytes(b"half")
    for name, age in (("x-1", 9), ("x-2", 5), ("x-3", 1), ("xy-1", 9)):
        path = tmp_path / f"{name}.codes"
        path.write_bytes(b"")
        os.utime(path, ns=(0, 1_000_000_000 * (100 - age)))
    remove_others(tmp_path, "x", tmp_path / "x-2.codes")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-2.codes", "x-3.codes", "xy-1.codes"]


def test_masks_that_were_just_asked_for_are_remembered() -> None:
    """A few of them; other conditions, or other numbers of the same labels, are other masks."""
    vectors = units(COUNT, 32)
    snapshot = Snapshot("a", base_of(vectors, Book.learn(vectors, 20)))
    tag = Condition(field="tags", values=("a",))
    first = snapshot.masks.passing([tag], {("tags", "a"): 3})
    assert [*np.flatnonzero(first.mask)] == [n for n in range(COUNT) if n % 5 and n % 7 == 3]
    assert snapshot.masks.passing([tag], {("tags", "a"): 3}) is first
    assert snapshot.masks.passing([tag], {("tags", "a"): 4}) is not first
    for bound in range(2 * MOST_KEPT):
        condition = Condition(field="faces", minimum=float(bound))
        assert snapshot.masks.passing([condition], {}).mask.sum() == sum(n >= bound and n % 3 > 0 for n in range(COUNT))
    assert len(snapshot.masks._kept) == MOST_KEPT
    assert snapshot.masks.passing([tag], {("tags", "a"): 3}) is not first


def test_who_has_a_phrase_is_asked_once() -> None:
    """The mask of a phrase is remembered under it; hashes of nobody, and those of several, are no hindrance."""
    vectors = units(COUNT, 32)
    snapshot = Snapshot("a", base_of(vectors, Book.learn(vectors, 20)))
    tag, asked = Condition(field="tags", values=("a",)), []

    def having(*hashes: int) -> Callable[[], NDArray[np.int64]]:
        def tell() -> NDArray[np.int64]:
            asked.append(hashes)
            return np.array(hashes, dtype=np.int64)

        return tell

    for _ in range(2):
        found = snapshot.masks.passing([tag], {("tags", "a"): 3}, "'chair'", having(3, 10, -7))
        assert [*np.flatnonzero(found.mask)] == [3]
        assert not snapshot.masks.passing([], {}, "'unicorn'", having()).mask.any()
    assert asked == [(3, 10, -7), ()]


def test_rows_that_pass_are_looked_at_once() -> None:
    """Few of them are listed; many are only counted and marked."""
    numbers = np.arange(3 * MOST_LISTED, dtype=np.int32) // 3
    lists = (np.arange(len(numbers)) % 4).astype(np.uint16)
    mask = np.zeros(MOST_LISTED, dtype=np.bool_)
    mask[:7] = True
    few, many = Passing(mask), Passing(~mask)
    assert few.rows(numbers, lists, 5) is few.rows(numbers, lists, 5)
    assert few.rows(numbers, lists, 5).listed is not None
    assert [*few.rows(numbers, lists, 5).listed] == [*range(21)]  # type: ignore[misc]
    assert [*few.rows(numbers, lists, 5).of_lists] == [6, 5, 5, 5, 0]
    assert many.rows(numbers, lists, 5).listed is None
    assert many.rows(numbers, lists, 5).count == 3 * (MOST_LISTED - 7)
    assert [*np.unpackbits(many.rows(numbers, lists, 5).bits, bitorder="little")[:24]] == 21 * [0] + 3 * [1]
