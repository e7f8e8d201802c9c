"""Reranking in bounded time: what becomes of an order that is good, late, nonsense, or not to be had."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from meshseek.errors import HostedError, RerankerError
from meshseek.model import PublishedAsset
from meshseek.rerankers import Candidate, Judgement, Reranker, RerankerOptions, Wanted
from meshseek.search import reranking as module
from meshseek.search.reranking import WAITERS, WORKERS, Found, Reranking

PATIENCE = 30.0
"""Seconds: nobody waits so long unless something is wrong."""
AT_ONCE = 0.01
CHAIR = Wanted(text="chair")


class Backwards(Reranker):
    """The last is the best; ``before`` is called with what is judged."""

    candidates = 5

    def __init__(self, before: Callable[[Sequence[Candidate]], None] = lambda _: None) -> None:
        super().__init__(RerankerOptions())
        self.before = before
        self.judged: list[list[str]] = []

    def judge(self, wanted: Wanted, candidates: Sequence[Candidate]) -> Judgement:
        """Score by place."""
        self.judged.append([candidate.asset_id for candidate in candidates])
        self.before(candidates)
        return Judgement(scores=np.arange(len(candidates), dtype=np.float32), cost="3 tokens")


class Says(Reranker):
    """Gives the scores that it is made with."""

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__(RerankerOptions())
        self.scores = scores

    def judge(self, wanted: Wanted, candidates: Sequence[Candidate]) -> Judgement:
        """What it was told to."""
        return Judgement(scores=self.scores)


def results(count: int, prefix: str = "a") -> list[Found]:
    """The first results of a search."""
    return [Found(asset=PublishedAsset(asset_id=f"{prefix}/{number}", version="1")) for number in range(count)]


def reranking(reranker: Reranker, seconds: float = PATIENCE) -> Reranking:
    """Reranking with this one reranker, whatever the name."""
    return Reranking(lambda _: reranker, Path("/nowhere"), seconds)


def wait_for_workers() -> None:
    """Until all judgements have ended."""
    for thread in threading.enumerate():
        if thread.name.startswith("rerank "):
            thread.join(PATIENCE)


def test_the_first_results_change_places() -> None:
    """As many as the reranker takes, and none of the others; what it cost is told."""
    outcome = reranking(Backwards()).judge("backwards", CHAIR, results(8), 0)

    assert outcome.order == (4, 3, 2, 1, 0, 5, 6, 7)
    assert outcome.note.startswith("the first 5 put in order by 'backwards' in ")
    assert outcome.note.endswith(" s; 3 tokens")


def test_equal_ones_stay_in_their_order() -> None:
    """The search's order decides between equal scores."""
    outcome = reranking(Says(np.array([0, 1, 0, 1, 0], np.float32))).judge("says", CHAIR, results(5), 0)

    assert outcome.order == (1, 3, 0, 2, 4)


def test_no_reranker_gets_more_than_fifty() -> None:
    """Whatever it says of itself."""
    reranker = Backwards()
    reranker.candidates = 1000
    outcome = reranking(reranker).judge("backwards", CHAIR, results(70), 0)

    assert len(reranker.judged[0]) == 50
    assert outcome.order == (*range(49, -1, -1), *range(50, 70))


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        (np.array([1, np.nan, 2], np.float32), "no number"),
        (np.array([1, np.inf, 2], np.float32), "no number"),
        (np.array([1, 2], np.float32), r"scores of shape \(2,\) for 3 candidates"),
        (np.ones((3, 1), np.float32), r"scores of shape \(3, 1\) for 3 candidates"),
    ],
)
def test_nonsense_leaves_the_order(scores: np.ndarray, told: str) -> None:
    """Scores that are no numbers, or of another number of candidates, are told in one line."""
    outcome = reranking(Says(scores)).judge("says", CHAIR, results(3), 0)

    assert outcome.order is None
    assert "'says' could not judge: " in outcome.note
    assert "\n" not in outcome.note
    with pytest.raises(RerankerError, match=told):
        Judgement(scores=scores).values(3)


@pytest.mark.parametrize("error", [HostedError("the service is down; try later"), RerankerError("out of memory")])
def test_one_that_is_down_leaves_the_order(error: Exception) -> None:
    """With the reason that it gave; the next first page tries again."""

    def fail(_: Sequence[Candidate]) -> None:
        raise error

    reranker = Backwards(fail)
    under_test = reranking(reranker)
    outcome = under_test.judge("backwards", CHAIR, results(3), 0)
    assert (outcome.order, outcome.note) == (None, f"'backwards' could not judge: {error}")

    reranker.before = lambda _: None
    assert under_test.judge("backwards", CHAIR, results(3), 0).order == (2, 1, 0)


