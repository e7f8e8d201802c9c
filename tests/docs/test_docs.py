"""The documentation is true: its commands run, its code works, its names exist."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
import trimesh
from PIL import Image
from tests.command_lines import Elsewhere, Ended, another_process, run_here
from tests.conftest import drop_databases
from tests.source_copy import ROOT, copied_source

from meshseek.interfaces.cli import COMMANDS, main
from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.settings import Settings

HOW_TO = ROOT / "docs" / "how-to"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SERVES = ("meshseek serve", "uvicorn ", "python -m meshseek.interfaces.ui")
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
CSV_BLOCK = re.compile(r"^```\n((?:id|text),.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
FAMILIES = (
    "embedders",
    "datasets",
    "renderers",
    "translators",
    "rerankers",
    "pipeline/engines",
    "search/modes",
    "store/indexes",
)
ADDED = {
    "add-an-embedder": "embedders/letters.py",
    "add-a-dataset": "datasets/one_folder_each.py",
    "add-a-renderer": "renderers/outline.py",
    "add-a-translator": "translators/glossary.py",
    "add-an-engine": "pipeline/engines/in_turn.py",
    "add-a-reranker": "rerankers/fewest_words.py",
}
"""What each how-to's code is as a file of the package."""
COPIED = ("add-an-index-kind", "add-a-search-mode")
"""How-tos that begin with a copy of a file."""
SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""Those of Keep a Changelog."""


def commands(page: Path) -> list[str]:
    """The lines of a page's shell blocks."""
    blocks = SHELL_BLOCK.findall(page.read_text("utf-8"))
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def run(command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a documented command with our programs first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **environment}
    return subprocess.run(
        shlex.split(command), cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )


def follow(command: str, cwd: Path, **environment: str) -> Ended:
    """Run a documented command to its success, one of Meshseek without a process of its own."""
    program, *arguments = shlex.split(command)
    ended = run_here(arguments, environment, cwd) if program == "meshseek" else run(command, cwd, **environment)
    assert ended.returncode == 0, f"{command}\n{ended.stderr}"
    return ended


def follow_all(extended: Elsewhere, lines: Sequence[str], cwd: Path, **environment: str) -> list[Ended]:
    """Run documented commands of Meshseek to their success, with what the how-tos add to its package."""
    ended = extended.run([shlex.split(line)[1:] for line in lines], environment, cwd)
    for line, one in zip(lines, ended, strict=False):
        assert one.returncode == 0, f"{line}\n{one.stderr}"
    assert len(ended) == len(lines)
    return ended


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file."""
    broken = [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """Every documented meshseek command and option is one that the program has."""
    for command in commands(page):
        words = shlex.split(command)
        if words[0] != "meshseek":
            continue
        with main.make_context("meshseek", [words[1], "--help"], resilient_parsing=True) as context:
            found = main.get_command(context, words[1])
        assert found is not None, command
        if isinstance(found, click.Group) and len(words) > 2 and words[2] in found.commands:
            found = found.commands[words[2]]
        options = {name for parameter in found.params for name in parameter.opts}
        used = {word.split("=")[0] for word in words[2:] if word.startswith("--") and word != "--"}
        assert used <= options, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_of_make_exist(page: Path) -> None:
    """Every documented make command is one that the Makefile can carry out."""
    for command in commands(page):
        if command.startswith("make "):
            here = re.sub(r"^make -C \S+", "make", command)
            told = run(here.replace("make", "make --dry-run", 1), ROOT)
            assert told.returncode == 0, f"{command}\n{told.stderr}"


def test_every_target_of_make_has_its_help() -> None:
    """What can be made by name is listed by ``make help``, and by nothing else."""
    targets = set(TARGET.findall((ROOT / "Makefile").read_text("utf-8")))
    listed = {line.split()[1] for line in run("make --no-print-directory help", ROOT).stdout.splitlines()}

    assert listed == targets


def test_every_kind_of_part_has_its_how_to() -> None:
    """CONTRIBUTING names the folder of each plug-in family, and each how-to that adds a part."""
    lines = (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "](docs/how-to/add-" in line]

    assert [row.split("`")[1] for row in rows] == [f"src/meshseek/{family}/" for family in FAMILIES]
    assert {link for row in rows for link in LINK.findall(row)} == {
        str(page.relative_to(ROOT)) for page in HOW_TO.glob("add-*.md")
    }
    for row, family in zip(rows, FAMILIES, strict=True):
        assert f"src/meshseek/{family}/" in (ROOT / LINK.findall(row)[0]).read_text("utf-8")


def test_every_plugin_family_is_a_kind_of_part() -> None:
    """A family that is added to the source is described too."""
    package = ROOT / "src" / "meshseek"
    families = {
        str(file.parent.relative_to(package))
        for file in package.rglob("__init__.py")
        if "Family(__name__" in file.read_text("utf-8")
    }

    assert families == set(FAMILIES)


def test_the_changelog_keeps_its_form() -> None:
    """What is not yet released comes first; each section is one of Keep a Changelog, once."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]

    assert versions[0].startswith("Unreleased\n")
    for version in versions:
        sections = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert len(sections) == len(set(sections))
        assert set(sections) <= SECTIONS


