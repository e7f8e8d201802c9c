"""Shards that are not as ours: rows twice or apart, and another dimension."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from tests.crowd import DIM, Crowd, units

from meshseek.errors import WorkspaceError
from meshseek.pipeline.publish import publish
from meshseek.pipeline.stage import Summary
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import Source, asset_row, vector_schema
from meshseek.workspace.workspace import Workspace


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
    ("appearance", [(0, 10), (1, 10), (1, 20), (0, 20)], 0, "apart from each other"),
    ("appearance", [(0, 10), (1, 20), (1, 10), (1, 20)], 1, "twice"),
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


def test_views_in_any_order_are_taken(workspace: Workspace, server: Server) -> None:
    """The views of one asset need no order."""
    crowd = Crowd.of(20)
    crowd.write(workspace)
    workspace.vectors_table("crowd", "appearance").append(rows(crowd, "appearance", [(0, 30), (0, 10), (0, 20)]))

    assert published(workspace, server).details["views"] == 4 * (len(crowd.views) - 1) + 3


def test_vectors_of_another_dimension_are_refused(workspace: Workspace, server: Server) -> None:
    """A shard that does not fit the space of its folder is named with the cure."""
    crowd = Crowd.of(20)
    crowd.write(workspace)
    folder = workspace.vectors_table("crowd", "appearance").folder
    (row,) = rows(crowd, "appearance", [(0, 10)])
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
    with pytest.raises(WorkspaceError, match=f"^{re.escape(message)} again$"):
        published(workspace, server)
