"""What is told of models in the zip that has those that are there."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from meshseek.collecting.notes import TABLE

MISSING_HEADER: Final = "X-Missing-Models"
UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What Python says of a zip that is damaged, cut, encrypted or packed in a way of its own."""
MOST_BYTES: Final = 64_000_000
"""Of the table: some hundred rows with bounded texts."""


def missing_in(path: Path, asset_ids: Iterable[str]) -> dict[str, str]:
    """Why models are not in a zip, by asset.

    Args:
        path: Of the zip.
        asset_ids: Of the assets that were asked for; the table has a row for each, in their order.

    Raises:
        ValueError: It is no such zip.
    """
    try:
        with zipfile.ZipFile(path) as packed, packed.open(TABLE) as file:
            rows = [*csv.DictReader(io.StringIO(file.read(MOST_BYTES).decode("utf-8-sig"), newline=""))]
    except (*UNREADABLE, KeyError, csv.Error) as error:
        raise ValueError(f"{path} has no table") from error
    why = [row.get("missing") for row in rows]
    return {asset_id: told for asset_id, told in zip(dict.fromkeys(asset_ids), why, strict=True) if told}
