"""Shards that are not as ours: rows twice or apart, another dimension, and those of the former format."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.crowd import DIM, SPACE, Crowd, units

from meshseek.errors import WorkspaceError
from meshseek.pipeline.publish import publish
from meshseek.pipeline.stage import Summary
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.workspace import shards
from meshseek.workspace.halves import COLUMN
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.workspace import Source, Workspace, asset_row, vector_schema


def published(workspace: Workspace, server: Server) -> Summary:
    """Publish the crowd."""
    return publish("crowd", workspace, server, index_kind="exact", max_assets=None, reporter=SilentReporter())


def rows(crowd: Crowd, source: Source, views: list[tuple[int, int | None]]) -> list[dict[str, Any]]:
    """Rows about the assets that have this source, by number, with viewpoints."""
    names = list(crowd.views if source == "appearance" else crowd.chinese)
    vector = units(np.ones(DIM)).tobytes()
    return [
        {"asset_id": names[number], "viewpoint_id": view, "fingerprint": "made", "vector": vector}
        for number, view in views
    ]


WRONG: list[tuple[Source, list[tuple[int, int | None]], int, str]] = [
    ("appearance", [(0, 1), (1, 1), (1, 2), (0, 2)], 0, "apart from each other"),
    ("appearance", [(0, 1), (1, 2), (1, 1), (1, 2)], 1, "twice"),
    ("appearance", [(0, None), (0, None)], 0, "twice"),
    ("caption_chinese", [(0, None), (1, None), (1, None), (2, None)], 1, "twice"),
    ("caption_chinese", [(0, 1), (0, 2)], 0, "twice"),
    ("caption_chinese", [(0, None), (1, None), (0, None)], 0, "apart from each other"),
]


@pytest.mark.parametrize(("source", "views", "wrong", "fault"), WRONG)
def test_rows_twice_or_apart_are_refused(
    workspace: Workspace, server: Server, source: Source, views: list[tuple[int, int | None]], wrong: int, fault: str
) -> None:
    """The folder, the asset and the cure are named, and what is live stays."""
    crowd = Crowd.of(20)
    crowd.publish(workspace, server)
    table = workspace.vectors_table("crowd", source)
    found = rows(crowd, source, views)
    table.append(found)

    name = rows(crowd, source, [(wrong, None)])[0]["asset_id"]
    message = f"{table.folder} holds rows of '{name}' {fault}; remove the folder and embed again"
    with pytest.raises(WorkspaceError, match=f"^{re.escape(message)}$"):
        published(workspace, server)
    library = Library(server, "crowd")
    assert library.published().assets == 20
    library.close()


def test_views_in_any_order_and_beside_a_whole_are_taken(workspace: Workspace, server: Server) -> None:
    """The views of one asset need no order, and 0 is a viewpoint beside none."""
    crowd = Crowd.of(20)
    crowd.write(workspace)
    workspace.vectors_table("crowd", "appearance").append(rows(crowd, "appearance", [(0, 3), (0, 0), (0, None)]))

    assert published(workspace, server).details["views"] == 4 * (len(crowd.views) - 1) + 3


def test_vectors_of_another_dimension_are_refused(workspace: Workspace, server: Server) -> None:
    """A shard that does not fit the space of its folder is named with the cure."""
    crowd = Crowd.of(20)
    crowd.write(workspace)
    folder = workspace.vectors_table("crowd", "appearance").folder
    (row,) = rows(crowd, "appearance", [(0, 1)])
    vector = units(np.ones(2 * DIM)).tobytes()
    ShardFolder(folder, vector_schema(2 * DIM)).append([{**row, "vector": vector}])

    reason = r"column 'vector' is fixed_size_binary\[128\], not fixed_size_binary\[64\]"
    with pytest.raises(
        WorkspaceError, match=rf"^\S+ does not fit its folder \({reason}\); remove {folder} and run its stage again$"
    ):
        published(workspace, server)


def test_an_asset_twice_in_the_import_is_refused(workspace: Workspace, server: Server) -> None:
    """One line with the folder, before the database is asked."""
    crowd = Crowd.of(20)
    crowd.write(workspace)
    twice = [asset_row(crowd.assets[3]), asset_row(crowd.assets[4]), asset_row(crowd.assets[3])]
    workspace.assets_table().append(twice)

    message = f"{workspace.folder / 'assets'} holds '{crowd.assets[3].asset_id}' twice; remove the folder and import"
    with pytest.raises(WorkspaceError, match=f"^{re.escape(message)} the library again$"):
        published(workspace, server)


def write_as_before(crowd: Crowd, folder: Path, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write view vectors as lists of halves, as the first format had them."""
    monkeypatch.setattr(shards, "FORMAT", 1)
    monkeypatch.setattr(shards, "COLUMN", "none")
    columns = {"asset_id": pa.string(), "viewpoint_id": pa.int16(), "fingerprint": pa.string()}
    schema = pa.schema({**columns, COLUMN: pa.list_(pa.float16(), DIM)})
    ShardFolder(folder, schema, {"space": asdict(SPACE), "source": "appearance"}).append(
        [
            {"asset_id": name, "viewpoint_id": 10 * (n + 1), "fingerprint": "made", "vector": list(vector)}
            for name in names
            for n, vector in enumerate(crowd.views[name])
        ]
    )
    monkeypatch.undo()


def test_old_and_new_shards_in_one_folder(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of halves and bytes are read back as one, published as one, and the folder is of the new format then."""
    crowd, workspaces = Crowd.of(30), [Workspace(tmp_path / "mixed"), Workspace(tmp_path / "new")]
    for workspace in workspaces:
        crowd.write(workspace)
    folder = workspaces[0].folder / "vectors" / "crowd" / "appearance"
    new = next(ShardFolder(folder, vector_schema(DIM)).tables())
    for path in folder.iterdir():
        path.unlink()
    names = list(crowd.views)
    write_as_before(crowd, folder, names[:12], monkeypatch)
    assert '"format": 1' in (folder / "manifest.json").read_text()
    later = new.filter(pa.array([name in names[10:] for name in new["asset_id"].to_pylist()]))
    workspaces[0].vectors_table("crowd", "appearance").append_table(later)

    table = workspaces[0].vectors_table("crowd", "appearance")
    assert '"format": 2' in (folder / "manifest.json").read_text()
    assert pa.concat_tables(table.tables()).equals(new.select(table.schema.names))
    assert (table.count(), list(table.fingerprints())) == (4 * len(names), names)
    found = []
    for workspace in workspaces:
        published(workspace, server)
        with server.connect("crowd") as connection:
            statement = "SELECT asset_id, viewpoint_id, embedding::text FROM live.image_embeddings ORDER BY 1, 2"
            found.append(connection.execute(statement.encode()).fetchall())
    assert found[0] == found[1] != []
