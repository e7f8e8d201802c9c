"""Any folder of ``.glb``, ``.gltf`` and ``.obj`` models, with its sub-folders; hidden files are passed over.

``asset_id`` is the path below the folder without the suffix. Where that would name two models (``chair.glb`` and
``chair.obj``), all of them keep their suffix in the id, so that none hides another.

Captions come from the captions file (:func:`meshseek.datasets._captions.read_descriptions`), whose ids may have the
suffix or not; models that it does not name have no caption. Without a captions file the file's name is the caption:
``red_chair-02.glb`` is a "red chair", and a Chinese name is a Chinese caption.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from meshseek.datasets import Dataset, Entry
from meshseek.datasets._captions import Description, read_descriptions
from meshseek.datasets._files import fingerprint_of, is_folder, unique_id
from meshseek.datasets._models import MOST_GLB_BYTES, faces_of_copy
from meshseek.errors import LibraryGoneError
from meshseek.files import copy_whole, make_folder, write_whole
from meshseek.language import detect_language
from meshseek.meshes.gltf import pack_gltf
from meshseek.meshes.model_files import MOST_BYTES, FolderFiles, readable
from meshseek.meshes.obj_to_glb import REVISION, convert_obj
from meshseek.model import Asset
from meshseek.untrusted.files import checked_size, open_inside, read_whole

log = logging.getLogger(__name__)

_MODELS = frozenset({".glb", ".gltf", ".obj"})
_NOWHERE = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR})
_FEW, _SHOWN = 3, 80
_SAYS_NOTHING = frozenset({"scene", "model", "mesh", "object", "untitled"})
"""File names that programs choose; the folder's name is taken instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry(Entry):
    """One model file; it carries its captions, so that workers need not read the captions file again."""

    file: str
    """Path below the folder."""
    description: Description


class GlbFolder(Dataset):
    """A folder of models in common formats."""

    def entries(self) -> Iterator[FileEntry]:
        """List the models, sorted by path."""
        files = self._files()
        models = sorted(file for file in files if file.suffix.lower() in _MODELS)
        if not models:
            raise LibraryGoneError(f"{self.options.path} holds no .glb, .gltf or .obj file; give a folder that does")
        descriptions = None if self.options.captions is None else read_descriptions(self.options.captions)
        sidecars = _sidecars(files)
        shared = Counter(file.with_suffix("") for file in models)
        taken: dict[str, int] = {}
        used: set[str] = set()
        for file in models:
            bare = file.with_suffix("")
            description = _described(file, descriptions, used)
            yield FileEntry(
                asset_id=unique_id(_clean_id(file if shared[bare] > 1 else bare), taken),
                fingerprint=fingerprint_of(
                    [str(file), files[file].st_size, files[file].st_mtime_ns],
                    [description.english, description.chinese, description.attributes],
                    None if file.suffix.lower() == ".glb" else [REVISION, sidecars.get(file.parent)],
                ),
                file=str(file),
                description=description,
            )
        unknown = sorted((descriptions or {}).keys() - used)
        if unknown:
            log.warning("%s: %d ids have no model, for example %s", self.options.captions, len(unknown), unknown[0])

    def _files(self) -> dict[PurePosixPath, os.stat_result]:
        root = self.options.path
        if not is_folder(root):
            raise LibraryGoneError(f"there is no folder {root}; give a folder of .glb, .gltf or .obj files")
        passed_over = self.options.passed_over
        files, unlisted = _walk(root, passed_over and passed_over.resolve())
        # What is gone, or a link to nowhere, is no asset; in what may not be looked at there may be some.
        self.unlisted = sum(error.errno not in _NOWHERE for error in unlisted)
        if unlisted:
            first = f"{unlisted[0].filename}: {unlisted[0].strerror}"
            if not files:
                raise LibraryGoneError(f"cannot list {first}; fix its permissions, or give a folder of models")
            log.warning("%s: %d files or folders cannot be looked at, for example %s", root, len(unlisted), first)
        return files

    def read(self, entry: Entry, models: Path) -> Asset:
        """Copy, pack or convert one model, and describe it."""
        assert isinstance(entry, FileEntry)
        source = self.options.path / entry.file
        model = f"{entry.asset_id}.glb"
        make_folder((models / model).parent)
        with readable(f"{entry.asset_id}: cannot read {source}"):
            faces = _put(source, self.options.path, models / model)
        return Asset(
            asset_id=entry.asset_id,
            fingerprint=entry.fingerprint,
            captions_english=entry.description.english,
            captions_chinese=entry.description.chinese,
            model=model,
            attributes={"faces": faces, **entry.description.attributes},
        )


