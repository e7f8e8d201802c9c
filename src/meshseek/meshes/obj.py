"""Wavefront OBJ text to triangles, with whole columns of numbers converted at once."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from meshseek.errors import UnreadableAssetError
from meshseek.meshes.polygons import triangulate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CORNER_FIELDS = 3
_FARTHEST = 1e9
"""In the file's unit; the squares of such coordinates still fit in 32-bit floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjMesh:
    """The triangles of an OBJ file; polygons are cut up, lines and points are left out."""

    positions: Floats
    """(n, 3), in the file's own unit."""
    texcoords: Floats
    """(m, 2), the origin at the lower left."""
    normals: Floats
    """(k, 3), not always of length 1."""
    corners: Ints
    """(triangles, 3, 3): for each corner the index of its position, texcoord and normal; -1 where it has none."""
    materials: Ints
    """(triangles,): index in ``material_names``."""
    material_names: tuple[str, ...]
    libraries: tuple[str, ...]
    """Names of the MTL files."""


@dataclass(slots=True)
class _Lines:
    """The lines of an OBJ file by kind, without their keywords."""

    positions: list[str] = field(default_factory=list)
    texcoords: list[str] = field(default_factory=list)
    normals: list[str] = field(default_factory=list)
    faces: list[str] = field(default_factory=list)
    uses: list[tuple[int, str]] = field(default_factory=list)
    """Material names, each with the number of faces before it."""
    libraries: list[str] = field(default_factory=list)


def parse_obj(data: bytes) -> ObjMesh:
    """Read the triangles of an OBJ file.

    Raises:
        UnreadableAssetError: The text is not OBJ, or it has no triangle.
    """
    try:
        return _parse(_clean(data))
    except (ValueError, ArithmeticError) as error:
        raise UnreadableAssetError("a line of it does not hold the numbers it should; export it again") from error


def decode_text(data: bytes) -> str:
    """Text of an OBJ or MTL file, which names no encoding; some programs on Windows write UTF-16."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _parse(text: str) -> ObjMesh:
    lines = _sort(text)
    counts, corners = _corners(lines.faces)
    if (corners < 0).any():
        before = np.repeat(_elements_before_faces(text), counts, axis=0)
        corners = np.where(corners < 0, before + corners + 1, corners)
    positions = _numbers(lines.positions, 3)
    texcoords = _numbers(lines.texcoords, 2)
    normals = _numbers(lines.normals, 3)
    corners = _checked(corners - 1, (len(positions), len(texcoords), len(normals)))
    if not _is_usable(positions[corners[:, 0]]).all():
        raise UnreadableAssetError("a vertex is not a finite point, or is too far away; export it again")
    positions, texcoords, normals = (np.where(_is_usable(rows), rows, 0) for rows in (positions, texcoords, normals))
    cut, owners = triangulate(counts, positions[corners[:, 0]])
    if not len(cut):
        raise UnreadableAssetError("it has no faces; export it with faces")
    materials, names = _materials(lines)
    return ObjMesh(
        positions=positions,
        texcoords=texcoords,
        normals=normals,
        corners=corners[cut],
        materials=materials[owners],
        material_names=names,
        libraries=tuple(lines.libraries),
    )


def _clean(data: bytes) -> str:
    text = decode_text(data)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\\\n" in text:
        text = text.replace("\\\n", " ")
    if "\t" in text:
        text = text.replace("\t", " ")
    if "\n " in text:
        text = re.sub(r"\n +", "\n", text)
    return text


def _sort(text: str) -> _Lines:
    lines = _Lines()
    positions, texcoords, normals, faces = lines.positions, lines.texcoords, lines.normals, lines.faces
    for line in text.split("\n"):
        kind = line[:2]
        if kind == "f ":
            faces.append(line[2:])
        elif kind == "v ":
            positions.append(line[2:])
        elif kind == "vt":
            texcoords.append(line[3:])
        elif kind == "vn":
            normals.append(line[3:])
        elif kind == "us":
            lines.uses.append((len(faces), line.removeprefix("usemtl").strip()))
        elif kind == "mt":
            lines.libraries.append(line.removeprefix("mtllib").strip())
    return lines


def _numbers(lines: Sequence[str], width: int) -> Floats:
    """The first columns of all lines; files may hold colours or a third texture coordinate behind them."""
    if not lines:
        return np.empty((0, width))
    values = np.fromiter(map(float, " ".join(lines).split()), np.float64)
    columns = len(lines[0].split())
    if columns < width or len(values) != columns * len(lines):
        rows = [(line.split() + ["0"] * width)[:width] for line in lines]
        return np.array(rows, np.float64)
    return values.reshape(-1, columns)[:, :width]


def _corners(faces: list[str]) -> tuple[Ints, Ints]:
    """Number of corners of each face, and the three numbers of each corner as written (0 where left out)."""
    text = "\n".join(faces)
    if "/" in text:
        text = re.sub(r"/(?=\s|$)", "/0", text.replace("//", "/0/"))
        faces = text.split("\n")
    counts = np.fromiter((len(face.split()) for face in faces), np.int64, len(faces))
    slashes = np.fromiter((face.count("/") for face in faces), np.int64, len(faces))
    corners = np.zeros((counts.sum(), _CORNER_FIELDS), np.int64)
    known = np.zeros(len(faces), bool)
    for style in range(_CORNER_FIELDS):
        rows = (slashes == style * counts) & ~known
        known |= rows
        if rows.any():
            chosen = text if rows.all() else " ".join(faces[row] for row in np.flatnonzero(rows))
            values = np.fromiter(map(int, chosen.replace("/", " ").split()), np.int64)
            corners[np.repeat(rows, counts), : style + 1] = values.reshape(-1, style + 1)
    if not known.all():
        tokens = [token for row in np.flatnonzero(~known) for token in faces[row].split()]
        filled = [(token + "/0/0").split("/")[:_CORNER_FIELDS] for token in tokens]
        corners[np.repeat(~known, counts)] = np.array(filled, np.int64)
    return counts, corners


def _elements_before_faces(text: str) -> Ints:
    """Numbers of positions, texcoords and normals above each face: what negative indices count back from."""
    numbers = {"v ": 0, "vt": 0, "vn": 0}
    rows = []
    for line in text.split("\n"):
        kind = line[:2]
        if kind == "f ":
            rows.append(tuple(numbers.values()))
        elif kind in numbers:
            numbers[kind] += 1
    return np.array(rows, np.int64)


def _checked(corners: Ints, lengths: tuple[int, int, int]) -> Ints:
    wanted = corners[:, 0]
    if len(wanted) and (wanted.min() < 0 or wanted.max() >= lengths[0]):
        raise UnreadableAssetError("a face names a vertex that does not exist; export it again")
    return np.where((corners >= 0) & (corners < np.array(lengths)), corners, -1)


def _is_usable(values: Floats) -> NDArray[np.bool_]:
    return np.abs(values) < _FARTHEST


def _materials(lines: _Lines) -> tuple[Ints, tuple[str, ...]]:
    """Material of each face, and the names; faces before the first ``usemtl`` have the empty name."""
    uses = [(0, ""), *lines.uses]
    names = tuple(dict.fromkeys(name for _, name in uses))
    index = {name: number for number, name in enumerate(names)}
    starts = np.array([start for start, _ in uses] + [len(lines.faces)])
    return np.repeat([index[name] for _, name in uses], np.diff(starts)), names
