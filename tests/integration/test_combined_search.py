"""Queries in parts over small random libraries: what holds whatever is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.conftest import drop_databases
from tests.integration.test_library_on_shards import CHINESE, COUNT, WORDS, write_random
from tests.toy import import_toys, toy

from meshseek.embedders import Embedder
from meshseek.errors import BusyError, EmbedderError, NotFoundError, NotPublishedError, QueryError
from meshseek.model import RELEVANCES, Ranked, Space
from meshseek.pipeline.embed import embed
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.search.admission import Admission
from meshseek.search.algorithm import Algorithm
from meshseek.search.combining import LIKE, TELLING
from meshseek.search.parts import QueryPart
from meshseek.search.query import Query
from meshseek.search.service import SearchService
from meshseek.search.sizes import Size
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

PICTURES = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (4, 4, 3), dtype=np.uint8)) for n in range(3)]
ASSETS = [f"things/{number:03d}" for number in (1, 7, 20)]
TARGETS = (None, "both", "caption", "appearance")
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.lists(st.sampled_from([*WORDS, *CHINESE]), min_size=1, max_size=3).map(" ".join)
asked = st.one_of(
    texts.map(lambda text: {"text": text}),
    st.sampled_from(PICTURES).map(lambda image: {"image": image}),
    st.sampled_from(ASSETS).map(lambda asset_id: {"asset_id": asset_id}),
)
weights = st.sampled_from([0.1, 0.25, 0.5, 1.0, 1.7, 3.0])
options = st.fixed_dictionaries(
    {"target": st.sampled_from(TARGETS), "exact": st.booleans(), "diverse": st.sampled_from([None, True, False])}
)
parts = st.lists(st.tuples(asked, weights, st.booleans()), min_size=2, max_size=4, unique_by=lambda each: str(each[0]))


@pytest.fixture(scope="module")
def service(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchService]:
    """One random library, embedded twice; a third algorithm has published nothing."""
    prefix = f"combined_{uuid4().hex[:12]}_"
    workspace, server = Workspace(tmp_path_factory.mktemp("combined")), Server(lambda: conninfo, prefix)
    write_random(workspace, 5)
    embed(toy(), "other", workspace, max_assets=None, reporter=SilentReporter())
    for name in ("toy", "other"):
        publish(name, workspace, server, max_assets=None, reporter=SilentReporter())
    algorithms = [Algorithm(name, Library(server, name), lambda s: toy(s.model)) for name in ("toy", "other", "none")]
    yield SearchService(algorithms)
    for algorithm in algorithms:
        algorithm.library.close()
    drop_databases(conninfo, prefix)


def found(service: SearchService, query: Query, *names: str) -> list[tuple[str, float, str]]:
    """What comes, with scores and how well it fits."""
    hits = service.search(query, names or ("toy",)).hits
    return [(hit.asset_id, hit.score, hit.relevance) for hit in hits]


def built(drawn: list[tuple[dict[str, Any], float, bool]], factor: float = 1.0) -> list[QueryPart]:
    """Parts, of which the first is wanted and others may not be."""
    signs = [1, *(-1 if is_unwanted else 1 for _, _, is_unwanted in drawn[1:])]
    return [
        QueryPart(**each, weight=sign * weight * factor) for sign, (each, weight, _) in zip(signs, drawn, strict=True)
    ]


@FEW
@given(asked=asked, weight=weights, options=options)
def test_one_part_is_the_plain_query(
    service: SearchService, asked: dict[str, Any], weight: float, options: dict[str, Any]
) -> None:
    """With the same results, scores and words on how well they fit."""
    plain = Query(**asked, **options, top_k=30)

    assert found(service, Query(parts=[QueryPart(**asked, weight=weight)], **options, top_k=30)) == found(
        service, plain
    )


@FEW
@given(drawn=parts, options=options, extra=asked)
def test_weight_0_is_absent(
    service: SearchService,
    drawn: list[tuple[dict[str, Any], float, bool]],
    options: dict[str, Any],
    extra: dict[str, Any],
) -> None:
    """Wherever it stands."""
    query = Query(parts=built(drawn), **options, top_k=30)
    nothing = QueryPart(**extra, weight=0)

    assert found(service, replace(query, parts=[nothing, *query.parts])) == found(service, query)


@FEW
@given(drawn=parts, options=options, chance=st.randoms(use_true_random=False), factor=st.sampled_from([0.3, 2, 7, 30]))
def test_neither_order_nor_a_common_factor_matters(
    service: SearchService,
    drawn: list[tuple[dict[str, Any], float, bool]],
    options: dict[str, Any],
    chance: Any,
    factor: float,
) -> None:
    """Not even for the scores."""
    given, multiplied = built(drawn), built(drawn, factor)
    chance.shuffle(multiplied)

    answer = found(service, Query(parts=given, **options, top_k=30))
    assert answer == found(service, Query(parts=multiplied, **options, top_k=30))
    assert {relevance for _, _, relevance in answer} <= {*RELEVANCES}


@FEW
@given(drawn=parts, target=st.sampled_from(TARGETS), unwanted=texts)
def test_what_is_not_wanted_never_helps(
    service: SearchService, drawn: list[tuple[dict[str, Any], float, bool]], target: str | None, unwanted: str
) -> None:
    """With another part below 0 no asset has a higher score, and every asset still comes once."""
    wanted = [replace(part, weight=abs(part.weight)) for part in built(drawn)]
    query = Query(parts=wanted, target=target, top_k=COUNT + 1, exact=True)
    if any(part.text == unwanted for part in wanted):
        return
    with_it = replace(query, parts=[*wanted, QueryPart(text=unwanted, weight=-0.7)])

    before, after = ({name: score for name, score, _ in found(service, each)} for each in (query, with_it))
    assert before.keys() == after.keys()
    assert all(after[name] <= score + 1e-9 for name, score in before.items())


@FEW
@given(drawn=parts, target=st.sampled_from(TARGETS))
def test_pages_and_filters(
    service: SearchService, drawn: list[tuple[dict[str, Any], float, bool]], target: str | None
) -> None:
    """Pages are those of one ranking, filtered like any other."""
    query = Query(parts=built(drawn), target=target, top_k=40, filters={"category": WORDS[0]})
    whole = found(service, query)
    pages = [each for start in range(0, 40, 10) for each in found(service, replace(query, top_k=10, offset=start))]

    assert pages == whole
    labels = {hit.attributes["category"] for hit in service.search(query, ["toy"]).hits}
    assert labels <= {WORDS[0]}


@pytest.mark.parametrize("heavy", ASSETS)
def test_an_asset_among_other_parts_passes_their_phrases_or_is_not_found(service: SearchService, heavy: str) -> None:
    """It is not put first for counting most, and is one result among the others, with a score like theirs."""
    asked = [QueryPart(asset_id=heavy, weight=3), QueryPart(text='old "lamp"')]
    query = Query(parts=asked, top_k=COUNT, explain=True, facets=["category"])
    answer = service.search(query, ["toy"])

    passing = {hit.asset_id for hit in service.search(Query(text='"lamp"', top_k=COUNT), ["toy"]).hits}
    assert {hit.asset_id for hit in answer.hits} <= passing
    answer = service.search(replace(query, diverse=False), ["toy"])
    places = [(RELEVANCES.index(hit.relevance), -hit.score) for hit in answer.hits]
    assert places == sorted(places)


@FEW
@given(drawn=parts, options=options, size=st.sampled_from([None, Size(width=40), Size(height=90)]))
def test_what_fits_better_comes_first(
    service: SearchService, drawn: list[tuple[dict[str, Any], float, bool]], options: dict[str, Any], size: Size | None
) -> None:
    """Whatever the parts are: an asset that is one of them too, and for no size and no variety does that change."""
    query = Query(parts=built(drawn), **options, size=size, top_k=COUNT)
    answer = found(service, query)
    fit = [RELEVANCES.index(relevance) for _, _, relevance in answer]

    assert fit == sorted(fit)
    if not query.is_diverse:
        assert answer == sorted(answer, key=lambda each: (RELEVANCES.index(each[2]), -each[1], each[0]))


def test_what_is_not_wanted_sets_an_asset_back_where_it_counts_enough(service: SearchService) -> None:
    """By one step, also the asset that everything is to be like, which then is not first; with less weight by none."""
    unwanted = service.search(Query(asset_id=ASSETS[0]), ["toy"]).hits[0].caption_english
    alone, less, enough = (
        found(
            service,
            Query(
                parts=[QueryPart(asset_id=ASSETS[0]), QueryPart(text=unwanted, weight=weight)], top_k=COUNT, exact=True
            ),
        )
        for weight in (0, 0.01 - TELLING, -TELLING)
    )
    steps, same, back = (
        {asset_id: RELEVANCES.index(relevance) for asset_id, _, relevance in each} for each in (alone, less, enough)
    )

    assert same == steps
    assert back[ASSETS[0]] == 1
    assert {back[asset_id] - step for asset_id, step in steps.items()} == {0, 1}
    assert enough[0][0] != ASSETS[0] == alone[0][0]


def test_scores_rest_on_standard_scores(service: SearchService) -> None:
    """Each part's beside chance: the geometric mean of what is wanted, less what is like the unwanted."""
    asked = [QueryPart(text="red chair", weight=3), QueryPart(image=PICTURES[0]), QueryPart(text="table", weight=-1)]
    answer = service.search(Query(parts=asked, top_k=20, explain=True), ["toy"])

    assert {name.partition(".")[0] for hit in answer.hits for name in hit.parts} == {"part_1", "part_2", "part_3"}
    for hit in answer.hits:
        assert [hit.parts.get(f"part_{n}.share", share) for n, share in ((1, 0.75), (2, 0.25), (3, -0.25))] == [
            0.75,
            0.25,
            -0.25,
        ]
        told = [hit.parts.get(f"part_{n}.score", 0.0) for n in (1, 2, 3)]
        worth = np.log1p(np.exp(told[0])) ** 0.75 * np.log1p(np.exp(told[1])) ** 0.25
        assert hit.score == pytest.approx(np.log(np.expm1(worth)) - 0.25 * max(0.0, told[2] - LIKE))