def test_an_unforeseen_failure_leaves_the_order(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its trace, and the answer only says so."""

    def fail(_: Sequence[Candidate]) -> None:
        raise ZeroDivisionError("secret")

    outcome = reranking(Backwards(fail)).judge("backwards", CHAIR, results(3), 0)

    assert (outcome.order, outcome.note) == (None, "'backwards' failed; the log says why")
    assert "ZeroDivisionError: secret" in caplog.text


def test_a_late_order_is_there_for_the_next_search() -> None:
    """Who asked is answered at the bound; the judgement goes on, and is asked for only once."""
    go = Event()
    reranker = Backwards(lambda _: _wait(go))
    under_test = reranking(reranker, AT_ONCE)
    under_test.prepare("backwards")

    for _ in range(2):  # the second one joins the judgement that is under way
        late = under_test.judge("backwards", CHAIR, results(3), 0)
        assert late.order is None
        assert "'backwards' gave no judgement within 0.01 s" in late.note
        assert "MESHSEEK_RERANK_SECONDS" in late.note
    go.set()
    wait_for_workers()
    known = under_test.judge("backwards", CHAIR, results(3), 0)
    assert (known.order, known.note) == ((2, 1, 0), "in the order that 'backwards' gave before")
    assert len(reranker.judged) == 1


def test_pages_fit_the_first_one() -> None:
    """A page after one that was given as it was is given as it is, even if the order came meanwhile; and so after."""
    go = Event()
    reranker = Backwards(lambda _: _wait(go))
    under_test = reranking(reranker, AT_ONCE)
    under_test.prepare("backwards")
    assert under_test.judge("backwards", CHAIR, results(5), 0).order is None
    go.set()
    wait_for_workers()

    assert under_test.judge("backwards", CHAIR, results(5), 2).order is None
    assert under_test.judge("backwards", CHAIR, results(5), 0).order == (4, 3, 2, 1, 0)
    assert under_test.judge("backwards", CHAIR, results(5), 2).order == (4, 3, 2, 1, 0)
    assert len(reranker.judged) == 1


def test_a_page_behind_the_first_results_costs_nothing() -> None:
    """The reranker is not asked for what it does not order."""
    reranker = Backwards()
    under_test = reranking(reranker)
    under_test.prepare("backwards")

    assert under_test.judge("backwards", CHAIR, results(30), 5).order is None
    assert reranker.judged == []


@pytest.mark.parametrize("count", [0, 1])
def test_there_may_be_nothing_to_order(count: int) -> None:
    """No result, or one, is not judged."""
    reranker = Backwards()
    outcome = reranking(reranker).judge("backwards", CHAIR, results(count), 0)

    assert (outcome.order, outcome.note) == (None, "there is nothing to put in order")
    assert reranker.judged == []


def test_late_judgements_do_not_pile_up() -> None:
    """While a few are under way, further searches are answered at once; afterwards they are judged again."""
    go = Event()
    reranker = Backwards(lambda _: _wait(go))
    under_test = reranking(reranker, AT_ONCE)
    under_test.prepare("backwards")
    before = threading.active_count()
    notes = [under_test.judge("backwards", CHAIR, results(3, f"q{number}"), 0).note for number in range(3 * WORKERS)]

    assert threading.active_count() - before == WORKERS
    assert len(reranker.judged) == WORKERS
    assert all("too many judgements are under way" in note for note in notes[WORKERS:])
    go.set()
    wait_for_workers()
    under_test._seconds = PATIENCE
    assert under_test.judge("backwards", CHAIR, results(3, "later"), 0).order == (2, 1, 0)


def test_waiting_searches_do_not_pile_up() -> None:
    """Even if all ask the same: those beyond the bound are answered at once."""
    go = Event()
    under_test = reranking(Backwards(lambda _: _wait(go)))
    under_test.prepare("backwards")
    orders: list[tuple[int, ...] | None] = []

    def search() -> None:
        orders.append(under_test.judge("backwards", CHAIR, results(3), 0).order)

    waiting = [threading.Thread(target=search) for _ in range(WAITERS)]
    for thread in waiting:
        thread.start()
    while under_test._waiters.acquire(blocking=False):
        under_test._waiters.release()
        Event().wait(AT_ONCE)
    outcome = under_test.judge("backwards", CHAIR, results(3), 0)
    assert "too many searches wait" in outcome.note
    go.set()
    for thread in waiting:
        thread.join(PATIENCE)
    assert orders == [(2, 1, 0)] * WAITERS


def test_a_reranker_is_loaded_once() -> None:
    """By the first search that asks; until then a search is told that it is not loaded."""
    go, made = Event(), []

    def load(name: str) -> Reranker:
        _wait(go)
        made.append(name)
        return Backwards()

    under_test = Reranking(load, Path("/nowhere"), AT_ONCE)
    assert "'backwards' was not loaded within" in under_test.judge("backwards", CHAIR, results(3), 0).note
    go.set()
    wait_for_workers()
    under_test._seconds = PATIENCE
    assert under_test.judge("backwards", CHAIR, results(3), 0).order == (2, 1, 0)
    assert under_test.judge("backwards", CHAIR, results(4), 0).order == (3, 2, 1, 0)
    assert made == ["backwards"]


def test_one_that_loads_keeps_no_other_waiting() -> None:
    """However many searches ask for it meanwhile, a reranker that is loaded judges at once."""
    go, loads = Event(), Event()

    def load(name: str) -> Reranker:
        if name == "slow":
            loads.set()
            _wait(go)
        return Backwards()

    under_test = Reranking(load, Path("/nowhere"), AT_ONCE)
    under_test.prepare("quick")
    for number in range(WORKERS):
        assert "'slow' was not loaded" in under_test.judge("slow", CHAIR, results(3, f"q{number}"), 0).note
    assert loads.is_set()
    under_test._seconds = 5.0
    assert under_test.judge("quick", CHAIR, results(3), 0).order == (2, 1, 0)
    go.set()
    wait_for_workers()
    assert under_test.judge("slow", CHAIR, results(3), 0).order == (2, 1, 0)


def test_one_that_fails_to_load_unforeseen_is_left_alone_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """It is loaded once; the log has the trace, and each search says where to look."""
    tries = []

    def load(name: str) -> Reranker:
        tries.append(name)
        raise ZeroDivisionError("secret")

    under_test = Reranking(load, Path("/nowhere"), PATIENCE)
    for number in range(3):
        outcome = under_test.judge("broken", CHAIR, results(3, f"q{number}"), 0)
        assert outcome.note == "'broken' could not judge: it cannot be loaded; the log says why"
    assert len(tries) == 1
    assert "ZeroDivisionError: secret" in caplog.text


def test_one_that_cannot_be_loaded_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each search says why; after a minute it is tried again."""
    tries = []

    def load(name: str) -> Reranker:
        tries.append(name)
        if len(tries) == 1:
            raise RerankerError("there are no weights; fetch them")
        return Backwards()

    under_test = Reranking(load, Path("/nowhere"), PATIENCE)
    under_test.prepare("backwards")
    for number in range(3):
        outcome = under_test.judge("backwards", CHAIR, results(3, f"q{number}"), 0)
        assert outcome.note == "'backwards' could not judge: there are no weights; fetch them"
    assert len(tries) == 1
    monkeypatch.setattr(module, "TRY_AGAIN_SECONDS", -1.0)
    assert under_test.judge("backwards", CHAIR, results(3), 0).order == (2, 1, 0)


def test_pictures_are_not_given_to_one_that_reads_words_only() -> None:
    """The search is told so."""
    reranker = Backwards()
    reranker.takes_pictures = False
    outcome = reranking(reranker).judge("backwards", Wanted(image=Image.new("RGB", (4, 4))), results(3), 0)

    assert outcome.order is None
    assert "judges words only" in outcome.note
    assert reranker.judged == []


def test_what_is_remembered_is_what_was_judged() -> None:
    """Other words, another picture, other assets or another version of one are judged anew."""
    reranker = Backwards()
    under_test = reranking(reranker)
    newer = [*results(2), Found(asset=PublishedAsset(asset_id="a/2", version="2"))]
    asked = [
        (CHAIR, results(3)),
        (Wanted(text="stool"), results(3)),
        (Wanted(image=Image.new("RGB", (4, 4))), results(3)),
        (Wanted(image=Image.new("RGB", (4, 4), "red")), results(3)),
        (CHAIR, results(3)[::-1]),
        (CHAIR, newer),
    ]
    for _ in range(2):
        for wanted, found in asked:
            assert under_test.judge("backwards", wanted, found, 0).order == (2, 1, 0)

    assert len(reranker.judged) == len(asked)


def test_an_asset_is_shown_from_where_it_matched(tmp_path: Path) -> None:
    """First the view that matched, then others at equal distances; one that cannot be read is left out."""
    for number in range(4):
        folder = tmp_path / "views" / f"{number:05d}"
        folder.mkdir(parents=True)
        Image.new("RGB", (4, 4), (number * 50, 0, 0)).save(folder / f"{number:05d}.png")
    (tmp_path / "views" / "00000" / "00000.png").write_bytes(b"damaged")
    seen: list[list[int]] = []

    def look(candidates: Sequence[Candidate]) -> None:
        views = [candidate.views(2) for candidate in candidates]
        seen.extend([view.getpixel((0, 0))[0] // 50 for view in own] for own in views)  # type: ignore[index]

    asset = PublishedAsset(asset_id="a", view_folder=Path("views"), viewpoint_ids=(0, 1, 2, 3))
    bare = PublishedAsset(asset_id="b")
    found = [Found(asset=asset, viewpoint_id=3), Found(asset=asset, viewpoint_id=2), Found(asset=bare)]
    Reranking(lambda _: Backwards(look), tmp_path, PATIENCE).judge("backwards", CHAIR, found, 0)

    assert seen == [[3, 1], [2], []]


def _wait(event: Event) -> None:
    assert event.wait(PATIENCE)


def test_strangers_are_not_told_where_packages_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python names the file of a package that is too old; that is for the log."""
    (tmp_path / "torch.py").write_text("from json import nothing_of_that_name")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("torch", "meshseek.rerankers.qwen_reranker"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(RerankerError, match=r"pip install 'meshseek\[qwen\]'") as error:
        import_module("meshseek.rerankers.qwen_reranker")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert "json/__init__.py" in str(error.value)
    assert "json" not in error.value.in_general
