"""The command line as a user types it, over a small real library."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.command_lines import Ended, run_here, run_process
from tests.conftest import ServedLibrary
from tests.sample_library import ODD_ID

from meshseek.search.explaining import EXPLAINED

CHAIRS = ("chair-0001", "chair-0002")


def meshseek(*arguments: str, **environment: str) -> Ended:
    """Run a command to its end."""
    return run_here(arguments, environment)


def found(library: ServedLibrary, *arguments: str) -> list[dict[str, Any]]:
    """The results of a search."""
    ended = meshseek("search", *arguments, "--json", **library.environment)
    assert ended.returncode == 0, ended.stderr
    results: list[dict[str, Any]] = json.loads(ended.stdout)["results"]
    return results


@pytest.fixture
def picture(library: ServedLibrary) -> Path:
    """A view of a chair."""
    return next((library.folder / "views" / "chair-0002").glob("@*/00001/00001.png"))


def test_english_words_find_captions(library: ServedLibrary) -> None:
    """An English query finds the assets whose captions say so; as a process, it says just the same."""
    arguments = ("search", "a chair", "--top-k", "3", "--json")
    results = found(library, *arguments[1:-1])

    assert {hit["asset_id"] for hit in results} == {*CHAIRS, ODD_ID}
    assert json.loads(run_process(arguments, library.environment).stdout)["results"] == results


def test_chinese_words_find_captions(library: ServedLibrary) -> None:
    """A Chinese query finds the assets whose Chinese captions say so."""
    assert {hit["asset_id"] for hit in found(library, "沙发", "--top-k", "2")} == {"sofa-0001", "sofa-0002"}


def test_a_picture_finds_its_asset(library: ServedLibrary, picture: Path) -> None:
    """A view finds the asset that it shows, and says which view it is."""
    first = found(library, "--image", str(picture))[0]

    assert (first["asset_id"], first["viewpoint_id"]) == ("chair-0002", 1)
    assert first["score"] > 0.99


@pytest.mark.parametrize("words", ["a chair", "椅子"])
def test_words_search_views(library: ServedLibrary, words: str) -> None:
    """Across modalities, words are compared with views: every result says which view matched."""
    results = found(library, words, "--cross-modal")

    assert len({hit["asset_id"] for hit in results}) == len(results) == 10
    assert all(hit["viewpoint_id"] in range(3) for hit in results)


def test_a_picture_searches_captions(library: ServedLibrary, picture: Path) -> None:
    """Across modalities, a picture is compared with captions: no view is named."""
    results = found(library, "--image", str(picture), "--cross-modal")

    assert len(results) == 10
    assert {hit["viewpoint_id"] for hit in results} == {None}


def test_the_index_finds_what_exact_search_finds(library: ServedLibrary) -> None:
    """Through the index and without it the ten results are the same, captions and views together."""
    arguments = ("red chair", "--target", "both", "--not-diverse")
    with_index = [hit["asset_id"] for hit in found(library, *arguments)]

    assert with_index == [hit["asset_id"] for hit in found(library, *arguments, "--exact")]


def test_the_default_is_to_compare_with_everything(library: ServedLibrary, picture: Path) -> None:
    """Words are compared with captions, views and words, unless one kind is asked for; a picture with views."""

    def target(*arguments: str) -> tuple[str, bool]:
        answer = json.loads(meshseek("search", *arguments, "--json", **library.environment).stdout)
        return answer["target"], answer["cross_modal"]

    assert target("a chair") == ("both", False)
    assert target("a chair", "--inner-modal") == ("caption", False)
    assert target("椅子", "--cross-modal") == ("appearance", True)
    assert target("--image", str(picture)) == ("appearance", False)


def test_neighbours_differ_unless_they_are_not_to(library: ServedLibrary) -> None:
    """The same assets in another order, the best first; ``--exact`` keeps the ranking unless it is told not to."""
    usual, plain, exact, both = (
        [hit["asset_id"] for hit in found(library, "a chair", "--top-k", "22", *options)]
        for options in ((), ("--not-diverse",), ("--exact",), ("--exact", "--diverse"))
    )
    assert plain == exact != usual == both
    assert sorted(usual) == sorted(plain)
    assert usual[0] == plain[0]


def test_results_say_how_well_they_fit_and_why(library: ServedLibrary) -> None:
    """In JSON and as lines; less than what is asked for is left out."""
    whole = found(library, "a pink chair", "--top-k", "22", "--explain")
    for rank, hit in enumerate(whole):
        assert hit["relevance"] in {"strong", "fair", "weak"}
        assert hit["explanation"]["parts"]
        texts = [share["text"] for share in hit["explanation"]["texts"]]
        assert bool(texts) is (hit["caption_en"] is not None and rank < EXPLAINED)
    kept = found(library, "a pink chair", "--top-k", "22", "--min-relevance", "strong")
    assert [hit["asset_id"] for hit in kept] == [hit["asset_id"] for hit in whole if hit["relevance"] == "strong"]
    assert kept
    assert all("explanation" not in hit for hit in kept)

    told = meshseek("search", "a pink chair", "--top-k", "2", "--explain", **library.environment).stdout
    assert told.count("caption standard") == 2
    assert f"of the caption by: {whole[0]['caption_en']}" in told
    assert whole[0]["relevance"] in told.splitlines()[0]
    plain = meshseek("search", "a pink chair", "--top-k", "2", **library.environment).stdout
    assert len(plain.splitlines()) == 2


def test_filters(library: ServedLibrary) -> None:
    """Only assets with one of the values come, as many as there are."""
    results = found(library, "chair", "--filter", "category=Lights", "--filter", "category=Bedroom", "--top-k", "50")

    assert sorted(hit["attributes"]["category"] for hit in results) == ["Bedroom"] * 2 + ["Lights"] * 3


def test_one_number_is_a_filter(library: ServedLibrary) -> None:
    """Just so many faces, or any other number of them."""
    faces = found(library, "chair")[0]["attributes"]["faces"]
    same, others = (found(library, "chair", "--filter", f"faces{sign}{faces}", "--top-k", "50") for sign in ("=", "!="))

    assert {hit["attributes"]["faces"] for hit in same} == {faces}
    assert faces not in {hit["attributes"]["faces"] for hit in others}


def test_evaluate(library: ServedLibrary, tmp_path: Path) -> None:
    """Judged queries become hit rates by kind; a query with nothing relevant is left out and counted."""
    queries = tmp_path / "queries.csv"
    queries.write_text("text,image,relevant\nred chair,,chair-0001\n红椅子,,Chair\nx,,nothing\n", "utf-8")

    ended = run_process(["evaluate", str(queries), "--json"], library.environment)

    evaluation = json.loads(ended.stdout)
    assert [(row["kind"], row["queries"], row["hit_at_10"]) for row in evaluation["scores"]] == [
        ("chinese", 1, 1.0),
        ("english", 1, 1.0),
    ]
    assert evaluation["without_relevant"] == 1


def test_status(library: ServedLibrary) -> None:
    """The state names what each stage did and what is live."""
    status = json.loads(run_process(["status", "--json"], library.environment).stdout)

    assert status["stages"] == {"imported": 22, "rendered": 22, "chinese captions": 22}
    published = status["published"]["lite"]
    assert published["views"] == 66
    assert 0 <= published["trust"] <= 1
    assert 0 < published["captions_find_views"] <= 1
    assert published["calibrated"]
    assert f"  {published['calibrated'][0]}" in meshseek("status", **library.environment).stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", ""], "the query is empty"),
        (["search", "!!!"], "no English or Chinese words"),
        (["search", "стул"], "no English or Chinese words"),
        (["search", "x" * 1001], "at most 1000"),
        (["search", "chair", "--top-k", "0"], "choose 1 to 200"),
        (["search"], "either a text or an image"),
        (["search", "--without", "red"], "nothing is wanted, for all weights are below 0; add a part"),
        (["search", "red", "--without", "red"], "'red' is both wanted and not wanted; give it one weight"),
        (["search", "red", "--like", "nobody"], "there is no asset 'nobody' here that can be compared; check the id"),
        (["search", "--image", "nowhere.png"], "cannot read nowhere.png"),
        (["search", "chair", "--filter", "colour=red"], "known fields"),
        (["search", "chair", "--filter", "faces=1", "--filter", "faces=2"], "has 2 values; give one number"),
        (["search", "chair", "--filter", "faces=1e39"], "at most 3.4e38"),
        (["import", "folder", "nowhere"], "nowhere"),
        (["render", "--workspace", "empty"], "run 'meshseek import"),
        (["publish", "--workspace", "empty"], "run 'meshseek import"),
        (["evaluate", "nowhere.csv"], "cannot read nowhere.csv"),
    ],
)
def test_a_mistake_is_one_line_with_its_cure(
    library: ServedLibrary, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """A foreseen failure is one line on stderr, exit status 1, and nothing on standard output."""
    ended = run_here(arguments, library.environment, tmp_path)

    message = ended.stderr.strip().splitlines()[-1]
    assert (ended.returncode, ended.stdout) == (1, "")
    assert message.startswith("meshseek: ")
    assert words in message


def test_several_things_together(library: ServedLibrary, picture: Path) -> None:
    """Words, a picture, an asset and what is not wanted; with the same weights by other options, the same."""
    answers = [
        found(library, "chair", "--image", str(picture), "--like", "chair-0001", "--without", "table", *more)
        for more in ([], ["--part", "0:sofa"])
    ]
    weighed = [f"2:image:{picture}", "2:like:chair-0001", "-2:table", "2:chair"]

    assert answers[0][0]["asset_id"] in {*CHAIRS, ODD_ID}
    assert answers[0] == answers[1]
    assert answers[0] == found(library, *(word for part in weighed for word in ("--part", part)))


def test_wrong_usage_is_status_two(library: ServedLibrary) -> None:
    """An unknown algorithm is wrong usage, and the message lists the right ones."""
    ended = meshseek("search", "chair", "--algorithm", "nonsense", **library.environment)

    assert ended.returncode == 2
    assert "lite" in ended.stderr


def test_a_port_in_use(library: ServedLibrary) -> None:
    """A taken port is said before anything is loaded, with the option that chooses another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = meshseek("serve", "--api-port", str(taken.getsockname()[1]), **library.environment)

    assert ended.returncode == 1
    assert "choose another --api-port" in ended.stderr
