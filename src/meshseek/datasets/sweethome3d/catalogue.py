"""The catalogue inside a Sweet Home 3D furniture library (``.sh3f``)."""

from __future__ import annotations

import math
import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from meshseek.datasets._files import fingerprint_of
from meshseek.errors import DatasetError, UnreadableAssetError
from meshseek.language import detect_language
from meshseek.meshes.model_files import UNREADABLE
from meshseek.untrusted.archives import Archive, opened_archive

_CATALOGUE = "PluginFurnitureCatalog"
_SOURCE_TAGS = frozenset({"blend swap", "scpts"})
"""Tags that say where a model came from, not what it is."""

_LINE = re.compile(r"((?:\\.|[^\\=:\s])+)\s*[=:]?\s*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)", re.DOTALL)
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_ITEM_KEY = re.compile(r"(\w+)#([0-9]{1,9})")
MOST_TEXT_BYTES = 16 << 20
"""Of each text of the catalogue, unpacked."""
_MANY_FILES = 1000
_LARGEST_CM = 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueItem:
    """One piece of furniture as its catalogue describes it."""

    number: int
    fields: Mapping[str, str]
    """The default catalogue's text by key, without ``#N``."""
    chinese: tuple[str, str]
    """Name in the files for China and for Taiwan; empty where the file has none."""
    licence: str
    model: str
    """The OBJ's name in the zip."""
    fingerprint: str

    @property
    def short_id(self) -> str:
        """The part of the id behind the library's own; the number where the item has no id."""
        return self.fields.get("id", "").rpartition("#")[2].strip() or str(self.number)

    @property
    def name(self) -> str:
        """The English name."""
        return " ".join(self.fields.get("name", "").split())

    @property
    def category(self) -> str:
        """The English category; may be empty."""
        return self.fields.get("category", "").strip()

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags about the thing itself."""
        tags = dict.fromkeys(tag.strip() for tag in self.fields.get("tags", "").split(","))
        return tuple(tag for tag in tags if tag and tag.casefold() not in _SOURCE_TAGS)

    @property
    def caption(self) -> str:
        """Name, tags and category in one line, such as ``Armchair, seat, living room``."""
        words = (self.name, *(_lower(word) for word in (*self.tags, self.category)))
        return ", ".join({word.casefold(): word for word in reversed(words) if word}[key] for key in _distinct(words))

    @property
    def size_cm(self) -> tuple[float, float, float]:
        """Width, depth and height in centimetres.

        Raises:
            UnreadableAssetError: One is missing or not a positive number.
        """
        width, depth, height = (_number(self.fields.get(key, "")) for key in ("width", "depth", "height"))
        if not all(0 < side <= _LARGEST_CM for side in (width, depth, height)):
            raise UnreadableAssetError("the catalogue gives it no valid size; fix the catalogue")
        return width, depth, height

    @property
    def rotation(self) -> tuple[float, ...] | None:
        """``modelRotation``: nine numbers, row by row.

        Raises:
            UnreadableAssetError: It is there, but is not nine numbers.
        """
        numbers = tuple(_number(token) for token in self.fields.get("modelRotation", "").split())
        if len(numbers) not in {0, 9} or not all(map(math.isfinite, numbers)):
            raise UnreadableAssetError("its modelRotation is not nine numbers; fix the catalogue")
        return numbers or None


def read_catalogue(path: Path, root: Path, *, revision: int) -> tuple[CatalogueItem, ...]:
    """Read the items of a library; no model is opened.

    Args:
        path: The ``.sh3f`` file.
        root: Where it must really lie: a folder, or the file itself.
        revision: Number of the converter; part of every fingerprint.

    Raises:
        DatasetError: The file is damaged, or is not a furniture library.
    """
    cure = "copy or download it again, or take it out of the folder"
    try:
        with opened_archive(path, root) as library:
            if f"{_CATALOGUE}.properties" not in library.members:
                raise DatasetError(f"{path} holds no {_CATALOGUE}.properties, so it is not a furniture library; {cure}")
            texts = {name: _member(library, f"{_CATALOGUE}{name}.properties") for name in ("", "_zh_CN", "_zh_TW")}
            licence = _member(library, "LICENSE.TXT")
            folders = _folder_contents(library)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or 'the disk does not answer'}; {cure}") from error
    except UnreadableAssetError as error:
        raise DatasetError(f"cannot read {path}: {error}, or take the library out of the folder") from error
    except UNREADABLE as error:
        raise DatasetError(f"{path} is damaged; {cure}") from error
    properties = {name: parse_properties(text) for name, text in texts.items()}
    pack_licence = licence_id(properties[""].get("license", ""), licence)
    digests = {folder: _digestible(contents) for folder, contents in folders.items()}
    items = []
    for number, fields in sorted(_items(properties[""]).items()):
        model = posixpath.normpath(fields.get("model", "")).lstrip("/")
        chinese = (properties["_zh_CN"].get(f"name#{number}", ""), properties["_zh_TW"].get(f"name#{number}", ""))
        item_licence = licence_id(fields["license"], "") if fields.get("license") else pack_licence
        contents = digests.get(posixpath.dirname(model), [])
        items.append(
            CatalogueItem(
                number=number,
                fields=fields,
                chinese=chinese,
                licence=item_licence,
                model=model,
                fingerprint=fingerprint_of(revision, fields, chinese, item_licence, contents),
            )
        )
    return tuple(items)


def parse_properties(text: str) -> dict[str, str]:
    r"""Parse a Java properties file: comments, continued lines, ``\uXXXX`` and the other escapes."""
    logical = re.sub(r"(?<!\\)((?:\\\\)*)\\(?:\r\n|\r|\n)[ \t\f]*", r"\1", text)
    properties = {}
    for line in re.split(r"[\r\n]+", logical):
        stripped = line.lstrip()
        if stripped and stripped[0] not in "#!" and (match := _LINE.fullmatch(stripped)):
            properties[_unescape(match[1])] = _unescape(match[2])
    return properties


def licence_id(stated: str, licence_file: str) -> str:
    """The SPDX name of a licence; what is not known stays as stated.

    Args:
        stated: The catalogue's ``license`` line.
        licence_file: Text of the pack's ``LICENSE.TXT``; tells what a mere 'Public domain' means.
    """
    attribution = re.search(r"Attribution((?:[- ][A-Z]\w+)*)\s+(\d\.\d)( United States)?", stated)
    if attribution:
        extras = {"NonCommercial": "-NC", "NoDerivs": "-ND", "NoDerivatives": "-ND", "ShareAlike": "-SA"}
        middle = "".join(extras.get(word, "") for word in re.findall(r"\w+", attribution[1]))
        return f"CC-BY{middle}-{attribution[2]}" + ("-US" if attribution[3] else "")
    if re.search(r"CC-?0|Creative Commons Zero", f"{stated}\n{licence_file}"):
        return "CC0-1.0"
    return " ".join(stated.split()) or "unknown"


def is_chinese(name: str) -> bool:
    """Tell a true Chinese name from one that was left in English."""
    return detect_language(name) == "chinese"


def _number(text: str) -> float:
    """The number; none where the text is not one."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _items(properties: Mapping[str, str]) -> dict[int, dict[str, str]]:
    items: dict[int, dict[str, str]] = defaultdict(dict)
    for key, value in properties.items():
        if match := _ITEM_KEY.fullmatch(key):
            items[int(match[2])][match[1]] = value
    return {number: fields for number, fields in items.items() if fields.get("model")}


def _member(library: Archive, name: str) -> str:
    return library.read(name, MOST_TEXT_BYTES).decode("latin-1") if name in library.members else ""


def _digestible(contents: list[tuple[str, int, int]]) -> Any:
    """What stands for the files of a folder in the fingerprint of each item in it; of many, a digest made once."""
    return contents if len(contents) <= _MANY_FILES else fingerprint_of(contents)


def _folder_contents(library: Archive) -> dict[str, list[tuple[str, int, int]]]:
    """Name, checksum and size of each file below each folder."""
    contents: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for info in library.listed:
        for folder in PurePosixPath(info.filename).parents:
            contents["" if str(folder) == "." else str(folder)].append((info.filename, info.CRC, info.file_size))
    return contents


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _CONTROLS.get(match[2], match[2])

    plain = _ESCAPE.sub(replace, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _lower(word: str) -> str:
    """Lower case inside a sentence, except in abbreviations such as TV."""
    return word if word.isupper() else word.lower()


def _distinct(words: tuple[str, ...]) -> dict[str, None]:
    return dict.fromkeys(word.casefold() for word in words if word)
