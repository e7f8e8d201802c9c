"""Measure: how large each asset is, and how sure we are of the unit, for every dataset alike.

An asset's attribute ``size`` is what its dataset states of it, else the box of its GLB, else the box that its pictures'
cameras tell. It needs no rendering and no model, so assets that an older Meshseek imported are measured where they are.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meshseek.errors import MeshseekError
from meshseek.meshes.bounds import Box, measure_glb
from meshseek.meshes.model_files import UNREADABLE
from meshseek.model import Asset, Certainty, ViewSet
from meshseek.pipeline.stage import Outcome, Task, run_stage
from meshseek.pipeline.workers import Workers, in_processes
from meshseek.reporting import Reporter
from meshseek.sizes import CM, SIDES, number
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import MEASURED, asset_from_row
from meshseek.workspace.view_files import open_camera

log = logging.getLogger(__name__)

REVISION = 1
"""Raised when the same asset gets another size, so that what was measured is measured anew."""
SMALLEST, LARGEST = 0.01, 30.0
"""Metres. glTF is in metres; a thing whose longest side is within these is likely to be, from a ring to a house. A
chair of 90 is one whose author worked in centimetres."""
UNIT_SIDES = (1.0, 2.0)
"""Longest sides of models that were scaled to a unit cube; these lie centred about the origin, as hardly a true thing
of one or two metres does, which stands on the floor."""
_SCALED, _CENTRED = 1e-3, 1e-2
_DIGITS = 6
_MOST_BYTES = 1 << 16
_LOT = 16_384
"""Rows that are measured in one go: enough to keep processes busy, few enough to hold."""


def with_size(asset: Asset, models: Path) -> Asset:
    """The asset with the attribute ``size``, which is None where nothing tells it.

    Args:
        asset: As its dataset describes it.
        models: Where its GLB is, below which ``asset.model`` names it.
    """
    attributes = dict(asset.attributes)
    given = attributes.pop("size", None)
    if given is not None and not (isinstance(given, Mapping) and "certainty" in given):  # a captions file's, not ours
        attributes["size_given"] = given
    return replace(asset, attributes={**attributes, "size": _stated(attributes) or _measured(asset, models)})


def measure_older(
    table: ShardFolder, models: Path, finished: Mapping[str, str], *, workers: Workers | int, reporter: Reporter
) -> int:
    """Measure what an older Meshseek imported, from the files in the workspace.

    Args:
        table: The imported assets.
        models: Where their GLBs are.
        finished: The fingerprint of each asset that is imported as it is now.
        workers: How many processes.
        reporter: Shows the progress.

    Returns:
        How many assets were measured.

    Raises:
        WorkspaceError: The table cannot be read or written, or the disk is full.
    """
    measured = 0
    for lot in _lots(list(_older(table, finished))):
        tasks = (
            Task(asset_id=row["asset_id"], fingerprint=row["fingerprint"], payload=row)
            for part in table.tables(lot)
            for row in part.to_pylist()
            if row["asset_id"] in lot
        )
        summary = run_stage("measure", tasks, in_processes(workers, _Measuring(models)), table, reporter, finished={})
        measured += summary.done
    return measured


def count_older(table: ShardFolder, finished: Mapping[str, str]) -> int:
    """How many assets :func:`measure_older` would measure.

    Raises:
        WorkspaceError: The table is damaged.
    """
    return sum(1 for _ in _older(table, finished))


@dataclass(frozen=True, slots=True)
class _Measuring:
    """Picklable: measures one imported asset in a worker."""

    models: Path

    def __call__(self, task: Task[Mapping[str, Any]]) -> Outcome:
        asset = with_size(asset_from_row(task.payload), self.models)
        attributes = json.dumps(asset.attributes, ensure_ascii=False, sort_keys=True)
        return Outcome(asset_id=task.asset_id, rows=[{**task.payload, "attributes": attributes, MEASURED: REVISION}])


def _older(table: ShardFolder, finished: Mapping[str, str]) -> Iterator[str]:
    columns = ["asset_id", "fingerprint", MEASURED]
    for part in table.tables(finished, columns):
        for asset_id, fingerprint, revision in zip(*(part[name].to_pylist() for name in columns), strict=True):
            if finished.get(asset_id) == fingerprint and (revision or 0) < REVISION:
                yield asset_id


def _lots(asset_ids: Sequence[str]) -> Iterator[frozenset[str]]:
    for start in range(0, len(asset_ids), _LOT):
        yield frozenset(asset_ids[start : start + _LOT])


def _stated(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the dataset says of width, depth and height in centimetres."""
    sides = attributes.get("dimensions_cm")
    if sides is None:
        sides = [attributes.get(name) for name in SIDES]
    if not isinstance(sides, list | tuple) or len(sides) != len(SIDES):
        return None
    metres = [number(side) / CM for side in sides]
    if not all(0 < side < math.inf for side in metres):
        return None
    return _size((metres[0], metres[2], metres[1]), "stated")


def _measured(asset: Asset, models: Path) -> dict[str, Any] | None:
    try:
        if asset.model is not None and (models / asset.model).is_file():
            box = measure_glb(models / asset.model)
            return None if box is None else _size(box.sides, _said_by(asset) or certainty_of(box))
        return None if asset.views is None else _told_by_camera(asset.views)
    except (MeshseekError, *UNREADABLE) as error:
        log.info("%s cannot be measured: %s", asset.asset_id, error)
        return None


def _said_by(asset: Asset) -> Certainty | None:
    """How sure we are where the model's file, or the user, says its unit."""
    made_from = asset.attributes.get("made_from")
    known = isinstance(made_from, Mapping) and made_from.get("unit_from") in {"declared", "forced"}
    return "stated" if known else None


def certainty_of(box: Box) -> Certainty:
    """How sure we are that a GLB is in metres, as it should be."""
    longest = max(box.sides)
    if not SMALLEST <= longest <= LARGEST:
        return "unknown"
    scaled = any(abs(longest - side) <= _SCALED * side for side in UNIT_SIDES)
    centred = all(abs(low + high) <= 2 * _CENTRED * longest for low, high in zip(box.low, box.high, strict=True))
    return "unknown" if scaled and centred else "likely"


def _told_by_camera(views: ViewSet) -> dict[str, Any] | None:
    """The box in the camera file of a view: Z up, of a model that was scaled for its pictures."""
    with open_camera(views.folder, views.viewpoint_ids[0], views.root) as file:
        camera = json.loads(file.read(_MOST_BYTES))
    corners = camera.get("bbox") if isinstance(camera, dict) else None
    if not isinstance(corners, list) or [isinstance(corner, list) and len(corner) for corner in corners] != [3, 3]:
        return None
    x, y, z = (number(high) - number(low) for low, high in zip(*corners, strict=True))
    return _size((x, z, y), "unknown")


def _size(sides: tuple[float, float, float], certainty: Certainty) -> dict[str, Any] | None:
    """The attribute, from width, height and depth; None where these are no sides."""
    if not all(0 <= side < math.inf for side in sides) or not any(sides):
        return None
    width, height, depth = (float(f"{side:.{_DIGITS}g}") for side in sides)
    unit = None if certainty == "unknown" else "m"
    return {"width": width, "depth": depth, "height": height, "unit": unit, "certainty": certainty}
