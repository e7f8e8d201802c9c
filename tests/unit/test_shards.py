"""Tables on disk: whole or absent, the last row about an asset wins, and damage is seen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meshseek.errors import WorkspaceError
from meshseek.sealed import sealed, unsealed
from meshseek.workspace.shards import ShardFolder

SCHEMA = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string(), "value": pa.int64()})


def row(asset_id: str, value: int, fingerprint: str = "f") -> dict[str, Any]:
    """One row."""
    return {"asset_id": asset_id, "fingerprint": fingerprint, "value": value}


def table(folder: Path) -> ShardFolder:
    """The table in a folder, read afresh."""
    return ShardFolder(folder, SCHEMA)


def rows(folder: Path) -> list[tuple[str, int]]:
    """What the table says now."""
    return [(found["asset_id"], found["value"]) for part in table(folder).tables() for found in part.to_pylist()]


def shards(folder: Path) -> list[Path]:
    """The files that the manifest names."""
    return [folder / shard["file"] for shard in json.loads((folder / "manifest.json").read_text())["shards"]]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A table of two shards with three rows."""
    made = table(tmp_path / "table")
    made.append([row("a", 1), row("b", 2)])
    made.append([row("c", 3)])
    return tmp_path / "table"


def test_nothing_written_is_an_empty_table(tmp_path: Path) -> None:
    """A table that was never written has no rows and leaves no folder behind."""
    empty = table(tmp_path / "none")

    assert (len(empty), empty.fingerprints(), list(empty.tables())) == (0, {}, [])
    assert not (tmp_path / "none").exists()


def test_rows_come_back_in_the_order_of_writing(filled: Path) -> None:
    """Shard after shard, with what each asset was made from."""
    assert rows(filled) == [("a", 1), ("b", 2), ("c", 3)]
    assert list(table(filled).fingerprints().items()) == [("a", "f"), ("b", "f"), ("c", "f")]
    assert len(table(filled)) == 3


def test_a_later_shard_replaces_all_rows_of_its_assets(filled: Path) -> None:
    """The last shard about an asset wins, with as many or as few rows as it has."""
    table(filled).append([row("b", 20, "g"), row("b", 21, "g"), row("d", 4)])
    table(filled).append([row("a", 10, "h")])

    assert rows(filled) == [("c", 3), ("b", 20), ("b", 21), ("d", 4), ("a", 10)]
    assert table(filled).fingerprints() == {"a": "h", "b": "g", "c": "f", "d": "f"}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"asset_id": ["d"], "fingerprint": ["f"], "value": [1.0]}, "column 'value' is double, not int64"),
        ({"asset_id": ["d"], "fingerprint": ["f"]}, "column 'value' is missing, not int64"),
        ({"asset_id": ["d"], "fingerprint": ["f"], "value": [1], "more": [1]}, "column 'more' is int64, not missing"),
        ({"value": [1], "fingerprint": ["f"], "asset_id": ["d"]}, "its columns stand in another order"),
    ],
)
def test_a_table_of_other_columns_is_refused(filled: Path, columns: dict[str, list[Any]], told: str) -> None:
    """Nothing is written that could not be read back beside the rest."""
    message = f"{filled} cannot take rows of another form ({told}); remove the folder and run its stage again"
    with pytest.raises(WorkspaceError, match=f"^{re.escape(message)}$"):
        table(filled).append_table(pa.table(columns))
    with pytest.raises(WorkspaceError, match=r"^[^\n]+ cannot take rows of another form [^\n]+$"):
        table(filled).append([{**row("d", 1), "value": "text"}])
    assert rows(filled) == [("a", 1), ("b", 2), ("c", 3)]


def test_another_format_is_not_read(filled: Path) -> None:
    """A later one is refused, as an older Meshseek refuses this one."""
    path = filled / "manifest.json"
    path.write_bytes(sealed({**unsealed(path.read_bytes()), "format": 3}))
    with pytest.raises(WorkspaceError, match=r"was written by a newer Meshseek .*: upgrade"):
        table(filled)


def test_all_but_vectors_is_compressed(tmp_path: Path) -> None:
    """Lists of texts too."""
    kept = ShardFolder(tmp_path, pa.schema({"asset_id": pa.string(), "captions": pa.list_(pa.string())}), header={})
    kept.append([{"asset_id": "a", "captions": ["a chair"] * 1000}])
    (path,) = shards(tmp_path)
    group = pq.ParquetFile(path).metadata.row_group(0)
    assert {group.column(number).compression for number in range(group.num_columns)} == {"ZSTD"}


def test_the_header_is_that_of_the_first_writing(tmp_path: Path) -> None:
    """What holds for the whole table is kept with it."""
    ShardFolder(tmp_path, SCHEMA, {"space": "one"}).append([row("a", 1)])

    assert ShardFolder(tmp_path, SCHEMA).header == {"space": "one"}


def test_the_digest_changes_with_every_write_and_only_then(filled: Path) -> None:
    """Reading gives the same digest again; a row more gives another."""
    before = table(filled).digest
    assert table(filled).digest == before
    table(filled).append([row("a", 1)])
    assert table(filled).digest != before


def test_one_writer_after_a_killed_one_cleans_up(filled: Path) -> None:
    """Half-written files of a process that is gone do not pile up."""
    (filled / ".part-00002-0.parquet.999999.tmp").touch()
    table(filled).append([row("new", 9)])
    assert [path.name for path in filled.iterdir() if path.name.endswith(".tmp")] == []


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8] ^= 0xFF
    path.write_bytes(content)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _exchange(path: Path) -> None:
    """Another table of the same form, which can be read without complaint."""
    content = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist([{**found, "value": 99} for found in content], schema=SCHEMA), path)


@pytest.mark.parametrize("harm", [_cut, _flip, _empty, _exchange, Path.unlink])
@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_shard_is_named(filled: Path, harm: Any, number: int) -> None:
    """A shard that is cut, altered, empty, exchanged or missing is one line with its path and the cure."""
    broken = shards(filled)[number]
    harm(broken)
    with pytest.raises(
        WorkspaceError, match=rf"^{broken} is damaged \([^\n]*\); run its stage again: only this part is made anew$"
    ):
        rows(filled)


@pytest.mark.parametrize(
    "text", ["", "{", '{"format": 1, "hea', "[]", "null", "{}", '{"format": 1}', '{"format": 0}', "\x80"]
)
def test_a_damaged_manifest_is_named(filled: Path, text: str) -> None:
    """A manifest that is no manifest, or one of another version, is one line with the cure."""
    (filled / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(
        WorkspaceError, match=rf"^{filled / 'manifest.json'} [^\n]*; remove (the folder )?{filled} and [^\n]+$"
    ):
        table(filled)


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    """A file where the table's folder should be is said with its path."""
    (tmp_path / "table").touch()
    with pytest.raises(WorkspaceError, match=rf"^[^\n]*{tmp_path / 'table'}[^\n]*$"):
        table(tmp_path / "table").append([row("a", 1)])
