"""Which viewpoints of an asset are taken, and what its pictures are known by: the one place that knows either."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from meshseek.model import ViewCount, ViewSet

MOST_VIEWS = 1000
"""Of one asset; one with more is not taken."""
LAST_VIEWPOINT = 2**15 - 1
"""Numbers of views are stored in two bytes."""
_STAMP = struct.Struct("<qq")
_TIMES = 2**64


class Picture(NamedTuple):
    """What a picture that stays in its library is known by."""

    viewpoint_id: int
    size: int
    """In bytes."""
    time: int
    """Of its last change, in nanoseconds."""


def evenly(viewpoints: Sequence[int], count: ViewCount) -> tuple[int, ...]:
    """So many viewpoints at even distances, all where there are no more.

    They are taken from the middles of equal parts, as the first and the last view are often alike. The same are taken
    whenever there are the same to choose from.
    """
    if count == "all" or len(viewpoints) <= count:
        return tuple(viewpoints)
    return tuple(viewpoints[(2 * part + 1) * len(viewpoints) // (2 * count)] for part in range(count))


def views_of_pictures(folder: Path, pictures: Sequence[Picture], root: Path) -> ViewSet:
    """The views of an asset whose pictures stay in the folder ``root``, each with its size and time."""
    return ViewSet(
        folder=folder,
        viewpoint_ids=tuple(picture.viewpoint_id for picture in pictures),
        fingerprint=_fingerprint(pictures),
        root=root,
        stamps=b"".join(_STAMP.pack(picture.size, _storable(picture.time)) for picture in pictures),
    )


def views_fingerprint(views: ViewSet, viewpoints: Sequence[int]) -> str:
    """Changes when any of these pictures may have changed; where pictures have no stamps, when any of the asset's may.

    Args:
        views: All views of an asset.
        viewpoints: Some of them.
    """
    if not views.stamps or tuple(viewpoints) == views.viewpoint_ids:
        return views.fingerprint
    stamps = dict(zip(views.viewpoint_ids, _STAMP.iter_unpack(views.stamps), strict=True))
    return _fingerprint(Picture(number, *stamps[number]) for number in viewpoints)


def _fingerprint(pictures: Iterable[Picture]) -> str:
    """A short hash, the same as since eight pictures of each asset were taken: their vectors stay what they are."""
    facts = [(number, f"{number:05d}", size, _storable(time)) for number, size, time in pictures]
    return hashlib.sha256(json.dumps([facts]).encode()).hexdigest()[:32]


def _storable(time: int) -> int:
    """A time within eight bytes; file systems know some that are beyond."""
    return (time + _TIMES // 2) % _TIMES - _TIMES // 2