def test_the_answer_tells_of_its_parts(service: SearchService) -> None:
    """As they were given, with the language that was searched."""
    asked = [QueryPart(text="椅子"), QueryPart(asset_id=ASSETS[0], weight=0), QueryPart(image=PICTURES[0], weight=-2)]
    answer = service.search(Query(parts=[*asked, QueryPart(text="red", weight=0.5)], explain=True), ["toy"])

    assert [(part.text, part.asset_id, part.weight, part.language) for part in answer.parts] == [
        ("椅子", None, 1.0, "chinese"),
        (None, ASSETS[0], 0, None),
        (None, None, -2.0, None),
        ("red", None, 0.5, "english"),
    ]
    assert answer.versions == {"toy": answer.version}
    assert (answer.target, answer.query_type) == ("both", "chinese")


def test_an_asset_is_asked_for_by_its_id(service: SearchService) -> None:
    """It comes first, as when its id is typed; one that is not there, or no longer, is told."""
    assert found(service, Query(asset_id=ASSETS[1])) == found(service, Query(text=ASSETS[1]))
    assert found(service, Query(asset_id=ASSETS[1]))[0][0] == ASSETS[1]
    for query in (Query(asset_id="gone/1"), Query(parts=[QueryPart(text="red"), QueryPart(asset_id="gone/1")])):
        with pytest.raises(NotFoundError, match="there is no asset 'gone/1' here that can be compared; check the id"):
            service.search(query, ["toy"])


