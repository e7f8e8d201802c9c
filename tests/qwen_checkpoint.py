"""Tiny random checkpoints of Qwen3-VL-Embedding and -Reranker in the format of the official ones, 32 numbers wide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from tests.checkpoints import characters, spread_out

WIDTH = 32
SPECIAL = (
    "<pad>",
    "<|im_start|>",
    "<|im_end|>",
    "<unk>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|vision_start|>",
    "<|vision_end|>",
)
TEMPLATE = (
    "{%- for message in messages -%}<|im_start|>{{ message['role'] + '\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>"
    "{%- elif 'text' in part -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}{{ '<|im_end|>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
PACKAGE = "sentence_transformers.sentence_transformer.modules"


ANSWERS = ("yes", "no")


def write_qwen(folder: Path, seed: int = 0, *, answer_begins: bool = True) -> Path:
    """Write the model with its modules: transformer, last-token pooling, normalisation.

    Args:
        folder: Where to.
        seed: Of the weights.
        answer_begins: Whether the prompt ends with the beginning of an answer.
    """
    _write_model(folder, _vocabulary(), seed)
    _write_modules(folder, answer_begins=answer_begins)
    return folder


def write_qwen_reranker(folder: Path, seed: int = 0, *, tied: bool = False, **text: Any) -> Path:
    """Write a reranker: as the official ones, a plain Qwen3-VL with a head, whose words have a 'yes' and a 'no'.

    Args:
        folder: Where to.
        seed: Of the weights.
        tied: Whether its head is its table of words, as in the 2B.
        text: Of the configuration of its language model, such as ``num_hidden_layers``.
    """
    _write_model(folder, _vocabulary(*ANSWERS), seed, tied=tied, **text)
    return folder


def _vocabulary(*more: str) -> dict[str, int]:
    return {token: number for number, token in enumerate([*SPECIAL, *characters(), " ", "\n", *more])}


def _write_model(folder: Path, vocabulary: dict[str, int], seed: int, *, tied: bool = False, **text: Any) -> None:
    torch.manual_seed(seed)
    model: Any = Qwen3VLForConditionalGeneration(_config(vocabulary, tied=tied, **text))
    spread_out(model)
    model.eval().save_pretrained(folder)
    _write_tokenizer(vocabulary, folder)
    Qwen2VLImageProcessorPil(
        patch_size=16, temporal_patch_size=2, merge_size=2, min_pixels=1024, max_pixels=64 * 64
    ).save_pretrained(folder)


def _config(vocabulary: dict[str, int], *, tied: bool, **more: Any) -> Qwen3VLConfig:
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000, "mrope_interleaved": True}
    text = {
        "vocab_size": len(vocabulary),
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 4096,
        "rope_parameters": rope,
        "pad_token_id": 0,
        **more,
    }
    vision = {
        "depth": 2,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": WIDTH,
        "deepstack_visual_indexes": [0],
        "num_position_embeddings": 16,
    }
    return Qwen3VLConfig(
        tie_word_embeddings=tied,
        text_config=text,
        vision_config=vision,
        image_token_id=vocabulary["<|image_pad|>"],
        video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|vision_start|>"],
        vision_end_token_id=vocabulary["<|vision_end|>"],
        architectures=["Qwen3VLForConditionalGeneration"],
    )


def _write_tokenizer(vocabulary: dict[str, int], folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    kind: Any = PreTrainedTokenizerFast
    fast = kind(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<|im_end|>",
        unk_token="<unk>",
        additional_special_tokens=list(SPECIAL),
        padding_side="left",
        model_max_length=4096,
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)


def _write_modules(folder: Path, *, answer_begins: bool) -> None:
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{PACKAGE}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{PACKAGE}.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{PACKAGE}.Normalize"},
    ]
    message = {"method": "forward", "method_output_name": "last_hidden_state", "format": "structured"}
    modality = {"method": "forward", "method_output_name": "last_hidden_state"}
    transformer: dict[str, Any] = {
        "transformer_task": "feature-extraction",
        "modality_config": {"text": modality, "image": modality, "message": message},
        "module_output_name": "token_embeddings",
    }
    if answer_begins:
        transformer["processing_kwargs"] = {"chat_template": {"add_generation_prompt": True}}
    pooling = {"word_embedding_dimension": WIDTH, "pooling_mode": "lasttoken", "include_prompt": True}
    files = {
        "modules.json": modules,
        "sentence_bert_config.json": transformer,
        "1_Pooling/config.json": pooling,
        "config_sentence_transformers.json": {"model_type": "SentenceTransformer", "similarity_fn_name": "cosine"},
    }
    for name, value in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(value, indent=1))
