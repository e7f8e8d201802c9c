"""Files that the page shows: downloaded through the API into a private folder that keeps a bounded size."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from meshseek.collecting.names import readable
from meshseek.errors import InputError, MeshseekError
from meshseek.interfaces.ui.answers import Asset
from meshseek.interfaces.ui.client import ApiClient, coded
from meshseek.interfaces.ui.glb import diagonal, read_document, unsupported_compression
from meshseek.interfaces.ui.tiles import write_plain_tile, write_tile
from meshseek.interfaces.ui.tiles_shown import LARGE, SMALL

CACHE_BYTES = 500_000_000
MODEL_BYTES = 100_000_000
VIEW_BYTES = 20_000_000
FRESH_SECONDS = 3600
"""How long a file is shown before it is asked for again; the API says the same of its views."""
MADE_AT_ONCE = 8
"""Downloads and tiles, over all visitors."""
AHEAD_AT_ONCE, MOST_AHEAD = 4, 200
"""Files that are made before somebody asks for them, and how many may wait for that; more are made when asked for."""
TILE_NAME = "tile.webp"


class FileCache:
    """Files by key, made when they are missing or old; the least used ones go when all of them take too much room.

    Args:
        folder: A private folder; nothing else may be in it.
        limit: Bytes that all files together may take.
    """

    def __init__(self, folder: Path, limit: int = CACHE_BYTES) -> None:
        self.folder = folder
        self._limit = limit
        self._known: OrderedDict[Path, tuple[float, int]] = OrderedDict()
        self._total = 0
        self._lock = Lock()
        self._making = BoundedSemaphore(MADE_AT_ONCE)
        self._makers: dict[Path, tuple[Lock, int]] = {}
        self._ahead = ThreadPoolExecutor(AHEAD_AT_ONCE, "ahead")
        self._ahead_left = BoundedSemaphore(MOST_AHEAD)

    def file(self, room: str, key: str, name: str, make: Callable[[Path], None]) -> Path:
        """The file of a key, which ``make`` writes; where two threads want the same file, one waits for the other.

        Args:
            room: Files are kept apart by it.
            key: Within the room.
            name: Of the file.
            make: Writes it; a few are made at a time, over all rooms.
        """
        path = self.folder / room / hashlib.sha256(key.encode()).hexdigest()[:32] / name
        if not self._is_fresh(path):
            with self._alone(path):
                if not self._is_fresh(path):
                    self._make(path, make)
        return path

    def ahead(self, ask: Callable[[], object]) -> None:
        """Ask for a file that somebody is about to want, in another thread; not when too many are waiting for that.

        Args:
            ask: Raises nothing.
        """
        if self._ahead_left.acquire(blocking=False):
            try:
                self._ahead.submit(ask).add_done_callback(lambda _: self._ahead_left.release())
            except RuntimeError:  # closed
                self._ahead_left.release()

    def close(self) -> None:
        """Make nothing ahead any longer."""
        self._ahead.shutdown(wait=False, cancel_futures=True)

    def _is_fresh(self, path: Path) -> bool:
        """Whether a file is good to be shown; if so, it is used."""
        with self._lock:
            made, _ = self._known.get(path, (float("-inf"), 0))
            if time.monotonic() - made >= FRESH_SECONDS or not path.is_file():
                return False
            self._known.move_to_end(path)
            return True

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """While it lasts, no other thread makes the same file."""
        with self._lock:
            maker, waiting = self._makers.get(path, (Lock(), 0))
            self._makers[path] = maker, waiting + 1
        try:
            with maker:
                yield
        finally:
            with self._lock:
                maker, waiting = self._makers.pop(path)
                if waiting > 1:
                    self._makers[path] = maker, waiting - 1

    def _make(self, path: Path, make: Callable[[Path], None]) -> None:
        unfinished = path.with_name(uuid4().hex)
        with self._lock:  # a folder that something is in does not go
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.touch()
        try:
            with self._making:
                make(unfinished)
            self._add(unfinished, path)
        finally:
            with self._lock:
                self._remove(unfinished)

    @staticmethod
    def _remove(path: Path) -> None:
        """Remove a file, and its folders where they are empty then."""
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def _add(self, unfinished: Path, path: Path) -> None:
        with self._lock:
            unfinished.replace(path)
            _, before = self._known.pop(path, (0.0, 0))
            self._known[path] = (time.monotonic(), path.stat().st_size)
            self._total += self._known[path][1] - before
            while self._total > self._limit and len(self._known) > 1:
                oldest, (_, freed) = self._known.popitem(last=False)
                self._remove(oldest)
                self._total -= freed


class Tile(NamedTuple):
    """A picture in place of an asset."""

    path: Path
    is_asked: bool
    """Whether it is what was asked for; else a plain one, for now."""


class Model(NamedTuple):
    """A model to show."""

    path: Path
    diagonal: float | None
    """Length of the diagonal of the box around it, where known."""


class Pictures:
    """Tiles and models of results.

    Args:
        client: Where they come from.
        cache: Where they are kept.
        room: Of the visitor whom they are for.
        dense: Whether their screen has two dots a pixel.
    """

    def __init__(self, client: ApiClient, cache: FileCache, room: str, *, dense: bool = False) -> None:
        self._client = client
        self._cache = cache
        self._room = room
        self._usual = LARGE if dense else SMALL

    def prepare(self, urls: Iterable[str | None]) -> None:
        """Make tiles ahead, of the usual size; what fails is tried again when it is asked for."""
        for url in urls:
            if url is not None:
                self._cache.ahead(partial(self.tile, url))

    def tile(self, url: str | None, side: int = SMALL) -> Tile:
        """The tile of a view; a plain one where there is no view or it cannot be had.

        Args:
            url: Of the view, as the API gives it.
            side: Of the tile as it is seen, in pixels.
        """
        side = self._usual if side == SMALL else side
        try:
            if url is not None:
                file = self._file(f"{side} {url}", TILE_NAME, lambda file: self._make_tile(url, file, side))
                return Tile(path=file, is_asked=True)
        except (MeshseekError, OSError, ValueError):  # one missing picture must not hide the others
            pass
        plain = self._file(str(side), TILE_NAME, lambda file: write_plain_tile(file, side))
        return Tile(path=plain, is_asked=url is None)

    def glb(self, url: str) -> Path:
        """The file of a model.

        Raises:
            MeshseekError: It cannot be had now.
        """
        asset_id = unquote(urlsplit(url).path).removesuffix("/model")
        name = f"{readable(asset_id.rpartition('/')[2])}.glb"  # by which the 3D view saves it
        return self._file(url, name, lambda file: self._client.download(url, file, MODEL_BYTES))

    def model(self, asset: Asset) -> Model | None:
        """The model to show; None where the asset has none.

        Raises:
            InputError: The page cannot show it.
            ServiceError: It cannot be had now.
        """
        if asset.model_url is None:
            return None
        path = self.glb(asset.model_url)
        document = read_document(path)
        compression = unsupported_compression(document)
        if compression:
            text = f"This model is compressed with {compression}, which the 3D view cannot open."
            raise coded(InputError(text), "compressed")
        return Model(path, diagonal(document))

    def _file(self, key: str, name: str, make: Callable[[Path], None]) -> Path:
        return self._cache.file(self._room, key, name, make)

    def _make_tile(self, url: str, file: Path, side: int) -> None:
        view = file.with_suffix(".view")
        try:
            self._client.download(url, view, VIEW_BYTES)
            write_tile(view, file, side)
        finally:
            view.unlink(missing_ok=True)
