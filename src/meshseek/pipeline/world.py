"""The embed stage's last part: an algorithm's world, embedded once as queries."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from meshseek.embedders import Embedder
from meshseek.model import Language
from meshseek.pipeline.partly import partly
from meshseek.reporting import Reporter
from meshseek.workspace.workspace import Workspace
from meshseek.workspace.world import World, read_world, world_fingerprint, write_world

if TYPE_CHECKING:
    from numpy.typing import NDArray


def embed_world(embedder: Embedder, algorithm: str, workspace: Workspace, reporter: Reporter) -> None:
    """Embed what the world on disk lacks of the embedder's texts, and keep just these.

    What a hosted service refuses is left out and told. If the service stops, so that texts are left for the next run,
    that is told as well, and no error: without a world a library can be searched, only that nothing is near is told
    less well.

    Raises:
        WorkspaceError: The workspace cannot be written.
    """
    kept = read_world(workspace, algorithm, embedder.space)
    texts = embedder.world_texts()
    if kept is not None and kept.fingerprint == world_fingerprint(texts):
        return
    known = _vectors_of(kept)
    new = [pair for pair in texts if pair not in known]
    stop = None
    if new:
        reporter.say(f"embed world: {len(new):,} everyday things")
        names = [text for text, _ in new]
        vectors, reasons, stop = partly(partial(embedder.embed_texts, names, role="query"))
        known |= {pair: vectors[number] for number, pair in enumerate(new) if number not in reasons}
        if reasons:
            end = "the next run embeds them" if stop else "they are left out"
            reporter.say(f"embed world: {len(reasons):,} refused ({next(iter(reasons.values()))}); {end}")
    there = [pair for pair in texts if pair in known]
    world = World(
        space=embedder.space,
        texts=[text for text, _ in there],
        languages=[language for _, language in there],
        vectors=np.array([known[pair] for pair in there], dtype=np.float32).reshape(len(there), embedder.dim),
        fingerprint="" if stop else world_fingerprint(texts),
    )
    write_world(workspace, algorithm, world)


def world_texts_left(embedder: Embedder, algorithm: str, workspace: Workspace) -> list[str]:
    """The texts that :func:`embed_world` would embed."""
    kept = read_world(workspace, algorithm, embedder.space)
    texts = embedder.world_texts()
    if kept is not None and kept.fingerprint == world_fingerprint(texts):
        return []  # what was refused stays out
    known = _vectors_of(kept)
    return [text for text, language in texts if (text, language) not in known]


def _vectors_of(world: World | None) -> dict[tuple[str, Language | None], NDArray[np.float32]]:
    if world is None:
        return {}
    return dict(zip(zip(world.texts, world.languages, strict=True), world.vectors, strict=True))
