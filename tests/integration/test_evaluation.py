"""Evaluating a published library: scores, comparisons, what is absent, benchmarks, and the page that tells of it."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.toy import embed_toys, publish_toys, toy_algorithm, toy_assets

from meshseek.errors import DatasetError, TranslatorError
from meshseek.evaluation.benchmarks.drawing import draw, in_chinese, read_benchmark
from meshseek.evaluation.benchmarks.items import Item
from meshseek.evaluation.benchmarks.running import NOT_COMPARABLE, notes_of, run_benchmark, settings_of
from meshseek.evaluation.benchmarks.translations import Translations
from meshseek.evaluation.judged import JudgedQuery, read_queries
from meshseek.evaluation.judging import Judgement, resolve
from meshseek.evaluation.measured import Report, compared, measure
from meshseek.evaluation.report import report_as_html, write_report
from meshseek.evaluation.scores import Evaluation, score
from meshseek.evaluation.setting import Setting
from meshseek.evaluation.text import report_as_text
from meshseek.evaluation.values import report_as_value
from meshseek.model import Hit
from meshseek.reporting import SilentReporter
from meshseek.search.algorithm import Algorithm
from meshseek.search.query import Query
from meshseek.search.service import SearchService
from meshseek.store.postgres import Server
from meshseek.translators import Translation, Translator, TranslatorOptions
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

CAPTIONS = Setting(algorithm="toy", target="caption")
QUERIES = """text,image,relevant,language,kind
a red chair number0,,toys/000,,named
a green chair number1,,toys/001|nothing of ours,,named
blue table,,toys/006|toys/026,,plain
蓝色的桌子,,toys/006|toys/026,,plain
quantum,,toys/013,,plain
submarine,,,,absent
一艘潜水艇,,,,absent
whatever,,not in this library,,plain
"""


def uid(number: int) -> str:
    """The made-up Objaverse uid of a toy."""
    return f"{number:032x}"


class Glossary(Translator):
    """Translates colours; stops where it is told to."""

    asked: Sequence[str] = ()
    stops = False

    def translate(self, texts: Sequence[str]) -> Iterator[Translation]:
        """Answer one after the other."""
        self.asked = list(texts)
        for number, text in enumerate(texts):
            if self.stops and number == 1:
                raise TranslatorError("no more; run again")
            yield Translation(text=text, chinese=None if "lamp" in text else f"红色的 {text.split()[-1]}")


@pytest.fixture
def queries(tmp_path: Path) -> list[JudgedQuery]:
    """Judged queries about the toys."""
    path = tmp_path / "queries.csv"
    path.write_text(QUERIES, "utf-8")
    return read_queries([path])


@pytest.fixture
def service(published_toys: Workspace, server: Server) -> Iterator[SearchService]:
    """The published toys."""
    made = SearchService([toy_algorithm(server)])
    yield made
    made.close()


@pytest.fixture
def objaverse(workspace: Workspace, server: Server) -> Iterator[Algorithm]:
    """Toys as if they were of Objaverse: half of them with the uid in their id, half with it as an attribute."""
    rows = []
    for number, asset in enumerate(toy_assets(workspace.folder / "pictures", 20)):
        if number % 2:
            given = replace(asset, asset_id=f"000-001/{uid(number)}")
        else:
            attributes = {**asset.attributes, "objaverse_uid": uid(number)}
            given = replace(asset, asset_id=f"0/{number}", attributes=attributes)
        rows.append(asset_row(given))
    workspace.assets_table().append(rows)
    embed_toys(workspace)
    publish_toys(workspace, server)
    algorithm = toy_algorithm(server)
    yield algorithm
    algorithm.library.close()


def evaluation_of(service: SearchService, queries: Sequence[JudgedQuery], *settings: Setting) -> list[Evaluation]:
    """What is measured with some settings."""
    return measure(service, settings or [CAPTIONS], queries, SilentReporter())


def test_relevant_assets_are_looked_up(service: SearchService, queries: list[JudgedQuery]) -> None:
    """Ids and names count; what the library has not is named, and a query with nothing else is left out."""
    resolution = resolve(service.algorithm("toy").library, queries)

    assert [set(each.relevant) for each in resolution.expected] == [
        {"toys/000"},
        {"toys/001"},
        {"toys/006", "toys/026"},
        {"toys/006", "toys/026"},
        {"toys/013"},
        set(),
        set(),
    ]
    assert resolution.without_relevant == 1
    assert list(resolution.unknown) == ["not in this library", "nothing of ours"]


def test_scores_by_language_and_kind(service: SearchService, queries: list[JudgedQuery]) -> None:
    """Queries about absent things count for no hit rate; each kind has its own line."""
    (found,) = evaluation_of(service, queries)

    scores = {row.query_type: row for row in found.scores}
    assert (scores["english"].queries, scores["chinese"].queries) == (4, 1)
    assert (scores["english"].hit_at_10.value, scores["chinese"].hit_at_10.value) == (0.75, 1.0)
    assert [(row.group, row.query_type, row.queries) for row in found.by_kind] == [
        ("named", "english", 2),
        ("plain", "chinese", 1),
        ("plain", "english", 2),
    ]
    assert found.by_file == []
    assert found.parity["hit_at_10"].value == pytest.approx(-0.25)
    assert [each.query.text for each in found.misses] == ["quantum"]
    assert {row.recall_at_10 for row in found.exact} == {1.0}


def test_several_files_have_a_line_each(service: SearchService, queries: list[JudgedQuery]) -> None:
    """The scores at the top are of all of them together."""
    again = [replace(query, source="other.csv") for query in queries if query.kind == "named"]
    (found,) = evaluation_of(service, [*queries, *again])

    assert [(Path(row.group).name, row.query_type, row.queries) for row in found.by_file] == [
        ("queries.csv", "chinese", 1),
        ("queries.csv", "english", 4),
        ("other.csv", "english", 2),
    ]
    assert {row.query_type: row.queries for row in found.scores} == {"chinese": 1, "english": 6}


def test_what_is_absent(queries: list[JudgedQuery]) -> None:
    """The share of absent things that are told, and of others that are denied, by language."""
    told = {"submarine": True, "一艘潜水艇": False, "blue table": True}
    judgements = [
        Judgement(
            query=query,
            query_type="chinese" if query.text and "一" in query.text else "english",
            relevant=frozenset(query.relevant),
            hits=(),
            exact=(),
            recall=1.0,
            told_absent=told.get(query.text or "", False),
        )
        for query in queries
        if query.text in {*told, "quantum"}
    ]

    chinese, english = score(CAPTIONS, judgements).absence

    assert (english.absent, english.told and english.told.value) == (1, 1.0)
    assert (english.present, english.denied and english.denied.value) == (2, 0.5)
    assert (chinese.absent, chinese.told and chinese.told.value) == (1, 0.0)
    assert (chinese.present, chinese.denied) == (0, None)


def test_two_settings_are_compared(service: SearchService, queries: list[JudgedQuery]) -> None:
    """Differences are those of the same queries: of words with captions, less words with views."""
    found = evaluation_of(service, queries, CAPTIONS, Setting(algorithm="toy", target="appearance"))

    (comparison,) = compared(found)

    ours, theirs = ({row.query_type: row for row in each.scores} for each in found)
    for row in comparison.differences:
        expected = ours[row.query_type].mrr.value - theirs[row.query_type].mrr.value
        assert row.measures["mrr"].value == pytest.approx(expected)
        assert row.measures["mrr"].low <= row.measures["mrr"].value <= row.measures["mrr"].high
        hits = ours[row.query_type].hit_at_10.value - theirs[row.query_type].hit_at_10.value
        assert row.gained - row.lost == pytest.approx(hits * row.queries)
    assert [(row.query_type, row.queries) for row in comparison.differences] == [("chinese", 1), ("english", 4)]


def test_a_query_that_cannot_be_searched_is_told(service: SearchService, tmp_path: Path) -> None:
    """By its file and line, before any search."""
    path = tmp_path / "bad.csv"
    for bad, words in (("???,,toys/001", "no English or Chinese words"), (",no.png,toys/001", "cannot read no.png")):
        path.write_text(f"text,image,relevant\nchair,,toys/000\n{bad}\n")

        with pytest.raises(DatasetError, match=rf"the query in .*bad.csv, line 3: .*{words}"):
            evaluation_of(service, read_queries([path]))


def test_pictures_are_queries(service: SearchService, published_toys: Workspace, tmp_path: Path) -> None:
    """A picture is found by its path from the file's folder, and has its own line of scores."""
    picture = published_toys.folder / "pictures" / "004" / "00000" / "00000.png"
    (tmp_path / "one.png").write_bytes(picture.read_bytes())
    (tmp_path / "queries.csv").write_text("text,image,relevant\n,one.png,toys/004\n")

    (found,) = evaluation_of(service, read_queries([tmp_path / "queries.csv"]), Setting(algorithm="toy"))

    assert [(row.query_type, row.hit_at_1.value) for row in found.scores] == [("image", 1.0)]


