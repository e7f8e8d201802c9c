"""Qwen on this machine: numbers equal to the reference's, on a tiny checkpoint in the format of the official one."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tests.checkpoints import write_siglip
from tests.pictures import odd_pictures
from tests.qwen_checkpoint import write_qwen
from transformers import AutoTokenizer, Qwen2VLImageProcessorPil, Qwen3VLModel, Qwen3VLProcessor

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.qwen import Qwen
from meshseek.embedders.qwen.models import INSTRUCTIONS
from meshseek.errors import EmbedderError
from meshseek.images import read_image
from meshseek.model import Role

TOLERANCE = 1e-5
TEXTS = [
    "a red chair",
    "A RED CHAIR",
    "红色的椅子",
    "BMW 汽车 no. 5",
    "",
    "a long caption about a chair " * 40,
    "椅" * 300,
]
ROLES: tuple[Role, ...] = ("query", "document")
SETS = [[0], [1, 2], [3, 4, 5, 6, 7, 8, 9, 0], [2, 2, 2], [8, 9]]
"""Numbers of the pictures that are embedded together."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint."""
    return write_qwen(tmp_path_factory.mktemp("models") / "tiny-qwen")


@pytest.fixture(scope="module")
def qwen(folder: Path) -> Qwen:
    """The embedder over it."""
    return Qwen(EmbedderOptions(model_dir=folder))


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """One picture of every kind, read from files as views and uploads are."""
    return [read_image(content) for content in odd_pictures().values()]


@lru_cache(maxsize=1)
def plain_parts(folder: Path) -> tuple[Any, Any, Any]:
    """Model, tokenizer and image processor as transformers loads them."""
    return (
        Qwen3VLModel.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
        Qwen2VLImageProcessorPil.from_pretrained(folder),
    )


