"""The folder that holds the stages' outputs: where each of them is, and how its rows become values."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from meshseek.errors import SpaceMismatchError, WorkspaceError
from meshseek.files import disk_error, locked, write_whole
from meshseek.model import Asset, Space, ViewSet
from meshseek.workspace.halves import COLUMN, column_type
from meshseek.workspace.shards import ShardFolder, read_manifest

Source = Literal["caption_english", "caption_chinese", "appearance"]
SOURCES: tuple[Source, ...] = get_args(Source)

_ASSETS = pa.schema(
    {
        "asset_id": pa.string(),
        "fingerprint": pa.string(),
        "captions_english": pa.list_(pa.string()),
        "captions_chinese": pa.list_(pa.string()),
        "model": pa.string(),
        "model_fingerprint": pa.string(),
        "view_folder": pa.string(),
        "viewpoint_ids": pa.list_(pa.int16()),
        "view_fingerprint": pa.string(),
        "attributes": pa.string(),
    }
)
_RENDERED = pa.schema(
    {"asset_id": pa.string(), "fingerprint": pa.string(), "viewpoint_ids": pa.list_(pa.int16())},
)
_CAPTIONS = pa.schema(
    {"asset_id": pa.string(), "fingerprint": pa.string(), "captions": pa.list_(pa.string())},
)


_MODEL_FOLDERS = "model_folders.json"


class Workspace:
    """One workspace folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "models"
        self.views = folder / "views"

    def assets_table(self) -> ShardFolder:
        """The imported assets."""
        return ShardFolder(self.folder / "assets", _ASSETS)

    def rendered_table(self) -> ShardFolder:
        """Which assets were rendered."""
        return ShardFolder(self.folder / "rendered", _RENDERED)

    def chinese_captions_table(self) -> ShardFolder:
        """Chinese captions, from the dataset or translated."""
        return ShardFolder(self.folder / "captions_zh", _CAPTIONS)

    def vectors_table(self, algorithm: str, source: Source, space: Space | None = None) -> ShardFolder:
        """Vectors of one algorithm and source.

        Args:
            algorithm: Name of the algorithm.
            source: What was embedded.
            space: The space of the vectors that will be written; None to read whatever is there.

        Raises:
            SpaceMismatchError: The vectors on disk are of another space.
            WorkspaceError: There are no vectors to read.
        """
        folder = self.folder / "vectors" / algorithm / source
        manifest = read_manifest(folder)
        kept = None if manifest is None else Space(**manifest["header"]["space"])
        space = space or kept
        if space is None:
            raise WorkspaceError(f"{folder} holds no vectors; run 'meshseek embed --algorithm {algorithm}' first")
        if kept not in (None, space):
            raise SpaceMismatchError(
                f"{folder} holds vectors of {kept}, the embedder gives {space}; "
                "embed with that model, or remove the folder to embed all again"
            )
        return ShardFolder(folder, vector_schema(space.dim), {"space": asdict(space), "source": source})

    def embedded_sources(self, algorithm: str) -> tuple[Source, ...]:
        """The sources that hold vectors of an algorithm."""
        folder = self.folder / "vectors" / algorithm
        return tuple(source for source in SOURCES if read_manifest(folder / source) is not None)

    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that have vectors, sorted."""
        return tuple(sorted(path.name for path in (self.folder / "vectors").glob("*") if path.is_dir()))

    def model_folder(self, algorithm: str) -> Path | None:
        """Where an algorithm's weights were when it was last embedded from a folder; None where they were not."""
        folder = self._model_folders().get(algorithm)
        return Path(folder) if folder else None

    def remember_model_folder(self, algorithm: str, folder: Path) -> None:
        """Note where an algorithm's weights are.

        Raises:
            WorkspaceError: The workspace cannot be written.
        """
        folders = {**self._model_folders(), algorithm: str(folder)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / _MODEL_FOLDERS, json.dumps(folders, ensure_ascii=False, indent=1).encode())
        except OSError as error:
            raise disk_error(error, self.folder) from error

    def _model_folders(self) -> dict[str, str]:
        try:
            folders: Any = json.loads((self.folder / _MODEL_FOLDERS).read_bytes())
        except (OSError, ValueError):
            return {}
        return folders if isinstance(folders, dict) else {}

    def assets(self, limit: int | None = None) -> Iterator[Asset]:
        """The imported assets in the order of import, at most ``limit``.

        Raises:
            WorkspaceError: Nothing was imported yet, or an asset is there twice.
        """
        table = self.assets_table()
        if not len(table):
            raise WorkspaceError(f"{self.folder} holds no assets; run 'meshseek import DATASET PATH' first")
        seen: set[str] = set()
        rows = (row for part in table.tables() for row in part.to_pylist())
        for number, row in enumerate(rows):
            if limit is not None and number >= limit:
                return
            if row["asset_id"] in seen:
                raise WorkspaceError(
                    f"{table.folder} holds '{row['asset_id']}' twice; remove the folder and import the library again"
                )
            seen.add(row["asset_id"])
            yield _asset_from_row(row)

    def rendered_views(self) -> dict[str, ViewSet]:
        """The views that the render stage made, by asset id."""
        return {
            row["asset_id"]: ViewSet(
                folder=self.views / row["asset_id"],
                viewpoint_ids=tuple(row["viewpoint_ids"]),
                fingerprint=row["fingerprint"],
            )
            for table in self.rendered_table().tables()
            for row in table.to_pylist()
        }

    def chinese_captions(self) -> dict[str, tuple[str, ...]]:
        """The Chinese captions by asset id."""
        return {
            row["asset_id"]: tuple(row["captions"])
            for table in self.chinese_captions_table().tables()
            for row in table.to_pylist()
        }

    def lock(self, stage: str) -> contextlib.AbstractContextManager[None]:
        """Keep other processes out of a stage.

        Raises:
            WorkspaceError: Another process runs the same stage here, or the folder cannot be written.
        """
        busy = WorkspaceError(f"another process runs '{stage}' in {self.folder}; wait until it ends")
        return locked(self.folder / f".{stage}.lock", busy)


