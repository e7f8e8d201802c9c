"""A folder of models as an asset library for Blender: a ``.blend`` for each, and the lists of a remote library.

The lists follow schema 1.0.0 of Blender's own description (``blender_asset_library_openapi.yaml`` of 2026). Blender
makes the files: its module ``bpy`` runs in a process of its own for each model, which can fail alone.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from meshseek.collecting.blender_process import made_in_blender
from meshseek.collecting.credits import Credit
from meshseek.collecting.local import LocalBasket
from meshseek.errors import ImageError, NotFoundError
from meshseek.untrusted.text import plain
from meshseek.workspace.view_files import read_view

BLENDS, THUMBNAILS = "blends", "thumbnails"
META, INDEX = "_asset-library-meta.json", "_v1/asset-index.json"
PAGE: Final = 1000
"""Assets that one file lists."""
_SIDE = 256
_REASON = 200


class BlenderLibrary:
    """Makes the library.

    Args:
        basket: The assets.
        seconds: That Blender may take for one of them.
    """

    def __init__(self, basket: LocalBasket, seconds: float) -> None:
        self._basket = basket
        self._seconds = seconds
        self.failed: dict[str, str] = {}
        """Why assets have no ``.blend``."""
        self._assets: list[dict[str, Any]] = []
        self._files: list[dict[str, Any]] = []

    def write(self, folder: Path) -> None:
        """Write it beside the models.

        Raises:
            OSError: It cannot be written.
        """
        for name in (BLENDS, THUMBNAILS, "_v1"):
            (folder / name).mkdir()
        for credit in self._basket.there:
            self._add(folder, credit)
        pages = list(self._pages(folder))
        index = {
            "schema_version": "1.0.0",
            "asset_size_bytes": sum(file["size_in_bytes"] for file in self._files),
            "asset_count": len(self._assets),
            "file_count": len(self._files),
            "pages": pages,
        }
        contact = {"name": "Meshseek"}
        versions = {"v1": _written(folder, INDEX, index)}
        _written(folder, META, {"api_versions": versions, "name": "Meshseek", "contact": contact})

    def _add(self, folder: Path, credit: Credit) -> None:
        name = Path(credit.file).stem
        blend = f"{BLENDS}/{name}.blend"
        thumbnail = self._thumbnail(folder, credit, f"{THUMBNAILS}/{name}.webp")
        job = self._job(folder, credit, blend, thumbnail)
        try:
            made = made_in_blender(job, self._seconds)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            self.failed[credit.asset_id] = plain(str(error))[:_REASON]
            for leftover in (blend, thumbnail or blend):
                (folder / leftover).unlink(missing_ok=True)
            return
        meta = {key: job[key] for key in ("author", "description", "license", "copyright", "tags") if job[key]}
        asset = {"name": made["name"], "id_type": "COLLECTION", "files": [blend], "meta": meta}
        asset["bl_versions"] = {"min": made["version"]}
        if thumbnail is not None:
            asset["thumbnail"] = _named(folder, thumbnail)
        content = (folder / blend).read_bytes()
        file = {"path": blend, "size_in_bytes": len(content), "hash": _hash(content)}
        self._assets.append(asset)
        self._files.append({**file, "url": quote(blend), "blender_version": made["version"]})

    def _job(self, folder: Path, credit: Credit, blend: str, thumbnail: str | None) -> dict[str, Any]:
        tags = self._basket.assets[credit.asset_id].attributes.get("tags")
        licence = credit.terms
        return {
            "model": str(folder / credit.file),
            "blend": str(folder / blend),
            "thumbnail": None if thumbnail is None else str(folder / thumbnail),
            "name": credit.title,
            "author": credit.creator,
            "license": f"{licence.licence} {licence.url or ''}".strip(),
            "copyright": credit.line,
            "description": f"{credit.asset_id}. {licence.words}",
            "tags": [plain(tag) for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        }

    def _thumbnail(self, folder: Path, credit: Credit, name: str) -> str | None:
        views = self._basket.assets[credit.asset_id].views
        if views is None or not views.viewpoint_ids:
            return None
        try:
            picture = read_view(views.folder, views.viewpoint_ids[0], views.root)
        except (NotFoundError, ImageError):
            return None
        picture.thumbnail((_SIDE, _SIDE))
        written = io.BytesIO()
        picture.save(written, "WEBP", quality=80)
        (folder / name).write_bytes(written.getvalue())
        return name

    def _pages(self, folder: Path) -> Iterator[dict[str, str]]:
        for number, start in enumerate(range(0, len(self._assets), PAGE)):
            assets, files = self._assets[start : start + PAGE], self._files[start : start + PAGE]
            page = {"asset_count": len(assets), "file_count": len(files), "assets": assets, "files": files}
            yield _written(folder, f"_v1/assets-{number:05}.json", page)


def _written(folder: Path, name: str, value: dict[str, Any]) -> dict[str, str]:
    (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    return _named(folder, name)


def _named(folder: Path, name: str) -> dict[str, str]:
    return {"url": quote(name), "hash": _hash((folder / name).read_bytes())}


def _hash(content: bytes) -> str:
    return f"SHA256:{hashlib.sha256(content).hexdigest()}"
