"""The one place where names in the settings become objects."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from meshseek.datasets import DATASETS, Dataset, DatasetOptions
from meshseek.embedders import EMBEDDERS, Embedder, EmbedderOptions
from meshseek.renderers import RENDERERS, Renderer
from meshseek.search.service import Algorithm, SearchService
from meshseek.settings import Settings, read_settings
from meshseek.store.embedded import EmbeddedServer
from meshseek.store.library import Library
from meshseek.store.postgres import Server
from meshseek.store.workspace import Workspace
from meshseek.translators import TRANSLATORS, Translator

if TYPE_CHECKING:
    from meshseek.model import Space


class Meshseek:
    """Everything that one process needs, made when first asked for."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or read_settings()
        self.workspace = Workspace(self.settings.workspace)
        self._embedders: dict[tuple[str, str | None], Embedder] = {}

    @cached_property
    def embedded(self) -> EmbeddedServer:
        """The supervisor of our own database server."""
        return EmbeddedServer(self.settings.workspace)

    @cached_property
    def server(self) -> Server:
        """The database server: the user's own, or the embedded one."""
        url = self.settings.database_url
        conninfo = url.get_secret_value if url else self.embedded.acquire
        return Server(conninfo, self.settings.database_prefix)

    @cached_property
    def search_service(self) -> SearchService:
        """All algorithms, each loaded when first needed."""
        return SearchService([self._algorithm(name) for name in EMBEDDERS.names])

    def _algorithm(self, name: str) -> Algorithm:
        def load(space: Space) -> Embedder:
            return self.embedder(name, space.model)

        return Algorithm(name, Library(self.server, name), load)

    def dataset(self, name: str, options: DatasetOptions) -> Dataset:
        """Open a library."""
        return DATASETS.load(name)(options)

    def renderer(self, name: str, *, views: int, size: int) -> Renderer:
        """Make a renderer."""
        return RENDERERS.load(name)(views=views, size=size)

    def translator(self, name: str) -> Translator:
        """Make a translator."""
        return TRANSLATORS.load(name)()

    def embedder(self, name: str, model: str | None = None) -> Embedder:
        """An algorithm's model, loaded once; None means its default."""
        if (name, model) not in self._embedders:
            embedder = EMBEDDERS.load(name)(EmbedderOptions(model=model, model_dir=self.settings.model_dir))
            self._embedders[name, model] = self._embedders[name, embedder.space.model] = embedder
        return self._embedders[name, model]

    def close(self) -> None:
        """Let go of the database."""
        if "search_service" in self.__dict__:
            self.search_service.close()
        if "embedded" in self.__dict__:
            self.embedded.release()
