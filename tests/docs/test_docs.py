"""The documentation is true: its commands run, its code works, its names exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import trimesh

from meshseek.interfaces.cli import COMMANDS, main
from meshseek.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SERVES = ("meshseek serve", "uvicorn ", "python -m meshseek.interfaces.ui")
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
CSV_BLOCK = re.compile(r"^```\n((?:id|text),.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


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


def test_every_command_and_setting_is_documented() -> None:
    """No command and no setting is left out of the documentation."""
    text = "".join(page.read_text("utf-8") for page in PAGES)

    assert [name for name in COMMANDS if f"meshseek {name}" not in text and name != "demo"] == []
    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in text] == []


def test_tutorial(tmp_path: Path) -> None:
    """The tutorial's commands run one after the other, as a newcomer would type them."""
    page = ROOT / "docs" / "tutorial.md"
    captions, queries = CSV_BLOCK.findall(page.read_text("utf-8"))
    _write_models(tmp_path / "models")
    (tmp_path / "models" / "captions.csv").write_text(captions, "utf-8")
    (tmp_path / "queries.csv").write_text(queries, "utf-8")

    for command in commands(page):
        if command.startswith(SERVES):
            continue
        ended = run(command, tmp_path)
        assert ended.returncode == 0, f"{command}\n{ended.stderr}"
        if command == "meshseek search 台灯":
            assert ended.stdout.splitlines()[0].split()[2] == "lamps/desk"


def test_how_to_search_a_large_library(tmp_path: Path) -> None:
    """Its commands run, on a library that is not large."""
    page = ROOT / "docs" / "how-to" / "large-libraries.md"
    for command in commands(page)[:4]:
        small = command.replace("--assets 125000 --views 8", "--assets 300 --views 3 --dim 32")
        ended = run(small, tmp_path)
        assert ended.returncode == 0, ended.stderr


def test_how_to_add_an_embedder(tmp_path: Path) -> None:
    """The how-to's one file makes an algorithm that embeds, publishes and searches with the commands it gives."""
    page = ROOT / "docs" / "how-to" / "add-an-embedder.md"
    environment = _package_with(tmp_path, "embedders/letters.py", page)
    _write_models(tmp_path / "models")
    for command in (
        "python -m meshseek import glb_folder models",
        "python -m meshseek render --views 1 --size 32",
        *(line.replace("meshseek", "python -m meshseek", 1) for line in commands(page) if "make" not in line),
    ):
        ended = run(command, tmp_path, **environment)
        assert ended.returncode == 0, f"{command}\n{ended.stderr}"

    assert "red" in ended.stdout or "desk" in ended.stdout


def test_how_to_add_a_dataset(tmp_path: Path) -> None:
    """The how-to's one file makes a layout that import reads."""
    page = ROOT / "docs" / "how-to" / "add-a-dataset.md"
    environment = _package_with(tmp_path, "datasets/one_folder_each.py", page)
    _write_models(tmp_path / "models")
    folder = tmp_path / "library" / "stool"
    folder.mkdir(parents=True)
    shutil.copy(tmp_path / "models" / "chairs" / "red.glb", folder / "model.glb")
    (folder / "caption.txt").write_text("a stool", "utf-8")

    ended = run("python -m meshseek import one_folder_each library --json", tmp_path, **environment)

    assert ended.returncode == 0, ended.stderr
    assert '"done": 1' in ended.stdout


def _package_with(folder: Path, name: str, page: Path) -> dict[str, str]:
    """A copy of the package with one more file, the page's code; returns the environment that imports it."""
    package = folder / "site" / "meshseek"
    shutil.copytree(ROOT / "src" / "meshseek", package)
    (package / name).write_text(PYTHON_BLOCK.findall(page.read_text("utf-8"))[0], "utf-8")
    return {"PYTHONPATH": str(package.parent)}


def _write_models(folder: Path) -> None:
    for name, extents in (("chairs/red", (0.4, 0.9, 0.4)), ("lamps/desk", (0.1, 0.5, 0.1))):
        path = folder / f"{name}.glb"
        path.parent.mkdir(parents=True)
        trimesh.creation.box(extents).export(path)
