"""How a workspace stands: for each library, what each stage has still to do, and what is outdated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from meshseek.embedders import EMBEDDERS
from meshseek.embedders._told import usual_views
from meshseek.model import Asset, ViewCount
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.made_from import HeldViews, caption_sources, is_current, lacks_views
from meshseek.workspace.skipped import skipped_fingerprints
from meshseek.workspace.tables import SOURCE_OF, Source
from meshseek.workspace.view_rows import held_views
from meshseek.workspace.workspace import Part, Workspace
from meshseek.workspace.world import is_world_whole

MadeFrom = Mapping[Source, Mapping[str, str]]
"""What each asset's caption vectors were made from, by source and asset id."""


NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of one library, or of all assets where a workspace does not tell its libraries apart."""

    assets: int
    """Assets that are imported as they are now."""
    waiting: Mapping[str, int]
    """Assets that have nothing of a stage yet, by stage; those that it could not do are among them."""
    outdated: Mapping[str, int]
    """Assets of which a stage made something from something else than they are now, by the stage that mends it."""
    skipped: Mapping[str, int]
    """Assets that a stage could not do as they are now; its ``skipped.jsonl`` says why."""


def standings(workspace: Workspace, algorithms: Sequence[str]) -> dict[str, Standing]:
    """The state of each library by its name.

    Args:
        workspace: Where the libraries are.
        algorithms: Whose vectors to look at; each is a stage ``embed NAME``.

    Raises:
        WorkspaceError: A table is damaged.
    """
    counts = _Counts(workspace, algorithms)
    if len(workspace.assets_table()):
        counts.count_assets()
    if not workspace.libraries.are_known:
        return {"": counts.standing("")} if counts.assets else {}
    imported = workspace.assets_table().fingerprints()
    unreadable = skipped_fingerprints(workspace.assets_table().folder)
    for library in workspace.libraries.all():
        for asset_id, fingerprint in workspace.libraries.listing(library).items():
            if imported.get(asset_id) != fingerprint:
                undone = counts.outdated if asset_id in imported else counts.waiting
                tried = unreadable.get(asset_id) == fingerprint
                (counts.skipped if tried else undone)[library.name, "import"] += 1
    return {library.name: counts.standing(library.name) for library in workspace.libraries.all()}


def is_embedded(workspace: Workspace, algorithm: str) -> bool:
    """Whether an algorithm has the vectors of everything that it was last told to embed, as it is now.

    It is told without loading the model, which takes seconds.

    Raises:
        WorkspaceError: A table is damaged.
    """
    sources = workspace.embedded_sources(algorithm)
    if not sources or not languages_of(workspace, algorithm) or workspace.view_count(algorithm) is None:
        return False
    if workspace.lost_vectors(algorithm) or any(
        workspace.vectors_table(algorithm, source).damaged() for source in sources
    ):
        return False
    if not is_world_whole(workspace, algorithm) or is_other_code(workspace, algorithm):
        return False
    stage = f"embed {algorithm}"
    known = standings(workspace, [algorithm]).values()
    return not any(stage in standing.waiting or stage in standing.outdated for standing in known)


def views_to_embed(workspace: Workspace, algorithm: str) -> ViewCount:
    """How many views of each asset the next update embeds: as many as were chosen, or else as the model usually takes.

    Raises:
        WorkspaceError: What is remembered is damaged.
    """
    chosen = workspace.view_count(algorithm)
    if chosen is not None:
        return chosen
    source = workspace.embedded_sources(algorithm)[:1]
    space = workspace.vectors_table(algorithm, source[0]).header["space"] if source else {}
    return usual_views(algorithm, space.get("model"))


def is_other_code(workspace: Workspace, algorithm: str) -> bool:
    """Whether an algorithm's code, data or packages have changed since it last embedded: it may give other vectors."""
    code = workspace.remembered.get("embed", algorithm).get("code")
    return algorithm in EMBEDDERS.names and code != EMBEDDERS.digest(algorithm)