@pytest.mark.parametrize("query", [Query(text="red chair"), Query(image=PICTURES[1]), Query(asset_id=ASSETS[2])])
def test_two_algorithms_that_say_the_same(service: SearchService, query: Query) -> None:
    """They say what one says, and the answer names the version of each."""
    one, two = found(service, query), service.search(query, ["toy", "other"])

    assert [hit.asset_id for hit in two.hits] == [asset_id for asset_id, _, _ in one]
    assert two.versions.keys() == {"toy", "other"}
    both = service.search(
        replace(query, text=None, image=None, asset_id=None, parts=_as_parts(query)), ["other", "toy"]
    )
    alone = service.search(replace(query, text=None, image=None, asset_id=None, parts=_as_parts(query)), ["toy"])
    assert [hit.asset_id for hit in both.hits] == [hit.asset_id for hit in alone.hits]
    assert [hit.score for hit in both.hits] == pytest.approx([hit.score for hit in alone.hits])


def _as_parts(query: Query) -> list[QueryPart]:
    return [
        QueryPart(text=query.text, image=query.image, asset_id=query.asset_id),
        QueryPart(text="old lamp", weight=-0.5),
    ]


class Changing(Library):
    """Another version goes live just before it is asked for scores for the first time."""

    change: Callable[[], object] | None = None

    def scores(self, *asked: Any) -> list[Ranked]:
        """What it says then."""
        change, self.change = self.change, None
        if change is not None:
            change()
        return super().scores(*asked)


@pytest.mark.parametrize("changed", [0, 1])
def test_no_answer_mixes_versions(toys: Workspace, server: Server, changed: int) -> None:
    """Of whichever algorithm another is published while it is asked, all are asked again."""

    def change() -> None:
        import_toys(toys, 30, "changed")
        publish_as(names[changed], toys, server)

    names = ("one", "two")
    for name in names:
        publish_as(name, toys, server)
    libraries = [Changing(server, name) for name in names]
    service = SearchService([Algorithm(each._algorithm, each, lambda space: toy(space.model)) for each in libraries])
    before = libraries[changed].published().content
    query = Query(parts=[QueryPart(text="red chair"), QueryPart(text="lamp", weight=-1)], target="caption")
    try:
        service.search(query, names)
        libraries[changed].change = change
        answer = service.search(query, names)
        assert answer.versions[names[changed]] == libraries[changed].published().content != before
    finally:
        service.close()


