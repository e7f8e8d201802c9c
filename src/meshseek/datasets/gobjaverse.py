"""G-Objaverse renders with Cap3D captions.

The folder is ``<root>/<folder>/<index>/`` with numbers for both, as the official downloader makes it
(``<NNNNN>/<NNNNN>.png`` in it) or as it lies on the server (``campos_512_v4/<NNNNN>/<NNNNN>.png``); ``asset_id`` is
``<folder>/<index>``. Eight of an asset's pictures are taken.

The id map (``{"0/10005": "000-142/<uid>.glb"}``) gives assets their model, which stays on its server, and their
Objaverse uid. Captions are JSON, keyed by ``<folder>/<index>`` or by uid, or Cap3D's CSV (``uid,caption``, no header).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from meshseek.datasets import Dataset, Entry
from meshseek.datasets._captions import is_csv, read_json_object
from meshseek.datasets._files import fingerprint_of, is_folder
from meshseek.errors import DatasetError, LibraryGoneError, UnreadableAssetError
from meshseek.meshes.model_files import readable
from meshseek.model import Asset, ViewSet
from meshseek.tables import read_rows
from meshseek.untrusted.files import open_inside
from meshseek.untrusted.text import plain

log = logging.getLogger(__name__)

VIEWS = 8
"""Pictures taken of each asset. Of the usual 40, these are five of the upper ring and three of the lower one."""

_SERVER_FOLDER = "campos_512_v4"
_DIGITS = 5
_LONGEST_MODEL = 1000
_LAYOUT = "<folder>/<index>/<NNNNN>/<NNNNN>.png"
_CURE = "give the folder that the G-Objaverse downloader wrote to"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEntry(Entry):
    """One rendered asset; it carries its caption and model, so that workers need not read a million of them again."""

    caption: str | None
    model: str | None


class Gobjaverse(Dataset):
    """Renders in the G-Objaverse layout."""

    brings_models = False

    def entries(self) -> Iterator[RenderedEntry]:
        """List the assets by the numbers of their folders."""
        root = self.options.path
        ids = list(_list_ids(root))
        if not ids:
            raise LibraryGoneError(f"{root} holds no {_LAYOUT}; {_CURE}")
        if _picture((root / ids[0]).parent, PurePosixPath(ids[0]).name):
            raise DatasetError(f"{root} is one level too deep for {_LAYOUT}; give the folder above it")
        models = _read_models(self.options.id_map, set(ids)) if self.options.id_map else {}
        captions = _read_captions(self.options.captions, ids, models) if self.options.captions else {}
        for asset_id in ids:
            caption, model = captions.get(asset_id), models.get(asset_id)
            pictures = [fact for _, *fact in _chosen_pictures(_view_folder(root / asset_id))]
            yield RenderedEntry(
                asset_id=asset_id,
                fingerprint=fingerprint_of(caption, model, pictures),
                caption=caption,
                model=model,
            )

    def read(self, entry: Entry, models: Path) -> Asset:  # noqa: ARG002 - the models stay on their server
        """Describe one asset and its pictures."""
        assert isinstance(entry, RenderedEntry)
        folder = _view_folder(self.options.path / entry.asset_id).absolute()
        pictures = _chosen_pictures(folder)
        if not pictures:
            raise UnreadableAssetError(f"{entry.asset_id}: no picture in {folder}; download it again")
        for number, name, *_ in pictures:
            with readable(f"{entry.asset_id}: cannot read view {number}", "download it again"):
                open_inside(folder / name / f"{name}.png", self.options.path).close()
        return Asset(
            asset_id=entry.asset_id,
            fingerprint=entry.fingerprint,
            captions_english=(entry.caption,) if entry.caption else (),
            model=entry.model,
            views=ViewSet(
                folder=folder,
                viewpoint_ids=tuple(picture[0] for picture in pictures),
                fingerprint=fingerprint_of(pictures),
                root=self.options.path,
            ),
            attributes={"objaverse_uid": _uid(entry.model)} if entry.model else {},
        )


def _list_ids(root: Path) -> Iterator[str]:
    if not is_folder(root):
        raise LibraryGoneError(f"there is no folder {root}; {_CURE}")
    try:
        folders = _numbered_folders(root)
    except DatasetError as error:
        raise LibraryGoneError(str(error)) from error
    for folder in folders:
        for index in _numbered_folders(root / folder):
            yield f"{folder}/{index}"


def _numbered_folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as listing:
            names = [
                item.name for item in listing if item.name.isdecimal() and item.name.isascii() and _is_folder(item)
            ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DatasetError(f"cannot list {folder}: {error.strerror}; fix its permissions") from error
    if len({len(name) for name in names}) <= 1:  # as in a million folders of views: three times as fast
        return sorted(names)
    return sorted(names, key=lambda name: (int(name), name))


def _is_number(name: str) -> bool:
    return name.isdecimal() and name.isascii()


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link in a circle leads to no folder
        return False


def _view_folder(asset: Path) -> Path:
    deeper = asset / _SERVER_FOLDER
    return deeper if is_folder(deeper) else asset


def _chosen_pictures(folder: Path) -> list[tuple[int, str, int, int]]:
    """Number, name, size in bytes and time of the pictures to take, by number."""
    names = [name for name in _numbered_folders(folder) if len(name) == _DIGITS]
    pictures = [_picture(folder, name) for name in _spread(names)]
    if None in pictures:
        present = [name for name in names if _picture(folder, name)]
        pictures = [_picture(folder, name) for name in _spread(present)]
    return [picture for picture in pictures if picture]


def _picture(folder: Path, name: str) -> tuple[int, str, int, int] | None:
    try:
        stat = os.stat(f"{folder}/{name}/{name}.png")  # noqa: PTH116 - called ten times for each of a million assets
    except OSError:
        return None
    return (int(name), name, stat.st_size, stat.st_mtime_ns) if stat.st_size else None


def _spread(names: list[str]) -> list[str]:
    """Eight names at even distances; from the middles of their parts, as the first and last views are often alike."""
    if len(names) <= VIEWS:
        return names
    return [names[(2 * part + 1) * len(names) // (2 * VIEWS)] for part in range(VIEWS)]


def _read_models(path: Path, ids: set[str]) -> dict[str, str]:
    """Model of each asset that the map knows."""
    models = {key: value for key, value in read_json_object(path).items() if key in ids}
    for key, value in models.items():
        parts = PurePosixPath(value).parts if isinstance(value, str) else ()
        if not parts or parts[0] == "/" or ".." in parts or len(value) > _LONGEST_MODEL or plain(value) != value:
            raise DatasetError(
                f"{path}: the value of '{key}' is not the relative path of a model; download the map again"
            )
    return models


def _uid(model: str) -> str:
    return PurePosixPath(model).stem


def _read_captions(path: Path, ids: list[str], models: dict[str, str]) -> dict[str, str]:
    """Caption of each asset; those of other assets are dropped while reading, as the file may hold a million."""
    named: dict[str, str] = {}  # the first asset of each uid; a list for each would take twice the memory
    alike: dict[str, list[str]] = {}
    for asset_id, model in models.items():
        if named.setdefault(_uid(model), asset_id) != asset_id:
            alike.setdefault(_uid(model), []).append(asset_id)
    listed = frozenset(ids)
    captions: dict[str, str] = {}
    read: Callable[[Path], Iterator[tuple[str, str]]] = _captions_of_csv if is_csv(path) else _captions_of_json
    for key, caption in read(path):
        if key in listed:
            captions.setdefault(key, caption)
        if key in named:
            captions.setdefault(named[key], caption)
            for asset_id in alike.get(key, ()):
                captions.setdefault(asset_id, caption)
    if not captions:
        raise DatasetError(
            f"{path} has no caption for any asset; where it is keyed by Objaverse uid, give the id map as well"
        )
    log.info("%s: captions for %d of %d assets", path, len(captions), len(ids))
    return captions


def _captions_of_csv(path: Path) -> Iterator[tuple[str, str]]:
    for line, row in read_rows(path, DatasetError):
        if len(row) != 2:  # noqa: PLR2004 - uid and caption
            raise DatasetError(f"{path}, line {line}: {len(row)} columns, not 'uid,caption'; download the file again")
        yield row[0], row[1].strip()


def _captions_of_json(path: Path) -> Iterator[tuple[str, str]]:
    value: Any
    for key, value in read_json_object(path).items():
        if not isinstance(value, str):
            raise DatasetError(f"{path}: the value of '{key}' is not a text; fix it or download it again")
        yield key, value.strip()
