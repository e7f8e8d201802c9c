"""Has the first results of a search looked at again, without ever keeping the search waiting for longer than agreed."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Final

from meshseek.embedders import ONE_LOADS
from meshseek.errors import MeshseekError, RerankerError
from meshseek.model import PublishedAsset
from meshseek.rerankers import MAX_CANDIDATES, Candidate, Reranker, Wanted
from meshseek.search.caching import RecentlyUsed, picture_key
from meshseek.workspace.workspace import Workspace

WORKERS: Final = 4
"""Judgements under way at a time, the late ones included; each reranker is loaded in one more thread."""
WAITERS: Final = 16
"""Searches that wait for a judgement at a time; the next one is answered at once, as it is."""
REMEMBERED: Final = 512
"""Orders of recent searches."""
TRY_AGAIN_SECONDS: Final = 60.0
"""How long a reranker that could not be loaded is left alone."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the first results."""

    order: tuple[int, ...] | None
    """Their places in the new order; None where they stay as they are."""
    note: str
    """Why they do, or how long it took and what it cost."""
    general: str | None = None
    """The same without addresses and paths, where the note may have some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One result of the search as it is to be judged."""

    asset: PublishedAsset
    viewpoint_id: int | None = None
    """The view that matched best."""


@dataclass(slots=True)
class _Job:
    """One judgement, in a thread of its own."""

    name: str
    wanted: Wanted
    found: Sequence[Found]
    done: Event = field(default_factory=Event)
    outcome: Outcome | None = None


