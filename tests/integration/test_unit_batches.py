"""Whether a stage's tasks are done in one process or unit by unit elsewhere, the model sees the same batches."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.checkpoints import write_siglip
from tests.renders import Renders
from tests.toy import Toy

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.siglip import Siglip
from meshseek.errors import SpaceMismatchError
from meshseek.model import AssetTexts
from meshseek.pipeline import embed as embedding
from meshseek.pipeline import view_reading, view_vectors
from meshseek.pipeline.embed import caption_job
from meshseek.pipeline.stage import Task
from meshseek.pipeline.view_vectors import view_job, view_tasks
from meshseek.workspace.view_rows import held_views
from meshseek.workspace.workspace import Workspace


class Recording(Toy):
    """Remembers what it was given at a time."""

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        self.batches: list[list[Any]] = []

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Remember first."""
        self.batches.append([image.tobytes() for image in images])
        return super().embed_images(images)

    def embed_texts(self, texts: Sequence[str], *, role: Any) -> NDArray[np.float32]:
        """Remember first."""
        self.batches.append([*texts])
        return super().embed_texts(texts, role=role)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=12), st.integers(1, 15))
def test_views_come_in_the_same_batches(counts: list[int], most: int) -> None:
    """Assets with any number of views, none as well, in units of any size."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(view_vectors, "VIEW_UNIT", most)
        patch.setattr(view_vectors, "VIEW_BATCH", 6)
        patch.setattr(view_reading, "LOT", 2)
        renders, workspace = Renders(Path(folder, "renders")), Workspace(Path(folder, "workspace"))
        for number, count in enumerate(counts):
            renders.put(f"0/{number}", *range(count), seed=number)
        renders.put("1/0", 0)  # that there is a library at all
        renders.bring_in(workspace)
        here, there = Recording(EmbedderOptions()), Recording(EmbedderOptions())
        table = workspace.vectors_table("toy", "appearance", here.space)
        tasks = [*view_tasks(here, workspace, None, held_views(table))]
        rows = [row for outcome in view_job(here, 1, table).here(tasks) for row in outcome.rows]
        job = view_job(there, 1, table)
        small, units = job.divided(tasks)
        apart = [row for unit in (small, *units) for outcome in job.here(unit) for row in outcome.rows]
        assert here.batches == there.batches
        assert rows == apart


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_captions_come_in_the_same_batches(have_captions: list[bool], batches: int) -> None:
    """Whichever assets have a caption."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(embedding, "CAPTION_BATCH", 4)
        patch.setattr(embedding, "CAPTION_UNIT", 4 * batches)
        tasks = [
            Task(asset_id=f"{number}", fingerprint="a", payload=_texts(number) if has else None)
            for number, has in enumerate(have_captions)
        ]
        here, there = Recording(EmbedderOptions()), Recording(EmbedderOptions())
        table = Workspace(Path(folder)).vectors_table("toy", "caption_english", here.space)
        rows = [row for outcome in caption_job(here, "english", table).here(tasks) for row in outcome.rows]
        job = caption_job(there, "english", table)
        small, units = job.divided(tasks)
        apart = [row for unit in (small, *units) for outcome in job.here(unit) for row in outcome.rows]
        assert here.batches == there.batches
        assert rows == apart


def _texts(number: int) -> AssetTexts:
    return AssetTexts(english=(f"thing {number}",))


def test_a_recipe_makes_the_same_model_elsewhere(tmp_path: Path) -> None:
    """Of the same space, from the same folder; another model in its place is told."""
    embedder = Siglip(EmbedderOptions(model_dir=write_siglip(tmp_path / "siglip"), device="cpu", views=3))
    recipe = pickle.loads(pickle.dumps(embedder.recipe))
    made = recipe.make()
    assert (made.space, made.views, made.languages) == (embedder.space, 3, embedder.languages)
    assert (made.embed_texts(["a chair"], role="query") == embedder.embed_texts(["a chair"], role="query")).all()
    write_siglip(tmp_path / "siglip", seed=1)
    with pytest.raises(SpaceMismatchError, match="where it is"):
        recipe.make()
