"""Sweet Home 3D furniture libraries: a folder of ``.sh3f`` files, or one such file.

``asset_id`` is ``<library>/<item>``, such as ``BlendSwap-CC-0/armchair``. Each model becomes one GLB of true size in
metres, y up, with its creator and licence inside. A damaged library stops the import and is named, as leaving it out
without a word would look like a smaller library.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import opencc

from meshseek.datasets import Dataset, Entry
from meshseek.datasets._files import is_folder, safe_name, unique_id
from meshseek.datasets.sweethome3d.catalogue import CatalogueItem, is_chinese, read_catalogue
from meshseek.errors import LibraryGoneError, UnreadableAssetError
from meshseek.files import make_folder, write_whole
from meshseek.meshes.model_files import ZippedFiles, readable
from meshseek.meshes.obj_to_glb import REVISION, Conversion, Placement, convert_obj
from meshseek.model import Asset
from meshseek.untrusted.archives import opened_archive

log = logging.getLogger(__name__)

_METRES_PER_CM = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FurnitureEntry(Entry):
    """One item; it carries its line of the catalogue, so that workers need not read the catalogue again."""

    library: Path
    item: CatalogueItem


class Sweethome3d(Dataset):
    """Furniture libraries in the ``.sh3f`` format."""

    def entries(self) -> Iterator[FurnitureEntry]:
        """List the items, library by library, in the order of their catalogues."""
        taken: dict[str, int] = {}
        for library in _libraries(self.options.path):
            for item in read_catalogue(library, self.options.path, revision=REVISION):
                asset_id = unique_id(f"{safe_name(library.stem)}/{safe_name(item.short_id)}", taken)
                yield FurnitureEntry(asset_id=asset_id, fingerprint=item.fingerprint, library=library, item=item)
        if not taken:
            raise LibraryGoneError(
                f"{self.options.path} lists no furniture; give a folder of .sh3f files that hold some"
            )

    def read(self, entry: Entry, models: Path) -> Asset:
        """Convert one model to GLB and describe it."""
        assert isinstance(entry, FurnitureEntry)
        library, item = entry.library, entry.item
        what = f"{entry.asset_id}: cannot convert {item.model[:80]} in {library.name}"
        with readable(what, "copy or download the library again"):
            conversion = _convert(library, self.options.path, item)
        attributes = _attributes(library, item, conversion.faces)
        if conversion.missing_textures:
            # The library's own gaps, the same for everybody: told with the asset instead of at every import.
            attributes["missing_textures"] = [re.split(r"[\\/]", name)[-1] for name in conversion.missing_textures]
            log.info("%s lacks the textures %s", entry.asset_id, attributes["missing_textures"])
        model = f"{entry.asset_id}.glb"
        make_folder((models / model).parent)
        write_whole(models / model, conversion.glb)
        return Asset(
            asset_id=entry.asset_id,
            fingerprint=entry.fingerprint,
            captions_english=tuple(dict.fromkeys((item.caption, item.name))) if item.name else (),
            captions_chinese=_chinese(item),
            model=model,
            attributes=attributes,
        )


def _libraries(path: Path) -> list[Path]:
    cure = "give a .sh3f file, or a folder that holds some"
    try:
        libraries = sorted(file for file in path.iterdir() if file.suffix.lower() == ".sh3f" and not is_folder(file))
    except NotADirectoryError:
        return [path]
    except FileNotFoundError as error:
        raise LibraryGoneError(f"there is no {path}; {cure}") from error
    except OSError as error:
        raise LibraryGoneError(f"cannot list {path}: {error.strerror}; fix its permissions, or {cure}") from error
    if not libraries:
        raise LibraryGoneError(f"{path} holds no .sh3f file; {cure}")
    return libraries


def _convert(library: Path, root: Path, item: CatalogueItem) -> Conversion:
    if posixpath.splitext(item.model)[1].lower() != ".obj":
        raise UnreadableAssetError("only OBJ models can be read; convert it to OBJ")
    width, depth, height = item.size_cm
    placement = Placement(
        size=(width * _METRES_PER_CM, height * _METRES_PER_CM, depth * _METRES_PER_CM), rotation=item.rotation
    )
    extras = {"title": item.name, "author": _creator(item), "license": item.licence, "source": library.stem}
    copyright_line = f"{_creator(item)}, {item.licence}".lstrip(", ")
    with opened_archive(library, root) as archive:
        if item.model not in archive.members:
            raise UnreadableAssetError(
                "it is missing there, encrypted, or there twice; copy or download the library again"
            )
        files = ZippedFiles(archive, posixpath.dirname(item.model))
        asset = {"copyright": copyright_line, "extras": extras}
        return convert_obj(archive.read(item.model), files, placement=placement, asset=asset)


def _creator(item: CatalogueItem) -> str:
    return item.fields.get("creator", "").strip()


def _attributes(library: Path, item: CatalogueItem, faces: int) -> dict[str, Any]:
    return {
        "name": item.name,
        "category": item.category,
        "tags": list(item.tags),
        "creator": _creator(item),
        "licence": item.licence,
        "dimensions_cm": list(item.size_cm),
        "faces": faces,
        "source": library.stem,
    }


def _chinese(item: CatalogueItem) -> tuple[str, ...]:
    """The true Chinese names in simplified characters, each once."""
    mainland, taiwan = (" ".join(name.split()) for name in item.chinese)
    names = (mainland, _simplifier().convert(taiwan) if is_chinese(taiwan) else "")
    return tuple(dict.fromkeys(name for name in names if is_chinese(name)))


@cache
def _simplifier() -> Any:
    return opencc.OpenCC("tw2sp")
