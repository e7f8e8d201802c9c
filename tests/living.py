"""What happens to libraries: folders that their owners change, a workspace over them, and processes that are killed."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psycopg
from PIL import Image

from meshseek.datasets import Dataset, DatasetOptions
from meshseek.datasets.folder import Folder
from meshseek.embedders import Embedder
from meshseek.errors import UnreadableAssetError
from meshseek.meshes.glb import GlbMaterial, GlbPart, build_glb
from meshseek.pipeline import publish as publishing_stage
from meshseek.pipeline.backup import BackupOptions, backup
from meshseek.pipeline.clean import clean
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.restore import RestoreOptions, restore
from meshseek.pipeline.update import Updated, UpdateOptions, update
from meshseek.renderers import Renderer
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.translators import Translator, TranslatorOptions
from meshseek.translators.existing import Existing
from meshseek.workspace.libraries import LibrarySource
from meshseek.workspace.workspace import Workspace
from tests.toy import toy

ALGORITHM = "toy"
VIEWS = 2
SIDE = 8


def _model(number: int, faces: int) -> bytes:
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1 + number, 0)] * faces, dtype=np.float32)
    material = GlbMaterial(name="paint", colour=(1.0, 1.0, 1.0, 1.0), roughness=0.5, texture=None, alpha_mode="OPAQUE")
    normals = np.tile(np.array((0, 0, 1), dtype=np.float32), (len(corners), 1))
    part = GlbPart(
        positions=corners, normals=normals, texcoords=None, indices=np.arange(len(corners)), material=material
    )
    return build_glb([part], {})


FACES = (1, 1, 2, 2, 1)
BLANK, BROKEN = 4, 5
"""The model that has nothing to show, and the one that cannot be read."""
MODELS = (*(_model(number, faces) for number, faces in enumerate(FACES)), bytes(len(_model(0, 1))))
"""Several of one size."""


class Caption(NamedTuple):
    """What a captions file says of a model."""

    english: str | None
    chinese: str | None
    category: str | None = None


CAPTIONS = (
    None,
    Caption("a red chair", None, "seat"),
    Caption("a red chair", "红色的椅子", "chair"),
    Caption("a blue table", "蓝色的桌子"),
    Caption(None, "蓝色的桌子"),
)


class Tints(Renderer):
    """Quick pictures of which every pixel depends on every byte of the model."""

    @property
    def fingerprint(self) -> str:
        """Of these pictures."""
        return f"tints:{self.views}:{self.size}"

    def render(self, model: Path, destination: Path) -> tuple[int, ...]:
        """Write the views."""
        if model.read_bytes() == MODELS[BLANK]:
            raise UnreadableAssetError("it has nothing to show")
        for number in range(self.views):
            name = f"{number:05d}"
            folder = destination / name
            folder.mkdir()
            (folder / f"{name}.png").write_bytes(tint(model.read_bytes(), number, self.size))
            (folder / f"{name}.json").write_text("{}")
        return tuple(range(self.views))


def tint(model: bytes, viewpoint: int, side: int = SIDE) -> bytes:
    """One view of a model, as PNG."""
    seed = int.from_bytes(hashlib.sha256(model + bytes([viewpoint])).digest()[:8])
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 4), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(slots=True)
class LibraryFolder:
    """A folder of models with a captions file, changed as its owner would change it."""

    path: Path
    models: dict[str, int] = field(default_factory=dict)
    """Which of :data:`MODELS` each name has."""
    captions: dict[str, Caption] = field(default_factory=dict)
    _times: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """The models that a name had, with the times of their files."""
    _clock: int = 0

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True)
        self._write_captions()

    @property
    def captions_file(self) -> Path:
        """Beside the folder."""
        return self.path.with_suffix(".json")

    def file(self, name: str) -> Path:
        """Of a model."""
        return self.path / f"{name}.glb"

    def put(self, name: str, number: int, *, in_place: bool = False, older: bool = False) -> None:
        """Add a model, or replace it; by a new file or in the old one, perhaps with an older time than that had."""
        self._clock += 1
        seconds = -self._clock if older else self._clock
        time = (1_700_000_000 + seconds) * 10**9
        self._times.setdefault(name, []).append((number, time))
        self._write(name, number, time, in_place=in_place)

    @property
    def ever(self) -> list[str]:
        """The names that any model has or had."""
        return sorted(self._times)

    def restore(self, name: str, which: int) -> None:
        """Bring back what a name had once, with its time, as a backup does."""
        number, time = self._times[name][which % len(self._times[name])]
        self._write(name, number, time, in_place=False)

    def _write(self, name: str, number: int, time: int, *, in_place: bool) -> None:
        file = self.file(name)
        file.parent.mkdir(exist_ok=True)
        if not in_place:
            file.unlink(missing_ok=True)
        file.write_bytes(MODELS[number])
        os.utime(file, ns=(time, time))
        self.models[name] = number

    def rename(self, old: str, new: str) -> None:
        """Give a model another name; where another has that, the two are swapped."""
        if old == new:
            return
        self.file(new).parent.mkdir(exist_ok=True)
        aside = self.path / "aside"
        self.file(old).rename(aside)
        number = self.models.pop(old)
        if new in self.models:
            self.file(new).rename(self.file(old))
            self.models[old] = self.models[new]
        aside.rename(self.file(new))
        self.models[new] = number

    def delete(self, name: str) -> None:
        """Remove a model."""
        self.file(name).unlink()
        del self.models[name]

    def describe(self, name: str, caption: Caption | None) -> None:
        """Edit the captions file."""
        self.captions.pop(name, None)
        if caption is not None:
            self.captions[name] = caption
        self._write_captions()

    def _write_captions(self) -> None:
        values = {
            name: {"caption_en": caption.english, "caption_zh": caption.chinese, "category": caption.category}
            for name, caption in self.captions.items()
        }
        self.captions_file.write_text(json.dumps(values))


@dataclass(frozen=True, slots=True)
class LivingParts:
    """A workspace with the parts that its stages are run with."""

    workspace: Workspace
    server: Server

    @property
    def databases(self) -> Server:
        """Where it is published."""
        return self.server

    def dataset_of(self, library: LibrarySource) -> Dataset:
        """Open a library as it was imported."""
        return Folder(DatasetOptions(path=Path(str(library.path)), captions=Path(str(library.captions))))

    def usual_renderer(self) -> Renderer:
        """The quick one."""
        return Tints(views=VIEWS, size=SIDE)

    def usual_translator(self) -> Translator:
        """The library's own captions."""
        return Existing(TranslatorOptions())

    free_translator = usual_translator

    def usual_embedder(self, algorithm: str) -> Embedder:
        """The toy."""
        return toy()

    def usual_index(self, algorithm: str) -> str:
        """None: what is published is compared, not searched."""
        return "exact"

    def update(self, *, verify: bool = False) -> Updated:
        """Bring everything up to date, in this process."""
        options = UpdateOptions(algorithms=[ALGORITHM], workers=0, yes=True, verify=verify)
        return update(self, options, SilentReporter())

    def bring_in(self, folder: Path) -> None:
        """Import a folder for the first time, as a library of its name."""
        dataset = Folder(DatasetOptions(path=folder, captions=folder.with_suffix(".json")))
        options: dict[str, Any] = {"workers": 0, "max_assets": None, "reporter": SilentReporter()}
        import_assets(dataset, self.workspace, **options, library=LibraryOptions(name=folder.name))

    def clean(self) -> None:
        """Delete what nobody needs."""
        clean(self.workspace, self.server, [ALGORITHM], dry_run=False)

    def back_up(self, folder: Path, keep: int | None = None) -> None:
        """Make one more snapshot."""
        options = BackupOptions(keep=keep)
        backup(self.workspace, self.server, [ALGORITHM], folder, options, SilentReporter())

    def restore_from(self, folder: Path) -> None:
        """Make the workspace, and what is live, from the last snapshot."""
        restore(folder, self.workspace.folder, lambda: self.server, RestoreOptions(), SilentReporter())

    def repair(self) -> None:
        """Read every file, and make those that are not as they were written once more."""
        self.update(verify=True)