@torch.inference_mode()
def reference(folder: Path, role: Role, text: str | None, images: Sequence[Image.Image] = ()) -> np.ndarray:
    """The plain model, one item: chat template with instruction and beginning of an answer, last token, length one."""
    model, tokenizer, processor = plain_parts(folder)
    parts: list[dict[str, Any]] = [{"type": "image"} for _ in images]
    if text is not None:
        parts.append({"type": "text", "text": text})
    messages = [
        {"role": "system", "content": [{"type": "text", "text": INSTRUCTIONS[role]}]},
        {"role": "user", "content": parts},
    ]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs: dict[str, Any] = {}
    if images:
        inputs = dict(processor(images=list(images), return_tensors="pt"))
        pieces = prompt.split("<|image_pad|>")
        counts = [int(grid.prod()) // 4 for grid in inputs["image_grid_thw"]]
        prompt = pieces[0] + "".join(
            "<|image_pad|>" * count + piece for count, piece in zip(counts, pieces[1:], strict=True)
        )
    encoded = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    if images:
        is_image = encoded["input_ids"] == tokenizer.convert_tokens_to_ids("<|image_pad|>")
        inputs["mm_token_type_ids"] = is_image.int()
    hidden = model(**inputs, input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).last_hidden_state
    vector: np.ndarray = torch.nn.functional.normalize(hidden[0, -1], dim=0).numpy()
    return vector


@pytest.mark.parametrize("role", ["query", "document"])
def test_texts_equal_the_reference(qwen: Qwen, folder: Path, role: Role) -> None:
    """English, Chinese, upper case, mixed, empty and long texts have the reference's vectors, in one batch."""
    expected = np.stack([reference(folder, role, text) for text in TEXTS])
    assert np.abs(qwen.embed_texts(TEXTS, role=role) - expected).max() < TOLERANCE


def test_query_pictures_equal_the_reference(qwen: Qwen, folder: Path, pictures: list[Image.Image]) -> None:
    """Pictures of every mode, depth and orientation have the reference's vectors."""
    expected = np.stack([reference(folder, "query", None, [picture]) for picture in pictures])
    assert np.abs(qwen.embed_images(pictures) - expected).max() < TOLERANCE


def test_views_together_equal_the_reference(qwen: Qwen, folder: Path, pictures: list[Image.Image]) -> None:
    """One to eight views make one vector, the reference's."""
    assert qwen.views_together == 8
    prepare = pickle.loads(pickle.dumps(qwen.image_preparer()))
    sets = [[pictures[number] for number in own] for own in SETS]
    expected = np.stack([reference(folder, "document", None, own) for own in sets])
    vectors = qwen.embed_together([[prepare(picture) for picture in own] for own in sets])
    assert np.abs(vectors - expected).max() < TOLERANCE


class WithoutVideo(Qwen3VLProcessor):
    """Qwen's processor as sentence-transformers would load it, but for the part that needs torchvision."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("answer_begins", [True, False])
def test_vectors_equal_those_of_sentence_transformers(
    tmp_path: Path, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch, *, answer_begins: bool
) -> None:
    """Texts, pictures and views together, in batches and of both roles, have the vectors that this library gives."""
    folder = write_qwen(tmp_path / "tiny-qwen", answer_begins=answer_begins)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor = WithoutVideo(Qwen2VLImageProcessorPil.from_pretrained(folder), tokenizer, tokenizer.chat_template)
    loader = SimpleNamespace(from_pretrained=lambda *_, **__: processor)
    monkeypatch.setattr("sentence_transformers.base.modules.transformer.AutoProcessor", loader)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    qwen = Qwen(EmbedderOptions(model_dir=folder))

    def encoded(items: list[dict[str, Any]], role: Role) -> np.ndarray:
        return model.encode(items, prompt=INSTRUCTIONS[role], batch_size=4, show_progress_bar=False)

    texts: list[dict[str, Any]] = [{"text": text} for text in TEXTS]
    for role in ROLES:
        assert np.abs(qwen.embed_texts(TEXTS, role=role) - encoded(texts, role)).max() < TOLERANCE
    images: list[dict[str, Any]] = [{"image": picture} for picture in pictures]
    assert np.abs(qwen.embed_images(pictures) - encoded(images, "query")).max() < TOLERANCE
    sets = [[pictures[number] for number in numbers] for numbers in SETS]
    prepared = [list(map(qwen.image_preparer(), views)) for views in sets]
    together: list[dict[str, Any]] = [{"image": views} for views in sets]
    assert np.abs(qwen.embed_together(prepared) - encoded(together, "document")).max() < TOLERANCE


def test_the_prompt_of_a_checkpoint_that_says_nothing(qwen: Qwen, tmp_path: Path) -> None:
    """Without settings for sentence-transformers the prompt is that of the model's authors."""
    folder = write_qwen(tmp_path / "plain")
    (folder / "sentence_bert_config.json").unlink()
    plain = Qwen(EmbedderOptions(model_dir=folder))
    expected = qwen.embed_texts(TEXTS, role="query")
    assert np.abs(plain.embed_texts(TEXTS, role="query") - expected).max() < TOLERANCE


def test_missing_weights_are_told(tmp_path: Path) -> None:
    """A checkpoint without one of its weights is not filled up with noise."""
    folder = write_qwen(tmp_path / "lacking")
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if name.endswith("q_proj.weight"))
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EmbedderError, match=r"^[^\n]*lacking lacks weights, among them [^\n]*; fetch it again$"):
        Qwen(EmbedderOptions(model_dir=folder))


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_batches_of_any_size_and_order(qwen: Qwen, pictures: list[Image.Image], size: int) -> None:
    """A vector is the same whatever it is embedded with."""
    order = np.random.default_rng(size).permutation(len(TEXTS))
    texts, images = qwen.embed_texts(TEXTS, role="document"), qwen.embed_images(pictures)
    shuffled = [TEXTS[number] for number in order]
    parts = [qwen.embed_texts(shuffled[start : start + size], role="document") for start in range(0, len(TEXTS), size)]
    assert np.abs(np.concatenate(parts) - texts[order]).max() < TOLERANCE
    parts = [qwen.embed_images(pictures[start : start + size]) for start in range(0, len(pictures), size)]
    assert np.abs(np.concatenate(parts) - images).max() < TOLERANCE