def test_filters_are_those_of_the_first_algorithm(toys: Workspace, server: Server) -> None:
    """What another has published of an asset lets none through."""
    publish_as("one", toys, server)
    moved = [replace(each, attributes={"category": "moved"}) for each in toys.assets()]
    toys.assets_table().append([asset_row(each) for each in moved])
    publish_as("two", toys, server)
    service = SearchService([Algorithm(name, Library(server, name), lambda _: toy()) for name in ("one", "two")])
    try:
        for parts in ([QueryPart(text="chair")], [QueryPart(text="chair"), QueryPart(text="lamp")]):
            query = Query(parts=parts, filters={"category": "moved"})
            assert service.search(query, ["one", "two"]).hits == []
            assert len(service.search(query, ["two", "one"]).hits) == 10
    finally:
        service.close()


def publish_as(name: str, workspace: Workspace, server: Server) -> None:
    """Embed and publish a workspace under a name."""
    embed(toy(), name, workspace, max_assets=None, reporter=SilentReporter())
    publish(name, workspace, server, max_assets=None, reporter=SilentReporter())


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (["toy", "toy"], QueryError, "an algorithm is named twice; name each of them once"),
        ([], QueryError, "0 algorithms are named; choose 1 to 4 of them"),
        (["a", "b", "c", "d", "e"], QueryError, "5 algorithms are named; choose 1 to 4 of them"),
        (["toy", "nowhere"], NotFoundError, "there is no algorithm 'nowhere'; choose one of: toy, other, none"),
        (
            ["toy", "none"],
            NotPublishedError,
            "none: nothing is published; run 'meshseek publish' for this algorithm first",
        ),
    ],
)
def test_algorithms_that_cannot_be_asked(
    service: SearchService, names: list[str], error: type[Exception], words: str
) -> None:
    """Each is told plainly, and the others are not asked alone instead."""
    with pytest.raises(error, match=words):
        service.search(Query(text="chair"), names)


def test_many_parts_by_many_algorithms_are_too_much(service: SearchService) -> None:
    """Each part is a search of each algorithm: so many are too many, and either fewer parts or algorithms are not."""
    query = Query(parts=[QueryPart(text=word) for word in WORDS[:5]])
    with pytest.raises(QueryError, match="5 parts by 2 algorithms are 10 searches at once; use fewer parts or fewer"):
        service.search(query, ["toy", "other"])

    assert service.search(query, ["toy"]).hits
    assert service.search(replace(query, parts=query.parts[:4]), ["toy", "other"]).hits


def test_a_filtered_field_of_a_query_in_parts_is_counted_in_its_own_ranking(service: SearchService) -> None:
    """Another ranking for each such field would be many searches more; one thing that is asked has them."""
    options: dict[str, Any] = {"filters": {"category": WORDS[8]}, "facets": ["category"]}
    several = service.search(Query(parts=[QueryPart(text="red"), QueryPart(text="lamp")], **options), ["toy"])
    one = service.search(Query(text="red", **options), ["toy"])

    assert several.facets is not None
    assert one.facets is not None
    assert {each.value for each in several.facets.labels["category"]} == {WORDS[8]}
    assert {each.value for each in one.facets.labels["category"]} > {WORDS[8]}


def test_assets_are_looked_up_where_they_are(service: SearchService) -> None:
    """By the algorithm that is named, or else by the first that has them; one that has nothing yet is passed over."""
    every = SearchService([service.algorithm(name) for name in ("none", "other", "toy")])

    found = every.assets([*ASSETS, "gone/1", "no\0"])
    assert found == every.assets(ASSETS, "toy") == {each: every.asset(each) for each in ASSETS}
    assert every.assets(["gone/1"]) == {}
    for asked, names in ((every, "none"), (SearchService([service.algorithm("none")]), None)):
        with pytest.raises(NotPublishedError):
            asked.assets(ASSETS, names)


def test_assets_wait_for_their_turn_like_a_search(service: SearchService) -> None:
    """They are one question to the database however many they are."""
    busy = Algorithm("toy", service.algorithm("toy").library, lambda _: toy())
    busy._admission = Admission(1, 0)
    with busy._admission.admitted(), pytest.raises(BusyError):
        SearchService([busy]).assets(ASSETS)


def test_an_algorithm_whose_model_cannot_be_loaded_is_named(service: SearchService) -> None:
    """Also for strangers, who are told no more of it."""

    def fail(_: Space) -> Embedder:
        raise EmbedderError("no weights in /somewhere; set MESHSEEK_MODEL_DIR")

    broken = Algorithm("other", service.algorithm("other").library, fail)
    with pytest.raises(EmbedderError, match="other: no weights in /somewhere; set MESHSEEK_MODEL_DIR") as caught:
        service.algorithm("toy").search(Query(text="chair"), [broken])

    assert caught.value.in_general == "other: the model cannot be loaded or used; the server's log says why"
