"""CSV files, read strictly: what is wrong is told with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from meshseek.errors import MeshseekError, UnreadableAssetError
from meshseek.untrusted.files import checked_size, open_regular

MOST_TABLE_BYTES = 1 << 30
"""Of a file of captions, ids or queries; those of ten million assets have less."""


def read_rows(path: Path, error: type[MeshseekError]) -> Iterator[tuple[int, list[str]]]:
    """Read the rows of a CSV file one by one, each with its line number; empty lines are passed over.

    Args:
        path: The file, in UTF-8.
        error: What to raise.

    Raises:
        MeshseekError: ``error``: it is missing or damaged; the message gives the line.
    """
    line = 0
    try:
        with open_regular(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as file:
            checked_size(binary, MOST_TABLE_BYTES)
            reader = csv.reader(file, strict=True)
            for row in reader:
                line = reader.line_num
                if row:
                    yield line, row
    except UnreadableAssetError as cause:
        raise error(f"cannot read {path}: {cause}") from cause
    except OSError as cause:
        raise error(f"cannot read {path}: {cause.strerror}; check the path and its permissions") from cause
    except UnicodeDecodeError as cause:
        raise error(f"{path}, after line {line}: not UTF-8 text; save the file as UTF-8") from cause
    except csv.Error as cause:
        raise error(f"{path}, after line {line}: {cause}; fix the row or download the file again") from cause


def read_table(path: Path, error: type[MeshseekError]) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Read a CSV file whose first line names its columns.

    Args:
        path: The file, in UTF-8.
        error: What to raise.

    Returns:
        The names, and the rows by name, each with its line number.

    Raises:
        MeshseekError: ``error``: it is missing or damaged, or a row has another number of columns, told by its line.
    """
    rows = read_rows(path, error)
    header = [name.strip() for name in next(rows, (0, []))[1]]

    def records() -> Iterator[tuple[int, dict[str, str]]]:
        for line, row in rows:
            if len(row) != len(header):
                columns = f"{len(row)} columns where the header has {len(header)}"
                raise error(f"{path}, line {line}: {columns}; put quotes around texts that hold commas")
            yield line, dict(zip(header, row, strict=True))

    return header, records()
