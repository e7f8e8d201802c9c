"""An algorithm's code, data or packages have changed: update finds out whether its vectors are others now."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.stages import ALGORITHM, Stages
from tests.toy import NewerToy, Toy

from meshseek.embedders import EmbedderOptions
from meshseek.errors import SpaceMismatchError
from meshseek.model import Estimate, Role
from meshseek.pipeline import embed as embedding
from meshseek.pipeline import standing
from meshseek.pipeline import update as updating
from meshseek.pipeline.check import check
from meshseek.pipeline.clean import clean
from meshseek.pipeline.update import UpdateOptions, plan
from meshseek.pipeline.world import embed_world
from meshseek.workspace.manifest import write_manifest

DOUBTFUL = f"embed {ALGORITHM} (its model may give other vectors)"
OTHERS = "toy: its model gives other vectors than it did; nothing is embedded; "


class Counting(Toy):
    """Counts what it is asked for."""

    asked = 0

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Count the texts."""
        Counting.asked += len(texts)
        return super().embed_texts(texts, role=role)


class PaidNewer(NewerToy):
    """Costs money."""

    def estimate_texts(self, texts: Sequence[str]) -> Estimate:
        """So much a text."""
        count = len(texts)
        zero = {"requests": count, "input_tokens": count, "output_tokens": 0}
        return Estimate(service="paid", items=count, price=0.01 * count, seconds=1.0, **zero)

    def estimate_views(self, views: Sequence[int]) -> Estimate:
        """So much a view."""
        return self.estimate_texts(["a view"] * sum(views))


@dataclass
class Upgraded(Stages):
    """The stages with another model, which is told when it is loaded."""

    model: type[Toy] = NewerToy
    loaded: list[str] = field(default_factory=list)

    def usual_embedder(self, algorithm: str) -> Toy:
        """The other one."""
        self.loaded.append(algorithm)
        return self.model(EmbedderOptions())

    def plan(self, max_assets: int | None = None) -> dict[str, int]:
        """What an update of the only library would do."""
        options = UpdateOptions(algorithms=[ALGORITHM], workers=0, max_assets=max_assets)
        (planned,) = plan(self, options).values()
        return {stage: count for stage, count in planned.items() if count}


