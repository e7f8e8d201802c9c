"""What caption vectors are made from: texts with weights, and just what the algorithm looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.toy import Toy, import_toys, publish_toys

from meshseek.embedders import EmbedderOptions, WeightedTexts
from meshseek.model import Asset, AssetTexts, CaptionBasis, Estimate, Language, Role
from meshseek.pipeline.embed import embed, preview
from meshseek.pipeline.publish import is_outdated
from meshseek.pipeline.standing import is_embedded, standings
from meshseek.reporting import SilentReporter
from meshseek.store.indexes import DEFAULT_INDEX
from meshseek.store.postgres import Server
from meshseek.workspace.made_from import caption_fingerprint
from meshseek.workspace.tables import SOURCE_OF, Source, asset_row
from meshseek.workspace.workspace import Workspace

COUNT = 20
SHARED = "a thing"
"""Goes into every vector of :class:`AllTexts`."""


class AllTexts(Toy):
    """Makes vectors of the name, of both languages, and of one text that all share; has a price."""

    caption_basis: ClassVar[CaptionBasis] = "all_texts"
    documents: Sequence[str] = ()

    def caption_texts(self, assets: Sequence[AssetTexts], language: Language) -> list[WeightedTexts]:
        """The language's captions count three times."""
        other: Language = "chinese" if language == "english" else "english"
        return [
            [
                *((text, 3.0) for text in texts.captions(language)),
                *((text, 1.0) for text in texts.captions(other)),
                (texts.name or SHARED, 0.5),
                (SHARED, 0.5),
            ]
            for texts in assets
        ]

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Note what is embedded as a document."""
        if role == "document":
            self.documents = [*self.documents, *texts]
        return super().embed_texts(texts, role=role)

    def estimate_texts(self, texts: Sequence[str]) -> Estimate:
        """One coin a text."""
        return Estimate(
            service="paid",
            items=len(texts),
            requests=1,
            input_tokens=0,
            output_tokens=0,
            price=float(len(texts)),
            seconds=1.0,
        )

    def estimate_views(self, views: Sequence[int]) -> Estimate:
        """Views are free."""
        del views
        return self.estimate_texts([])


class OwnLanguage(AllTexts):
    """The same, but looks at the captions of one language."""

    caption_basis = "own_language"
    caption_texts = Toy.caption_texts


def run(workspace: Workspace, embedder: Toy) -> list[int]:
    """Run the stage; how many vectors it made of English captions, Chinese captions and views."""
    return [summary.done for summary in embed(embedder, "toy", workspace, max_assets=None, reporter=SilentReporter())]


def vectors(workspace: Workspace, source: Source) -> dict[str, NDArray[np.float32]]:
    """What is on disk."""
    rows = (row for table in workspace.vectors_table("toy", source).tables() for row in table.to_pylist())
    return {row["asset_id"]: np.frombuffer(row["vector"], "<f2").astype(np.float32) for row in rows}


def change(workspace: Workspace, asset: Asset) -> None:
    """Import an asset as it is now."""
    workspace.assets_table().append([asset_row(asset)])


def made(kind: type[AllTexts]) -> AllTexts:
    """An embedder."""
    return kind(EmbedderOptions())


def test_a_vector_is_the_weighted_sum_of_its_texts(workspace: Workspace) -> None:
    """Each column is made of the texts that the embedder names, by their weights, and has unit length."""
    assets = import_toys(workspace, COUNT)
    toy = made(AllTexts)
    run(workspace, toy)

    for asset in assets:
        for language, source in SOURCE_OF.items():
            found = vectors(workspace, source).get(asset.asset_id)
            texts = AssetTexts.of(asset)
            if not texts.captions(language):
                assert found is None
                continue
            (weighted,) = toy.caption_texts([texts], language)
            parts = toy.embed_texts([text for text, _ in weighted], role="document")
            expected = np.array([weight for _, weight in weighted]) @ parts
            assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-3)


def test_a_text_is_embedded_once_a_batch(workspace: Workspace) -> None:
    """What many assets share costs one embedding, and the estimate says so before."""
    import_toys(workspace, COUNT)
    toy = made(AllTexts)
    estimate = preview(toy, "toy", workspace, max_assets=None)
    run(workspace, toy)

    assert [text for text in toy.documents if text == SHARED] == [SHARED] * 2
    assert len(toy.documents) == len(set(toy.documents[: COUNT + COUNT * 4 // 5 + 1])) + COUNT * 8 // 5 + 1
    assert estimate is not None
    assert estimate.items == len(toy.documents) + len(toy.world_texts())


@pytest.mark.parametrize(
    ("kind", "chinese", "name"), [(AllTexts, [1, 1, 0], [1, 1, 0]), (OwnLanguage, [0, 1, 0], [0, 0, 0])]
)
def test_only_what_it_is_made_of_makes_it_again(
    workspace: Workspace, server: Server, kind: type[AllTexts], chinese: list[int], name: list[int]
) -> None:
    """A changed Chinese caption or name renews the vectors that it went into, and no other; all are told beforehand."""
    assets = import_toys(workspace, COUNT)
    toy = made(kind)
    assert run(workspace, toy) == [COUNT, COUNT * 4 // 5, COUNT]
    publish_toys(workspace, server)
    assert is_embedded(workspace, "toy")

    for changed, expected in (
        (replace(assets[1], captions_chinese=("一把新椅子",)), chinese),
        (replace(assets[2], attributes={**assets[2].attributes, "name": "Throne"}), name),
    ):
        change(workspace, changed)
        renewed = any(expected)
        assert is_embedded(workspace, "toy") is not renewed
        assert standings(workspace, ["toy"])[""].outdated.get("embed toy", 0) == renewed
        assert is_outdated("toy", workspace, server, index_kind=DEFAULT_INDEX, max_assets=None)
        outdated = publish_toys(workspace, server).details.get("outdated embed", 0)
        assert outdated == renewed
        assert run(workspace, toy) == expected
        assert "outdated embed" not in publish_toys(workspace, server).details
        assert is_embedded(workspace, "toy")


def test_tables_of_an_older_meshseek_say_nothing(workspace: Workspace, server: Server) -> None:
    """Without a word in the header, vectors are made of their language's captions, as they all were."""
    import_toys(workspace, COUNT)
    run(workspace, made(OwnLanguage))
    for source in SOURCE_OF.values():
        table = workspace.vectors_table("toy", source)
        del table.header["basis"]
        table.keep_shards(table.shards)

    assert workspace.caption_basis("toy") == "own_language"
    assert run(workspace, made(OwnLanguage)) == [0, 0, 0]
    assert "outdated embed" not in publish_toys(workspace, server).details


@pytest.mark.parametrize(
    ("basis", "other"), [("own_language", True), ("all_texts", False)], ids=["own language", "all texts"]
)
def test_the_fingerprint_covers_what_goes_in(basis: CaptionBasis, *, other: bool) -> None:
    """Another text of the other language is another fingerprint only where it goes in; without it, as it ever was."""
    texts = AssetTexts(name="Throne", english=("a chair",), chinese=("椅子",))
    before = caption_fingerprint(texts, "english", basis)

    assert (caption_fingerprint(replace(texts, chinese=("凳子",)), "english", basis) == before) is other
    assert (caption_fingerprint(replace(texts, name="Chair"), "english", basis) == before) is other
    assert caption_fingerprint(replace(texts, english=("a stool",)), "english", basis) != before
    assert caption_fingerprint(texts, "english", "own_language") == "e9114ec1abefb760"
