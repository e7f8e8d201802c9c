"""Boxes of GLBs: exact under any placement, for what is drawn, and bounded on files made to harm."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from meshseek.errors import UnreadableAssetError
from meshseek.meshes import bounds
from meshseek.meshes.bounds import Box, measure_glb
from meshseek.meshes.glb import encode_glb

TETRAHEDRON = np.array([(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 3)], np.float32)
FACES = np.array([0, 1, 2, 0, 1, 3], np.uint16)
HALF_TURN = [0.0, float(np.sin(np.pi / 8)), 0.0, float(np.cos(np.pi / 8))]
"""An eighth of a turn about the vertical axis, as a quaternion."""
KINDS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
Tree = dict[str, Any]


def glb(*numbers: NDArray[Any], **tables: Any) -> bytes:
    """A GLB with an accessor for each array; one node shows the first two as positions and faces, unless said."""
    binary, views, accessors = b"", [], []
    for number, array in enumerate(numbers):
        rows = array.reshape(len(array), -1)
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes})
        kind = {"componentType": KINDS[array.dtype.str[1:]], "type": TYPES[rows.shape[1]]}
        accessors.append({"bufferView": number, "count": len(rows), **kind})
        binary += array.tobytes() + bytes(-array.nbytes % 4)
    tree = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
        **tables,
    }
    return encode_glb(tree, binary)


def measured(data: bytes) -> Box | None:
    """The box of a file with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.glb")
        path.write_bytes(data)
        return measure_glb(path)


def sides(data: bytes) -> tuple[float, float, float]:
    """Width, height and depth."""
    box = measured(data)
    assert box is not None
    return box.sides


def altered(data: bytes, change: Any) -> bytes:
    """The file with its tree changed by a function."""
    length = struct.unpack_from("<I", data, 12)[0]
    tree = json.loads(data[20 : 20 + length])
    change(tree)
    return encode_glb(tree, data[28 + length :])


def test_the_box_is_what_the_vertices_span() -> None:
    """Width is along x, height along y and depth along z, and the box says where it lies."""
    box = measured(glb(TETRAHEDRON + 5, FACES))

    assert box is not None
    assert box.sides == (1, 2, 3)
    assert (box.low, box.high) == ((5, 5, 5), (6, 7, 8))


def test_vertices_without_a_face_do_not_count() -> None:
    """What no face has is not drawn, such as the other parts of a list that many parts share."""
    assert sides(glb(TETRAHEDRON, np.array([0, 1, 2], np.uint16))) == (1, 2, 0)


def test_a_turned_model_has_the_box_of_its_vertices_not_of_its_box() -> None:
    """A diamond that is turned by an eighth becomes a square; its turned box would be twice as wide."""
    diamond = np.array([(1, 0, 0), (0, 0, 1), (-1, 0, 0), (0, 1, -1)], np.float32)
    turned = sides(glb(diamond, FACES, nodes=[{"mesh": 0, "rotation": HALF_TURN}]))

    assert turned == pytest.approx((np.sqrt(2), 1, np.sqrt(2)))


def test_nodes_scale_turn_and_move_what_is_below_them() -> None:
    """Outer nodes act on inner ones; a matrix is the same as its parts, and the length of a quaternion says nothing."""
    quarter = [0, np.sqrt(0.5), 0, np.sqrt(0.5)]
    nodes: list[Tree] = [
        {"children": [1], "scale": [10, 1, 1]},
        {"children": [2], "rotation": [5 * part for part in quarter]},
        {"mesh": 0, "matrix": [2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0, 7, 7, 7, 1]},
    ]
    box = measured(glb(TETRAHEDRON, FACES, nodes=nodes))

    assert box is not None
    assert box.sides == pytest.approx((10 * 3 * 4, 2 * 3, 1 * 2))
    assert box.low == pytest.approx((70, 7, -9))


def test_a_mesh_that_is_shown_twice_is_measured_twice() -> None:
    """Two legs stand a metre apart."""
    nodes = [{"children": [1, 2]}, {"mesh": 0}, {"mesh": 0, "translation": [1, 0, 0]}]
    assert sides(glb(TETRAHEDRON, FACES, nodes=nodes)) == (2, 2, 3)


