"""The stages on a folder of small models, called as the commands call them, in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshseek.datasets import DATASETS, Dataset, DatasetOptions
from meshseek.embedders import Embedder
from meshseek.pipeline.embed import embed
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.publish import publish
from meshseek.pipeline.render import render
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.translate import translate
from meshseek.pipeline.update import Updated, UpdateOptions, update
from meshseek.renderers import RENDERERS, Renderer
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.translators import Translator, TranslatorOptions
from meshseek.translators.existing import Existing
from meshseek.workspace.libraries import LibrarySource
from meshseek.workspace.workspace import Workspace
from tests.toy import toy

ALGORITHM = "toy"


@dataclass
class Stages:
    """Runs the stages in one workspace; also gives ``update`` its parts."""

    workspace: Workspace
    server: Server
    said: list[str] = field(default_factory=list)
    max_assets: int | None = None

    @property
    def databases(self) -> Server:
        """Where it is published."""
        return self.server

    @property
    def reporter(self) -> SilentReporter:
        """Keeps what is said."""
        reporter = SilentReporter()
        reporter.say = self.said.append  # type: ignore[method-assign, assignment]
        return reporter

    def import_folder(self, folder: Path, name: str | None = None, **options: Any) -> Summary:
        """Import a folder of models, with its ``captions.csv`` where there is one."""
        captions = folder / "captions.csv"
        given = DatasetOptions(path=folder, captions=captions if captions.exists() else None)
        return self.import_dataset(DATASETS.load("folder")(given), LibraryOptions(name=name, **options))

    def import_dataset(self, dataset: Dataset, library: LibraryOptions) -> Summary:
        """Import any library."""
        shared: dict[str, Any] = {"max_assets": self.max_assets, "reporter": self.reporter}
        return import_assets(dataset, self.workspace, workers=0, library=library, **shared)

    def render(self) -> Summary:
        """Render one small view of each asset."""
        return render(
            self.usual_renderer(), self.workspace, workers=0, max_assets=self.max_assets, reporter=self.reporter
        )

    def translate(self) -> Summary:
        """Take the libraries' own Chinese captions."""
        return translate(self.free_translator(), self.workspace, max_assets=self.max_assets, reporter=self.reporter)

    def embed(self) -> list[Summary]:
        """Embed with the toy algorithm."""
        return embed(toy(), ALGORITHM, self.workspace, max_assets=self.max_assets, reporter=self.reporter, workers=0)

    def publish(self) -> Summary:
        """Publish the toy algorithm."""
        return publish(ALGORITHM, self.workspace, self.server, max_assets=self.max_assets, reporter=self.reporter)

    def update(self, *, yes: bool = False, **more: Any) -> Updated:
        """Everything at once."""
        options = UpdateOptions(algorithms=[ALGORITHM], workers=0, max_assets=self.max_assets, yes=yes, **more)
        return update(self, options, self.reporter)

    def dataset_of(self, library: LibrarySource) -> Dataset:
        """Open a library as it was imported."""
        captions = Path(library.captions) if library.captions else None
        options = DatasetOptions(path=Path(str(library.path)), captions=captions)
        return DATASETS.load(str(library.dataset))(options)

    def usual_renderer(self) -> Renderer:
        """A quick one."""
        return RENDERERS.load("embree")(views=1, size=32)

    def usual_translator(self) -> Translator:
        """One that costs nothing."""
        return self.free_translator()

    def free_translator(self) -> Translator:
        """Likewise."""
        return Existing(TranslatorOptions())

    def usual_embedder(self, algorithm: str) -> Embedder:
        """The toy."""
        del algorithm
        return toy()

    def usual_index(self, algorithm: str) -> str:
        """The quickest to build."""
        del algorithm
        return "exact"

    def searchable(self) -> dict[str, dict[str, Any]]:
        """What is published of each asset, by id."""
        with self.server.connect(ALGORITHM) as connection:
            rows = connection.execute(
                "SELECT asset_id, captions_english, captions_chinese, model, view_folder, attributes FROM live.assets"
            ).fetchall()
        names = ("english", "chinese", "model", "view_folder", "attributes")
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}

    def vectors(self, column: str = "image_embeddings") -> set[str]:
        """Ids of the assets that have a published vector in a table."""
        statements = {
            "image_embeddings": "SELECT DISTINCT asset_id FROM live.image_embeddings",
            "english": "SELECT asset_id FROM live.text_embeddings WHERE english_embedding IS NOT NULL",
            "chinese": "SELECT asset_id FROM live.text_embeddings WHERE chinese_embedding IS NOT NULL",
        }
        with self.server.connect(ALGORITHM) as connection:
            return {row[0] for row in connection.execute(statements[column].encode()).fetchall()}

    def ids(self) -> list[str]:
        """Ids of the workspace's assets as they are now."""
        return [asset.asset_id for asset in self.workspace.assets()]
