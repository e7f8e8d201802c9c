"""The flat arrays that codes are stored as, each under its name, in the database and in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.errors import DatabaseError
from meshseek.model import NUMBER_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Parts = Mapping[str, NDArray[Any]]

IDENTITY: Final = "identity"
"""Part that tells one edition 0 from every other."""
CENTROIDS: Final = "centroid"
COLUMNS: Final = ("english_embedding", "chinese_embedding", CENTROIDS)
"""What is found by its codes: captions by the column that counts first, and centroids of views."""
VIEWS: Final = "view"
"""What the assets that are found are ranked by; of these there are fine codes alone."""
IDS, ID_LENGTHS, HASHES, LABELS, LABEL_COUNTS = "ids", "id_lengths", "hashes", "labels", "label_counts"
GONE: Final = "gone"
"""Numbers of assets that are there no more; a changed one has another number."""
BOOK, ROWS, LISTS, COARSE, FINE = "book", "rows", "lists", "coarse", "fine"
"""Of each column; rows are the numbers of the assets whose vectors follow."""

TYPES: Final[Mapping[str, str]] = {
    IDS: "u1",
    ID_LENGTHS: "<u2",
    HASHES: "<i8",
    LABELS: "<i4",
    LABEL_COUNTS: "<u4",
    **dict.fromkeys(NUMBER_FIELDS, "<f4"),
    GONE: "<i4",
    BOOK: "<f4",
    ROWS: "<i4",
    LISTS: "<u2",
    COARSE: "u1",
    FINE: "u1",
}
"""What the numbers of each part are, by the last word of its name."""

_EXPECTED = (
    IDS,
    ID_LENGTHS,
    HASHES,
    LABELS,
    LABEL_COUNTS,
    *NUMBER_FIELDS,
    GONE,
    *(f"{column}/{name}" for column in COLUMNS for name in (ROWS, LISTS, COARSE, FINE)),
    f"{VIEWS}/{ROWS}",
    f"{VIEWS}/{FINE}",
)
VIEW_CODES: Final = f"{VIEWS}/{FINE}"
"""The part that is much larger than all others together."""


CUT: Final = (
    "the codes of the live version are cut: '{part}' does not fit the others; "
    "run 'meshseek publish' with '--index exact' and then with '--index codes', which makes them again"
)


def expect_whole(part: str, *, holds: bool) -> None:
    """See that a part fits the others.

    Raises:
        DatabaseError: It does not.
    """
    if not holds:
        raise DatabaseError(CUT.format(part=part))


def part_of(column: str, name: str) -> str:
    """The name of a column's part."""
    return f"{column}/{name}"


def type_of(part: str) -> np.dtype[Any] | None:
    """What the numbers of a part are; None where there is no such part."""
    known = TYPES.get(part.rpartition("/")[2])
    return None if known is None else np.dtype(known)


def joined(blocks: Iterable[tuple[str, bytes]]) -> dict[str, NDArray[Any]]:
    """Parts as their blocks, each part's in their order, make them; those that are not there are empty."""
    contents: dict[str, bytearray] = {}  # grown, for pieces and their whole together would take twice the memory
    for part, content in blocks:
        contents.setdefault(part, bytearray()).extend(content)
    return with_empty(contents)


def with_empty(parts: Mapping[str, bytearray | NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
    """Parts as arrays of their numbers; those that are not there, but for books, are empty.

    Raises:
        DatabaseError: A part ends within a number.
    """
    types = {part: kind for part in parts if (kind := type_of(part)) is not None}
    for part, kind in types.items():
        expect_whole(part, holds=len(parts[part]) % kind.itemsize == 0)
    known = {part: np.frombuffer(parts[part], dtype=kind) for part, kind in types.items()}
    return {part: np.empty(0, dtype=type_of(part)) for part in _EXPECTED} | known


def asset_parts(
    ids: Sequence[str],
    hashes: Sequence[int],
    labels: Sequence[Sequence[int]],
    figures: Sequence[Sequence[float | None]],
) -> dict[str, NDArray[Any]]:
    """The parts that tell of assets, one after the other.

    Args:
        ids: Of the assets.
        hashes: Of the ids, as the database tells them.
        labels: Numbers of each asset's labels.
        figures: Each asset's numbers in the order of ``NUMBER_FIELDS``; None where it has none.
    """
    encoded = [asset_id.encode() for asset_id in ids]
    table = np.array(figures, dtype=np.float32).reshape(-1, len(NUMBER_FIELDS))
    return {
        IDS: np.frombuffer(b"".join(encoded), dtype=TYPES[IDS]),
        ID_LENGTHS: np.array([len(each) for each in encoded], dtype=TYPES[ID_LENGTHS]),
        HASHES: np.array(hashes, dtype=TYPES[HASHES]),
        LABELS: np.array([number for own in labels for number in own], dtype=TYPES[LABELS]),
        LABEL_COUNTS: np.array([len(own) for own in labels], dtype=TYPES[LABEL_COUNTS]),
        **{name: column.astype(TYPES[name]) for name, column in zip(NUMBER_FIELDS, table.T, strict=True)},
    }
