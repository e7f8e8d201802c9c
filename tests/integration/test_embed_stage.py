"""The embed stage with models that refuse, stop, or take several views: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.toy import VIEWS, Toy, import_toys, publish_toys, toy, toy_algorithm

from meshseek.embedders import EmbedderOptions, PartlyEmbeddedError
from meshseek.errors import HostedError, SpaceMismatchError, WorkspaceError
from meshseek.model import Estimate, Role
from meshseek.pipeline import view_reading
from meshseek.pipeline.embed import embed, preview
from meshseek.pipeline.stage import Summary
from meshseek.reporting import SilentReporter
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import Source
from meshseek.workspace.workspace import Workspace

COUNT = 20
CAPTIONS = COUNT + COUNT * 4 // 5
"""Every fifth asset has no Chinese one."""
PRICE = 0.5


class Together(Toy):
    """One vector for two views."""

    @property
    def views_together(self) -> int:
        """Two of the three."""
        return 2

    def embed_together(self, views: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """The mean of the views."""
        means = np.stack([self.embed_images(own).mean(axis=0) for own in views])
        vectors: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors


class Paid(Toy):
    """Refuses what it is told to, stops where it is told to, counts the captions it embedded, and has a price."""

    refused: frozenset[str] = frozenset()
    stop_after: int | None = None
    texts = 0

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed what is neither refused nor after the end."""
        vectors = super().embed_texts(texts, role=role)
        reasons = {number: "refused it" for number, text in enumerate(texts) if text in self.refused}
        stop = None
        if self.stop_after is not None and len(texts) > self.stop_after:
            stop = HostedError("the account is empty; top it up and run again")
            reasons |= dict.fromkeys(range(self.stop_after, len(texts)), str(stop))
        if role == "document":
            self.texts += len(texts) - len(reasons)
        if reasons:
            raise PartlyEmbeddedError(vectors, reasons, stop)
        return vectors

    def estimate_texts(self, texts: Sequence[str]) -> Estimate:
        """So much a text."""
        return self._estimate(len(texts))

    def estimate_views(self, views: Sequence[int]) -> Estimate:
        """So much a view."""
        return self._estimate(sum(views))

    @staticmethod
    def _estimate(items: int) -> Estimate:
        return Estimate(
            service="paid",
            items=items,
            requests=1,
            input_tokens=items,
            output_tokens=0,
            price=PRICE * items,
            seconds=1.0,
        )


class Blind(Toy):
    """Must not be asked for pictures."""

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Refuse, even none."""
        raise NotImplementedError


class Slow(Toy):
    """Takes its time for each picture."""

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Wait first."""
        time.sleep(0.01 * len(images))
        return super().embed_images(images)


def run(workspace: Workspace, embedder: Toy, workers: int = 1) -> list[Summary]:
    """Run the stage."""
    return embed(embedder, "toy", workspace, max_assets=None, reporter=SilentReporter(), workers=workers)


def vectors(workspace: Workspace, source: Source = "appearance") -> dict[tuple[str, int | None], NDArray[np.float32]]:
    """What is on disk, by asset and viewpoint."""
    rows = (row for table in workspace.vectors_table("toy", source).tables() for row in table.to_pylist())
    return {
        (row["asset_id"], row["viewpoint_id"]): np.frombuffer(row["vector"], "<f2").astype(np.float32) for row in rows
    }


def options() -> EmbedderOptions:
    """No wishes."""
    return EmbedderOptions()


def test_one_vector_for_several_views(workspace: Workspace, server: Server) -> None:
    """There is one row an asset, without a viewpoint; it is published, and found with the first view to show."""
    import_toys(workspace, COUNT)
    run(workspace, Together(options()))

    found = vectors(workspace)
    assert {viewpoint for _, viewpoint in found} == {None}
    assert len(found) == COUNT
    first, last = (Image.open(workspace.folder / "pictures" / "000" / f"{n:05d}" / f"{n:05d}.png") for n in (0, 2))
    expected = Together(options()).embed_together([[first, last]])[0]
    assert found["toys/000", None] == pytest.approx(expected, abs=1e-3)

    publish_toys(workspace, server)
    algorithm = toy_algorithm(server)
    hit = algorithm.search(Query(image=first.convert("RGB"), top_k=1)).hits[0]
    assert (hit.asset_id, hit.viewpoint_id, hit.thumbnail) == ("toys/000", None, 0)
    algorithm.library.close()


