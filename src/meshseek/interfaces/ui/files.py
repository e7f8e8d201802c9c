"""Files that the page shows: downloaded through the API into a private folder that keeps a bounded size."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock

from PIL import Image as Pillow
from PIL import ImageOps

from meshseek.errors import InputError, MeshseekError
from meshseek.interfaces.ui.client import ApiClient, Result

CACHE_BYTES = 500_000_000
MODEL_BYTES = 100_000_000
VIEW_BYTES = 20_000_000
FRESH_SECONDS = 3600
"""How long a file is shown before it is asked for again; the API says the same of its views."""
DOWNLOADS_AT_ONCE = 8
TILE = 384
OBJECT = 352
"""Size of the view on its tile, in pixels."""
CENTRE = (247, 248, 250)
EDGE = (224, 228, 234)
"""The tile's background: light, but dark enough around the middle that white objects stand out."""
GLB_MAGIC = b"glTF"
UNSUPPORTED = {
    "KHR_draco_mesh_compression": "Draco",
    "EXT_meshopt_compression": "meshopt",
    "KHR_texture_basisu": "Basis",
}
"""What the 3D view could only decode with programs from another site, which this page never contacts."""


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
        self._lock = Lock()

    def file(self, key: str, suffix: str, make: Callable[[Path], None]) -> Path:
        """Path of the file of a key; ``make`` writes it. Two threads may make the same file, and either one is good."""
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}{suffix}"
        with self._lock:
            made, _ = self._known.get(path, (float("-inf"), 0))
            if time.monotonic() - made < FRESH_SECONDS and path.is_file():
                self._known.move_to_end(path)
                return path
        unfinished = Path(mkdtemp(dir=self.folder)) / path.name
        try:
            make(unfinished)
            size = unfinished.stat().st_size
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
            unfinished.parent.rmdir()
        self._add(path, size)
        return path

    def _add(self, path: Path, size: int) -> None:
        with self._lock:
            self._known[path] = (time.monotonic(), size)
            self._known.move_to_end(path)
            total = sum(size for _, size in self._known.values())
            while total > self._limit and len(self._known) > 1:
                oldest, (_, freed) = self._known.popitem(last=False)
                oldest.unlink(missing_ok=True)
                total -= freed


class Pictures:
    """Tiles and models of results.

    Args:
        client: Where they come from.
        cache: Where they are kept.
    """

    def __init__(self, client: ApiClient, cache: FileCache) -> None:
        self._client = client
        self._cache = cache

    def tiles(self, results: Sequence[Result]) -> list[Path]:
        """A tile for each result; a plain one where there is no view or it cannot be had."""
        if not results:
            return []
        with ThreadPoolExecutor(min(DOWNLOADS_AT_ONCE, len(results))) as pool:
            return list(pool.map(self._tile, results))

    def model(self, result: Result) -> Path | None:
        """The model to show; None where the asset has none.

        Raises:
            InputError: The page cannot show it.
            ServiceError: It cannot be had now.
        """
        url = result.model_url
        if url is None:
            return None
        path = self._cache.file(url, ".glb", lambda file: self._client.download(url, file, MODEL_BYTES))
        compression = unsupported_compression(path)
        if compression:
            raise InputError(f"This model is compressed with {compression}, which the 3D view cannot open.")
        return path

    def _tile(self, result: Result) -> Path:
        url = result.thumbnail_url
        try:
            if url is not None:
                return self._cache.file(url, ".webp", lambda file: self._make_tile(url, file))
        except (MeshseekError, OSError, ValueError):  # one missing picture must not hide the other results
            pass
        return self._cache.file("", ".webp", lambda file: _background().save(file, quality=90))

    def _make_tile(self, url: str, file: Path) -> None:
        view = file.with_suffix(".view")
        try:
            self._client.download(url, view, VIEW_BYTES)
            with Pillow.open(view) as picture:
                on_tile(picture).save(file, quality=90)
        finally:
            view.unlink(missing_ok=True)


def on_tile(view: Pillow.Image) -> Pillow.Image:
    """Put a view with a transparent background on a tile."""
    tile = _background().convert("RGBA")
    fitted = ImageOps.contain(view.convert("RGBA"), (OBJECT, OBJECT), Pillow.Resampling.LANCZOS)
    tile.alpha_composite(fitted, ((TILE - fitted.width) // 2, (TILE - fitted.height) // 2))
    return tile.convert("RGB")


def unsupported_compression(path: Path) -> str | None:
    """Name of the compression that a GLB cannot be shown without; None for a plain one."""
    with path.open("rb") as file:
        header = file.read(20)
        if header[:4] != GLB_MAGIC:
            return None
        try:
            document = json.loads(file.read(int.from_bytes(header[12:16], "little")))
        except ValueError:
            return None
    required = document.get("extensionsRequired", [])
    return next((UNSUPPORTED[name] for name in required if name in UNSUPPORTED), None)


def _background() -> Pillow.Image:
    glow = ImageOps.invert(Pillow.radial_gradient("L")).resize((TILE, TILE))
    return Pillow.composite(Pillow.new("RGB", (TILE, TILE), CENTRE), Pillow.new("RGB", (TILE, TILE), EDGE), glow)
