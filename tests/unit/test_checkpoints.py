"""Where checkpoints are looked for, and what is said about those that cannot be used."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from safetensors.numpy import save_file

from meshseek.embedders import EmbedderOptions
from meshseek.embedders._torch.checkpoints import Checkpoint, find_checkpoint
from meshseek.errors import EmbedderError

MODEL = "google/siglip2-base-patch16-256"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(folder: Path, kind: str = "siglip", value: float = 1.0) -> Path:
    """A folder with what a checkpoint consists of."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    (folder / "tokenizer.json").write_text("{}")
    save_file({"weight": np.full((64, 64), value, np.float32)}, folder / "model.safetensors")
    return folder


def find(folder: Path | None, model: str | None = None) -> Checkpoint:
    """Look for a SigLIP checkpoint."""
    return find_checkpoint(EmbedderOptions(model=model, model_dir=folder), MODEL, {"siglip", "siglip2"}, "siglip")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No hub, and nothing fetched from it before."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # from outside, where that was set
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_the_folder_may_be_the_checkpoint(tmp_path: Path) -> None:
    """Its name is the model's, unless the user gives another; either name finds it again."""
    folder = write(tmp_path / "mine")
    assert (find(folder).model, find(folder).folder) == ("mine", folder)
    assert find(folder, "mine") == find(folder)
    assert find(folder, MODEL).model == MODEL


@pytest.mark.parametrize("name", [MODEL, MODEL.replace("/", "--"), MODEL.partition("/")[2]])
def test_the_folder_may_hold_checkpoints(tmp_path: Path, name: str) -> None:
    """They are found by the id, however its slash was written."""
    folder = write(tmp_path / name)
    found = find(tmp_path)
    assert found == Checkpoint(model=MODEL, folder=folder, revision=found.revision, config={"model_type": "siglip"})


def test_the_model_may_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the root or from here; it comes before the folder of models."""
    folder, other = write(tmp_path / "mine"), write(tmp_path / "other", value=2.0)
    assert find(other, str(folder)).folder == folder
    monkeypatch.chdir(tmp_path)
    assert find(None, "mine").revision == find(folder).revision
    (tmp_path / "other" / "mine").mkdir()
    assert find(tmp_path / "other", "mine").folder == Path("mine")


def test_the_revision_is_the_content(tmp_path: Path) -> None:
    """Equal weights have equal revisions wherever they are; other weights or settings have others."""
    one, same, other = write(tmp_path / "one"), write(tmp_path / "same"), write(tmp_path / "other", value=2.0)
    (same / "README.md").write_text("What the model does not read changes nothing.")
    assert find(one).revision == find(same).revision != find(other).revision
    assert len(find(one).revision) == 12
    (same / "tokenizer.json").write_text('{"a": 1}')
    assert find(one).revision != find(same).revision


@pytest.mark.parametrize("place", [-1, 8, 5000])
def test_large_weights_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """Weights over the limit are hashed in blocks from their beginning to their end."""
    monkeypatch.setattr("meshseek.embedders._torch.checkpoints.WHOLE", 1000)
    monkeypatch.setattr("meshseek.embedders._torch.checkpoints.SAMPLE", 300)
    folder = write(tmp_path / "one")
    before = find(folder).revision
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    if place == 8:
        content = content.replace(b'"weight"', b'"height"', 1)
    else:
        content[place] ^= 1
    file.write_bytes(content)
    assert find(folder).revision != before


def test_shards_count_as_weights(tmp_path: Path) -> None:
    """Each part that the index names is hashed."""
    folder = write(tmp_path / "parts")
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    (folder / "model.safetensors").rename(folder / names[0])
    save_file({"bias": np.zeros(3, np.float32)}, folder / names[1])
    index = {"weight_map": {"weight": names[0], "bias": names[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    before = find(folder).revision
    save_file({"bias": np.ones(3, np.float32)}, folder / names[1])
    assert find(folder).revision != before


def one_line(*parts: str) -> str:
    """A pattern for one line that holds these parts in this order."""
    return r"^[^\n]*" + r"[^\n]*".join(parts) + r"[^\n]*$"


def test_what_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    """One line with the id, the folder and how to fetch it, without asking the hub."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        EmbedderError, match=one_line(MODEL, "empty", "HF_HUB_OFFLINE", f"hf download {MODEL} --local-dir")
    ):
        find(tmp_path / "empty")
    with pytest.raises(EmbedderError, match=one_line(MODEL, "nowhere", "--model-dir")):
        find(tmp_path / "nowhere")