def caption_from_name(file: PurePosixPath) -> Description:
    """Turn a file's name into a caption: ``red_chair-02`` into "red chair"; numbers and hashes say nothing."""
    stem = file.stem
    if stem.lower() in _SAYS_NOTHING and file.parent.name:
        stem = file.parent.name
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)
    words = [word for word in re.split(r"[\W_]+", spaced) if word]
    while words and (words[-1].isdecimal() or re.fullmatch(r"v\d+|[0-9a-f]{12,}", words[-1], re.IGNORECASE)):
        words.pop()
    caption = " ".join(word.lower() if word.istitle() else word for word in words)
    if not any(character.isalpha() for character in caption):
        return Description(attributes={})
    if detect_language(caption) == "chinese":
        return Description(chinese=(caption,), attributes={})
    return Description(english=(caption,), attributes={})


def _walk(root: Path, passed_over: Path | None) -> tuple[dict[PurePosixPath, os.stat_result], list[OSError]]:
    """All files below the folder by their path in it, without hidden ones; and what could not be looked at."""
    files: dict[PurePosixPath, os.stat_result] = {}
    unlisted: list[OSError] = []
    linked = strange = 0
    base = root.resolve()
    for folder, folders, names in os.walk(root, onerror=unlisted.append):
        folders[:] = [
            name for name in folders if not name.startswith(".") and Path(folder, name).resolve() != passed_over
        ]
        linked += sum(Path(folder, name).is_symlink() for name in folders)
        for path in (Path(folder, name) for name in names if not name.startswith(".")):
            try:
                facts = _facts(path, base)
            except OSError as error:  # gone since it was listed, or a link in a circle
                unlisted.append(error)
                continue
            if stat.S_ISREG(facts.st_mode) or stat.S_ISLNK(facts.st_mode):
                files[PurePosixPath(path.relative_to(root).as_posix())] = facts
            else:
                strange += 1
    if linked:
        log.warning("%s: %d linked folders are not followed; import each by itself", root, linked)
    if strange:
        log.warning("%s: %d pipes, devices and the like are passed over", root, strange)
    return files, unlisted


def _facts(path: Path, base: Path) -> os.stat_result:
    """Those of a file; of a link that leads out of the folder, its own: reading it will say so."""
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode) and Path(os.path.realpath(path, strict=True)).is_relative_to(base):
        return path.stat()
    return facts


def _sidecars(files: Mapping[PurePosixPath, os.stat_result]) -> dict[PurePosixPath, str]:
    """Fingerprint of what lies below each folder and is no model: any of it may be a texture, material or buffer."""
    found: dict[PurePosixPath, list[tuple[str, int, int]]] = defaultdict(list)
    for file, facts in files.items():
        if file.suffix.lower() not in _MODELS:
            for folder in file.parents:
                found[folder].append((str(file), facts.st_size, facts.st_mtime_ns))
    return {folder: fingerprint_of(sorted(rows)) for folder, rows in found.items()}


def _described(file: PurePosixPath, descriptions: Mapping[str, Description] | None, used: set[str]) -> Description:
    if descriptions is None:
        return caption_from_name(file)
    for name in (str(file), str(file.with_suffix(""))):
        if name in descriptions:
            used.add(name)
            return descriptions[name]
    return Description(attributes={})


def _clean_id(file: PurePosixPath) -> str:
    """A file's path as an id: printable, UTF-8, and without ``..``."""
    text = re.sub(r"\.{2,}", ".", str(file).encode("utf-8", "replace").decode())
    return "".join(character if character.isprintable() else "-" for character in text)


def _put(source: Path, root: Path, target: Path) -> int:
    """Write the GLB of a model, and count its faces."""
    suffix = source.suffix.lower()
    with open_inside(source, root) as file:
        if suffix == ".glb":
            checked_size(file, MOST_GLB_BYTES)
            copy_whole(file, target)
            return faces_of_copy(target)
        content = read_whole(file, MOST_BYTES)
    files = FolderFiles(source.parent, root)
    if suffix == ".gltf":
        data, faces = pack_gltf(content, files)
    else:
        conversion = convert_obj(content, files)
        data, faces = conversion.glb, conversion.faces
        if conversion.missing_textures:
            missing = conversion.missing_textures
            shown = ", ".join(name[:_SHOWN] for name in missing[:_FEW])
            log.warning("%s: no %d textures (%s); plain colours are shown", source, len(missing), shown)
    write_whole(target, data)
    return faces
