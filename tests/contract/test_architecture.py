"""The house rules that the build guards: layers, one added file for one more part, and a light command line."""

from __future__ import annotations

import functools
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from tests.conftest import drop_databases, serving, wait_until_ready
from tests.source_copy import copied_source
from tests.toy import import_toys

from meshseek.interfaces.ui.client import ApiClient
from meshseek.workspace.workspace import Workspace

MODES = {
    "sketch": """
        accepts = frozenset({"image"})
        likeness = None

        def rank(self, library, question, request):
            return library.nearest_views(question.published, question.vector_for("appearance"), request)
    """,
    "named": """
        accepts = frozenset({"english", "chinese"})
        likeness = None

        def rank(self, library, question, request):
            ids = library.known_as([question.text]).get(question.text, [])
            hits = [library.one(question.published, asset_id, request) for asset_id in ids]
            return [hit for hit in hits if hit]
    """,
}
"""Modes that behave differently: one takes pictures only, one needs no vector, and neither knows what is alike."""
ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch transformers sentence_transformers onnxruntime psycopg psycopg_pool pgvector fastapi starlette uvicorn "
    "gradio pyarrow trimesh PIL numpy pydantic httpx rich"
)


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program and keep what it says."""
    settings = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=settings, cwd=ROOT, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project's source that may be changed; the value is its package's folder."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return copied_source(tmp_path)


def lint(package: Path) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of a copy."""
    config = str(package.parents[1] / "pyproject.toml")
    program = str(Path(sys.executable).with_name("lint-imports"))
    return run(program, "--config", config, "--no-cache", PYTHONPATH=str(package.parent))


def test_modules_stay_small_and_say_what_they_are_for() -> None:
    """No module is longer than 300 lines, half of them have at most 100, and none is a place for anything."""
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in (ROOT / "src").rglob("*.py")}

    assert len(lines) > 100
    assert {path.name: count for path, count in lines.items() if count > 300} == {}
    assert statistics.median(lines.values()) <= 100
    assert not [path for path in lines if {"utils", "helpers", "misc", "common"} & {path.stem, path.parent.name}]


def test_the_layers_are_kept(copy: Path) -> None:
    """Every import contract holds."""
    told = lint(copy)
    assert told.returncode == 0, told.stdout
    assert "0 broken" in told.stdout


LAYERS = "Dependencies point down the layers"
PLANTED = (
    ("workspace/shards.py", "import meshseek.pipeline.stage", LAYERS),
    ("search/fusion.py", "import meshseek.pipeline.stage", LAYERS),
    ("model.py", "import meshseek.plugins", LAYERS),
    ("utils.py", "", LAYERS),
    ("search/fusion.py", "import psycopg", "The database driver stays in the store"),
    ("pipeline/stage.py", "import torch", "Neural networks stay in embedders, rerankers and translators"),
    ("workspace/workspace.py", "import fastapi", "Web frameworks stay in interfaces"),
    ("search/service.py", "from meshseek.settings import read_settings", "Only bootstrap reads settings"),
)
"""Imports, and a stray module, each with the contract that it breaks."""