@pytest.mark.parametrize(
    ("more", "width"),
    [
        ({"scenes": [{"nodes": [0]}, {"nodes": [0, 1]}]}, 1),
        ({"scenes": [{"nodes": [0]}, {"nodes": [0, 1]}], "scene": 1}, 6),
        ({"scenes": []}, 6),
    ],
)
def test_the_scene_that_is_shown_counts(more: Tree, width: float) -> None:
    """The one that is named, else the first; without scenes, all that is there."""
    nodes = [{"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}]
    assert sides(glb(TETRAHEDRON, FACES, nodes=nodes, **more))[0] == width


def test_lines_and_points_have_no_surface() -> None:
    """Only what the renderer draws is measured."""
    line = {"attributes": {"POSITION": 2}, "mode": 1}
    meshes = [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}, line]}]
    assert sides(glb(TETRAHEDRON, FACES, 100 * TETRAHEDRON, meshes=meshes)) == (1, 2, 3)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        (np.array([(0, 0, 0), (127, 0, 0), (0, -128, 0), (0, 0, 127)], np.int8), (1, 1, 1)),
        (np.array([(0, 0, 0), (65535, 0, 0), (0, 65535, 0), (0, 0, 13107)], np.uint16), (1, 1, 0.2)),
    ],
)
def test_whole_numbers_are_read_as_they_are_meant(positions: NDArray[Any], expected: tuple[float, ...]) -> None:
    """Normalised positions are fractions; others are the numbers themselves."""
    data = glb(positions, FACES)
    fractions = altered(data, lambda tree: tree["accessors"][0].update(normalized=True))

    assert sides(fractions) == pytest.approx(expected)
    assert sides(data) == pytest.approx(tuple(np.ptp(positions.astype(int), axis=0)))


def test_strides_and_data_inside_the_tree() -> None:
    """Vertices that lie among other numbers are found."""
    mixed = np.concatenate([TETRAHEDRON, np.full((4, 3), 99, np.float32)], axis=1).reshape(-1, 3)

    def interleave(tree: Tree) -> None:
        tree["accessors"][0]["count"] = 4
        tree["bufferViews"][0]["byteStride"] = 24

    assert sides(altered(glb(mixed, FACES), interleave)) == (1, 2, 3)


def test_a_skin_moves_vertices_instead_of_their_node() -> None:
    """Armatures in centimetres: the node's own scale does not count, the joints' does."""
    inverse = np.eye(4, dtype=np.float32)
    inverse[3, :3] = (5, 6, 7)  # by columns: moved by so much
    inverse = inverse.reshape(1, 16)
    joints, weights = np.zeros((4, 4), np.uint8), np.array([[1, 0, 0, 0]] * 4, np.float32)
    attributes = {"POSITION": 0, "JOINTS_0": 3, "WEIGHTS_0": 4}
    tables: Tree = {
        "nodes": [{"children": [1, 2]}, {"scale": [0.01] * 3}, {"mesh": 0, "skin": 0, "scale": [500] * 3}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 1}]}],
        "skins": [{"joints": [1], "inverseBindMatrices": 2}],
    }
    arrays = (100 * TETRAHEDRON, FACES, inverse, joints, weights)

    skinned = measured(glb(*arrays, **tables))
    assert skinned is not None
    assert skinned.sides == pytest.approx((1, 2, 3))
    assert skinned.low == pytest.approx((0.05, 0.06, 0.07))
    unsound_skins: tuple[Any, ...] = (
        None,
        5,
        [],
        [None],
        [{"joints": [9]}],
        [{"joints": [1], "inverseBindMatrices": 99}],
        [{}],
    )
    for skins in unsound_skins:
        unsound = glb(*arrays, **{**tables, "skins": skins})
        assert sides(unsound) == pytest.approx((50_000, 100_000, 150_000))


def test_compressed_positions_are_taken_as_stated() -> None:
    """The file must state them; where it does not, or states nonsense, nothing is known."""

    def compress(tree: Tree, **stated: Any) -> None:
        tree["extensionsRequired"] = ["KHR_draco_mesh_compression"]
        del tree["accessors"][0]["bufferView"]
        tree["accessors"][0].update(stated)

    def with_bounds(**stated: Any) -> bytes:
        return altered(glb(TETRAHEDRON, FACES), lambda tree: compress(tree, **stated))

    assert sides(with_bounds(min=[0, 0, 0], max=[1, 2, 4])) == (1, 2, 4)
    for nonsense in ({}, {"min": [0, 0], "max": [1, 1]}, {"min": [0, 2, 0], "max": [1, 0, 1]}, {"min": "a", "max": {}}):
        assert measured(with_bounds(**nonsense)) is None


def test_nodes_in_a_circle_stand_once() -> None:
    """A child that is its own ancestor, and one of two parents, neither hang nor grow."""
    nodes = [{"children": [1, 1]}, {"mesh": 0, "children": [0, 1], "scale": [2, 2, 2]}]
    assert sides(glb(TETRAHEDRON, FACES, nodes=nodes)) == (2, 4, 6)


