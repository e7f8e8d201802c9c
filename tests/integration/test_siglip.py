"""SigLIP: numbers equal to the reference implementation's, on tiny checkpoints in the real format."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.checkpoints import write_siglip, write_siglip_1
from tests.pictures import odd_pictures
from tests.recorder import Recorder
from transformers import AutoModel, AutoTokenizer, Siglip2ImageProcessorPil, SiglipImageProcessorPil

from meshseek.embedders import EmbedderOptions
from meshseek.embedders._torch.checkpoints import find_checkpoint
from meshseek.embedders.siglip import DEFAULT_ON_CPU, DEFAULT_ON_GPU, Siglip
from meshseek.errors import EmbedderError
from meshseek.images import read_image
from meshseek.pipeline.planning.algorithms import facts_of

TOLERANCE = 1e-5
ONNX_TOLERANCE = 1e-4
"""On attention so sharp that every rounding shows."""
ENGLISH = ["a red chair", "a", "", "  two  spaces  ", "emoji 🪑 and ünknown", "nul \0"]
CHINESE = ["红色的椅子", "台灯", "沙发 (三人)"]
UPPER = ["A RED CHAIR", "A Red Chair", "BMW 汽车"]
LONG = ["a long caption about a chair " * 40, "椅" * 500, "x" * 64, "x" * 63, "x" * 65]
TEXTS = [*ENGLISH, *CHINESE, *UPPER, *LONG]


@pytest.fixture(scope="module", params=["fixed", "naflex", "first"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each kind: SigLIP 2 of fixed size, NaFlex, and SigLIP 1."""
    folder = tmp_path_factory.mktemp("models") / request.param
    return (
        write_siglip_1(folder) if request.param == "first" else write_siglip(folder, naflex=request.param == "naflex")
    )


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of SigLIP 2, for what all kinds do alike."""
    return write_siglip(tmp_path_factory.mktemp("models") / "fixed")


@pytest.fixture(scope="module")
def siglip(folder: Path) -> Siglip:
    """The embedder over it."""
    return Siglip(EmbedderOptions(model_dir=folder))


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """One picture of every kind, read from files as views and uploads are."""
    return [read_image(content) for content in odd_pictures().values()]


def unit(output: Any) -> np.ndarray:
    """The reference's vectors at length one."""
    vectors: np.ndarray = torch.nn.functional.normalize(output.pooler_output, dim=1).numpy()
    return vectors