def test_every_broken_rule_is_reported(copy: Path) -> None:
    """Below each contract stands what breaks it."""
    for file, line, _ in PLANTED:
        with (copy / file).open("a") as source:
            source.write(f"\n{line}\n")
    told = lint(copy)
    assert told.returncode == 1
    contracts = dict.fromkeys(contract for *_, contract in PLANTED)
    assert [contract for contract in contracts if f"{contract} BROKEN" not in told.stdout] == []
    headings = "|".join(map(re.escape, contracts))
    pieces = re.split(rf"^({headings})$", told.stdout.partition("Broken contracts")[2], flags=re.MULTILINE)
    sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    for file, line, contract in PLANTED:
        module = f"meshseek.{file.removesuffix('.py').replace('/', '.')}"
        imported = line.split()[1:2]
        chain = f"{module} -> {imported[0]} (" if imported else f"- {module}\n"
        assert chain in sections[contract], chain


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["import"],
        ["translate"],
        ["embed"],
        ["search"],
        ["publish"],
        ["serve"],
        ["mcp"],
        ["demo"],
        ["evaluate"],
        ["plan"],
        ["db"],
        ["keys", "add"],
    ],
)
def test_help_is_light(command: list[str]) -> None:
    """No command's help imports what is heavy."""
    script = (
        "import sys\nfrom meshseek.interfaces.cli import main\n"
        f"try:\n    main({[*command, '--help']!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    told = run(sys.executable, "-c", script)
    assert told.returncode == 0, told.stderr
    loaded = told.stdout.rpartition("LOADED")[2].split()
    assert "Usage:" in told.stdout
    assert not {*loaded} & {*HEAVY.split()}


@pytest.fixture
def extended(copy: Path) -> Path:
    """A copy with one more file or folder, and no other edit, in each family."""
    toy = (ROOT / "tests" / "toy.py").read_text().partition("THINGS = ")[0]
    rest = (ROOT / "tests" / "toy.py").read_text()
    classes = rest[rest.index("class Toy(Embedder)") : rest.index("class NewerToy")]
    units = rest[rest.index("def _units") : rest.index("def toy(")]
    kept = "\n".join(
        line for line in toy.splitlines() if "meshseek." not in line or "embedders" in line or "model" in line
    )
    (copy / "embedders" / "toy.py").write_text(f"{kept}\n\n\n{classes}\n\n{units}")
    for family, name in (
        ("datasets", "folder"),
        ("translators", "existing"),
        ("rerankers", "openai_vlm"),
        ("search/modes", "caption"),
        ("store/indexes", "exact"),
    ):
        shutil.copy(copy / family / f"{name}.py", copy / family / f"another_{name}.py")
    shutil.copytree(copy / "renderers" / "embree", copy / "renderers" / "another_embree")
    for name, body in MODES.items():
        text = f"from meshseek.search.modes import Mode\n\n\nclass Added(Mode):\n{body}"
        (copy / "search" / "modes" / f"{name}.py").write_text(text)
    return copy


def test_one_added_file_is_offered_by_the_command_line(extended: Path) -> None:
    """Each family's new name is a choice of its command."""

    @functools.cache
    def options(command: str, **environment: str) -> str:
        return run(sys.executable, "-m", "meshseek", command, "--help", **environment).stdout

    for command, name in (
        ("embed", "toy"),
        ("publish", "toy"),
        ("search", "toy"),
        ("import", "another_folder"),
        ("render", "another_embree"),
        ("translate", "another_existing"),
        ("search", "another_openai_vlm"),
        ("search", "another_caption"),
        ("search", "sketch"),
        ("search", "named"),
    ):
        assert name in options(command, PYTHONPATH=str(extended.parent)), command
        assert name not in options(command)


def test_what_a_mode_does_not_take_is_refused_by_the_command_line(extended: Path, tmp_path: Path) -> None:
    """Before any database is asked, with the names of those that take it, the added ones among them."""
    picture = tmp_path / "picture.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    command = (sys.executable, "-m", "meshseek", "search", "--workspace", str(tmp_path / "none"))
    for question, target, others in (
        (["chair"], "sketch", "another_caption, appearance, both, caption, named, words"),
        (["--image", str(picture)], "named", "another_caption, appearance, both, caption, sketch"),
        (["--image", str(picture)], "words", "another_caption, appearance, both, caption, sketch"),
    ):
        told = run(*command, *question, "--target", target, PYTHONPATH=str(extended.parent))
        assert told.returncode == 1
        assert f"the target '{target}' cannot be searched with " in told.stderr
        assert told.stderr.strip().endswith(f"; choose one of: {others}")
    assert not (tmp_path / "none").exists()


@pytest.fixture
def prefix(conninfo: str) -> Iterator[str]:
    """Database names of this test only."""
    yield "added_"
    drop_databases(conninfo, "added_")


def test_one_added_file_is_offered_by_the_services(
    extended: Path, workspace: Workspace, conninfo: str, prefix: str, tmp_path: Path
) -> None:
    """The new algorithm embeds and publishes by command; it is in the API's description, and in the UI's menu."""
    import_toys(workspace, 5)
    environment = {
        "PYTHONPATH": str(extended.parent),
        "MESHSEEK_WORKSPACE": str(workspace.folder),
        "MESHSEEK_DATABASE_URL": conninfo,
        "MESHSEEK_DATABASE_PREFIX": prefix,
    }
    for command in (["translate"], ["embed", "--algorithm", "toy"], ["publish", "--algorithm", "toy"]):
        done = run(sys.executable, "-m", "meshseek", *command, "--json", **environment)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 5

    with serving(environment, tmp_path / "log") as url:
        wait_until_ready(url)
        text = httpx.get(f"{url}/openapi.json").json()["components"]["schemas"]["TextSearch"]["properties"]
        assert "toy" in text["algorithm"]["enum"]
        assert "another_caption" in text["target"]["anyOf"][0]["enum"]
        search = {"query": "red chair", "algorithm": "toy", "target": "another_caption"}
        assert len(httpx.post(f"{url}/search/text", json=search).json()["results"]) == 5
        _modes_that_behave_differently(url)
        with httpx.HTTPTransport() as transport:
            page = ApiClient(url, transport)  # the front end's own client: its menus show what this one tells
            assert page.health().ready == ["toy"]
            assert "another_caption" in page.abilities().targets
            assert {"sketch", "named"} <= {*page.abilities().targets}


def _modes_that_behave_differently(url: str) -> None:
    """Each answers what it takes, by its own ranking, and refuses the rest as a mistake of the caller."""

    def ask(**options: str) -> httpx.Response:
        return httpx.post(f"{url}/search/text", json={"algorithm": "toy", **options})

    named = ask(query="toys/003", target="named").json()
    assert [result["asset_id"] for result in named["results"]] == ["toys/003"]
    assert ask(query="no such", target="named").json()["results"] == []
    assert ask(query="no such", target="named").json()["took_ms"]["embed"] == 0

    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    form = {"algorithm": "toy", "target": "sketch"}
    sketched = httpx.post(f"{url}/search/image", data=form, files={"file": file.getvalue()})
    assert len(sketched.json()["results"]) == 5

    refused = [
        ask(query="chair", target="sketch"),
        httpx.post(f"{url}/search/image", data={**form, "target": "named"}, files={"file": file.getvalue()}),
        *(httpx.get(f"{url}/assets/toys/003/similar?algorithm=toy&target={name}") for name in MODES),
    ]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in refused] == [(422, "query")] * 4
    assert all("choose one of: another_caption, appearance, both" in answer.text for answer in refused)