def asset_row(asset: Asset) -> dict[str, Any]:
    """One row of the assets table; what neither Parquet nor PostgreSQL can hold is left out of its texts."""
    views = asset.views
    return {
        "asset_id": asset.asset_id,
        "fingerprint": asset.fingerprint,
        "captions_english": _storable(asset.captions_english),
        "captions_chinese": _storable(asset.captions_chinese),
        "model": asset.model,
        "model_fingerprint": asset.model_fingerprint,
        "view_folder": str(views.folder) if views else None,
        "viewpoint_ids": list(views.viewpoint_ids) if views else None,
        "view_fingerprint": views.fingerprint if views else None,
        "attributes": json.dumps(_storable(asset.attributes), ensure_ascii=False, sort_keys=True),
    }


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="ignore").decode()
    if isinstance(value, Mapping):
        return {_storable(key): _storable(own) for key, own in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_storable(own) for own in value] if isinstance(value, list | tuple) else value


def _asset_from_row(row: dict[str, Any]) -> Asset:
    views = None
    if row["view_folder"] is not None:
        views = ViewSet(
            folder=Path(row["view_folder"]),
            viewpoint_ids=tuple(row["viewpoint_ids"]),
            fingerprint=row["view_fingerprint"],
        )
    return Asset(
        asset_id=row["asset_id"],
        fingerprint=row["fingerprint"],
        captions_english=tuple(row["captions_english"]),
        captions_chinese=tuple(row["captions_chinese"]),
        model=row["model"],
        model_fingerprint=row["model_fingerprint"],
        views=views,
        attributes=json.loads(row["attributes"]),
    )


def vector_schema(dim: int) -> pa.Schema:
    """Columns of a vectors table: fp16 unit vectors that travel with their asset and viewpoint."""
    return pa.schema(
        {
            "asset_id": pa.string(),
            "viewpoint_id": pa.int16(),
            "fingerprint": pa.string(),
            COLUMN: column_type(dim),
        }
    )