@torch.inference_mode()
def reference_texts(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """What the library computes, called as the model's authors say: lower case, padded to 64, no mask."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    lower = [text.lower() for text in texts]
    inputs = tokenizer(lower, padding="max_length", max_length=64, truncation=True, return_tensors="pt")
    return unit(AutoModel.from_pretrained(folder).get_text_features(input_ids=inputs["input_ids"]))


@torch.inference_mode()
def reference_images(folder: Path, images: Sequence[Image.Image]) -> np.ndarray:
    """What the library computes with its own image processor."""
    naflex = json.loads((folder / "config.json").read_text())["model_type"] == "siglip2"
    processor: Any = (Siglip2ImageProcessorPil if naflex else SiglipImageProcessorPil).from_pretrained(folder)
    inputs = processor(images=list(images), return_tensors="pt")
    return unit(AutoModel.from_pretrained(folder).get_image_features(**inputs))


@pytest.mark.parametrize("role", ["query", "document"])
def test_texts_equal_the_reference(siglip: Siglip, folder: Path, role: Any) -> None:
    """English, Chinese, upper case, mixed, empty and long texts have the reference's vectors."""
    assert np.abs(siglip.embed_texts(TEXTS, role=role) - reference_texts(folder, TEXTS)).max() < TOLERANCE


def test_images_equal_the_reference(siglip: Siglip, folder: Path, pictures: list[Image.Image]) -> None:
    """Pictures of every mode, depth and orientation have the reference's vectors."""
    assert np.abs(siglip.embed_images(pictures) - reference_images(folder, pictures)).max() < TOLERANCE


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_batches_of_any_size_and_order(siglip: Siglip, pictures: list[Image.Image], size: int) -> None:
    """A vector is the same whatever it is embedded with."""
    order = np.random.default_rng(size).permutation(len(TEXTS))
    texts, images = siglip.embed_texts(TEXTS, role="document"), siglip.embed_images(pictures)
    shuffled = [TEXTS[number] for number in order]
    parts = [
        siglip.embed_texts(shuffled[start : start + size], role="document") for start in range(0, len(TEXTS), size)
    ]
    assert np.abs(np.concatenate(parts) - texts[order]).max() < TOLERANCE
    parts = [siglip.embed_images(pictures[start : start + size]) for start in range(0, len(pictures), size)]
    assert np.abs(np.concatenate(parts) - images).max() < TOLERANCE


def test_upper_case_is_lower_case(siglip: Siglip) -> None:
    """The tokenizer of the real checkpoints keeps the case; the models know only lower case."""
    upper, lower, other = siglip.embed_texts(["A RED Chair", "a red chair", "a red stool"], role="query")
    assert upper == pytest.approx(lower, abs=1e-6)
    assert float(lower @ other) < 0.9999


def test_prepared_in_another_process(siglip: Siglip, pictures: list[Image.Image]) -> None:
    """What prepares pictures can be sent to a process, gives small arrays, and the same vectors."""
    prepare = pickle.loads(pickle.dumps(siglip.image_preparer()))
    prepared = [prepare(picture) for picture in pictures]
    assert {array.dtype for array in prepared} == {np.dtype(np.uint8)}
    assert siglip.embed_prepared(prepared) == pytest.approx(siglip.embed_images(pictures), abs=1e-6)


def test_the_space_says_what_was_done(siglip: Siglip, folder: Path) -> None:
    """It names model, content and preprocessing, and the published name finds the same model again."""
    space = siglip.space
    assert (space.embedder, space.model, space.dim) == ("siglip", folder.name, 32)
    assert "lower case, 64 tokens" in space.preprocessing
    assert "#ffffff" in space.preprocessing
    assert Siglip(EmbedderOptions(model=space.model, model_dir=folder, dim=space.dim)).space == space


def test_lone_surrogates_are_read_as_question_marks(siglip: Siglip) -> None:
    """A string that UTF-8 cannot hold is embedded all the same, and does not disturb its neighbours."""
    odd, plain = siglip.embed_texts(["a \ud83e chair", "a ? chair"], role="document")
    assert odd == pytest.approx(plain, abs=1e-6)


def test_a_text_is_read_up_to_10000_characters(siglip: Siglip) -> None:
    """What the model would not read anyway costs nothing."""
    long, longer = siglip.embed_texts(["a chair " * 1250, "a chair " * 100_000], role="document")
    assert long == pytest.approx(longer, abs=1e-6)


def test_the_model_may_be_named_by_its_folder(fixed: Path) -> None:
    """The path is then the model's name, and makes the same space again."""
    space = Siglip(EmbedderOptions(model=str(fixed))).space
    assert space.model == str(fixed)
    assert space.revision == Siglip(EmbedderOptions(model_dir=fixed)).space.revision


def test_another_length_is_refused(fixed: Path) -> None:
    """SigLIP's vectors cannot be shortened."""
    with pytest.raises(EmbedderError, match=r"^'fixed' has vectors of 32 dimensions, not 16; leave --dim out$"):
        Siglip(EmbedderOptions(model_dir=fixed, dim=16))


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "meta"])
def test_an_unknown_device_is_refused(fixed: Path, device: str) -> None:
    """A device that is not there, or cannot compute, is said so."""
    with pytest.raises(EmbedderError, match=rf"^there is no device '{device}' here; set MESHSEEK_DEVICE to cpu[^\n]*$"):
        Siglip(EmbedderOptions(model_dir=fixed, device=device))


