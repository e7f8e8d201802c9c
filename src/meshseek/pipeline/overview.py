"""What a workspace has still to do, in short: what is outdated or waits, and what was skipped for which reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meshseek.errors import MeshseekError
from meshseek.pipeline.standing import Standing, standings
from meshseek.workspace.skipped import reasons_of
from meshseek.workspace.workspace import Workspace

MOST_LOOKED_THROUGH: Final = 100_000
"""Rows of assets that are looked through beside searches, which takes some two seconds; of more, 'check' tells."""
MOST_REASONS: Final = 20
TOO_MANY: Final = "there are too many assets to be looked through beside searches; run 'meshseek check'"


@dataclass(frozen=True, slots=True)
class SkippedFor:
    """Why a stage could not do some assets."""

    stage: str
    reason: str
    count: int
    example: str
    """The id of one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The state of a workspace."""

    libraries: Mapping[str, Standing] = field(default_factory=dict)
    """By name."""
    outdated_publications: Sequence[str] = ()
    """Algorithms of which something else is published than would be now."""
    skipped: Sequence[SkippedFor] = ()
    """The most frequent reasons first."""
    note: str | None = None
    """Why the rest is not told."""
    general_note: str | None = None
    """The same for strangers."""


def overview(workspace: Workspace, is_outdated: Callable[[str], bool]) -> Overview:
    """Look a workspace through, if that takes no longer than seconds.

    Args:
        workspace: It.
        is_outdated: Tells whether something else is published of an algorithm than would be now.
    """
    try:
        if len(workspace.assets_table()) > MOST_LOOKED_THROUGH:
            return Overview(skipped=_skipped(workspace), note=TOO_MANY, general_note=TOO_MANY)
        names = workspace.algorithms()
        return Overview(
            libraries=standings(workspace, names),
            outdated_publications=[name for name in names if is_outdated(name)],
            skipped=_skipped(workspace),
        )
    except MeshseekError as error:
        general = error.in_general if error.general else "the workspace cannot be looked through; its log says why"
        return Overview(note=str(error), general_note=general)


def _skipped(workspace: Workspace) -> list[SkippedFor]:
    found = [
        SkippedFor(stage, reason, count, example)
        for stage, folder in _stages(workspace)
        for reason, (count, example) in reasons_of(folder).items()
    ]
    return sorted(found, key=lambda each: (-each.count, each.stage, each.reason))[:MOST_REASONS]


def _stages(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    """Each stage and a folder where it lists what it could not do."""
    yield "import", workspace.assets_table().folder
    yield "render", workspace.rendered_table().folder
    yield "translate", workspace.chinese_captions_table().folder
    for name in workspace.algorithms():
        for source in workspace.embedded_sources(name):
            yield f"embed {name}: {source}", workspace.vectors_table(name, source).folder