def test_every_command_and_setting_is_documented() -> None:
    """No command and no setting is left out of the documentation."""
    text = "".join(page.read_text("utf-8") for page in PAGES)

    assert [name for name in COMMANDS if f"meshseek {name}" not in text and name != "demo"] == []
    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in text] == []


def test_tutorial(tmp_path: Path) -> None:
    """The tutorial's commands run one after the other, as a newcomer types them; the first of each as a process."""
    page = ROOT / "docs" / "tutorial.md"
    captions, queries = CSV_BLOCK.findall(page.read_text("utf-8"))
    write_models(tmp_path / "models")
    (tmp_path / "models" / "captions.csv").write_text(captions, "utf-8")
    (tmp_path / "queries.csv").write_text(queries, "utf-8")

    typed: set[str] = set()
    for command in commands(page):
        if command.startswith(SERVES):
            continue
        kind = " ".join(command.split()[: 3 if command.startswith("meshseek db") else 2])
        if kind in typed:
            ended = follow(command, tmp_path)
        else:
            typed.add(kind)
            ended = run(command, tmp_path)
            assert ended.returncode == 0, f"{command}\n{ended.stderr}"
        if command == "meshseek search 台灯":
            assert ended.stdout.splitlines()[0].split()[2] == "lamps/desk"


def test_how_to_search_a_large_library(tmp_path: Path, database: dict[str, str]) -> None:
    """Its commands run, on a library that is not large."""
    page = ROOT / "docs" / "how-to" / "large-libraries.md"
    make, *others = commands(page)[:8]
    ended = run(make.replace("--assets 125000 --views 8", "--assets 300 --views 3 --dim 32"), tmp_path)
    assert ended.returncode == 0, ended.stderr
    for command in others:
        follow(command.replace("meshseek tune", "meshseek tune --queries 50"), tmp_path, **database)


@pytest.fixture
def database(conninfo: str) -> Iterator[dict[str, str]]:
    """The settings of a database for one test."""
    yield {"MESHSEEK_DATABASE_URL": conninfo, "MESHSEEK_DATABASE_PREFIX": "docs_"}
    drop_databases(conninfo, "docs_")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """A process with a copy of the package that has the one file of every how-to."""
    folder = tmp_path_factory.mktemp("extended")
    package = copied_source(folder)
    for name, file in ADDED.items():
        (package / file).write_text(PYTHON_BLOCK.findall((HOW_TO / f"{name}.md").read_text("utf-8"))[0], "utf-8")
    for name in COPIED:
        for command in commands(HOW_TO / f"{name}.md"):
            if not command.startswith(("meshseek", "make")):
                follow(command, folder)
    with another_process({"PYTHONPATH": os.pathsep.join((str(package.parent), str(ROOT)))}) as process:
        yield process


def test_how_to_add_an_embedder(tmp_path: Path, extended: Elsewhere, database: dict[str, str]) -> None:
    """The how-to's one file makes an algorithm that embeds, publishes and searches with the commands it gives."""
    page = ROOT / "docs" / "how-to" / "add-an-embedder.md"
    write_models(tmp_path / "models")
    prepared = ("meshseek import folder models", "meshseek render --views 1 --size 32")

    ended = follow_all(extended, [*prepared, *_of_meshseek(page)], tmp_path, **database)[-1]

    assert "red" in ended.stdout or "desk" in ended.stdout


