"""The page on the query language is true: every search that it shows gives an answer."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import httpx
from PIL import Image
from tests.command_lines import run_together
from tests.conftest import ServedLibrary
from tests.docs.test_docs import commands
from tests.source_copy import ROOT

PAGE = ROOT / "docs" / "query-language.md"


def test_the_searches_of_the_page(library: ServedLibrary, tmp_path: Path) -> None:
    """Each finds something; of the one that asks an algorithm of which nothing is published, it is told what to do."""
    Image.new("RGB", (16, 16), "red").save(tmp_path / "photo.png")
    lines = [line for line in commands(PAGE) if line.startswith("meshseek ")]
    asked = [[*shlex.split(line)[1:], "--json"] for line in lines]
    several = [words for words in asked if "lite,siglip" in words]

    assert len(several) == 1
    for line, ended in zip(lines, run_together(asked, library.environment, tmp_path), strict=True):
        if "lite,siglip" in line:
            assert "siglip: nothing is published; run 'meshseek publish'" in ended.stderr
        else:
            assert ended.returncode == 0, f"{line}\n{ended.stderr}"
            assert json.loads(ended.stdout)["results"], line


def test_the_requests_of_the_page(api_url: str) -> None:
    """The same over HTTP."""
    lines = [line for line in commands(PAGE) if line.startswith("curl ")]
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(line)
        path = httpx.URL(words[1]).path
        answer = httpx.post(f"{api_url}{path}", json=json.loads(words[words.index("-d") + 1]), timeout=30)
        if "siglip" in line:
            assert answer.status_code == 409
            assert "siglip: nothing is published; run 'meshseek publish'" in answer.json()["error"]["message"]
        else:
            assert answer.json()["results"], answer.text