def test_processes_change_nothing(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that were read by worker processes, and few at a time, have the vectors of those read here."""
    monkeypatch.setattr(view_reading, "LOT", 2)
    other = Workspace(tmp_path / "other")
    for own, workers in ((workspace, 1), (other, 2)):
        import_toys(own, COUNT)
        assert run(own, toy(), workers)[-1].done == COUNT
    here, there = vectors(workspace), vectors(other)
    assert list(here) == list(there)
    assert np.array_equal(np.stack(list(here.values())), np.stack(list(there.values())))


@pytest.mark.parametrize("workers", [1, 2])
def test_unreadable_views_are_skipped(workspace: Workspace, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An asset with a damaged view is skipped with the reason, whoever reads it, and the others go on."""
    monkeypatch.setattr(view_reading, "LOT", workers)
    import_toys(workspace, COUNT)
    (workspace.folder / "pictures" / "003" / "00001" / "00001.png").write_bytes(b"damaged")
    (workspace.folder / "pictures" / "004" / "00000" / "00000.png").unlink()

    summary = run(workspace, toy(), workers)[-1]

    assert (summary.done, summary.skipped) == (COUNT - 2, 2)
    lines = (workspace.vectors_table("toy", "appearance").folder / "skipped.jsonl").read_text().splitlines()
    assert [json.loads(line)["asset_id"] for line in lines] == ["toys/003", "toys/004"]


def test_no_picture_is_no_call(workspace: Workspace) -> None:
    """Where no asset has a readable view, the model is not asked for pictures, and every asset is counted."""
    import_toys(workspace, COUNT)
    shutil.rmtree(workspace.folder / "pictures")
    assert run(workspace, Blind(options()))[-1].skipped == COUNT


def test_refused_captions_are_skipped_and_tried_again(workspace: Workspace) -> None:
    """The others are kept; the next run asks only for the refused ones."""
    assets = import_toys(workspace, COUNT)
    paid = Paid(options())
    paid.refused = frozenset({assets[3].captions_english[0]})
    summary = run(workspace, paid)[0]
    assert (summary.done, summary.skipped) == (COUNT - 1, 1)
    assert "refused it" in (workspace.vectors_table("toy", "caption_english").folder / "skipped.jsonl").read_text()

    paid.refused, paid.texts = frozenset(), 0
    assert run(workspace, paid)[0].done == 1
    assert paid.texts == 1


def test_what_was_paid_is_kept_when_it_stops(workspace: Workspace) -> None:
    """An account that runs empty ends the stage with its error; what was embedded is there, and not paid again."""
    import_toys(workspace, COUNT)
    paid = Paid(options())
    paid.stop_after = 5
    with pytest.raises(HostedError, match="the account is empty"):
        run(workspace, paid)
    assert len(vectors(workspace, "caption_english")) == paid.texts == 5

    paid.stop_after = None
    assert run(workspace, paid)[0].already_there == 5
    assert paid.texts == CAPTIONS


def test_the_price_is_of_what_is_left(workspace: Workspace) -> None:
    """What is embedded costs nothing more; a free embedder has no price at all."""
    import_toys(workspace, COUNT)
    paid = Paid(options())
    assert preview(toy(), "toy", workspace, max_assets=None) is None
    before = preview(paid, "toy", workspace, max_assets=None)
    assert before is not None
    world = len(paid.world_texts())
    items = CAPTIONS + VIEWS * COUNT + world
    assert (before.items, before.price) == (items, PRICE * items)
    half = preview(paid, "toy", workspace, max_assets=COUNT // 2)
    assert half is not None
    assert half.items - world == (before.items - world) // 2

    run(workspace, paid)
    after = preview(paid, "toy", workspace, max_assets=None)
    assert after is not None
    assert after.items == 0


def test_the_languages_are_chosen(workspace: Workspace) -> None:
    """Only the captions of the languages that the options name are embedded."""
    import_toys(workspace, COUNT)
    run(workspace, Toy(EmbedderOptions(languages=("english",))))
    assert workspace.embedded_sources("toy") == ("caption_english", "appearance")


def test_a_damaged_shard_is_made_anew_alone(workspace: Workspace) -> None:
    """The stage says which part is damaged, makes its rows again, and leaves the others as they are."""
    import_toys(workspace, COUNT // 2)
    paid = Paid(options())
    run(workspace, paid)
    import_toys(workspace, COUNT, word="other")
    run(workspace, paid)
    folder = workspace.vectors_table("toy", "caption_english").folder
    before, damaged = vectors(workspace, "caption_english"), sorted(folder.glob("part-*"))[1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    with pytest.raises(WorkspaceError, match="run its stage again: only this part is made anew"):
        vectors(workspace, "caption_english")
    said: list[str] = []
    reporter = SilentReporter()
    reporter.say = said.append  # type: ignore[method-assign, assignment]
    paid.texts = 0

    embed(paid, "toy", workspace, max_assets=None, reporter=reporter)

    assert any(f"{damaged} is damaged" in line for line in said)
    assert 0 < paid.texts <= COUNT
    after = vectors(workspace, "caption_english")
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_another_space_is_refused_before_anything_is_sent(workspace: Workspace) -> None:
    """Vectors of another model are neither mixed nor previewed."""
    import_toys(workspace, 2)
    run(workspace, toy())
    other = Paid(EmbedderOptions(model="toy-96"))
    with pytest.raises(SpaceMismatchError):
        preview(other, "toy", workspace, max_assets=None)
    with pytest.raises(SpaceMismatchError):
        run(workspace, other)
    assert other.texts == 0


def _embed_slowly(folder: Path) -> None:
    run(Workspace(folder), Slow(options()), workers=2)


def test_a_killed_stage_goes_on(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill -9 leaves whole shards and no worker; the next run does the rest, and every view is there once."""
    count = 120
    import_toys(workspace, count)
    process = multiprocessing.get_context("spawn").Process(target=_embed_slowly, args=(workspace.folder,))
    process.start()
    assert process.pid is not None
    parent = psutil.Process(process.pid)
    listing = workspace.folder / "vectors" / "toy" / "appearance" / "skipped.jsonl"
    deadline = time.monotonic() + 60
    while not (listing.exists() and parent.children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.7)
    workers = parent.children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    done = run(workspace, toy())[-1]
    assert done.done + done.already_there == count
    assert len(vectors(workspace)) == count * VIEWS


def test_dropped_shards_stay_dropped(tmp_path: Path, workspace: Workspace) -> None:
    """What was dropped is not in the manifest that the next process reads; whole tables drop nothing."""
    import_toys(workspace, 3)
    table = workspace.assets_table()
    assert table.drop_damaged() == []
    shard = next(table.folder.glob("part-*"))
    shard.unlink()
    assert table.fingerprints() == {}
    assert len(table.drop_damaged()) == 1
    again = ShardFolder(table.folder, table.schema)
    assert len(again) == 0
    assert again.drop_damaged() == []
