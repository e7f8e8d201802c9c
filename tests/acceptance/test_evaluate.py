"""``meshseek evaluate`` as a user types it, over a small real library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.command_lines import Ended, run_here
from tests.conftest import ServedLibrary

QUERIES = """text,image,relevant,kind
red chair,,chair-0001,plain
红椅子,,Chair,plain
a xylophone,,Sofa,hard
whale,,,absent
"""


def evaluate(library: ServedLibrary, folder: Path, *arguments: str) -> Ended:
    """Run the command to its end."""
    return run_here(["evaluate", *arguments], library.environment, folder)


def test_two_files_and_two_settings(library: ServedLibrary, tmp_path: Path) -> None:
    """Tables for all, by file and by kind; the difference of the settings; misses; and a page with plots."""
    (tmp_path / "one.csv").write_text(QUERIES, "utf-8")
    (tmp_path / "two.csv").write_text("text,image,relevant\nsofa,,Sofa\n", "utf-8")

    ended = evaluate(
        library,
        tmp_path,
        *("one.csv", "two.csv", "--target", "caption", "--against", "target=appearance"),
        *("--misses", "5", "--report", "page.html"),
    )

    assert ended.returncode == 0, ended.stderr
    for words in (
        "lite, target=caption, with 95 % intervals",
        "by file",
        "two.csv",
        "by kind",
        "english - chinese",
        "of 1 absent things",
        "lite, target=caption - lite, target=appearance, by paired bootstrap",
        "queries without a relevant result among ten",
    ):
        assert words in ended.stdout
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<svg" in page
    assert "://" not in page.replace("http://www.w3.org/", "")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "give files of judged queries or a --benchmark, one of the two"),
        (["q.csv", "--benchmark", "cap3d-human", "x.pkl"], 2, "one of the two"),
        (["--benchmark", "cap3d-human", "x.pkl", "--against", "target=both"], 2, "compares the targets by itself"),
        (["q.csv", "--dry-run"], 2, "give a --benchmark"),
        (["--benchmark", "imagenet", "x.pkl"], 2, "'imagenet' is not one of"),
        (["q.csv", "--against", "target=nowhere"], 1, "nowhere"),
        (["q.csv", "--against", "algorithm=nowhere"], 1, "there is no algorithm 'nowhere'; choose one of"),
        (["q.csv", "--report", "nowhere/page.html"], 2, "nowhere/page.html cannot be written"),
        (["--benchmark", "cap3d-human", "q.csv"], 1, "no Objaverse uid and caption; give Cap3D_human"),
        (["--benchmark", "objaverse-lvis", "lvis.csv"], 1, "none of the 1 models of lvis.csv is in the library"),
    ],
)
def test_a_mistake_is_one_line(
    library: ServedLibrary, tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    """What is wrong and what to do instead, on stderr; nothing on standard output."""
    (tmp_path / "q.csv").write_text("text,image,relevant\nred chair,,chair-0001\n", "utf-8")
    (tmp_path / "lvis.csv").write_text(f"whale,{'a' * 32}\n", "utf-8")

    ended = evaluate(library, tmp_path, *arguments)

    assert (ended.returncode, ended.stdout) == (status, "")
    assert words in " ".join(ended.stderr.split())


def test_json_of_one_file(library: ServedLibrary, tmp_path: Path) -> None:
    """The scores stay where they always were."""
    (tmp_path / "one.csv").write_text(QUERIES, "utf-8")

    value = json.loads(evaluate(library, tmp_path, "one.csv", "--json").stdout)

    assert [(row["kind"], row["queries"]) for row in value["scores"]] == [("chinese", 1), ("english", 2)]
    assert {"hit_at_1", "hit_at_5", "hit_at_10", "mrr", "recall_at_10", "ndcg_at_10"} <= value["scores"][0].keys()
    assert value["without_relevant"] == 0
    assert value["bootstrap"] == {"resamples": 4000, "seed": 13, "level": 0.95}