def test_how_to_add_a_dataset(tmp_path: Path, extended: Elsewhere) -> None:
    """The how-to's one file makes a layout that import reads."""
    write_models(tmp_path / "models")
    folder = tmp_path / "library" / "stool"
    folder.mkdir(parents=True)
    shutil.copy(tmp_path / "models" / "chairs" / "red.glb", folder / "model.glb")
    (folder / "caption.txt").write_text("a stool", "utf-8")

    (ended,) = follow_all(extended, ["meshseek import one_folder_each library --json"], tmp_path)

    assert '"done": 1' in ended.stdout


def test_how_to_keep_pictures_in_tar_files(tmp_path: Path) -> None:
    """Its commands pack what it names, and import all of it."""
    for file, content in (("sofas/grey.0.png", None), ("sofas/grey.11.webp", None), ("sofas/grey.txt", "a grey sofa")):
        path = tmp_path / "pictures" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content) if content else Image.new("RGB", (8, 8), "grey").save(path)
    for view in ("0/10005/00000/00000", "0/10005/00001/00001", "0/9/00000/00000"):
        path = tmp_path / "gobjaverse" / f"{view}.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(path)
        path.with_suffix(".json").write_text("{}")

    *packing, embed = commands(HOW_TO / "pictures-in-tar-files.md")
    *_, furniture, renders = (follow(command, tmp_path) for command in packing)

    assert embed == "meshseek embed"

    assert furniture.stdout.startswith("import: 1 done, 0 skipped")
    assert renders.stdout.startswith("import: 2 done, 0 skipped")


def test_how_to_add_a_renderer(tmp_path: Path, extended: Elsewhere) -> None:
    """The how-to's one file makes pictures, with the command it gives."""
    page = HOW_TO / "add-a-renderer.md"
    write_models(tmp_path / "models")

    follow_all(extended, ["meshseek import folder models", *_of_meshseek(page)], tmp_path)

    (path,) = (tmp_path / "workspace" / "views" / "lamps" / "desk").glob("@*/00003/00003.png")
    with Image.open(path) as picture:
        assert (picture.mode, picture.size) == ("RGBA", (64, 64))
        assert picture.getbbox() == pytest.approx((27, 8, 37, 56), abs=1)


def test_how_to_add_a_translator(tmp_path: Path, extended: Elsewhere) -> None:
    """The how-to's one file translates what it can, and says what it cannot."""
    page = HOW_TO / "add-a-translator.md"
    write_models(tmp_path / "models")
    (tmp_path / "captions.csv").write_text("id,caption\nchairs/red,a red chair\nlamps/desk,luminaire\n", "utf-8")

    prepared = "meshseek import folder models --captions captions.csv"
    ended = follow_all(extended, [prepared, *_of_meshseek(page)], tmp_path)[-1]

    (skipped,) = (tmp_path / "workspace" / "captions_zh" / "skipped.jsonl").read_text("utf-8").splitlines()
    told = json.loads(skipped)
    assert (told["asset_id"], told["reason"]) == ("lamps/desk", "has no word of the glossary")
    assert ended.stdout.startswith("translate: 1 done, 1 skipped")


def test_how_to_add_an_engine(tmp_path: Path, extended: Elsewhere) -> None:
    """The how-to's one file renders and embeds, with the commands it gives."""
    page = HOW_TO / "add-an-engine.md"
    write_models(tmp_path / "models")

    lines = ["meshseek import folder models", *_of_meshseek(page)]
    _, rendered, embedded = follow_all(extended, lines, tmp_path)

    assert rendered.stdout.startswith("render: 2 done, 0 skipped")
    assert "embed views: 2 done, 0 skipped" in embedded.stdout
    assert not list(tmp_path.rglob(".units"))


def test_how_to_add_a_mode_and_an_index_kind(tmp_path: Path, extended: Elsewhere, database: dict[str, str]) -> None:
    """What the how-tos start from is a part already: it publishes and searches under its new name."""
    pages = [HOW_TO / f"{name}.md" for name in COPIED]
    write_models(tmp_path / "models")
    prepared = ("meshseek import folder models", "meshseek render --views 1 --size 32", "meshseek embed")

    lines = [*prepared, *(line for page in pages for line in _of_meshseek(page))]
    ended = follow_all(extended, lines, tmp_path, **database)[-1]

    assert ended.stdout.splitlines()[0].split()[2] == "chairs/red"