def languages_of(workspace: Workspace, algorithm: str) -> list[str]:
    """The languages of the captions that an algorithm was last told to embed."""
    languages: list[str] = workspace.remembered.get("embed", algorithm).get("languages", [])
    return languages


def _captions_of(workspace: Workspace, algorithm: str) -> MadeFrom:
    """Also of languages that it was last told to embed and of which nothing is left, because somebody removed it."""
    embedded, languages = workspace.embedded_sources(algorithm), languages_of(workspace, algorithm)
    return {
        source: workspace.vectors_table(algorithm, source).fingerprints() if source in embedded else NOTHING
        for language, source in SOURCE_OF.items()
        if source in embedded or language in languages
    }


def _views_of(workspace: Workspace, algorithm: str) -> Mapping[str, HeldViews] | None:
    """Likewise of views; None where it has embedded nothing yet."""
    if "appearance" in workspace.embedded_sources(algorithm):
        return held_views(workspace.vectors_table(algorithm, "appearance"))
    return {} if languages_of(workspace, algorithm) else None


class _Counts:
    def __init__(self, workspace: Workspace, algorithms: Sequence[str]) -> None:
        self._basis = {name: workspace.caption_basis(name) for name in algorithms}
        parts: list[Part] = ["captions", "model", "views"]
        if "all_texts" in self._basis.values():
            parts.append("attributes")
        self._current = CurrentAssets(workspace, parts=parts)
        self._vectors: dict[str, MadeFrom] = {name: _captions_of(workspace, name) for name in algorithms}
        self._views = {name: views for name in algorithms if (views := _views_of(workspace, name)) is not None}
        self._count = {name: views_to_embed(workspace, name) for name in algorithms}
        self._together = {name: workspace.views_together(name) for name in algorithms}
        self.assets: Counter[str] = Counter()
        self.waiting: Counter[tuple[str, str]] = Counter()
        self.outdated: Counter[tuple[str, str]] = Counter()
        self.skipped: Counter[tuple[str, str]] = Counter()

    def count_assets(self) -> None:
        for asset in self._current:
            self.assets[asset.library] += 1
            self.waiting[asset.library, "render"] += asset.views is None
            for algorithm, made_from in self._vectors.items():
                self._count_vectors(asset, algorithm, made_from)
        self.outdated += self._current.outdated
        self.skipped += self._current.skipped
        for (library, stage), count in (self._current.outdated + self._current.skipped).items():
            self.waiting[library, stage] -= count if stage == "render" else 0

    def _count_vectors(self, asset: Asset, algorithm: str, made_from: MadeFrom) -> None:
        stage = f"embed {algorithm}"
        wanted = caption_sources(asset, self._basis[algorithm])
        known = {source: rows.get(asset.asset_id) for source, rows in made_from.items()}
        is_outdated = any(known[source] not in {None, wanted.get(source)} for source in known if source in wanted)
        is_waiting = any(known[source] is None for source in known if source in wanted)
        if asset.views is not None and algorithm in self._views:
            held = self._views[algorithm].get(asset.asset_id)
            is_outdated |= held is not None and not is_current(held, asset.views)
            count, together = self._count[algorithm], self._together[algorithm]
            is_waiting |= held is None or lacks_views(held, asset.views, count, together)
        if is_outdated:
            self.outdated[asset.library, stage] += 1
        elif is_waiting:
            self.waiting[asset.library, stage] += 1

    def standing(self, library: str) -> Standing:
        def of(counter: Counter[tuple[str, str]]) -> dict[str, int]:
            return {stage: count for (name, stage), count in counter.items() if name == library and count > 0}

        waiting, outdated, skipped = map(of, (self.waiting, self.outdated, self.skipped))
        return Standing(assets=self.assets[library], waiting=waiting, outdated=outdated, skipped=skipped)
