"""The one place where names in the settings become objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshseek.datasets import DATASETS, Dataset, DatasetOptions
from meshseek.embedders import EMBEDDERS, Embedder, EmbedderOptions
from meshseek.hosted import HostedOptions
from meshseek.renderers import RENDERERS, Renderer
from meshseek.rerankers import RERANKERS, Reranker, RerankerOptions
from meshseek.search.algorithm import Algorithm
from meshseek.search.reranking import Reranking
from meshseek.search.service import SearchService
from meshseek.settings import PREFIX, Settings, read_settings
from meshseek.store.embedded.server import EmbeddedServer
from meshseek.store.indexes import default_index
from meshseek.store.postgres import Server
from meshseek.store.read.live_index import live_index
from meshseek.store.read.opening import open_library
from meshseek.store.shards import Shards, expect_one_server
from meshseek.translators import TRANSLATORS, Translator, TranslatorOptions
from meshseek.workspace.format import expect_usable
from meshseek.workspace.workspace import Workspace

if TYPE_CHECKING:
    from meshseek.model import Language, ViewCount
    from meshseek.pipeline.workers import Workers
    from meshseek.workspace.libraries import LibrarySource


USUAL_RENDERING = {"renderer": "embree", "views": 8, "size": 512}


class Meshseek:
    """Everything that one process needs, made when first asked for.

    Args:
        settings: Those of the process; None to read them.
        restoring: Whether it is this process that restores the workspace.

    Raises:
        WorkspaceError: A newer Meshseek wrote the workspace, or a restore into it has not ended.
    """

    def __init__(self, settings: Settings | None = None, *, restoring: bool = False) -> None:
        self.settings = settings or read_settings()
        if not restoring:
            expect_usable(self.settings.workspace)
        self.workspace = Workspace(self.settings.workspace)
        self._embedders: dict[tuple[str, str | None, int | None], Embedder] = {}

    @cached_property
    def embedded(self) -> EmbeddedServer:
        """The supervisor of our own database server."""
        return EmbeddedServer(self.settings.workspace)

    @cached_property
    def databases(self) -> Server | Shards:
        """Where everything is published: one server, or shards."""
        servers = self._servers("shards")
        return Shards(servers, may_be_partial=self.settings.partial_answers) if servers else self.server

    def _servers(self, setting: str) -> list[Server]:
        """Those whose addresses a setting lists."""
        rest = self.settings.database_prefix, self.settings.statement_seconds, f"{PREFIX}{setting.upper()}"
        return [Server(url.get_secret_value, *rest) for url in getattr(self.settings, setting)]

    @cached_property
    def server(self) -> Server:
        """The database server: the user's own, or the embedded one."""
        expect_one_server(len(self.settings.shards))
        url = self.settings.database_url
        conninfo = url.get_secret_value if url else self.embedded.acquire
        return Server(conninfo, self.settings.database_prefix, self.settings.statement_seconds)

    @cached_property
    def search_service(self) -> SearchService:
        """All algorithms, each loaded when first needed; hidden ones only where there are vectors of theirs."""
        made = self.workspace.algorithms()
        names = [name for name in EMBEDDERS.names if name in made or not EMBEDDERS.is_hidden(name)]
        return SearchService([self._algorithm(name) for name in names])

    def _algorithm(self, name: str) -> Algorithm:
        library = open_library(self.databases, name, self._servers("read_database_urls"), self.workspace.codes)
        translate, reranking = self._query_translation, self.reranking
        return Algorithm(name, library, lambda s: self.embedder(name, s.model, s.dim), translate, reranking)

    @cached_property
    def reranking(self) -> Reranking:
        """All rerankers, each loaded when a search first asks for it."""
        return Reranking(self.reranker, self.workspace.folder, self.settings.rerank_seconds)

    def reranker(self, name: str) -> Reranker:
        """Make a reranker."""
        options = RerankerOptions(
            model=self.settings.reranker_model,
            model_dir=self.settings.model_dir,
            device=self.settings.device,
            hosted=self._chat_service,
        )
        return RERANKERS.load(name)(options)

    def dataset(self, name: str, options: DatasetOptions) -> Dataset:
        """Open a library, of which the workspace is no part."""
        return DATASETS.load(name)(options.beside(self.workspace.folder))

    @property
    def workers(self) -> Workers:
        """The processes that convert and render, and what each may take."""
        from meshseek.pipeline.engines import ENGINES, EngineOptions  # noqa: PLC0415  # the API needs none
        from meshseek.pipeline.workers import Workers  # noqa: PLC0415  # likewise

        memory, asked = self.settings.asset_memory, self.settings
        options = EngineOptions(address=asked.engine_address, workers=asked.engine_workers)
        engine = ENGINES.load(asked.engine)(options)
        return Workers(asked.workers, asked.asset_seconds, memory and memory * 1_000_000, engine)

    def renderer(self, name: str, *, views: int, size: int) -> Renderer:
        """Make a renderer."""
        return RENDERERS.load(name)(views=views, size=size)

    def translator(
        self,
        name: str,
        *,
        model: str | None = None,
        terms: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> Translator:
        """Make a translator."""
        options = TranslatorOptions(
            model=model,
            hosted=self._chat_service,
            folder=self.workspace.folder / "translations" / name,
            poll_seconds=self.settings.batch_poll_seconds,
            terms=terms,
            say=say,
        )
        return TRANSLATORS.load(name)(options)

    def embedder(
        self,
        name: str,
        model: str | None = None,
        dim: int | None = None,
        languages: tuple[Language, ...] | None = None,
        views: ViewCount | None = None,
    ) -> Embedder:
        """An algorithm's model, loaded once; None means its default."""
        wanted = (name, model, dim)
        if wanted not in self._embedders:
            embedder = EMBEDDERS.load(name)(self._embedder_options(name, model, dim, languages))
            self._embedders[wanted] = self._embedders[name, embedder.space.model, embedder.space.dim] = embedder
        embedder = self._embedders[wanted]
        if views is not None:  # another command may have chosen otherwise since the model was loaded
            embedder.options = replace(embedder.options, views=views)
        return embedder

    def lacking(self, name: str) -> str | None:
        """What is missing to load the model that an algorithm's vectors were made with, told without loading it.

        Raises:
            EmbedderError: What it is made of is not installed.
            WorkspaceError: It is not known which model that was.
        """
        return EMBEDDERS.load(name).lacks(self._embedder_options(name, *self.model_of_vectors(name)))

    def model_of_vectors(self, algorithm: str) -> tuple[str | None, int | None]:
        """The model and the length of an algorithm's vectors in the workspace; None for each where there are none.

        Raises:
            WorkspaceError: A manifest is damaged.
        """
        source = self.workspace.embedded_sources(algorithm)[:1]
        space = self.workspace.vectors_table(algorithm, source[0]).header["space"] if source else {}
        return space.get("model"), space.get("dim")

    def prefers_hosted(self, algorithm: str) -> bool:
        """Whether a hosted model is meant where none is named and there are no vectors yet."""
        return self._embedder_options(algorithm, None, None).prefer_hosted

    def _embedder_options(
        self, name: str, model: str | None, dim: int | None, languages: tuple[Language, ...] | None = None
    ) -> EmbedderOptions:
        return EmbedderOptions(
            model=model,
            dim=dim,
            languages=languages,
            model_dir=self.settings.model_dir or self._remembered_folder(name),
            device=self.settings.device,
            cache_dir=self.workspace.folder / "cache",
            hosted=self._dashscope,
        )

    def remember_model_folder(self, algorithm: str) -> None:
        """Let later commands in this workspace find the weights where this one does."""
        if self.settings.model_dir is not None:
            self.workspace.remembered.keep("weights", {"path": str(self.settings.model_dir)}, algorithm)

    def _remembered_folder(self, algorithm: str) -> Path | None:
        path = self.workspace.remembered.get("weights", algorithm).get("path")
        return Path(path) if path else None

    def dataset_like_before(self, name: str, options: DatasetOptions, library: str | None) -> Dataset:
        """Open a library; one that was imported before, with what was said of it then, unless it is said anew."""
        known = self.workspace.libraries.imported_from(DATASETS.all_names(name), options.path, library)
        if known is not None:
            given = {key: getattr(options, key) for key in known.said if getattr(options, key) is not None}
            options = replace(options, **known.said | given)
        return self.dataset(name, options)

    def dataset_of(self, library: LibrarySource) -> Dataset:
        """Open a library as it was imported.

        Raises:
            DatasetError: It cannot be read.
        """
        return self.dataset(str(library.dataset), DatasetOptions(path=Path(str(library.path)), **library.said))

    def usual_renderer(self) -> Renderer:
        """With the options of the last rendering."""
        options = self.usual_rendering()
        return self.renderer(options.pop("renderer"), **options)

    def usual_rendering(self) -> dict[str, Any]:
        """The options of the last rendering, or the defaults."""
        return {**USUAL_RENDERING, **self.workspace.remembered.get("render")}

    def usual_translator(self) -> Translator:
        """The last one that was named."""
        options = self.workspace.remembered.get("translate")
        name, terms = options.get("translator", "existing"), options.get("terms")
        return self.translator(name, model=options.get("model"), terms=Path(terms) if terms else None)

    def free_translator(self) -> Translator:
        """One that takes the libraries' own captions."""
        return self.translator("existing")

    def usual_embedder(self, algorithm: str) -> Embedder:
        """Of the space that an algorithm's vectors are in, for the last languages and as many views as were chosen."""
        languages = tuple(self.workspace.remembered.get("embed", algorithm).get("languages", ())) or None
        views = self.workspace.chosen_views(algorithm)
        return self.embedder(algorithm, *self.model_of_vectors(algorithm), languages, views)

    def usual_index(self, algorithm: str) -> str:
        """The kind of index that was last asked for, or else is live, or else suits the size of the library.

        Nothing is built anew because another kind has become the default: it is only for what is not published yet.
        """
        asked = self.workspace.remembered.get("publish", algorithm).get("index")
        return asked or live_index(self.databases, algorithm) or default_index(self.workspace.asset_count())

    @property
    def _dashscope(self) -> HostedOptions:
        key = self.settings.dashscope_api_key
        return HostedOptions(
            base_url=self.settings.dashscope_base_url.rstrip("/"),
            api_key=key.get_secret_value() if key else None,
            requests_per_minute=self.settings.requests_per_minute,
            tokens_per_minute=self.settings.tokens_per_minute,
            concurrency=self.settings.concurrent_requests,
            retry_seconds=self.settings.retry_seconds,
        )

    @property
    def _chat_service(self) -> HostedOptions:
        """DashScope in OpenAI's protocol, or the other service that the settings name."""
        url, key = self.settings.openai_base_url, self.settings.openai_api_key
        if url is None:
            return replace(self._dashscope, base_url=f"{self._dashscope.base_url}/compatible-mode/v1")
        return replace(
            self._dashscope,
            base_url=url.rstrip("/"),
            api_key=key.get_secret_value() if key else None,
            key_setting="MESHSEEK_OPENAI_API_KEY",
            url_setting="MESHSEEK_OPENAI_BASE_URL",
        )

    @cached_property
    def _query_translation(self) -> Callable[[str], str | None] | None:
        """Translates Chinese queries, where a model for that is named."""
        if self.settings.query_translator is None:
            return None
        from meshseek.translators.openai_chat import OpenaiChat  # noqa: PLC0415  # only where it is wanted

        return OpenaiChat(TranslatorOptions(model=self.settings.query_translator, hosted=self._chat_service)).to_english

    def close(self) -> None:
        """Let go of the database."""
        if "search_service" in self.__dict__:
            self.search_service.close()
        if "embedded" in self.__dict__:
            self.embedded.release()
