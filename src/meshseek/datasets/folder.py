"""Any folder of models in common formats, with its sub-folders; hidden files are passed over.

``asset_id`` is the path below the folder without the suffix. Where that would name two models (``chair.glb`` and
``chair.obj``), all of them keep their suffix in the id, so that none hides another; beside a GLB, glTF or OBJ, a model
in another format keeps its own alone, so that an id stays what it was before that format was read.

Every model becomes a GLB in metres with Y up (:mod:`meshseek.meshes.formats`). What was taken for its unit and axis,
and why, is its attribute ``made_from``, except for glTF, which leaves no doubt.

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
from typing import Any, ClassVar

from meshseek.datasets import Dataset, Entry
from meshseek.datasets._captions import Description, read_descriptions
from meshseek.datasets._files import fingerprint_of, is_folder, unique_id
from meshseek.datasets._models import MOST_GLB_BYTES, settled
from meshseek.errors import LibraryGoneError
from meshseek.files import copy_whole, make_folder, write_whole
from meshseek.language import detect_language
from meshseek.meshes.formats import FORMATS, GLTF_SPACE, OBJ_SPACE, Forced, convert
from meshseek.meshes.formats import REVISION as FORMATS_REVISION
from meshseek.meshes.gltf import pack_gltf
from meshseek.meshes.model_files import MOST_BYTES, FolderFiles, readable
from meshseek.meshes.obj_to_glb import REVISION, Conversion, convert_obj
from meshseek.meshes.spaces import AUTO, Space
from meshseek.model import Asset
from meshseek.untrusted.files import checked_size, open_inside, read_whole

log = logging.getLogger(__name__)

_FIRST = frozenset({".glb", ".gltf", ".obj"})
_MODELS = _FIRST | FORMATS.keys()
_LAYERS = frozenset({".usd", ".usda", ".usdc"})
KINDS = "GLB, glTF, OBJ, STL, PLY, OFF, 3MF, DAE, USD and FBX"
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


class Folder(Dataset):
    """A folder of models in common formats."""

    takes_units: ClassVar[bool] = True

    def entries(self) -> Iterator[FileEntry]:
        """List the models, sorted by path."""
        files = self._files()
        models = sorted(file for file in files if file.suffix.lower() in _MODELS)
        if not models:
            raise LibraryGoneError(f"{self.options.path} holds no model ({KINDS} are read); give a folder that does")
        descriptions = None if self.options.captions is None else read_descriptions(self.options.captions)
        sidecars = _Sidecars(files)
        shared = Counter(file.with_suffix("") for file in models)
        first = Counter(file.with_suffix("") for file in models if file.suffix.lower() in _FIRST)
        taken: dict[str, int] = {}
        used: set[str] = set()
        for file in models:
            bare = file.with_suffix("")
            alone = shared[bare] == 1 or (file.suffix.lower() in _FIRST and first[bare] == 1)
            description = _described(file, descriptions, used)
            yield FileEntry(
                asset_id=unique_id(_clean_id(bare if alone else file), taken),
                fingerprint=fingerprint_of(
                    [str(file), files[file].st_size, files[file].st_mtime_ns],
                    [description.english, description.chinese, description.attributes],
                    *self._made_by(file, sidecars),
                ),
                file=str(file),
                description=description,
            )
        unknown = sorted((descriptions or {}).keys() - used)
        if unknown:
            log.warning("%s: %d ids have no model, for example %s", self.options.captions, len(unknown), unknown[0])

    def _made_by(self, file: PurePosixPath, sidecars: _Sidecars) -> list[Any]:
        """What else a model is made from: a conversion, the files around it, and what the user says of its unit."""
        suffix, said = file.suffix.lower(), [None if by == AUTO else by for by in (self.options.unit, self.options.up)]
        revision = FORMATS_REVISION if suffix in FORMATS else REVISION
        return [
            None if suffix == ".glb" else [revision, sidecars.of(file)],
            *([said] if any(said) else []),
        ]

    def _files(self) -> dict[PurePosixPath, os.stat_result]:
        root = self.options.path
        if not is_folder(root):
            raise LibraryGoneError(f"there is no folder {root}; give a folder of models")
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
        forced = Forced(self.options.unit, self.options.up)
        with readable(f"{entry.asset_id}: cannot read {source}"):
            faces, space = _put(source, self.options.path, models / model, forced)
        said = {} if space is None else {"made_from": space.attribute(_name(source.suffix.lower()))}
        return Asset(
            asset_id=entry.asset_id,
            fingerprint=entry.fingerprint,
            captions_english=entry.description.english,
            captions_chinese=entry.description.chinese,
            model=model,
            attributes={"faces": faces, **said, **entry.description.attributes},
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


class _Sidecars:
    """Fingerprints of what lies below folders and may be a part of a model there."""

    def __init__(self, files: Mapping[PurePosixPath, os.stat_result]) -> None:
        parts = {file: facts for file, facts in files.items() if file.suffix.lower() not in _MODELS}
        layers = {file: facts for file, facts in files.items() if file.suffix.lower() in _LAYERS}
        self._parts = _by_folder(parts)
        self._with_layers = _by_folder({**parts, **layers})

    def of(self, file: PurePosixPath) -> str | None:
        """Those of textures, materials, buffers and layers, where the format of a model calls for such."""
        suffix = file.suffix.lower()
        if suffix in _LAYERS:
            return self._with_layers.get(file.parent)
        return None if suffix in FORMATS and not FORMATS[suffix].calls_for_files else self._parts.get(file.parent)


def _by_folder(files: Mapping[PurePosixPath, os.stat_result]) -> dict[PurePosixPath, str]:
    found: dict[PurePosixPath, list[tuple[str, int, int]]] = defaultdict(list)
    for file, facts in files.items():
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


def _name(suffix: str) -> str:
    return FORMATS[suffix].name if suffix in FORMATS else suffix[1:]


def _put(source: Path, root: Path, target: Path, forced: Forced) -> tuple[int, Space | None]:
    """Write the GLB of a model, count its faces, and say what was taken for its unit and axis; None for glTF."""
    suffix = source.suffix.lower()
    with open_inside(source, root) as file:
        if suffix == ".glb":
            checked_size(file, MOST_GLB_BYTES)
            copy_whole(file, target)
            content = b""
        else:
            content = read_whole(file, MOST_BYTES)
    if suffix == ".gltf":
        write_whole(target, pack_gltf(content, FolderFiles(source.parent, root))[0])
    if suffix in {".glb", ".gltf"}:
        space = GLTF_SPACE.forced(forced.unit, forced.up)
        return settled(target, str(source), forced), space if forced else None
    files = FolderFiles(source.parent, root)
    conversion, space = convert(suffix, content, files, forced) if suffix in FORMATS else _obj(content, files, forced)
    if conversion.missing_textures:
        missing = conversion.missing_textures
        shown = ", ".join(name[:_SHOWN] for name in missing[:_FEW])
        log.warning("%s: no %d textures (%s); plain colours are shown", source, len(missing), shown)
    write_whole(target, conversion.glb)
    if suffix == ".obj" and forced:
        settled(target, str(source), forced)
    return conversion.faces, space


def _obj(content: bytes, files: FolderFiles, forced: Forced) -> tuple[Conversion, Space]:
    return convert_obj(content, files), OBJ_SPACE.forced(forced.unit, forced.up)
