"""``meshseek translate`` as a user runs it: a price, a hostile service, kill -9, and every caption there once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.batch_service import Service, batch_service, expected
from tests.command_lines import Ended, run_here
from tests.toy import THINGS, chinese_captions

from meshseek.model import Asset
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

COUNT = 300
ARGUMENTS = ("translate", "--translator", "openai_batch")


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service."""
    with batch_service() as running:
        yield running


@pytest.fixture
def captions(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    """Assets with English captions, some shared, some with two, some with Chinese of their own."""
    things = list(THINGS)
    assets = []
    for number in range(COUNT):
        english = (f"a {things[number % 5]} number {number // 2}", *(("a thing",) if number % 7 == 0 else ()))
        chinese = ("自己的标题",) if number % 50 == 0 else ()
        assets.append(
            Asset(asset_id=f"a/{number}", fingerprint="1", captions_english=english, captions_chinese=chinese)
        )
    workspace.assets_table().append([asset_row(asset) for asset in assets])
    return {
        asset.asset_id: asset.captions_chinese or tuple(expected(text) for text in asset.captions_english)
        for asset in assets
    }


def settings(service: Service, workspace: Workspace) -> dict[str, str]:
    """The settings that a command is given."""
    return {
        "MESHSEEK_WORKSPACE": str(workspace.folder),
        "MESHSEEK_DASHSCOPE_API_KEY": service.key,
        "MESHSEEK_DASHSCOPE_BASE_URL": service.url.removesuffix("/compatible-mode/v1"),
        "MESHSEEK_BATCH_POLL_SECONDS": "0.02",
        "MESHSEEK_RETRY_SECONDS": "0.01",
        "MESHSEEK_REQUESTS_PER_MINUTE": "600000",
        "MESHSEEK_TOKENS_PER_MINUTE": "600000000",
    }


def run(service: Service, workspace: Workspace, *arguments: str) -> Ended:
    """Run a command to its end, with nobody at the terminal."""
    return run_here(arguments, settings(service, workspace))


def _count(steps: threading.Semaphore, *_step: str) -> None:
    steps.release()


def test_it_survives_kills_and_faults(
    service: Service, workspace: Workspace, captions: dict[str, tuple[str, ...]]
) -> None:
    """Killed again and again while everything fails at times: every caption is there once, and paid once."""
    service.chaos, service.polls = 0.05, 25
    service.outcomes = ["expired", "cancelled", "failed"]
    service.answer = lambda text, times: "Sorry, I cannot" if times == 1 and text.endswith("3") else None
    chance = random.Random(7)
    words = [sys.executable, "-m", "meshseek", *ARGUMENTS, "--yes"]
    environment = {**os.environ, **settings(service, workspace)}
    for _ in range(5):
        steps = threading.Semaphore(0)
        service.on_step = partial(_count, steps)
        client = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(chance.randint(1, 30)):
            assert steps.acquire(timeout=60)
        client.kill()
        assert client.wait() == -signal.SIGKILL
    service.chaos, service.polls, service.on_step = 0.0, 2, lambda _kind, _when: None

    ended = run(service, workspace, *ARGUMENTS, "--yes", "--json")

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["skipped"] == 0
    assert chinese_captions(workspace) == captions
    assert workspace.chinese_captions_table().count() == COUNT
    assert set(service.paid.values()) == {1}


def test_the_price_comes_first(service: Service, workspace: Workspace, captions: dict[str, tuple[str, ...]]) -> None:
    """A dry run tells it; without --yes and a terminal nothing is sent; a second run has nothing to pay."""
    price = json.loads(run(service, workspace, *ARGUMENTS, "--dry-run", "--json").stdout)
    assert price["paid"]
    assert price["price"] > 0
    unasked = run(service, workspace, *ARGUMENTS)
    assert unasked.returncode == 2
    assert "give --yes" in unasked.stderr
    assert not service.files

    sent = run(service, workspace, *ARGUMENTS, "--yes")
    assert sent.returncode == 0, sent.stderr
    assert "qwen-flash at 127.0.0.1" in sent.stderr
    assert chinese_captions(workspace) == captions
    batches = len(service.batches)
    assert run(service, workspace, *ARGUMENTS).returncode == 0
    assert len(service.batches) == batches
    free = run(service, workspace, "translate", "--dry-run")
    assert "none of this costs anything" in free.stdout


def test_an_engine_of_ones_own(
    service: Service, workspace: Workspace, captions: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    """Requests go into a file, answers come from one; no key, no network, nothing sent."""
    requests, answers = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    model = (*ARGUMENTS, "--model", "Qwen/Qwen3-8B")
    written = run(service, workspace, *model, "--input-file", str(requests), "--json")
    assert written.returncode == 0, written.stderr
    lines = [json.loads(line) for line in requests.read_text("utf-8").splitlines()]
    assert json.loads(written.stdout)["requests"] == len(lines)
    with answers.open("w") as file:
        for line in lines:
            content = expected(line["body"]["messages"][-1]["content"])
            body = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
            answer = {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}
            file.write(json.dumps(answer) + "\n")

    read = run(service, workspace, *model, "--output-file", str(answers))

    assert read.returncode == 0, read.stderr
    assert chinese_captions(workspace) == captions
    assert not service.files


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MESHSEEK_DASHSCOPE_API_KEY": ""}, "needs a key; set MESHSEEK_DASHSCOPE_API_KEY"),
        ({"MESHSEEK_DASHSCOPE_API_KEY": "sk-wrong"}, "check MESHSEEK_DASHSCOPE_API_KEY"),
        ({"MESHSEEK_DASHSCOPE_BASE_URL": "http://127.0.0.1:9"}, "MESHSEEK_DASHSCOPE_BASE_URL"),
    ],
)
def test_mistakes_are_one_line(
    service: Service,
    workspace: Workspace,
    captions: dict[str, tuple[str, ...]],
    environment: dict[str, str],
    said: str,
) -> None:
    """No key, a wrong key and a wrong address: one line, status 1, no traceback, no key shown."""
    ended = run_here([*ARGUMENTS, "--yes"], {**settings(service, workspace), **environment})
    last = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1
    assert last.startswith("meshseek: ")
    assert said in last
    assert "sk-" not in ended.stderr