def report_of(service: SearchService, queries: Sequence[JudgedQuery]) -> Report:
    """Two settings, as a report."""
    found = evaluation_of(service, queries, CAPTIONS, Setting(algorithm="toy", target="appearance"))
    return Report(title="Toys", evaluations=found, comparisons=compared(found), facts={"toy": "40 assets"}, misses=1)


def test_text_and_json(service: SearchService, queries: list[JudgedQuery]) -> None:
    """Both tell the same: scores with intervals, parity, what is absent, misses with what came instead."""
    report = report_of(service, queries)
    text, value = report_as_text(report), json.loads(json.dumps(report_as_value(report)))

    english = next(row for row in value["scores"] if row["kind"] == "english")
    assert re.search(r"^english\s+4\s+0\.\d{3} \[\.\d\d \.\d\d\]", text, re.MULTILINE)
    assert f"{english['hit_at_10']:.3f} [" in text
    assert english["intervals"]["hit_at_10"][0] < english["hit_at_10"] < english["intervals"]["hit_at_10"][1]
    assert "english - chinese" in text
    assert value["parity"]["hit_at_10"]["value"] == pytest.approx(-0.25)
    assert "1 queries left out: the library has nothing that is relevant to them" in text
    assert "2 relevant names are no asset of the library: 'not in this library', 'nothing of ours'" in text
    assert (value["without_relevant"], len(value["unknown_relevant"])) == (1, 2)
    assert [(row["kind"], row["absent"]) for row in value["absent"]] == [("chinese", 1), ("english", 1)]
    assert "of 1 absent things" in text
    (miss,) = value["misses"]
    assert (miss["text"], miss["relevant"], len(miss["results"])) == ("quantum", ["toys/013"], 10)
    assert "  quantum  (" in text
    assert f"came:   {miss['results'][0]['asset_id']} ({miss['results'][0]['caption_en']})" in text
    assert value["others"][0]["setting"]["target"] == "appearance"
    assert value["comparisons"][0]["differences"][1]["queries"] == 4
    assert "toy, target=caption - toy, target=appearance, by paired bootstrap" in text


