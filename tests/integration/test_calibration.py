"""What a publication learns of how its scores are to be read, and what answers say of it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence

import pytest
from tests.crowd import Crowd
from tests.toy import COLOURS, THINGS, Toy, embed_toys, import_toys, publish_toys, toy

from meshseek.interfaces.cli.searching import answer_as_json, answer_as_text
from meshseek.interfaces.http.schemas import SearchAnswer
from meshseek.model import RELEVANCES, Language
from meshseek.pipeline.calibrate import calibrate, captions_find_views
from meshseek.relevance import FEWEST, trust_in
from meshseek.search.algorithm import Algorithm
from meshseek.search.answer import Answer
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.store.read.published import UNKNOWN_TRUST
from meshseek.store.read.reader import OneConnection
from meshseek.workspace.workspace import Workspace

COUNT = 40
HERE = (*THINGS, *COLOURS, *(f"number{number}" for number in range(COUNT)))
"""Words that stand in the toys' captions."""
CAPTION = toy().embed_texts([" ".join((*HERE, "a"))], role="document")[0]
ABSENT = [f"zeppelin{number}" for number in range(400) if not CAPTION[zlib.crc32(f"zeppelin{number}".encode()) % 64]]
"""Words that do not, and that the toy algorithm takes for nothing that does."""


class Wordy(Toy):
    """Its world has many things that the toys are, and as many that they are not, some of them nearly."""

    def world_texts(self) -> list[tuple[str, Language | None]]:
        """Words that stand in captions, and others."""
        words = [*HERE, *ABSENT[:10], *(f"{word} chair" for word in ABSENT[10:13])]
        return [(word, "english") for word in words]


@pytest.fixture
def algorithm(workspace: Workspace, server: Server) -> Iterator[Algorithm]:
    """The toys, published with the larger world."""
    import_toys(workspace, COUNT)
    embed_toys(workspace, Wordy(toy().options))
    publish_toys(workspace, server)
    opened = Algorithm("toy", Library(server, "toy"), lambda space: toy(space.model))
    yield opened
    opened.library.close()


def test_thresholds_are_learnt_from_words_and_views(algorithm: Algorithm) -> None:
    """For each thing that is compared with each kind of query, from as many queries as there are of known outcome."""
    assert len(ABSENT) > FEWEST + 5
    published = algorithm.library.published()
    assert {key: each.queries for key, each in published.thresholds.items()} == {
        ("caption", "english"): len(HERE),
        ("appearance", "english"): len(HERE[::2]),
        ("caption", "image"): COUNT,
        ("appearance", "image"): COUNT,
    }
    assert all(each.fair <= each.strong for each in published.thresholds.values())
    background = algorithm.library.background(published)
    assert algorithm.library.words_here(background.words) == {
        number for number, word in enumerate(background.words) if word in HERE
    }


def test_trust_is_measured(algorithm: Algorithm) -> None:
    """How well the captions of the library find their own views, of words that know nothing of pictures: hardly."""
    published = algorithm.library.published()
    found = captions_find_views(algorithm.library.background(published))
    assert found is not None
    assert 0 < found < 0.5
    assert published.found == pytest.approx(found)
    assert published.trust == pytest.approx(trust_in(found))


def test_the_background_is_read_once_for_each_version(
    algorithm: Algorithm, workspace: Workspace, server: Server
) -> None:
    """Assets, views of each one after the other, and words; another version has another one."""
    library = algorithm.library
    published = library.published()
    background = library.background(published)
    assert library.background(published) is background
    ids = [f"toys/{number:03d}" for number in range(COUNT)]
    assert (sorted(background.caption_ids), sorted(background.view_ids)) == (ids, ids)
    assert len(background.views) == 3 * COUNT
    assert set(background.words) == {text for text, _ in Wordy(toy().options).world_texts()}
    for place, asset_id in enumerate(background.view_ids):
        start = background.starts[place]
        mean = background.views[start : start + 3].mean(axis=0)
        (own,) = library.appearances([asset_id]).values()
        assert float(own @ mean) > 0.99 * float((mean @ mean) ** 0.5)
    best = library.scores("appearance", ("", ""), background.views[0], background.view_ids)
    scores = dict(zip(background.view_ids, background.best_views(background.views[:1])[0], strict=True))
    assert {ranked.asset_id: ranked.score for ranked in best} == pytest.approx(scores, abs=2e-3)

    publish_toys(workspace, server, max_assets=5)
    assert sorted(library.background(library.published()).caption_ids) == ids[:5]


def test_a_version_that_is_being_loaded_is_calibrated_as_a_live_one(algorithm: Algorithm, server: Server) -> None:
    """What was noted is what asking the live version over any connection gives."""
    published = algorithm.library.published()
    with server.connect("toy") as connection:
        connection.execute("SELECT set_config('search_path', 'live, public', false)")
        for library in (algorithm.library, Library(server, "toy", OneConnection(connection))):
            again = calibrate(library, published)
            assert again.found == pytest.approx(published.found)
            assert {key: (each.fair, each.strong) for key, each in again.thresholds.items()} == {
                key: pytest.approx((each.fair, each.strong), abs=1e-5) for key, each in published.thresholds.items()
            }


