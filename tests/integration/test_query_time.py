"""One algorithm at query time: translated queries, remembered vectors, models that load, fail and recover."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from threading import Event
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.toy import Toy, publish_toys, toy

from meshseek.embedders import Embedder, PartlyEmbeddedError
from meshseek.errors import BusyError, EmbedderError, HostedError, HostedItemError
from meshseek.model import Language, Ranked, Role, Space
from meshseek.search import readiness as readiness_module
from meshseek.search.admission import Admission
from meshseek.search.algorithm import Algorithm
from meshseek.search.explaining import EXPLAINED
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.store.read import versions
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import Breadth, Published, Tuning
from meshseek.workspace.workspace import Workspace

Make = Callable[..., Algorithm]
MANY = 40
"""More than are explained."""


class Counting(Toy):
    """Weak at Chinese; counts what it embeds; refuses or stops when told to."""

    weak_languages: ClassVar[tuple[Language, ...]] = ("chinese",)
    asked: ClassVar[list[str]] = []
    pictures: ClassVar[int] = 0
    stop: ClassVar[HostedError | None] = None

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed and remember."""
        type(self).asked.extend(texts)
        vectors = super().embed_texts(texts, role=role)
        if "forbidden" in texts[0]:
            raise PartlyEmbeddedError(vectors, {0: "the service refused it"}, self.stop)
        return vectors

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Embed and count."""
        type(self).pictures += len(images)
        return super().embed_images(images)


@pytest.fixture
def make(published_toys: Workspace, server: Server) -> Iterator[Make]:
    """Makes algorithms over the published toys."""
    Counting.asked, Counting.pictures, Counting.stop = [], 0, None
    made: list[Algorithm] = []

    def algorithm(load: Callable[[Space], Embedder] | None = None, **options: Any) -> Algorithm:
        made.append(Algorithm("toy", Library(server, "toy"), load or counting, **options))
        return made[-1]

    yield algorithm
    for own in made:
        own.library.close()


def counting(space: Space) -> Counting:
    """The toy that counts."""
    return Counting(toy(space.model).options)


def test_a_chinese_query_is_translated_where_it_helps(make: Make) -> None:
    """The English words are embedded and compared with English captions; the answer tells them; it is asked once.

    Words that are looked for as they stand are those that were typed.
    """
    translated: list[str] = []

    def translate(text: str) -> str | None:
        translated.append(text)
        return "a red chair"

    algorithm = make(translate=translate)
    answers = [algorithm.search(Query(text="红椅子")) for _ in range(2)]

    assert {answer.translated_query for answer in answers} == {"a red chair"}
    assert answers[0].query_type == "chinese"
    for cross_modal in (False, True):
        hits = algorithm.search(Query(text="红椅子", cross_modal=cross_modal)).hits
        assert hits == algorithm.search(Query(text="a red chair", cross_modal=cross_modal)).hits != []
    assert translated == ["红椅子"]
    assert Counting.asked == ["a red chair"]
    assert algorithm.search(Query(text="a red chair")).translated_query is None


@pytest.mark.parametrize("strong", [True, False])
def test_queries_stay_as_they_are_otherwise(make: Make, strong: bool) -> None:  # noqa: FBT001  # a parameter
    """Without a translator, or with a model that knows Chinese, the words themselves are searched."""
    load = (lambda space: toy(space.model)) if strong else None
    algorithm = make(load, translate=(lambda _: "never") if strong else None)
    answer = algorithm.search(Query(text="绿色的椅子"))
    assert answer.translated_query is None
    assert answer.hits[0].caption_chinese == "绿色的椅子"


def test_a_translator_that_fails_does_not_stop_the_search(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The words are searched as they are, and the log says so."""
    algorithm = make(translate=lambda _: None)
    with caplog.at_level(logging.WARNING):
        answer = algorithm.search(Query(text="绿色的椅子"))
    assert answer.hits
    assert answer.translated_query is None
    assert "could not be translated" in caplog.text


def test_vectors_of_recent_queries_are_remembered(make: Make) -> None:
    """The same words and the same picture are embedded once, whatever they are compared with."""
    algorithm = make()
    picture = Image.new("RGB", (8, 8), "red")
    for target in ("caption", "appearance", "both"):
        algorithm.search(Query(text="a red chair", target=target))
        algorithm.search(Query(image=picture.copy(), target=target))
    assert Counting.asked == ["a red chair"]
    assert Counting.pictures == 1


def test_words_meant_exactly_need_no_model(make: Make) -> None:
    """They are found while the model is away, are neither embedded nor translated, and cost nothing."""

    def away(_: Space) -> Embedder:
        raise EmbedderError("the model is away")

    for algorithm in (make(away), make(translate=lambda _: pytest.fail("it is asked as it is"))):
        for text in ("red chair", "绿色的椅子"):
            answer = algorithm.search(Query(text=text, target="words"))
            assert answer.hits
            assert (answer.translated_query, answer.embed_ms) == (None, 0)
            assert 0 < answer.search_ms <= answer.total_ms
    assert Counting.asked == []
    with pytest.raises(EmbedderError, match="the model is away"):
        make(away).search(Query(text="red chair", target="both"))


