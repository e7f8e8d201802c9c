"""G-Objaverse renders with Cap3D captions.

The folder is ``<root>/<folder>/<index>/`` with numbers for both, as the official downloader makes it
(``<NNNNN>/<NNNNN>.png`` in it) or as it lies on the server (``campos_512_v4/<NNNNN>/<NNNNN>.png``); ``asset_id`` is
``<folder>/<index>``. All pictures of an asset are its views.

The id map (``{"0/10005": "000-142/<uid>.glb"}``) gives assets their model, which stays on its server, and their
Objaverse uid. Captions are JSON, keyed by ``<folder>/<index>`` or by uid, or Cap3D's CSV (``uid,caption``, no header).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from meshseek.datasets import Dataset, Entry
from meshseek.datasets._captions import is_csv, read_json_object
from meshseek.datasets._files import fingerprint_of, is_folder
from meshseek.errors import DatasetError, LibraryGoneError, UnreadableAssetError
from meshseek.meshes.model_files import readable
from meshseek.model import Asset
from meshseek.tables import read_rows
from meshseek.untrusted.files import folder_inside, open_inside
from meshseek.untrusted.text import plain
from meshseek.viewpoints import LAST_VIEWPOINT, MOST_VIEWS, Picture, views_of_pictures

log = logging.getLogger(__name__)

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
        if _picture(str((root / ids[0]).parent), PurePosixPath(ids[0]).name):
            raise DatasetError(f"{root} is one level too deep for {_LAYOUT}; give the folder above it")
        models = _read_models(self.options.id_map, set(ids)) if self.options.id_map else {}
        captions = _read_captions(self.options.captions, ids, models) if self.options.captions else {}
        for asset_id in ids:
            caption, model = captions.get(asset_id), models.get(asset_id)
            pictures = [(_name(number), *facts) for number, *facts in _pictures(_view_folder(root / asset_id))]
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
        pictures = _pictures(folder)
        if not pictures:
            raise UnreadableAssetError(f"{entry.asset_id}: no picture in {folder}; download it again")
        if len(pictures) > MOST_VIEWS:
            raise UnreadableAssetError(f"{entry.asset_id}: more than {MOST_VIEWS:,} pictures; move some elsewhere")
        last = pictures[-1].viewpoint_id
        if last > LAST_VIEWPOINT:
            raise UnreadableAssetError(
                f"{entry.asset_id}: view {last} has a number above {LAST_VIEWPOINT:,}; rename its folder and pictures"
            )
        self._expect_readable(entry.asset_id, folder, pictures)
        return Asset(
            asset_id=entry.asset_id,
            fingerprint=entry.fingerprint,
            captions_english=(entry.caption,) if entry.caption else (),
            model=entry.model,
            views=views_of_pictures(folder, pictures, self.options.path),
            attributes={"objaverse_uid": _uid(entry.model)} if entry.model else {},
        )

    def _expect_readable(self, asset_id: str, folder: Path, pictures: Sequence[Picture]) -> None:
        paths = {number: f"{_name(number)}/{_name(number)}.png" for number, *_ in pictures}
        with (
            readable(f"{asset_id}: cannot read its views", "download them again"),
            folder_inside(folder, self.options.path) as is_file,
        ):
            doubtful = [number for number, path in paths.items() if not is_file(path)]
        for number in doubtful:
            with readable(f"{asset_id}: cannot read view {number}", "download it again"):
                open_inside(folder / paths[number], self.options.path).close()


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
        raise _unlisted(folder, error) from error
    if len({len(name) for name in names}) <= 1:  # as in a million folders of views: three times as fast
        return sorted(names)
    return sorted(names, key=lambda name: (int(name), name))


def _unlisted(folder: Path, error: OSError) -> DatasetError:
    return DatasetError(f"cannot list {folder}: {error.strerror}; fix its permissions")


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link in a circle leads to no folder
        return False


def _view_folder(asset: Path) -> Path:
    deeper = asset / _SERVER_FOLDER
    return deeper if is_folder(deeper) else asset


def _pictures(folder: Path) -> list[Picture]:
    """The pictures of an asset, by number; one more than an asset may have, where it has so many.

    Each is looked at, as nothing else tells that it was replaced. With one listing of the folder, and the fingerprint,
    40 of them take 0.2 ms of a processor where eight took 0.09: about four minutes for a million assets.
    """
    pictures: list[Picture] = []
    path = str(folder)
    try:
        with os.scandir(path) as listing:
            names = (item.name for item in listing if len(item.name) == _DIGITS)
            found = (_picture(path, name) for name in names if name.isdecimal() and name.isascii())
            pictures += islice(filter(None, found), MOST_VIEWS + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unlisted(folder, error) from error
    return sorted(pictures)


def _picture(folder: str, name: str) -> Picture | None:
    try:
        stat = os.stat(f"{folder}/{name}/{name}.png")  # noqa: PTH116 - called for each picture of a million assets
    except OSError:
        return None
    return Picture(int(name), stat.st_size, stat.st_mtime_ns) if stat.st_size else None


def _name(viewpoint_id: int) -> str:
    return f"{viewpoint_id:0{_DIGITS}d}"


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
