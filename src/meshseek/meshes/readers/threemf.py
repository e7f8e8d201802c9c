"""3MF: a zip of XML, with its unit, Z up, objects made of objects, and colours; textures are not read.

The core specification and of its extensions those for production (objects in several parts) and for colours.
"""

from __future__ import annotations

import math
import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.mtl import linear
from meshseek.meshes.spaces import UNITS
from meshseek.meshes.surfaces import GREY, WHITE, Content, Surface, count_places
from meshseek.untrusted.archives import Archive, archive_of
from meshseek.untrusted.xml import walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEEPEST = 32
_MOST_PARTS = 1000
_MOST_SHOWN = 20_000
"""Objects, each as often as it is shown."""
_ROOT: Final = "_rels/.rels"
_KIND: Final = "3dmodel"
_UNITS: Final = {
    "micron": UNITS["micron"],
    "millimeter": UNITS["mm"],
    "centimeter": UNITS["cm"],
    "meter": UNITS["m"],
    "inch": UNITS["inch"],
    "foot": UNITS["foot"],
}
_NUMBERS = 12
_NAMESPACES: Final = tuple(
    f"http://schemas.microsoft.com/3dmanufacturing/{name}/" for name in ("core", "material", "production")
)
Colour = tuple[float, float, float, float]
Attributes = Mapping[str, str]


@dataclass(slots=True)
class _Use:
    """An object where another, or the build, shows it."""

    part: str
    number: str
    matrix: NDArray[np.float64]


@dataclass(slots=True)
class _Object:
    vertices: list[tuple[float, float, float]] = field(default_factory=list)
    triangles: list[tuple[int, int, int]] = field(default_factory=list)
    colours: list[Colour | None] = field(default_factory=list)
    uses: list[_Use] = field(default_factory=list)
    looks: tuple[str, str] = ("", "0")
    """Property group and its row for triangles that name none."""


class _Part:
    """One model part while it is read."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.unit: str | None = None
        self.objects: dict[str, _Object] = {}
        self.build: list[_Use] = []
        self._groups: dict[str, list[Colour]] = {}
        self._object = _Object()
        self._group: list[Colour] = []
        walk(content, self._begin, _NAMESPACES)

    def _begin(self, name: str, given: Attributes) -> None:
        if name == "vertex":
            self._object.vertices.append((float(given["x"]), float(given["y"]), float(given["z"])))
        elif name == "triangle":
            self._triangle(given)
        elif name == "object":
            self._object = self.objects[given["id"]] = _Object(looks=(given.get("pid", ""), given.get("pindex", "0")))
        elif name in {"component", "item"}:
            uses = self.build if name == "item" else self._object.uses
            uses.append(_Use(_path(given.get("path"), self.name), given["objectid"], _matrix(given.get("transform"))))
        elif name in {"basematerials", "colorgroup"}:
            self._group = self._groups.setdefault(given.get("id", ""), [])
        elif name in {"base", "color"}:
            self._group.append(_colour(given.get("displaycolor") or given.get("color") or ""))
        elif name == "model":
            self.unit = given.get("unit")

    def _triangle(self, given: Attributes) -> None:
        self._object.triangles.append((int(given["v1"]), int(given["v2"]), int(given["v3"])))
        group, row = self._object.looks
        if "pid" in given or "p1" in given:
            group, row = given.get("pid", group), given.get("p1", row)
        colours = self._groups.get(group)
        number = int(row) if row.isdecimal() else 0
        self._object.colours.append(colours[number] if colours and number < len(colours) else None)


class _Package:
    """The parts of a file, each read when it is first named."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._parts: dict[str, _Part] = {}
        self._surfaces: dict[tuple[str, str], Surface | None] = {}
        self._places = 0

    def part(self, name: str) -> _Part:
        if name not in self._parts:
            if len(self._parts) >= _MOST_PARTS:
                raise UnreadableAssetError(f"it has more than {_MOST_PARTS:,} parts; join them")
            self._parts[name] = _Part(name, self._archive.read(name))
        return self._parts[name]

    def shown(self, use: _Use, depth: int = 0) -> Iterator[Surface]:
        """The surfaces of an object, and of those that it is made of."""
        self._places += 1
        if depth > _DEEPEST or self._places > _MOST_SHOWN:
            raise UnreadableAssetError("its objects are made of too many others; join them")
        found = self.part(use.part).objects.get(use.number)
        if found is None:
            raise UnreadableAssetError("it shows an object that is not in it; export it again")
        key = use.part, use.number
        if key not in self._surfaces:
            self._surfaces[key] = _surface(found)
        own = self._surfaces[key]
        if own is not None:
            yield own.placed(use.matrix)
        for below in found.uses:
            yield from self.shown(_Use(below.part, below.number, use.matrix @ below.matrix), depth + 1)


def read_3mf(content: bytes) -> Content:
    """What a 3MF file builds.

    Raises:
        UnreadableAssetError: It is damaged, or unpacks to too much.
        ValueError, KeyError, zipfile.BadZipFile: It is damaged.
    """
    with archive_of(content) as archive:
        package = _Package(archive)
        root = package.part(_root(archive))
        surfaces = list(count_places(surface for use in root.build for surface in package.shown(use)))
    return Content(surfaces=surfaces, metres=None if root.unit is None else _UNITS.get(root.unit.lower()))


def _root(archive: Archive) -> str:
    """The part that says what is built."""
    targets: list[str] = []

    def began(name: str, given: Attributes) -> None:
        if name == "Relationship" and given.get("Type", "").endswith(_KIND):
            targets.append(given.get("Target", ""))

    if _ROOT in archive.members:
        walk(archive.read(_ROOT), began)
    named = [_path(target, "") for target in targets]
    models = [*named, *sorted(name for name in archive.members if name.lower().endswith(".model"))]
    root = next((name for name in models if name in archive.members), None)
    if root is None:
        raise zipfile.BadZipFile("there is no model part")
    return root


def _path(text: str | None, default: str) -> str:
    return default if text is None else posixpath.normpath(text.lstrip("/"))


def _matrix(text: str | None) -> NDArray[np.float64]:
    """(4, 4) from the twelve numbers of a transform, which are written for row vectors."""
    matrix = np.eye(4)
    if text is not None:
        numbers = [float(number) for number in text.split()]
        if len(numbers) != _NUMBERS or not all(map(math.isfinite, numbers)):
            raise ValueError("a transform has no twelve numbers")
        matrix[:3] = np.array(numbers).reshape(4, 3).T
    return matrix


def _colour(text: str) -> Colour:
    """From ``#RRGGBB`` or ``#RRGGBBAA``."""
    levels = [value / 255 for value in bytes.fromhex(text.removeprefix("#"))]
    red, green, blue, opacity = [*levels, 1.0, 1.0, 1.0, 1.0][:4] if len(levels) in {3, 4} else [0.6, 0.6, 0.6, 1.0]
    return linear(red), linear(green), linear(blue), opacity


def _surface(found: _Object) -> Surface | None:
    if not found.triangles:
        return None
    vertices = np.array(found.vertices, np.float64).reshape(-1, 3)
    faces = np.array(found.triangles, np.int64)
    sound = ((faces >= 0) & (faces < len(vertices))).all(axis=1)
    colours = None
    if any(found.colours):
        rows = np.array([colour or GREY.colour for colour in found.colours])[sound]
        colours = np.repeat(rows[:, None], 3, axis=1)
    return Surface(corners=vertices[faces[sound]], colours=colours, material=GREY if colours is None else WHITE)
