"""Where the nodes of a glTF stand, and how its skins move vertices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from meshseek.meshes.gltf_schema import TRIANGLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.meshes.accessors import Accessors
    from meshseek.meshes.gltf_schema import GltfTree, Node, Primitive

MOST_JOINTS = 4096
"""A skin with more is passed over."""
_NO_TURN = 1e-12
_INFLUENCES = 4


def placements(tree: GltfTree) -> dict[int, NDArray[np.float64]]:
    """The matrix (4, 4) to the world of each node of the scene that is shown, parents before their children.

    That is the scene that the file names, else its first one; without scenes, all nodes. A node stands in one place
    only: a second parent is ignored, and so is a circle.
    """
    if tree.scenes:
        roots = tree.scenes[tree.scene or 0].nodes
    else:
        children = {child for node in tree.nodes for child in node.children}
        roots = [number for number in range(len(tree.nodes)) if number not in children]
    places: dict[int, NDArray[np.float64]] = {}
    waiting = [(number, np.eye(4)) for number in reversed(roots)]
    while waiting:
        number, above = waiting.pop()
        if number not in places:
            places[number] = above @ _matrix(tree.nodes[number])
            waiting += [(child, places[number]) for child in reversed(tree.nodes[number].children)]
    return places


def _matrix(node: Node) -> NDArray[np.float64]:
    """From the node to its parent: scaled, then turned, then moved."""
    if node.matrix is not None:
        return np.array(node.matrix).reshape(4, 4).T
    matrix = np.eye(4)
    if node.rotation is not None:
        matrix[:3, :3] = _turn(np.array(node.rotation))
    if node.scale is not None:
        matrix[:3, :3] *= node.scale
    if node.translation is not None:
        matrix[:3, 3] = node.translation
    return matrix


def _turn(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix (3, 3) of a quaternion x, y, z, w of any length."""
    length = float(np.linalg.norm(quaternion))
    if not _NO_TURN < length < np.inf:
        return np.eye(3)
    x, y, z, w = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


class Rig:
    """The skins of a file in the pose in which it stands. A skin that is not sound is none, as for the renderer."""

    def __init__(self, tree: GltfTree, accessors: Accessors, places: dict[int, NDArray[np.float64]]) -> None:
        self._tree = tree
        self._accessors = accessors
        self._places = places
        self._matrices: dict[int, NDArray[np.float64] | None] = {}

    def skinning(self, node: Node, primitive: Primitive) -> Skinning | None:
        """How the vertices of a primitive are moved; None where their node alone moves them."""
        skin = node.skin
        if type(skin) is not int:
            return None
        if skin not in self._matrices:
            self._matrices[skin] = self._joint_matrices(skin)
        matrices = self._matrices[skin]
        numbers = [primitive.attributes.get(name) for name in ("JOINTS_0", "WEIGHTS_0")]
        if matrices is None or None in numbers:
            return None
        joints, weights = (self._rows_of_four(number, primitive.attributes["POSITION"]) for number in numbers)
        if joints is None or weights is None or joints.dtype.kind != "u":
            return None
        return Skinning(matrices, joints, self._accessors.real(primitive.attributes["WEIGHTS_0"], weights))

    def _rows_of_four(self, number: int | None, positions: int) -> NDArray[Any] | None:
        assert number is not None
        accessor = self._tree.accessors[number]
        fits = accessor.width == _INFLUENCES and accessor.count == self._tree.accessors[positions].count
        return self._accessors.rows(number) if fits else None

    def _joint_matrices(self, number: int) -> NDArray[np.float64] | None:
        """From the mesh, as it was bound, to the world: (joints, 4, 4)."""
        skins = self._tree.skins
        skin = skins[number] if isinstance(skins, list) and 0 <= number < len(skins) else None
        joints = skin.get("joints") if isinstance(skin, dict) else None
        if not isinstance(joints, list) or not 0 < len(joints) <= MOST_JOINTS:
            return None
        if not all(type(joint) is int and joint in self._places for joint in joints):
            return None
        assert isinstance(skin, dict)
        placed = np.array([self._places[joint] for joint in joints])
        inverse = skin.get("inverseBindMatrices")
        if inverse is None:
            return placed
        if type(inverse) is not int or not 0 <= inverse < len(self._tree.accessors):
            return None
        accessor = self._tree.accessors[inverse]
        rows = self._accessors.rows(inverse) if accessor.type == "MAT4" and accessor.count >= len(joints) else None
        if rows is None or rows.dtype.kind != "f":
            return None
        bound = rows[: len(joints)].astype(np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices: NDArray[np.float64] = placed @ bound
        return matrices


class Skinning:
    """Moves vertices by the joints that they hang on.

    Args:
        matrices: (joints, 4, 4).
        joints: (vertices, 4) numbers of matrices.
        weights: (vertices, 4) how much each counts.
    """

    def __init__(
        self, matrices: NDArray[np.float64], joints: NDArray[np.unsignedinteger[Any]], weights: NDArray[np.float64]
    ) -> None:
        self._matrices = matrices
        self._joints = joints
        self._weights = weights

    def moved(self, positions: NDArray[np.float64], rows: slice) -> NDArray[np.float64]:
        """Positions (n, 3) of some of the vertices, in the world."""
        joints = np.minimum(self._joints[rows], len(self._matrices) - 1)
        weights = self._weights[rows]
        weights = weights / np.where(total := weights.sum(axis=1, keepdims=True), total, 1)
        blended = np.einsum("nk,nkij->nij", weights, self._matrices[joints][:, :, :3])
        moved: NDArray[np.float64] = np.einsum("nij,nj->ni", blended[:, :, :3], positions) + blended[:, :, 3]
        return moved


def is_drawn(primitive: Primitive) -> bool:
    """Whether a primitive has surfaces."""
    return primitive.mode >= TRIANGLES and "POSITION" in primitive.attributes