@pytest.mark.parametrize("model", ["no-such-model", "x" * 5000, "a\0b", "../x", "a/b/c"])
def test_what_cannot_be_an_id_is_not_asked_for(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """The hub is left alone, and the answer comes at once."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    started = time.monotonic()
    with pytest.raises(EmbedderError, match="owner/name"):
        find(None, model)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_is_believed(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Either of the variables keeps us from the hub; without one it would be asked."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(EmbedderError, match=one_line("which says: ", "refused", "hf download")):
        find(None)
    monkeypatch.setenv(variable, "1")
    with pytest.raises(EmbedderError, match=one_line("not asked")):
        find(None)


def test_a_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for a few seconds, never for ever."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("meshseek.embedders._torch.checkpoints.HUB_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(EmbedderError, match=one_line("which says: ", "hf download")):
            find(None)
    assert time.monotonic() - started < 2


@dataclass
class Hub:
    """A hub on this machine with one model."""

    url: str
    asked: list[str] = field(default_factory=list)
    """Paths of the requests."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Serves the files of one checkpoint as the Hugging Face hub does."""
    files = {file.name: file.read_bytes() for file in write(tmp_path / "served").iterdir()}
    files["model.onnx"] = b"for another library"
    tree = [{"type": "file", "path": name, "size": len(files[name]), "oid": name} for name in files]
    answers = {
        "/": b"",
        f"/api/models/{MODEL}/revision/main": json.dumps({"id": MODEL, "sha": COMMIT, "siblings": []}).encode(),
        f"/api/models/{MODEL}/tree/{COMMIT}": json.dumps(tree).encode(),
    }
    answers |= {f"/{MODEL}/resolve/{COMMIT}/{name}": content for name, content in files.items()}
    hub = Hub("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append(self.path)
            answer = answers.get(self.path.partition("?")[0])
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(answer or b"")))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hash(answer)}"')
            if answer is None:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(answer or b"")

        do_HEAD = do_GET  # noqa: N815  # the server looks for this name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield hub
        server.shutdown()
        thread.join()


def from_hub(hub: Hub, home: Path, model: str = MODEL) -> str:
    """What a new process finds, or says: the hub's address is read when its library is imported."""
    code = (
        "import sys; from meshseek.embedders import EmbedderOptions; from meshseek.errors import EmbedderError\n"
        "from meshseek.embedders._torch.checkpoints import find_checkpoint\n"
        "try: print(find_checkpoint(EmbedderOptions(), sys.argv[1], {'siglip'}).revision)\n"
        "except EmbedderError as error: print(error)"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", code, model]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_model_is_fetched_once(hub: Hub, tmp_path: Path) -> None:
    """The hub's weights have the revision that a folder's have; they are kept, and a part of them is fetched on."""
    expected = find(tmp_path / "served").revision
    assert from_hub(hub, tmp_path / "home").strip() == expected
    assert not [path for path in hub.asked if path.endswith(".onnx")]
    hub.asked.clear()
    assert from_hub(hub, tmp_path / "home").strip() == expected
    assert hub.asked == []
    (weights,) = (tmp_path / "home").rglob("model.safetensors")
    weights.resolve().unlink()
    weights.unlink()
    assert from_hub(hub, tmp_path / "home").strip() == expected
    assert [path for path in hub.asked if path.endswith("model.safetensors")]


def test_a_model_that_the_hub_does_not_have(hub: Hub, tmp_path: Path) -> None:
    """The id, what the hub says and the cure stand in one line."""
    (said,) = from_hub(hub, tmp_path / "home", "google/no-such").splitlines()
    assert said.startswith("there are no weights of 'google/no-such'")
    assert "404" in said
    assert "hf download google/no-such --local-dir DIR" in said


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def _cut_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 20)


def _empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def _unfinished(folder: Path) -> None:
    (folder / ".cache" / "download").mkdir(parents=True)
    (folder / ".cache" / "download" / "blob.incomplete").write_bytes(b"")


def _lacks_a_part(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _bad_index(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{}")


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _bad_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "sig')


def _odd_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut, "model.safetensors has 16,"),
        (_cut_header, "model.safetensors has no readable header"),
        (_empty, "model.safetensors has no readable header"),
        (_unfinished, "blob.incomplete is left over"),
        (_lacks_a_part, "model-00001-of-00002.safetensors is missing"),
        (_bad_index, "model.safetensors.index.json names no weights"),
        (_no_weights, "it has no model.safetensors"),
        (_bad_config, "config.json cannot be read"),
        (_odd_config, "config.json is no JSON object"),
    ],
)
def test_a_half_downloaded_checkpoint(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    """What is missing is said, with the cure, in one line."""
    folder = write(tmp_path / "half")
    damage(folder)
    with pytest.raises(
        EmbedderError, match=one_line(r"half holds a half-downloaded checkpoint \(", said, "fetch it again")
    ):
        find(folder)


def test_another_kind_of_checkpoint(tmp_path: Path) -> None:
    """The kind that was found and the kinds that would do are both said."""
    with pytest.raises(EmbedderError, match=one_line("another kind", "'clip', not 'siglip' or 'siglip2'")):
        find(write(tmp_path / "clip", "clip"))


@pytest.mark.parametrize("as_model", [False, True])
def test_a_folder_that_is_no_checkpoint(tmp_path: Path, as_model: bool) -> None:  # noqa: FBT001
    """A folder of the model's name without a configuration is said to be none."""
    folder = tmp_path / MODEL
    folder.mkdir(parents=True)
    with pytest.raises(EmbedderError, match=one_line(f"{MODEL} is not a checkpoint: it has no config.json")):
        find(None if as_model else tmp_path, str(folder) if as_model else None)