def test_what_is_here_fits_and_what_is_not_does_not(algorithm: Algorithm) -> None:
    """Words of the library fit strongly; to words that are not here nothing is close, and the nearest are shown."""
    for target in ("caption", "both"):
        here = algorithm.search(Query(text="chair", target=target))
        assert (here.hits[0].relevance, here.nothing_close) == ("strong", False)
        for absent in ABSENT[20:23]:
            answer = algorithm.search(Query(text=absent, target=target))
            assert answer.nothing_close
            assert {hit.relevance for hit in answer.hits} == {"weak"}
            assert len(answer.hits) == 10
            later = algorithm.search(Query(text=absent, target=target, offset=30))
            assert later.nothing_close
            for wanted in RELEVANCES[:2]:
                none = algorithm.search(Query(text=absent, target=target, min_relevance=wanted))
                assert (list(none.hits), none.nothing_close) == ([], True)
    assert not algorithm.search(Query(text=ABSENT[20], target="words")).nothing_close


def test_a_minimum_leaves_out_what_fits_less(algorithm: Algorithm) -> None:
    """And nothing else: the others stand as they did."""
    whole = algorithm.search(Query(text="red chair", cross_modal=False, top_k=COUNT)).hits
    assert len({hit.relevance for hit in whole}) > 1
    for number, wanted in enumerate(RELEVANCES):
        kept = algorithm.search(Query(text="red chair", cross_modal=False, top_k=COUNT, min_relevance=wanted)).hits
        assert list(kept) == [hit for hit in whole if hit.relevance in RELEVANCES[: 1 + number]]


def lines_of(answer: Answer) -> Sequence[str]:
    """As the command line shows it."""
    return answer_as_text(answer).splitlines()


def test_answers_say_that_nothing_is_close(algorithm: Algorithm) -> None:
    """On the command line after the results, and as a field of the JSON and of the API."""
    for text, close in (("chair", True), (ABSENT[20], False)):
        answer = algorithm.search(Query(text=text))
        *rest, last = lines_of(answer)
        assert ("nothing here is close" in last) is not close
        assert len(rest) == (9 if close else 10)
        assert answer_as_json(answer)["nothing_close"] is SearchAnswer.of(answer).nothing_close is not close
        told = [hit["relevance"] for hit in answer_as_json(answer)["results"]]
        assert told == [result.relevance for result in SearchAnswer.of(answer).results]
        assert told == [hit.relevance for hit in answer.hits]
        json.dumps(answer_as_json(answer))


def test_nothing_close_promises_no_results(algorithm: Algorithm) -> None:
    """Where all of the page fits less than was asked for, that line stands alone."""
    answer = algorithm.search(Query(text=ABSENT[20], min_relevance="fair"))
    assert lines_of(answer) == ["nothing here is close to this"]
    answer = algorithm.search(Query(text="chair", offset=COUNT + 10))
    assert lines_of(answer) == ["nothing found"]


def test_explanations_are_told_when_asked(algorithm: Algorithm) -> None:
    """What each part gave; of an asset that is named by its id alone, that it is."""
    told = algorithm.search(Query(text="red chair", explain=True))
    for result in answer_as_json(told)["results"]:
        assert {"caption", "caption_standard", "appearance", "appearance_weight"} <= result["explanation"][
            "parts"
        ].keys()
    assert "caption standard" in answer_as_text(told)
    untold = algorithm.search(Query(text="red chair"))
    assert all("explanation" not in result for result in answer_as_json(untold)["results"])
    assert "caption standard" not in answer_as_text(untold)


def test_too_few_assets_teach_nothing(workspace: Workspace, server: Server) -> None:
    """Then everything fits fairly, fusion takes what is usual elsewhere, and searches work."""
    import_toys(workspace, 5)
    embed_toys(workspace)
    publish_toys(workspace, server)
    algorithm = Algorithm("toy", Library(server, "toy"), lambda space: toy(space.model))
    published = algorithm.library.published()
    assert (published.found, published.trust) == (None, UNKNOWN_TRUST)
    assert not {key for key in published.thresholds if key[1] == "image"}
    answer = algorithm.search(Query(text="a zeppelin"))
    assert {hit.relevance for hit in answer.hits} == {"fair"}
    assert (len(answer.hits), answer.nothing_close) == (5, False)
    algorithm.library.close()


def test_a_library_without_views_or_captions_is_calibrated(server: Server, workspace: Workspace) -> None:
    """By what it has."""
    crowd = Crowd.of(40)
    crowd.views = {}
    crowd.publish(workspace, server)
    library = Library(server, "crowd")
    published = library.published()
    background = library.background(published)
    assert (published.found, len(background.view_ids), len(background.views)) == (None, 0, 0)
    assert not any(target == "appearance" for target, _ in published.thresholds)
    vector = background.captions["english_embedding"][0]
    assert background.view_scale(vector) is None
    assert background.caption_scale("english_embedding", vector) is not None
    library.close()
