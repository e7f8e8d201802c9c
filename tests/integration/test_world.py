"""An algorithm's world: embedded once, kept beside the vectors, made again when it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.toy import Toy, import_toys

from meshseek.embedders import EMBEDDERS, EmbedderOptions, PartlyEmbeddedError
from meshseek.embedders.synthetic import Synthetic
from meshseek.errors import HostedError
from meshseek.model import Estimate, Language, Role
from meshseek.pipeline.check import check
from meshseek.pipeline.embed import embed, preview
from meshseek.pipeline.standing import is_embedded
from meshseek.reporting import SilentReporter
from meshseek.workspace.workspace import Workspace
from meshseek.workspace.world import World, damaged_world, is_world_whole, read_world, world_fingerprint, write_world


class Worldly(Toy):
    """Notes what it embeds as queries, refuses and stops as it is told."""

    things: Sequence[tuple[str, Language | None]] = (("chair", "english"), ("椅子", "chinese"), ("kite", "english"))
    queries: Sequence[str] = ()
    refused: frozenset[str] = frozenset()
    stops: bool = False

    def world_texts(self) -> list[tuple[str, Language | None]]:
        """What it is told."""
        return list(self.things)

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Refuse some, and note the others that are queries."""
        vectors = super().embed_texts(texts, role=role)
        reasons = {number: "not that" for number, text in enumerate(texts) if text in self.refused}
        if role == "query":
            self.queries = [*self.queries, *(text for text in texts if text not in self.refused)]
        if reasons and role == "query":
            raise PartlyEmbeddedError(vectors, reasons, HostedError("the account is empty") if self.stops else None)
        return vectors

    def estimate_texts(self, texts: Sequence[str]) -> Estimate:
        """Counts them."""
        return Estimate(
            service="paid", items=len(texts), requests=1, input_tokens=0, output_tokens=0, price=0.0, seconds=1.0
        )

    def estimate_views(self, views: Sequence[int]) -> Estimate:
        """Views are free."""
        del views
        return self.estimate_texts([])


@pytest.fixture
def toy(workspace: Workspace) -> Worldly:
    """An embedder, and a library for it."""
    import_toys(workspace, 5)
    return Worldly(EmbedderOptions())


def run(workspace: Workspace, embedder: Toy) -> list[str]:
    """Run the stage; what it said, and what it embedded as queries is forgotten before."""
    said: list[str] = []
    reporter = SilentReporter()
    reporter.say = said.append  # type: ignore[method-assign, assignment]
    if isinstance(embedder, Worldly):
        embedder.queries = ()
    embed(embedder, "toy", workspace, max_assets=None, reporter=reporter)
    return [line for line in said if "world" in line]


def world(workspace: Workspace, embedder: Toy) -> World:
    """What is on disk."""
    found = read_world(workspace, "toy", embedder.space)
    assert found is not None
    return found


def test_it_is_embedded_once(workspace: Workspace, toy: Worldly) -> None:
    """The texts are embedded as queries, read back in order, and not embedded again."""
    assert run(workspace, toy) == ["embed world: 3 everyday things"]

    found = world(workspace, toy)
    assert found.texts == ["chair", "椅子", "kite"]
    assert found.languages == ["english", "chinese", "english"]
    assert found.vectors.dtype == np.float32
    assert found.vectors == pytest.approx(toy.embed_texts(found.texts, role="query"), abs=1e-3)
    assert is_embedded(workspace, "toy")

    assert run(workspace, toy) == []
    assert toy.queries == ()


def test_other_texts_make_it_anew(workspace: Workspace, toy: Worldly) -> None:
    """Only new texts are embedded, and estimated; what is no longer named is gone."""
    before = preview(toy, "toy", workspace, max_assets=None)
    run(workspace, toy)
    toy.things = [*toy.things[1:], ("boat", "english")]
    left = preview(toy, "toy", workspace, max_assets=None)
    run(workspace, toy)

    assert (before.items, left.items) == (5 + 4 + 3, 1)  # type: ignore[union-attr]
    assert toy.queries == ["boat"]
    assert world(workspace, toy).texts == ["椅子", "kite", "boat"]