def test_paths_that_double_at_every_node_are_walked_once() -> None:
    """Forty nodes that each name the next one twice would be a million million ways."""
    nodes: list[Tree] = [{"children": [number + 1] * 2} for number in range(40)]
    assert sides(glb(TETRAHEDRON, FACES, nodes=[*nodes, {"mesh": 0}])) == (1, 2, 3)


def test_a_long_chain_of_nodes_needs_no_stack() -> None:
    """Ten thousand nodes, each below the other."""
    nodes: list[Tree] = [{"children": [number + 1]} for number in range(10_000)]
    assert sides(glb(TETRAHEDRON, FACES, nodes=[*nodes, {"mesh": 0}])) == (1, 2, 3)


def test_numbers_that_are_none() -> None:
    """A vertex that is nowhere is passed over; a model that is nowhere, or has no extent, has no box."""
    torn = np.concatenate([TETRAHEDRON, [(np.nan, 9, 9), (np.inf, 9, 9)]]).astype(np.float32)
    every = np.arange(6, dtype=np.uint16)

    assert sides(glb(torn, every)) == (1, 2, 3)
    assert sides(glb(torn, every, nodes=[{"mesh": 0, "rotation": HALF_TURN}]))[1] == pytest.approx(2)
    assert measured(glb(np.full((3, 3), np.nan, np.float32), every[:3])) is None
    assert measured(glb(np.ones((3, 3), np.float32), every[:3])) is None
    huge = [{"mesh": 0, "scale": [1e308] * 3, "children": [1]}, {"mesh": 0, "scale": [1e308] * 3}]
    assert measured(glb(TETRAHEDRON, FACES, nodes=huge)) is None
    with pytest.raises(UnreadableAssetError, match="matrix"):
        measured(glb(TETRAHEDRON, FACES, nodes=[{"mesh": 0, "matrix": [float("nan")] * 16}]))


def test_indices_that_point_nowhere_are_passed_over() -> None:
    """As the renderer leaves out such faces."""
    assert sides(glb(TETRAHEDRON, np.array([0, 1, 2, 0, 1, 65535], np.uint16))) == (1, 2, 0)


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound, what the file states is turned, which may be too large; too many parts are not measured."""

    def state(tree: Tree) -> None:
        tree["accessors"][0].update(min=[0, 0, 0], max=[1, 2, 3])

    turned = altered(glb(TETRAHEDRON, FACES, nodes=[{"mesh": 0, "rotation": HALF_TURN}]), state)
    exact = sides(turned)
    monkeypatch.setattr(bounds, "MOST_POINTS", 3)
    assert sides(turned)[0] > exact[0] + 0.5
    monkeypatch.setattr(bounds, "MOST_PARTS", 0)
    assert measured(turned) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-100, 100, width=32)] * 3), min_size=3, max_size=12),
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "translation": st.lists(st.floats(-10, 10), min_size=3, max_size=3),
                "rotation": st.lists(st.floats(-1, 1), min_size=4, max_size=4),
                "scale": st.lists(st.floats(-3, 3), min_size=3, max_size=3),
            },
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_the_box_holds_every_vertex_and_touches_some(corners: list[tuple[float, ...]], nodes: list[Tree]) -> None:
    """Whatever the nodes do: as computed vertex by vertex, in another way."""
    points = np.array(corners, np.float32)
    chain = [{**node, "children": [number + 1]} for number, node in enumerate(nodes)]
    box = measured(glb(points, np.arange(len(points) // 3 * 3, dtype=np.uint16), nodes=[*chain, {"mesh": 0}]))

    moved = points[: len(points) // 3 * 3].astype(np.float64)
    for node in reversed(nodes):
        moved = moved * node.get("scale", 1)
        moved = np.array([_rotated(point, node.get("rotation", [0, 0, 0, 1])) for point in moved])
        moved = moved + node.get("translation", 0)
    if box is None:
        assert np.ptp(moved, axis=0).max() == pytest.approx(0, abs=1e-9)
    else:
        assert np.allclose(box.low, moved.min(axis=0), atol=1e-6 * (1 + abs(moved).max()))
        assert np.allclose(box.high, moved.max(axis=0), atol=1e-6 * (1 + abs(moved).max()))


def _rotated(point: NDArray[np.float64], quaternion: list[float]) -> NDArray[np.float64]:
    """By the formula with cross products."""
    length = float(np.linalg.norm(quaternion))
    if length <= 1e-12:
        return point
    *axis, real = np.array(quaternion) / length
    across = 2 * np.cross(axis, point)
    turned: NDArray[np.float64] = point + real * across + np.cross(axis, across)
    return turned