@pytest.fixture
def digests(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the family of embedders, with the toy in it, says of each plug-in."""
    codes = {ALGORITHM: "1"}
    family = SimpleNamespace(names=(ALGORITHM,), digest=codes.__getitem__)
    monkeypatch.setattr(standing, "EMBEDDERS", family)
    monkeypatch.setattr(embedding, "EMBEDDERS", family)
    return codes


@pytest.fixture
def upgraded(digests: dict[str, str], stages: Stages) -> Upgraded:
    """A workspace whose algorithm has changed since all was embedded."""
    upgraded = Upgraded(stages.workspace, stages.server)
    digests[ALGORITHM] = "2"
    return upgraded


def revisions(stages: Stages) -> set[str]:
    """Of the vectors on disk."""
    sources = stages.workspace.embedded_sources(ALGORITHM)
    return {stages.workspace.vectors_table(ALGORITHM, source).header["space"]["revision"] for source in sources}


def published_revision(stages: Stages) -> str:
    """Of the vectors that are searched."""
    with stages.server.connect(ALGORITHM) as connection:
        return str(connection.execute("SELECT revision FROM live.spaces").fetchall()[0][0])


def test_a_model_that_gives_other_vectors_is_embedded_with_anew(upgraded: Upgraded) -> None:
    """One update: all vectors are made again, what is live has them, and the update says so before it begins."""
    before = upgraded.searchable().keys()
    updated = upgraded.update()

    assert not updated.notes
    assert "embed toy: its model gives other vectors than it did; all 6 assets are embedded again" in upgraded.said
    assert revisions(upgraded) == {published_revision(upgraded)} == {NewerToy.revision}
    assert upgraded.searchable().keys() == upgraded.vectors() == before
    for source in upgraded.workspace.embedded_sources(ALGORITHM):
        table = upgraded.workspace.vectors_table(ALGORITHM, source)
        assert {path.name for path in table.folder.glob("part-*")} == {shard["file"] for shard in table.shards}


def test_a_model_that_gives_the_same_vectors_is_looked_at_once(upgraded: Upgraded) -> None:
    """Nothing is embedded, and the update after it does not even load the model."""
    upgraded.model, Counting.asked = Counting, 0
    for _ in range(2):
        assert not upgraded.update().notes
    assert (upgraded.loaded, Counting.asked) == ([ALGORITHM], 0)


def test_the_plan_says_that_vectors_may_be_others(upgraded: Upgraded, samples: Path) -> None:
    """It counts what has vectors, loads no model, and says nothing of it where a part of the assets is wanted."""
    assert upgraded.plan() == {DOUBTFUL: 6}
    assert upgraded.plan(max_assets=2) == {}
    shutil.copyfile(samples / "sofa-0001.glb", samples / "more.glb")
    upgraded.import_folder(samples)
    assert upgraded.plan() == {"render": 1, DOUBTFUL: 7}
    assert not upgraded.loaded

    upgraded.update()
    assert upgraded.plan() == {}


def test_a_part_of_the_assets_is_no_reason_to_lose_the_others(upgraded: Upgraded) -> None:
    """With --max-assets, vectors of another space are left alone, and the next update still sees them."""
    upgraded.max_assets = 2
    updated = upgraded.update(yes=True)
    cure = "run 'meshseek update' without --max-assets to embed everything again"
    assert (updated.notes, updated.failed) == ([OTHERS + cure], False)
    assert len(upgraded.workspace.vectors_table(ALGORITHM, "appearance").fingerprints()) == 6
    assert revisions(upgraded) == {Toy.revision}

    upgraded.max_assets = None
    assert not upgraded.update().notes
    assert revisions(upgraded) == {NewerToy.revision}


def test_many_assets_are_embedded_again_after_somebody_agreed(
    upgraded: Upgraded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --yes, more than so many stay as they are, and are told of; one less are embedded."""
    for most, notes in ((5, [f"{OTHERS}give --yes to embed all 6 assets again, which may take long"]), (6, [])):
        monkeypatch.setattr(updating, "MANY", most)
        updated = upgraded.update()
        assert (updated.notes, updated.failed) == (notes, False)
        assert revisions(upgraded) == {Toy.revision if notes else NewerToy.revision}

    monkeypatch.setattr(updating, "MANY", 5)
    upgraded.model = Toy
    Path(upgraded.workspace.folder, "remembered", f"embed-{ALGORITHM}.json").unlink()
    assert not upgraded.update(yes=True).notes
    assert revisions(upgraded) == {Toy.revision}


def test_paid_embedding_again_is_told_with_its_price(upgraded: Upgraded) -> None:
    """It waits for --yes like all paid work, and is no failure."""
    upgraded.model = PaidNewer
    updated = upgraded.update()
    ((note,), failed) = updated.notes, updated.failed
    assert note.startswith(f"{OTHERS}give --yes to embed everything again (")
    assert not failed
    assert revisions(upgraded) == {Toy.revision}

    assert not upgraded.update(yes=True).notes
    assert revisions(upgraded) == {NewerToy.revision}


def test_embedding_with_another_model_by_hand_hides_nothing_from_update(upgraded: Upgraded) -> None:
    """The refusal is not remembered as a run: the next update still looks at the model."""
    workspace, reporter = upgraded.workspace, upgraded.reporter
    with pytest.raises(SpaceMismatchError):
        embedding.embed(NewerToy(EmbedderOptions()), ALGORITHM, workspace, max_assets=None, reporter=reporter)
    upgraded.update()
    assert revisions(upgraded) == {NewerToy.revision}


def test_vectors_of_a_language_that_is_no_longer_embedded_go(upgraded: Upgraded) -> None:
    """Nobody would make them again, and an empty table of them would wait for ever."""

    class English(NewerToy):
        languages = ("english",)

    upgraded.model = English
    upgraded.update()
    assert upgraded.workspace.embedded_sources(ALGORITHM) == ("caption_english", "appearance")
    loaded = len(upgraded.loaded)
    upgraded.update()
    assert len(upgraded.loaded) == loaded


def test_stopped_at_any_step_of_embedding_again(upgraded: Upgraded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check tells that vectors are missing, what is published stays, and the next update ends as if nothing was."""
    kept = [upgraded.workspace.folder / name for name in ("vectors", "remembered")]
    copies = [shutil.copytree(folder, folder.with_name(f"{folder.name}-copy")) for folder in kept]
    writing, embedding_world = "meshseek.workspace.shards.write_manifest", "meshseek.pipeline.embed.embed_world"
    steps = 0
    while True:
        for folder, copy in zip(kept, copies, strict=True):
            shutil.rmtree(folder)
            shutil.copytree(copy, folder)
        steps += 1
        done = iter(range(1, 1000))

        def step(done: Iterator[int] = done, at: int = steps) -> None:
            if next(done) == at:
                raise KeyboardInterrupt

        def write_and_stop(*given: Any, step: Callable[[], None] = step) -> None:
            step()
            write_manifest(*given)
            step()

        def stop_or_embed(*given: Any, step: Callable[[], None] = step) -> None:
            step()
            embed_world(*given)

        monkeypatch.setattr(writing, write_and_stop)
        monkeypatch.setattr(embedding_world, stop_or_embed)
        try:
            upgraded.update()
        except KeyboardInterrupt:
            is_over = False
        else:
            is_over = True
        monkeypatch.setattr(writing, write_manifest)
        monkeypatch.setattr(embedding_world, embed_world)
        if is_over:
            break
        assert upgraded.workspace.algorithms() == (ALGORITHM,), "else an update of all would leave it out"
        assert_it_goes_on(upgraded)
    assert steps > 2 * 3 * 2, "three tables are emptied and filled, and each time it is stopped before and after"


def assert_it_goes_on(stages: Upgraded) -> None:
    """The vectors that are missing are told of, and one more update makes them."""
    searchable = stages.searchable().keys()
    assert len(searchable) == 6
    lacks = any(
        len(stages.workspace.vectors_table(ALGORITHM, source).fingerprints()) < 6
        for source in stages.workspace.embedded_sources(ALGORITHM)
    )
    report = check(stages.workspace, stages.reporter, verify=False)
    assert (not report.damaged, any(f"embed {ALGORITHM}" in of.waiting for of in report.standings.values())) == (
        True,
        lacks,
    )
    updated = stages.update()
    assert not updated.notes
    assert revisions(stages) == {published_revision(stages)} == {NewerToy.revision}
    assert stages.searchable().keys() == stages.vectors() == searchable
    assert standing.is_embedded(stages.workspace, ALGORITHM)
    assert clean(stages.workspace, stages.server, [ALGORITHM], dry_run=True).done == 0
