"""Run by a process of its own, with Blender's module: makes a ``.blend`` with one asset of one GLB."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Do the job that stands on standard input, and say how the asset is called and by which Blender it was made."""
    job: dict[str, Any] = json.load(sys.stdin)
    bpy: Any = import_module("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=job["model"])
    made = bpy.data.collections.new(job["name"])
    for thing in list(bpy.context.scene.objects):
        for owner in list(thing.users_collection):
            owner.objects.unlink(thing)
        made.objects.link(thing)
    bpy.context.scene.collection.children.link(made)
    _describe(bpy, made, job)
    bpy.ops.wm.save_as_mainfile(filepath=job["blend"], compress=True)
    version = ".".join(map(str, bpy.app.version[:2]))
    sys.stdout.write(f"\nMESHSEEK {json.dumps({'name': made.name, 'version': version})}\n")


def _describe(bpy: Any, made: Any, job: dict[str, Any]) -> None:
    """Make an asset of a collection, with all that is known of it."""
    made.asset_mark()
    for name in ("author", "description", "license", "copyright"):
        setattr(made.asset_data, name, job[name])
    for tag in job["tags"]:
        made.asset_data.tags.new(tag, skip_if_exists=True)
    if job["thumbnail"] and Path(job["thumbnail"]).is_file():
        with bpy.context.temp_override(id=made):
            bpy.ops.ed.lib_id_load_custom_preview(filepath=job["thumbnail"])


if __name__ == "__main__":
    main()