@pytest.mark.parametrize(("top_k", "depth"), [(1, 21), (20, 21), (21, 201), (200, 201)])
def test_similar_assets_are_ranked_no_deeper_than_needed(
    published_toys: Workspace, server: Server, top_k: int, depth: int
) -> None:
    """The asset itself is one more than what is asked for, not a reason to go down to the end."""
    asked: list[int] = []

    class Noting(Library):
        def nearest_views(self, published: Published, vector: NDArray[np.float32], request: Request) -> list[Ranked]:
            asked.append(request.limit)
            return super().nearest_views(published, vector, request)

    algorithm = Algorithm("toy", Noting(server, "toy"), counting)
    assert len(algorithm.similar("toys/000", "appearance", top_k).hits) == min(top_k, 39)
    assert asked == [depth]
    algorithm.library.close()


def test_a_refused_query_is_the_callers_mistake(make: Make) -> None:
    """What the service refuses is said as such; what stops the service is its own error."""
    algorithm = make()
    with pytest.raises(HostedItemError, match="the service refused it"):
        algorithm.search(Query(text="a forbidden chair"))
    Counting.stop = HostedError("no money")
    with pytest.raises(HostedError, match="no money"):
        algorithm.search(Query(text="a forbidden chair"))


def wait_for(algorithm: Algorithm, state: str) -> None:
    """Ask for the health until it is so."""
    deadline = time.monotonic() + 20
    while algorithm.health() != state:
        assert time.monotonic() < deadline, algorithm.health()
        time.sleep(0.01)


def test_health_never_waits(make: Make) -> None:
    """While models load, each says so at once, and each is loaded once."""
    go = Event()
    loaded: list[str] = []

    def slowly(space: Space) -> Embedder:
        assert go.wait(20)
        loaded.append(space.model)
        return toy(space.model)

    algorithms = [make(slowly) for _ in range(3)]
    started = time.monotonic()
    assert [own.health() for own in algorithms for _ in range(5)] == ["loading"] * 15
    assert time.monotonic() - started < 10
    go.set()
    for own in algorithms:
        wait_for(own, "ready")
    assert len(loaded) == 3


def test_a_model_that_fails_is_left_alone_for_a_while(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is told without trying again at each question; after a while it is tried, and recovers."""
    tries: list[Space] = []

    def failing(space: Space) -> Embedder:
        tries.append(space)
        if len(tries) == 1:
            raise EmbedderError("the weights are not here")
        return toy(space.model)

    algorithm = make(failing)
    wait_for(algorithm, "the weights are not here")
    assert {algorithm.health() for _ in range(20)} == {"the weights are not here"}
    assert len(tries) == 1
    monkeypatch.setattr(readiness_module, "TRY_AGAIN_SECONDS", 0.0)
    wait_for(algorithm, "ready")
    assert len(tries) == 2


def test_a_new_publication_is_tried_at_once(make: Make, toys: Workspace, server: Server) -> None:
    """What failed for one version may work for the next."""
    tries: list[Space] = []

    def failing(space: Space) -> Embedder:
        tries.append(space)
        if len(tries) == 1:
            raise EmbedderError("the weights are not here")
        return toy(space.model)

    algorithm = make(failing)
    wait_for(algorithm, "the weights are not here")
    publish_toys(toys, server, max_assets=5)
    wait_for(algorithm, "ready")


def test_a_full_house_does_not_keep_the_service_from_becoming_ready(make: Make) -> None:
    """Loading goes on while every place is taken; searches, also for similar assets, are turned away meanwhile."""
    algorithm = make()
    algorithm._admission = Admission(running=1, waiting=0)
    with algorithm._admission.admitted():
        wait_for(algorithm, "ready")
        with pytest.raises(BusyError):
            algorithm.search(Query(text="a red chair"))
        with pytest.raises(BusyError):
            algorithm.similar("toys/000", "caption", 1)
    assert algorithm.search(Query(text="a red chair")).hits
    assert algorithm.similar("toys/000", "caption", 1).hits


def test_what_was_tuned_meanwhile_reaches_a_service_that_runs(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tuning leaves the version as it is, so it is looked at again after a while."""
    library, other = make().library, make().library
    assert library.last_known().tunings == ()
    tuning = Tuning(
        target="caption",
        kind="text",
        goal=0.5,
        lost_goal=0.0,
        ef=77,
        candidates=66,
        recall=1.0,
        recall_at_least=0.9,
        share_lost=0.001,
        lost_at_most=0.01,
        worst=0.4,
        p50_ms=1.0,
        queries=1,
        tuned_at=datetime.now(UTC),
    )
    other.keep_tunings(other.published(), [tuning])
    assert library.last_known().tunings == ()
    monkeypatch.setattr(versions, "REMEMBERED_SECONDS", 0.0)
    assert library.last_known().breadth("caption", "text") == Breadth(77, 66)


def test_few_texts_are_embedded_to_explain_a_page(make: Make) -> None:
    """Those of the first results, whichever page it is; of the others the parts of the score are told."""
    algorithm = make()
    for offset in (0, 5):
        Counting.asked.clear()
        hits = algorithm.search(
            Query(text="chair", target="caption", top_k=MANY - offset, offset=offset, explain=True)
        ).hits

        assert len(hits) == MANY - offset
        assert [bool(hit.texts) for hit in hits] == [number < EXPLAINED for number in range(len(hits))]
        assert all(hit.parts for hit in hits)
        assert set(Counting.asked) - {"chair"} == {share.text for hit in hits for share in hit.texts}


def test_a_page_without_captions_embeds_none(make: Make) -> None:
    """Where views were compared there is nothing to split."""
    hits = make().search(Query(text="chair", target="appearance", explain=True)).hits

    assert {hit.texts for hit in hits} == {()}
    assert Counting.asked == ["chair"]