class Reranking:
    """All rerankers, each loaded once when first asked for. Threads may share it.

    Args:
        load: Makes the reranker of a name.
        folder: The workspace's, below which views are.
        seconds: How long a search waits for a judgement.
    """

    def __init__(self, load: Callable[[str], Reranker], folder: Path, seconds: float) -> None:
        self._load = load
        self._folder = folder
        self._seconds = seconds
        self._loaded: dict[str, Reranker] = {}
        self._failures: dict[str, tuple[MeshseekError, float]] = {}
        self._loading: dict[str, Lock] = {}
        self._loaders: dict[str, Thread] = {}
        self._workers, self._waiters = BoundedSemaphore(WORKERS), BoundedSemaphore(WAITERS)
        self._jobs: dict[str, _Job] = {}
        self._starting = Lock()
        self._known: RecentlyUsed[Outcome] = RecentlyUsed(REMEMBERED)
        """Orders, also those that came too late for who had asked."""
        self._given: RecentlyUsed[Outcome] = RecentlyUsed(REMEMBERED)
        """What the last first page of a search was given, so that the pages after it fit."""

    @property
    def caches(self) -> dict[str, RecentlyUsed[Outcome]]:
        """What is remembered of recent searches, by what it is."""
        return {"reranked orders": self._known}

    def prepare(self, name: str) -> None:
        """Load a reranker, however long that takes; where it cannot be loaded, judgements will say why."""
        try:
            self._reranker(name)
        except MeshseekError as error:
            log.info("'%s' cannot be used: %s", name, error)

    def judge(self, name: str, wanted: Wanted, found: Sequence[Found], offset: int) -> Outcome:
        """Put the first results of a search in a better order, if that is possible in time.

        Args:
            name: Of the reranker.
            wanted: What was searched.
            found: The first results, :data:`MAX_CANDIDATES` at most; the same ones for each page of a search.
            offset: Where the page begins that is asked for.
        """
        loaded = self._loaded.get(name)
        if offset >= (loaded.candidates if loaded else MAX_CANDIDATES):
            return _as_it_was(f"'{name}' puts only the first results in order, not those of this page")
        if len(found) <= 1:
            return _as_it_was("there is nothing to put in order")
        key = _key(name, wanted, found)
        given = self._given.find(key) if offset else None
        if given is None:
            given = self._known.find(key) or self._awaited(key, _Job(name, wanted, found))
            self._given.keep(key, given)
        return given

    def _awaited(self, key: str, job: _Job) -> Outcome:
        """What becomes of a job in time; one that is under way already is not begun again."""
        if not self._waiters.acquire(blocking=False):
            return _as_it_was("too many searches wait for a judgement; try again in a few seconds")
        until = time.monotonic() + self._seconds
        try:
            if not self._is_loaded(job.name, until):
                return self._too_late(job)
            with self._starting:
                if key in self._jobs:
                    job = self._jobs[key]
                elif not self._started(key, job):
                    return _as_it_was("too many judgements are under way; try again in a few seconds")
            job.done.wait(max(0.0, until - time.monotonic()))
        finally:
            self._waiters.release()
        return job.outcome or self._too_late(job)

    def _is_loaded(self, name: str, until: float) -> bool:
        """Whether a reranker was loaded in time, or cannot be; no worker waits for that, so that others can judge."""
        if name in self._loaded or self._failure(name):
            return True
        with self._starting:
            loader = self._loaders.get(name)
            if loader is None or not loader.is_alive():
                loader = Thread(target=self.prepare, args=(name,), name=f"rerank {name}, loading", daemon=True)
                try:
                    loader.start()
                except RuntimeError:  # the system has no more threads
                    return False
                self._loaders[name] = loader
        loader.join(max(0.0, until - time.monotonic()))
        return not loader.is_alive()

    def _started(self, key: str, job: _Job) -> bool:
        """Begin a job, where one more thread may be and can be; within the lock."""
        if not self._workers.acquire(blocking=False):
            return False
        try:
            # In the context of who asked first, so that the log names that request.
            target = copy_context().run
            Thread(target=target, args=(self._work, key, job), name=f"rerank {job.name}", daemon=True).start()
        except RuntimeError:  # the system has no more threads
            self._workers.release()
            return False
        self._jobs[key] = job
        return True

    def _too_late(self, job: _Job) -> Outcome:
        what = "gave no judgement" if job.name in self._loaded else "was not loaded"
        note = f"'{job.name}' {what} within {self._seconds:g} s; try again in a while, or raise MESHSEEK_RERANK_SECONDS"
        log.warning("not reranked: %s", note)
        return _as_it_was(note)

    def _work(self, key: str, job: _Job) -> None:
        try:
            outcome = self._judged(job)
            log.info("%s: %s", job.name, outcome.note)
            self._known.keep(key, replace(outcome, note=f"in the order that '{job.name}' gave before"))
        except MeshseekError as error:
            log.warning("not reranked: '%s' could not judge: %s", job.name, error)
            words = f"'{job.name}' could not judge: "
            outcome = Outcome(order=None, note=f"{words}{error}", general=f"{words}{error.in_general}")
        except Exception:
            log.exception("not reranked: '%s' failed", job.name)
            outcome = _as_it_was(f"'{job.name}' failed; the log says why")
        with self._starting:
            job.outcome = outcome
            del self._jobs[key]
            self._workers.release()
        job.done.set()

    def _judged(self, job: _Job) -> Outcome:
        reranker = self._reranker(job.name)
        if job.wanted.image is not None and not reranker.takes_pictures:
            raise RerankerError("this model judges words only; search with words, or choose another model")
        first = job.found[: min(reranker.candidates, MAX_CANDIDATES)]
        started = time.perf_counter()
        judgement = reranker.judge(job.wanted, [_candidate(found, self._folder) for found in first])
        seconds = time.perf_counter() - started
        scores = judgement.values(len(first))
        order = sorted(range(len(first)), key=lambda place: -scores[place])  # equal ones stay as they are
        cost = f"; {judgement.cost}" if judgement.cost else ""
        return Outcome(
            order=(*order, *range(len(first), len(job.found))),
            note=f"the first {len(first)} put in order by '{job.name}' in {seconds:.2f} s{cost}",
        )

    def _reranker(self, name: str) -> Reranker:
        """One reranker; only who asks for one that is not loaded yet waits for anything."""
        known = self._loaded.get(name)
        if known is not None:
            return known
        with self._loading.setdefault(name, Lock()):
            if name not in self._loaded:
                failure = self._failure(name)
                if failure:
                    raise RerankerError.of(failure)
                self._loaded[name] = self._made(name)
            return self._loaded[name]

    def _made(self, name: str) -> Reranker:
        try:
            with ONE_LOADS:
                return self._load(name)
        except MeshseekError as error:
            self._failures[name] = (error, time.monotonic())
            raise
        except Exception as error:
            log.exception("'%s' cannot be loaded", name)
            unknown = RerankerError("it cannot be loaded; the log says why")
            self._failures[name] = (unknown, time.monotonic())
            raise unknown from error

    def _failure(self, name: str) -> MeshseekError | None:
        """Why a reranker could not be loaded a short while ago."""
        failure, since = self._failures.get(name, (None, 0.0))
        return failure if time.monotonic() - since < TRY_AGAIN_SECONDS else None


def _as_it_was(note: str) -> Outcome:
    return Outcome(order=None, note=note)


def _candidate(found: Found, folder: Path) -> Candidate:
    """An asset as rerankers see it: the view that matched first, then those that follow it."""
    asset, ids = found.asset, found.asset.viewpoint_ids
    views = asset.view_folder
    start = ids.index(found.viewpoint_id) if found.viewpoint_id in ids else 0
    return Candidate(
        asset_id=asset.asset_id,
        captions_english=asset.captions_english,
        captions_chinese=asset.captions_chinese,
        view_folder=None if views is None else folder / views,
        view_root=None if views is None else Workspace(folder).view_root(views, asset.attributes.get("library")),
        viewpoint_ids=(*ids[start:], *ids[:start]),
    )


def _key(name: str, wanted: Wanted, found: Sequence[Found]) -> str:
    """The same as long as the same would be judged: an asset's version changes with whatever is published of it."""
    asked = wanted.text if wanted.image is None else picture_key(wanted.image)
    judged = [(own.asset.asset_id, own.asset.version, own.viewpoint_id) for own in found]
    return hashlib.sha256(json.dumps([name, asked, judged]).encode()).hexdigest()