def test_what_is_refused_is_told_and_left_out(workspace: Workspace, toy: Worldly) -> None:
    """The others are kept; it counts as done and is not asked for again."""
    toy.refused = frozenset({"kite"})
    assert run(workspace, toy)[1:] == ["embed world: 1 refused (not that); they are left out"]
    assert world(workspace, toy).texts == ["chair", "椅子"]

    assert run(workspace, toy) == []
    assert preview(toy, "toy", workspace, max_assets=None).items == 0  # type: ignore[union-attr]


def test_the_next_run_embeds_what_a_stop_left(workspace: Workspace, toy: Worldly) -> None:
    """A service that stops ends nothing; what was embedded is kept, and the rest waits for the next run."""
    toy.refused, toy.stops = frozenset({"kite"}), True
    assert "the next run embeds them" in run(workspace, toy)[1]
    assert not is_world_whole(workspace, "toy")
    assert not is_embedded(workspace, "toy")
    assert preview(toy, "toy", workspace, max_assets=None).items == 1  # type: ignore[union-attr]

    toy.refused = frozenset()
    run(workspace, toy)
    assert toy.queries == ["kite"]
    assert world(workspace, toy).texts == ["chair", "椅子", "kite"]
    assert is_embedded(workspace, "toy")


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_a_damaged_file_is_found_and_made_again(workspace: Workspace, toy: Worldly, content: bytes | None) -> None:
    """Emptied, cut, or with one bit altered: check names it, nobody reads it, and the next run makes it again."""
    run(workspace, toy)
    (path,) = (workspace.folder / "vectors" / "toy" / "world").iterdir()
    altered = bytearray(path.read_bytes())
    altered[altered.index(b"kite")] ^= 1
    path.write_bytes(altered if content is None else content)

    assert read_world(workspace, "toy", toy.space) is None
    assert damaged_world(workspace, "toy") == path
    assert path in check(workspace, SilentReporter(), verify=False).damaged
    assert not is_embedded(workspace, "toy")

    run(workspace, toy)
    assert len(toy.queries) == 3
    assert damaged_world(workspace, "toy") is None
    assert check(workspace, SilentReporter(), verify=False).damaged == []


def test_another_space_has_another_world(workspace: Workspace, toy: Worldly) -> None:
    """Vectors of another space are not read."""
    run(workspace, toy)
    assert read_world(workspace, "toy", replace(toy.space, revision="2")) is None
    assert read_world(workspace, "nobody", toy.space) is None


def test_an_embedder_may_have_none(workspace: Workspace, toy: Worldly) -> None:
    """An empty world is whole, and has vectors of no rows."""
    toy.things = []
    assert run(workspace, toy) == []
    assert world(workspace, toy).vectors.shape == (0, toy.dim)
    assert is_embedded(workspace, "toy")
    assert Synthetic(EmbedderOptions()).world_texts() == []


def test_a_file_is_written_whole(workspace: Workspace, toy: Worldly) -> None:
    """What a killed process left beside it goes with the next write."""
    run(workspace, toy)
    folder = workspace.folder / "vectors" / "toy" / "world"
    (folder / ".0123.tmp").write_bytes(b"half")
    write_world(workspace, "toy", replace(world(workspace, toy), fingerprint=world_fingerprint([])))
    assert [path.name for path in folder.iterdir()] == ["world.parquet"]


@pytest.mark.parametrize("name", ["lite", "toy"])
def test_everyday_things_are_in_both_languages(name: str) -> None:
    """By default there are some hundreds, each once; lite adds the classes that it sees in pictures."""
    embedder = EMBEDDERS.load(name)(EmbedderOptions()) if name == "lite" else None
    texts = embedder.world_texts() if embedder else super(Toy, Toy(EmbedderOptions())).world_texts()
    languages = [language for _, language in texts]
    assert len(set(texts)) == len(texts)
    assert min(languages.count("english"), languages.count("chinese")) > 250
    assert ("sofa", "english") in texts
    assert ("沙发", "chinese") in texts
    assert (("velvet", "english") in texts) is (name == "lite")