def test_texts_are_only_texts(qwen: Qwen, tmp_path: Path) -> None:
    """A path, a URL, a data URI and the model's own marks are words: nothing is opened, nothing breaks."""
    path = tmp_path / "picture.png"
    texts = [
        str(path),
        "http://127.0.0.1:9/x.png",
        "data:image/png;base64,AAAA",
        "<|image_pad|><|vision_start|>",
        "\ud83e",
    ]
    before = qwen.embed_texts(texts, role="query")
    Image.new("RGB", (64, 64), "red").save(path)
    assert qwen.embed_texts(texts, role="query") == pytest.approx(before, abs=TOLERANCE)
    assert (np.triu(before @ before.T, 1) < 0.9999).all()


def test_roles_differ(qwen: Qwen) -> None:
    """The instruction is part of what is embedded."""
    query, document = (qwen.embed_texts(["a chair"], role=role)[0] for role in ("query", "document"))
    assert float(query @ document) < 0.9999


def test_vectors_can_be_shortened(qwen: Qwen, folder: Path) -> None:
    """A shorter vector is the beginning of the long one at length one; a longer one cannot be had."""
    short = Qwen(EmbedderOptions(model_dir=folder, dim=16))
    whole = qwen.embed_texts(TEXTS, role="query")[:, :16]
    assert short.embed_texts(TEXTS, role="query") == pytest.approx(
        whole / np.linalg.norm(whole, axis=1, keepdims=True), abs=TOLERANCE
    )
    assert (short.space.dim, qwen.space.dim) == (16, 32)
    with pytest.raises(EmbedderError, match=r"at most 32 dimensions, not 64"):
        Qwen(EmbedderOptions(model_dir=folder, dim=64))


def test_the_space_finds_the_model_again(qwen: Qwen, folder: Path) -> None:
    """The published name, length and folder make the same space."""
    space = qwen.space
    assert (space.embedder, space.model) == ("qwen", "tiny-qwen")
    assert "8 views together" in space.preprocessing
    assert Qwen(EmbedderOptions(model=space.model, model_dir=folder, dim=space.dim)).space == space


@pytest.mark.parametrize("shape", [(1, 150), (150, 1), (1, 1), (3000, 20), (33, 31), (1000, 1000), (20, 30)])
def test_sizes_are_those_of_the_processor(qwen: Qwen, folder: Path, shape: tuple[int, int]) -> None:
    """A picture of any shape becomes as large as Qwen's own processor would make it."""
    picture = Image.new("RGB", shape, "red")
    fitted = qwen.image_preparer()(picture)
    processor: Any = Qwen2VLImageProcessorPil.from_pretrained(folder)
    grid = processor(images=[picture], return_tensors="pt")["image_grid_thw"][0]
    assert (fitted.height, fitted.width) == (int(grid[1]) * 16, int(grid[2]) * 16)


@pytest.mark.parametrize("shape", [(1, 900), (2000, 3)])
def test_strips_are_embedded(qwen: Qwen, shape: tuple[int, int]) -> None:
    """The processor refuses pictures more than 200 times as long as wide; we widen them."""
    assert qwen.embed_images([Image.new("RGB", shape, "red")]).shape == (1, 32)


def test_memory_that_is_short_halves_the_batch(folder: Path) -> None:
    """A batch that does not fit is tried in halves, and the vectors are the same."""
    qwen = Qwen(EmbedderOptions(model_dir=folder))
    expected = qwen.embed_texts(TEXTS, role="document")

    def refuse(_: torch.nn.Module, __: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(named["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    qwen._engine._model.register_forward_pre_hook(refuse, with_kwargs=True)  # type: ignore[attr-defined]
    assert qwen.embed_texts(TEXTS, role="document") == pytest.approx(expected, abs=TOLERANCE)


def test_another_kind_of_checkpoint_is_named(tmp_path: Path) -> None:
    """A SigLIP folder is not a Qwen one."""
    with pytest.raises(EmbedderError, match=r"^[^\n]*another kind[^\n]*siglip[^\n]*qwen3_vl[^\n]*$"):
        Qwen(EmbedderOptions(model_dir=write_siglip(tmp_path / "siglip")))


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    """A file that the libraries cannot read is an error of ours."""
    folder = write_qwen(tmp_path / "damaged")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(EmbedderError, match=r"^[^\n]*damaged[^\n]*fetch it again$"):
        Qwen(EmbedderOptions(model_dir=folder))
