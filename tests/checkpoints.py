"""Tiny random checkpoints of SigLIP in the real format: the same files and classes, 32 numbers wide."""

from __future__ import annotations

import io
import string
from pathlib import Path
from typing import Any

import torch
from sentencepiece import SentencePieceTrainer
from transformers import (
    GemmaTokenizer,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipTokenizer,
)
from transformers.utils import logging as transformers_logging

WIDTH = 32
LENGTH = 64
FURNITURE = Path(__file__).parents[1] / "evaluation" / "furniture.csv"


def characters() -> list[str]:
    """Printable ASCII, the 3,755 commonest Chinese characters, and all of the evaluation's queries."""
    common = {
        bytes([row, column]).decode("gb2312")
        for row in range(0xB0, 0xD8)
        for column in range(0xA1, 0xFF if row < 0xD7 else 0xFA)
    }
    chinese = common | {character for character in FURNITURE.read_text("utf-8") if ord(character) > 127}
    return [*string.ascii_letters, *string.digits, *string.punctuation, "▁", *sorted(chinese)]


def write_siglip(folder: Path, *, naflex: bool = False, seed: int = 0, sharpness: float = 1.0) -> Path:
    """Write a checkpoint; like the real ones, SigLIP 2 of fixed size says ``siglip`` and has Gemma's tokenizer.

    Args:
        folder: Where to.
        naflex: A checkpoint for pictures of any shape, which says ``siglip2``.
        seed: Of the weights.
        sharpness: Scales attention; a sharp one does not bear weights that are rounded to 8 bits.
    """
    special = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    vocabulary = {token: number for number, token in enumerate((*special, *characters()))}
    text = {"vocab_size": len(vocabulary), "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    _write_model(folder, text, naflex=naflex, seed=seed, sharpness=sharpness)
    GemmaTokenizer(
        vocab=vocabulary,
        merges=[],
        padding_side="right",
        add_bos_token=False,
        add_eos_token=True,
        model_max_length=LENGTH,
        model_input_names=["input_ids"],
    ).save_pretrained(folder)
    return folder


def write_siglip_1(folder: Path) -> Path:
    """Write a checkpoint with the tokenizer of SigLIP 1: SentencePiece, padded with its end token."""
    pieces = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([*string.ascii_lowercase, *string.digits]),
        model_writer=pieces,
        model_type="char",
        use_all_vocab=True,
        pad_id=-1,
        bos_id=-1,
        eos_id=1,
        unk_id=2,
        minloglevel=2,
    )
    _write_model(folder, {"vocab_size": 64, "pad_token_id": 1, "eos_token_id": 1, "bos_token_id": 1})
    (folder / "spiece.model").write_bytes(pieces.getvalue())
    SiglipTokenizer(str(folder / "spiece.model"), model_input_names=["input_ids"]).save_pretrained(folder)
    return folder


def _write_model(
    folder: Path, text: dict[str, int], *, naflex: bool = False, seed: int = 0, sharpness: float = 1.0
) -> None:
    torch.manual_seed(seed)
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tower = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    texts = {**tower, **text, "max_position_embeddings": LENGTH, "projection_size": WIDTH}
    pictures = {**tower, "patch_size": 8, **({"num_patches": 16} if naflex else {"image_size": 32})}
    model: Any
    processor: Any
    if naflex:
        model = Siglip2Model(Siglip2Config(text_config=texts, vision_config=pictures))
        processor = Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    else:
        model = SiglipModel(SiglipConfig(text_config=texts, vision_config=pictures))
        processor = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    spread_out(model)
    for name, weight in model.named_parameters():
        if "q_proj.weight" in name or "k_proj.weight" in name:
            weight.data.mul_(sharpness)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)


def spread_out(model: torch.nn.Module) -> None:
    """Draw weights so that inputs get different vectors: with the usual ones all look nearly alike."""
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            std = 1.0 if "embed" in name else 0.5 if "q_proj" in name or "k_proj" in name or "qkv" in name else 0.3
            torch.nn.init.normal_(weight, std=std)