def test_memory_that_is_short_halves_the_batch(siglip: Siglip, folder: Path, pictures: list[Image.Image]) -> None:
    """A batch that does not fit is tried in halves, and the vectors are the same; one that never fits is said so."""
    short = Siglip(EmbedderOptions(model_dir=folder))
    most = 3

    def refuse(_: torch.nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(next(iter([*arguments, *named.values()]))) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")

    for tower in (short._model.vision_model, short._model.text_model):
        tower.register_forward_pre_hook(refuse, with_kwargs=True)
    assert np.abs(short.embed_images(pictures) - siglip.embed_images(pictures)).max() < TOLERANCE
    texts = short.embed_texts(TEXTS, role="document")
    assert np.abs(texts - siglip.embed_texts(TEXTS, role="document")).max() < TOLERANCE
    assert (short._images.size, short._texts.size) == (2, 2)
    most = 0
    with pytest.raises(EmbedderError, match=r"^the device has too little memory for one item; [^\n]*$"):
        short.embed_images(pictures)


def test_missing_tensors_are_noticed(tmp_path: Path) -> None:
    """A file that lacks a weight would give wrong vectors; it is refused."""
    folder = write_siglip(tmp_path / "lacking")
    weights = load_file(folder / "model.safetensors")
    del weights["vision_model.post_layernorm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        EmbedderError, match=r"^[^\n]*lacks weights, among them 'vision_model.post_layernorm.weight'[^\n]*$"
    ):
        Siglip(EmbedderOptions(model_dir=folder))


@pytest.mark.parametrize("name", ["tokenizer.json", "preprocessor_config.json"])
def test_damaged_settings_are_one_line(tmp_path: Path, name: str) -> None:
    """A file that the library cannot read is an error of ours."""
    folder = write_siglip(tmp_path / "damaged")
    (folder / name).write_text("{")
    with pytest.raises(EmbedderError, match=r"^cannot read [^\n]*damaged \([^\n]*\); fetch it again$"):
        Siglip(EmbedderOptions(model_dir=folder))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_missing_settings_are_one_line(tmp_path: Path, name: str) -> None:
    """A file that was never fetched is an error of ours, never a guess."""
    folder = write_siglip(tmp_path / "lacking")
    (folder / name).unlink()
    with pytest.raises(EmbedderError, match=r"^[^\n]*lacking [^\n]*\([^\n]*\); fetch it again$"):
        Siglip(EmbedderOptions(model_dir=folder))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that does not bear 8 bits, and a cache with its export."""
    folder = tmp_path_factory.mktemp("exported")
    siglip = Siglip(
        EmbedderOptions(model_dir=write_siglip(folder / "model", sharpness=5.0), cache_dir=folder / "cache")
    )
    said = siglip.export_onnx()
    assert said.endswith("queries now use text.onnx")
    assert str(folder / "cache" / "onnx" / siglip.space.revision) in said
    return folder


def check_export(folder: Path, siglip: Siglip, tolerance: float, beside: Collection[str] = ()) -> dict[str, float]:
    """The export is whole and answers queries, and only those; returns what was measured."""
    (export,) = (folder / "cache" / "onnx").iterdir()
    assert export.name == siglip.space.revision
    assert {file.name for file in export.iterdir()} == {"text.onnx", "text-int8.onnx", "report.json", *beside}
    expected = Siglip(EmbedderOptions(model_dir=folder / "model")).embed_texts(TEXTS, role="query")
    vectors = siglip.embed_texts(TEXTS, role="query")
    assert 0 < np.abs(vectors - expected).max() < tolerance
    alone = np.concatenate([siglip.embed_texts([text], role="query") for text in TEXTS])
    assert np.abs(vectors - alone).max() < TOLERANCE
    assert siglip.embed_texts(TEXTS, role="document") == pytest.approx(expected, abs=1e-7)
    report: dict[str, float] = json.loads((export / "report.json").read_text())
    assert report["full_difference"] < ONNX_TOLERANCE
    return report


def test_an_export_answers_queries(exported: Path) -> None:
    """Where rounding to 8 bits would change the vectors too much, the export in full precision is used."""
    siglip = Siglip(EmbedderOptions(model_dir=exported / "model", cache_dir=exported / "cache"))
    assert check_export(exported, siglip, ONNX_TOLERANCE)["int8_cosine"] < 0.99


def test_an_export_in_8_bits_answers_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rounding to 8 bits changes vectors little, that export is used; large weights lie in files beside."""
    monkeypatch.setattr("meshseek.embedders.siglip.onnx.LARGEST_FILE", 1000)
    options = EmbedderOptions(model_dir=write_siglip(tmp_path / "model", sharpness=0.3), cache_dir=tmp_path / "cache")
    siglip = Siglip(options)
    assert siglip.export_onnx().endswith("queries now use text-int8.onnx")
    for embedder in (siglip, Siglip(options)):
        assert check_export(tmp_path, embedder, 0.1, {"text.onnx.data", "text-int8.onnx.data"})["int8_cosine"] >= 0.99


def test_a_damaged_export_is_ignored(tmp_path: Path, exported: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that cannot be read, or holds another model, is said so in the log, and torch answers."""
    options = EmbedderOptions(model_dir=exported / "model", cache_dir=tmp_path / "cache")
    expected = Siglip(options).embed_texts(TEXTS, role="query")
    shutil.copytree(exported / "cache", tmp_path / "cache")
    export = tmp_path / "cache" / "onnx" / Siglip(options).space.revision

    def check(reason: str) -> None:
        caplog.clear()
        assert Siglip(options).embed_texts(TEXTS, role="query") == pytest.approx(expected, abs=1e-7)
        (line,) = [record.getMessage() for record in caplog.records]
        assert "\n" not in line
        assert re.search(rf"is damaged \(.*{reason}.*\); export it again$", line)

    whole = (export / "text.onnx").read_bytes()
    third = len(whole) // 3  # most of the file is the table of characters
    (export / "text.onnx").write_bytes(whole[:third] + bytes(third) + whole[2 * third :])
    check("its vectors are others")
    (export / "text.onnx").write_bytes(whole[:1000])
    check("text.onnx")
    (export / "text.onnx").unlink()
    check("text.onnx")
    (export / "report.json").unlink()
    check("report.json")


def test_an_export_needs_a_place(fixed: Path, tmp_path: Path) -> None:
    """Without a workspace, or where nothing can be written, the reason is said in one line."""
    with pytest.raises(EmbedderError, match=r"^the ONNX export is for CPUs, and is kept in a workspace[^\n]*$"):
        Siglip(EmbedderOptions(model_dir=fixed)).export_onnx()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbedderError, match=r"^the ONNX form cannot be written into [^\n]*$"):
        Siglip(EmbedderOptions(model_dir=fixed, cache_dir=tmp_path / "file")).export_onnx()


def test_a_broken_torchvision_is_no_matter(fixed: Path, tmp_path: Path) -> None:
    """Torchvision for CUDA beside torch for a CPU cannot be imported; SigLIP goes without it, and asks nobody."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    code = (
        "import sys, pathlib; from meshseek.embedders import EMBEDDERS, EmbedderOptions; "
        "embedder = EMBEDDERS.load('siglip')(EmbedderOptions(model_dir=pathlib.Path(sys.argv[1]))); "
        "import huggingface_hub.constants as hub;"
        "print(embedder.space.revision, 'torchvision' in sys.modules, hub.HF_HUB_DISABLE_TELEMETRY)"
    )
    recorder = Recorder(tmp_path / "recorder")
    path = [str(tmp_path), recorder.environment()["PYTHONPATH"], *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-c", code, str(fixed)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (process.returncode, process.stderr) == (0, "")
    revision = find_checkpoint(EmbedderOptions(model_dir=fixed), "", {"siglip"}).revision
    assert process.stdout.split() == [revision, "False", "True"]
    assert len(recorder.started()) == 1
    assert recorder.asked() == []


def test_pictures_are_of_every_kind() -> None:
    """The pictures of these tests are what their names say."""
    modes = {name: Image.open(io.BytesIO(content)).mode for name, content in odd_pictures().items()}
    assert {"RGB", "RGBA", "L", "P", "CMYK", "I;16"} <= set(modes.values())


def test_plans_know_its_usual_models() -> None:
    """A file tells them without loading anything; it tells the same ones."""
    assert facts_of("siglip", None, None, gpu=False).model == DEFAULT_ON_CPU
    assert facts_of("siglip", None, None, gpu=True).model == DEFAULT_ON_GPU
    assert facts_of("siglip", None, None, gpu=True).languages == Siglip.languages