def test_how_to_add_a_reranker(tmp_path: Path, extended: Elsewhere, database: dict[str, str]) -> None:
    """The how-to's one file puts the plainest caption first, with the command it gives."""
    page = HOW_TO / "add-a-reranker.md"
    write_models(tmp_path / "models")
    (tmp_path / "captions.csv").write_text("id,caption\nchairs/red,a red chair with arms\nlamps/desk,lamp\n", "utf-8")
    prepared = (
        "meshseek import folder models --captions captions.csv",
        "meshseek render --views 1 --size 32",
        "meshseek embed",
        "meshseek publish",
    )

    ended = follow_all(extended, [*prepared, *_of_meshseek(page)], tmp_path, **database)[-1]

    first, second, note = ended.stdout.splitlines()[-3:]
    assert ("lamps/desk" in first, "chairs/red" in second) == (True, True)
    assert note.startswith("(the first 2 put in order by 'fewest_words' in ")


def test_how_to_keep_a_library_up_to_date(tmp_path: Path, database: dict[str, str]) -> None:
    """Its commands run one after the other, and leave both libraries as their folders are."""
    samples = make_sample_assets(tmp_path / "made", 8)
    for name in ("furniture", "bought"):
        shutil.copytree(samples, tmp_path / name)

    for command in commands(HOW_TO / "keep-a-library-up-to-date.md"):
        if "--watch" in command:
            continue
        ended = follow(command, tmp_path, **database)
        if "--captions" in command:  # rendered small, which later commands keep to
            follow("meshseek render --views 1 --size 32", tmp_path, **database)
        if command.startswith("meshseek search"):
            assert all(line.split()[2].startswith("vendor/") for line in ended.stdout.splitlines())
        if command == "meshseek update --dry-run":
            assert ended.stdout.splitlines()[0] == "folder-furniture: import 1, leave 1"

    assert ended.stdout.splitlines()[-1].startswith("everything is there, as it was written")
    listed = json.loads(follow("meshseek libraries --json", tmp_path, **database).stdout)
    assert [(library["name"], library["assets"], library["forgotten"]) for library in listed] == [
        ("folder-furniture", 8, 0),
        ("vendor", 8, 0),
    ]


def test_how_to_measure_your_search(tmp_path: Path, database: dict[str, str]) -> None:
    """Its commands run, on a small library that stands for one's own, and for Objaverse; lite stands for SigLIP."""
    page = HOW_TO / "measure-your-search.md"
    (queries,) = CSV_BLOCK.findall(page.read_text("utf-8"))
    (tmp_path / "queries.csv").write_text(queries, "utf-8")
    uids = [f"{number:032x}" for number in (1, 2)]
    write_models(tmp_path / "glbs", ("chairs/red", "lamps/desk", *uids))
    (tmp_path / "captions.csv").write_text(
        f"id,caption\nchairs/red,a red chair\nlamps/desk,a lamp\n{uids[0]},a whale\n{uids[1]},a boat\n", "utf-8"
    )
    lvis = json.dumps({"whale": uids[:1], "row_boat": uids[1:]}).encode()
    (tmp_path / "lvis-annotations.json.gz").write_bytes(gzip.compress(lvis))
    (tmp_path / "Cap3D_human_Objaverse.pkl").write_bytes(pickle.dumps({uids[0]: ["a big whale"]}))
    own, objaverse = [
        [line for line in commands(page) if ("queries.csv" in line) == is_own and "openai_chat" not in line]
        for is_own in (True, False)
    ]

    for command in (*objaverse, *(line for line in own if "siglip" not in line)):
        small = command.strip().replace("siglip", "lite").replace("--views 8", "--views 1 --size 32")
        ended = follow(small, tmp_path, **database)
        if "--benchmark" in command:
            assert "They cannot be compared with published zero-shot classification" in ended.stdout
            assert "2 queries are not asked in Chinese" in ended.stdout or "1 queries are not" in ended.stdout

    assert "<svg" in (tmp_path / "report.html").read_text("utf-8")
    assert "<svg" in (tmp_path / "lvis.html").read_text("utf-8")


def _of_meshseek(page: Path) -> list[str]:
    """A page's commands that run Meshseek."""
    return [line for line in commands(page) if line.startswith("meshseek ")]


def write_models(folder: Path, names: Sequence[str] = ("chairs/red", "lamps/desk")) -> None:
    """Boxes of several shapes, by the names of the tutorial unless others are given."""
    for name, extents in zip(names, ((0.4, 0.9, 0.4), (0.1, 0.5, 0.1), (1, 2, 3), (3, 2, 1)), strict=False):
        path = folder / f"{name}.glb"
        path.parent.mkdir(parents=True, exist_ok=True)
        trimesh.creation.box(extents).export(path)