class _Page(HTMLParser):
    """What a page loads, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in {"src", "href", "xlink:href"} and value]

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_the_page(service: SearchService, queries: list[JudgedQuery], tmp_path: Path) -> None:
    """It needs nothing from elsewhere, draws each plot, lists the misses, and is the same when made again."""
    report = report_of(service, queries)
    write_report(report, tmp_path / "page.html")
    page = _Page((tmp_path / "page.html").read_text("utf-8"))

    assert page.tags.count("svg") == 4  # scores, ranks, difference, kinds
    assert [target for target in page.loads if not target.startswith("#")] == []
    assert "script" not in page.tags
    assert {"Toys", "quantum", "toys/013", "Kinds of queries", "What the library has not"} <= {*page.words}
    assert report_as_html(report) == (tmp_path / "page.html").read_text("utf-8")


def test_the_page_shows_any_words(tmp_path: Path) -> None:
    """Tags, formulas and Chinese in a query, a kind or a caption are words like others."""
    bad = "<script>alert(1)</script> $\\frac{1$ 椅子"
    judgements = [
        Judgement(
            query=JudgedQuery(source=bad, line=line, text=bad, kind=bad * line, relevant=(bad,)),
            query_type="english",
            relevant=frozenset([bad]),
            hits=(_hit(bad),) * line,
            exact=(),
            recall=1.0,
            told_absent=False,
        )
        for line in (1, 2)
    ]
    report = Report(title=bad, evaluations=[score(CAPTIONS, judgements)], notes=[bad], facts={bad: bad})

    page = _Page(report_as_html(report))

    assert "script" not in page.tags
    assert {bad, f"{bad},  english"} <= {*page.words}


def test_a_page_without_a_query_that_counts() -> None:
    """Where nothing relevant is in the library there are no plots, and the page says why."""
    page = report_as_html(Report(title="Nothing", evaluations=[score(CAPTIONS, [], without_relevant=3)]))

    assert "<svg" not in page
    assert "3 queries were left out" in page


def _hit(asset_id: str) -> Hit:
    return Hit(
        asset_id=asset_id + "other",
        score=0.5,
        viewpoint_id=None,
        thumbnail=None,
        caption_english=asset_id,
        caption_chinese=None,
        model=None,
        attributes={},
    )


def lvis_file(folder: Path) -> Path:
    """Three categories, of which the library has two; some models of them are not in it."""
    rows = [
        (0, "green_chair", uid(1)),
        (0, "green_chair", uid(999)),
        (1, "lamp_(blue)", uid(10)),
        (2, "whale", uid(500)),
    ]
    path = folder / "lvis.csv"
    path.write_text("".join(f"{number},{category},{model}\n" for number, category, model in rows))
    return path


def test_lvis_is_drawn(objaverse: Algorithm, tmp_path: Path) -> None:
    """Categories become queries, as far as the library has models of them; the rest is counted."""
    path = lvis_file(tmp_path)
    drawn = draw(read_benchmark("objaverse-lvis", path), path, objaverse.library, 10)

    assert [(each.query.text, each.relevant) for each in drawn.expected] == [
        ("green chair", frozenset({f"000-001/{uid(1)}"})),
        ("lamp (blue)", frozenset({"0/10"})),
    ]
    assert (drawn.items, drawn.answerable, drawn.unsearchable, drawn.unknown_uids) == (3, 2, 0, 2)
    notes = notes_of("objaverse-lvis", drawn, 20, None)
    assert notes[0].startswith("2 of the 3 queries of objaverse-lvis are asked, of 2 that the library of 20 assets")
    assert NOT_COMPARABLE in notes


def test_a_sample_is_the_same_each_time(objaverse: Algorithm, tmp_path: Path) -> None:
    """It is a part of the queries, in the order of the file; what cannot be searched is left out and counted."""
    path = tmp_path / "human.pkl"
    captions = {uid(number): [f"thing {number}", "!!!"] for number in range(20)}
    path.write_bytes(pickle.dumps(captions))
    items = read_benchmark("cap3d-human", path)

    drawn = [draw(items, path, objaverse.library, 7).expected for _ in range(2)]

    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 7
    assert [each.query.line for each in drawn[0]] == sorted(each.query.line for each in drawn[0])
    assert draw(items, path, objaverse.library, 7).unsearchable == 20
    assert {id_ for each in drawn[0] for id_ in each.relevant} <= {
        *(f"0/{number}" for number in range(0, 20, 2)),
        *(f"000-001/{uid(number)}" for number in range(1, 20, 2)),
    }


def test_a_benchmark_of_other_models_is_told(objaverse: Algorithm, tmp_path: Path) -> None:
    """One line says that the library has none of them."""
    path = tmp_path / "human.csv"
    path.write_text(f"{uid(777)},a chair\n")

    with pytest.raises(DatasetError, match=r"none of the 1 models of .*human.csv is in the library; import"):
        draw(read_benchmark("cap3d-human", path), path, objaverse.library, 10)


def test_a_benchmark_is_run_in_both_languages(objaverse: Algorithm, tmp_path: Path) -> None:
    """Each target is scored by the index and without it; the report says what the figures are not."""
    path = lvis_file(tmp_path)
    drawn = draw(read_benchmark("objaverse-lvis", path), path, objaverse.library, 10)
    chinese, unsearchable = in_chinese(drawn.expected, {"green chair": "绿色的椅子"})
    assert unsearchable == 0
    settings = settings_of(Setting(algorithm="toy"))

    found = run_benchmark(objaverse, settings, [*drawn.expected, *chinese], lambda _: None)

    assert [str(each.setting) for each in found] == [
        "toy, target=caption",
        "toy, target=appearance",
        "toy, target=both",
    ]
    for each in found:
        counts = [(row.query_type, row.queries) for row in each.scores]
        assert counts == [("chinese", 1), ("english", 2)] == [(row.query_type, row.queries) for row in each.exact]
    assert {row.query_type: row.hit_at_1.value for row in found[0].scores} == {"chinese": 1.0, "english": 1.0}
    difference = {name: each.value for name, each in found[0].parity.items()}
    assert difference["hit_at_1"] == 0.0  # of the one query that is asked in both languages
    notes = notes_of("objaverse-lvis", drawn, 20, "no Chinese for one")
    report = Report(title="LVIS", evaluations=found, notes=notes, benchmark="objaverse-lvis")
    assert "cannot be compared" in report_as_text(report)
    assert "cannot be compared" in report_as_html(report)
    assert report_as_value(report)["benchmark"] == "objaverse-lvis"
    assert len(report_as_value(report)["evaluations"]) == 3


def test_a_named_target_is_the_only_one() -> None:
    """``--target`` narrows a benchmark to it."""
    assert settings_of(CAPTIONS) == [CAPTIONS]


def test_translations_are_kept(tmp_path: Path) -> None:
    """What was translated once is not asked for again; what has no translation is asked for again."""
    file = tmp_path / "benchmarks" / "lvis-chinese.json"
    translator = Glossary(TranslatorOptions())
    texts = ["a chair", "a lamp", "a bed", "a chair"]

    Translations(file).add(texts, translator)

    assert translator.asked == ["a chair", "a lamp", "a bed"]
    kept = Translations(file)
    assert kept.known == {"a chair": "红色的 chair", "a bed": "红色的 bed"}
    assert kept.missing(texts) == ["a lamp"]


def test_translations_survive_a_translator_that_stops(tmp_path: Path) -> None:
    """What was answered before is on the disk."""
    file = tmp_path / "chinese.json"
    translator = Glossary(TranslatorOptions())
    translator.stops = True

    with pytest.raises(TranslatorError, match="run again"):
        Translations(file).add(["a chair", "a bed"], translator)

    assert Translations(file).known == {"a chair": "红色的 chair"}


def test_quotes_of_a_benchmark_are_no_phrases(objaverse: Algorithm, tmp_path: Path) -> None:
    """Captions are compared by their meaning, in either language, with quotes in quotes; inches stay."""
    texts = ['a "green" chair', "the “big “old” bed", '"a 「small」 lamp"', 'a 30" table']
    items = [Item(line=line, text=text, uids=(uid(line),)) for line, text in enumerate(texts, 1)]
    drawn = draw(items, tmp_path, objaverse.library, 10)
    chinese, _ = in_chinese(drawn.expected, {"a green chair": "「绿色」的椅子"})

    asked = [each.query.text for each in (*drawn.expected, *chinese)]
    assert asked == ["a green chair", "the big “old bed", "a small lamp", 'a 30" table', "绿色 的椅子"]
    assert not any(Query(text=text).conditions for text in asked)


def test_a_translation_that_cannot_be_searched_is_counted(objaverse: Algorithm, tmp_path: Path) -> None:
    """It ends no run: the query is asked in English only."""
    items = [Item(line=line, text=f"a chair number{line}", uids=(uid(line),)) for line in range(1, 4)]
    drawn = draw(items, tmp_path, objaverse.library, 10)
    kept = {"a chair number1": "椅子" * 600, "a chair number2": "。。。", "a chair number3": "椅子"}

    chinese, unsearchable = in_chinese(drawn.expected, kept)

    assert [(each.query.line, each.query.text) for each in chinese] == [(3, "椅子")]
    assert unsearchable == 2
    run_benchmark(objaverse, [CAPTIONS], [*drawn.expected, *chinese], lambda _: None)


@pytest.mark.parametrize(
    "setting",
    [Setting(cross_modal=True), Setting(cross_modal=False), Setting(target="caption")],
    ids=str,
)
def test_a_benchmark_measures_what_is_asked_for(setting: Setting) -> None:
    """Where the setting says what is compared, that alone is measured."""
    assert settings_of(setting) == [setting]