_FORKS: ForkServerContext = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])
STEPS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"})
"""What changes the names of files, as Python's audit hooks are told of it."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run in a process of its own: a method of :class:`LivingParts`, with its arguments."""

    name: str
    workspace: Path
    conninfo: str
    prefix: str
    arguments: tuple[Any, ...] = ()
    updated_share: float = field(default_factory=lambda: publishing_stage.UPDATED_SHARE)

    def killed(self, step: int) -> bool:
        """Run it until it is killed (``kill -9``) just before it changes files or tables for the given time, from 1.

        Returns:
            Whether it was; else it ended before.
        """
        process = _FORKS.Process(target=self._run_until, args=(step,))
        process.start()
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}, f"{self.name} failed by itself"
        return process.exitcode != 0

    def _run_until(self, step: int) -> None:
        steps = itertools.count(1)

        def count() -> None:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def counted(method: Callable[..., Any]) -> Callable[..., Any]:
            def replacement(*args: Any, **options: Any) -> Any:
                count()
                return method(*args, **options)

            return replacement

        sys.addaudithook(lambda event, _: count() if event in STEPS else None)
        for name in ("execute", "copy"):
            setattr(psycopg.Cursor, name, counted(getattr(psycopg.Cursor, name)))
        publishing_stage.UPDATED_SHARE = self.updated_share
        parts = LivingParts(Workspace(self.workspace), Server(lambda: self.conninfo, self.prefix))
        getattr(parts, self.name)(*self.arguments)


TABLES = {
    "assets": "asset_id, captions_english, captions_chinese, model, view_folder, viewpoint_ids, attributes, digest",
    "text_embeddings": "asset_id, english_embedding::text, chinese_embedding::text, faces, labels_of(labels)",
    "image_embeddings": "asset_id, viewpoint_id, embedding::text",
    "asset_centroids": "asset_id, centroid::text, spread, faces, labels_of(labels)",
    "asset_words": "asset_id, words::text",
    "listed": "asset_id, name, size, faces, labels_of(labels)",
    "labels": "field, value, assets",
    "percentiles": "field, edges, assets",
    "background": "asset_id",
    "world": "text, language, vector::text",
    "spaces": "assets, english_captions, chinese_captions, views, index_kind, schema_version",
}
LABELS_OF = """
CREATE OR REPLACE FUNCTION pg_temp.labels_of(numbers integer[]) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(field || value, ' ' ORDER BY field, value) FROM live.labels WHERE number = ANY(numbers) $$
"""
Contents = dict[str, list[tuple[Any, ...]]]


def contents(connection: psycopg.Connection[tuple[Any, ...]]) -> Contents:
    """Every table of the live version, in an order of its own, with labels by name; and the indexes."""
    connection.execute(LABELS_OF)
    indexes = connection.execute("SELECT indexdef FROM pg_indexes WHERE schemaname = 'live' ORDER BY indexdef")
    tables = {
        table: connection.execute(
            f"SELECT {columns.replace('labels_of', 'pg_temp.labels_of')} FROM live.{table}".encode()
        ).fetchall()
        for table, columns in TABLES.items()
    }
    return {"indexes": indexes.fetchall(), **{table: sorted(rows, key=str) for table, rows in tables.items()}}
