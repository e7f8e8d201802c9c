"""A GLB in another unit, or with another axis up: all that it shows hangs under one more node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshseek.meshes.glb import encode_glb
from meshseek.meshes.gltf import GlbFile


def placed_glb(glb: GlbFile, matrix: Sequence[Sequence[float]]) -> bytes:
    """The file with all scenes turned and scaled; what it has of meshes, pictures and motions is as it was.

    Args:
        glb: A checked file.
        matrix: Four rows of four numbers.

    Raises:
        OSError: It cannot be read.
    """
    tree, binary = glb.content()
    numbers = [row[column] for column in range(4) for row in matrix]
    nodes = tree.setdefault("nodes", [])
    if not tree.get("scenes"):
        children = {child for node in nodes for child in node.get("children", ())}
        tree["scenes"] = [{"nodes": [number for number in range(len(nodes)) if number not in children]}]
    for scene in tree["scenes"]:
        if scene.get("nodes"):
            root: dict[str, Any] = {"name": "unit and axes", "matrix": numbers, "children": scene["nodes"]}
            nodes.append(root)
            scene["nodes"] = [len(nodes) - 1]
    return encode_glb(tree, binary + bytes(-len(binary) % 4))
