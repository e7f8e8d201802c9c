"""Collecting with licences: the commands of the page run, and its table says what the code does."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from tests.docs.test_docs import CSV_BLOCK, HOW_TO, commands, follow, write_models
from tests.source_copy import ROOT

from meshseek.licences import terms

PAGE = HOW_TO / "collect-assets.md"
ROW = re.compile(r"^\| (.+?) \| (yes|no|not known) \| (yes|no|not known) \| (.+?) \|$", re.MULTILINE)
VERDICTS = {"yes": "allowed", "no": "forbidden", "not known": "unknown"}
DEMANDS = {"name the creator": "credit", "same licence for changed": "share-alike", "licence's text": "notice"}


def test_how_to_collect(tmp_path: Path) -> None:
    """A zip, a folder, and for Blender a folder with the line that says what is not installed."""
    write_models(tmp_path / "models")
    captions = CSV_BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text("utf-8"))[0]
    (tmp_path / "models" / "captions.csv").write_text(captions, "utf-8")
    (tmp_path / "chosen.txt").write_text("chairs/red\nlamps/desk\n", "utf-8")
    follow("meshseek import folder models --captions models/captions.csv", tmp_path)

    said = [follow(line, tmp_path).stdout for line in commands(PAGE) if line.startswith("meshseek ")]

    assert [text.split(" in ")[0] for text in said] == ["collected 2 models"] * 4
    assert "bpy is not installed" in said[-1]
    with zipfile.ZipFile(tmp_path / "basket.zip") as opened:
        assert "by Ben" in opened.read("ATTRIBUTION.md").decode()
        assert len(opened.namelist()) == 4
    assert len(list((tmp_path / "basket" / "models").iterdir())) == 2


def test_the_table_of_licences() -> None:
    """Each row is what is known of each licence that it names."""
    rows = ROW.findall(PAGE.read_text("utf-8"))

    assert len(rows) == 11
    for names, commercial, modification, demands in rows:
        for name in names.split(", "):
            said = terms(name)
            assert said.verdict("commercial") == VERDICTS[commercial], name
            assert said.verdict("modification") == VERDICTS[modification], name
            assert {*said.demands} == {kind for words, kind in DEMANDS.items() if words in demands}, name
