"""Measures one query through SigLIP 2's text tower on a CPU: torch, ONNX in full precision, ONNX in 8 bits.

Run it with ``python benchmarks/siglip_text.py``. The weights are random and as many as those of
google/siglip2-base-patch16-256, so the milliseconds hold for the real ones, and the cosines only for these.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import string
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GemmaTokenizer, SiglipConfig, SiglipImageProcessorPil, SiglipModel
from transformers.utils import logging as transformers_logging

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.siglip import Siglip
from meshseek.embedders.siglip.onnx import FULL, REPORT, SMALL

WORDS = 256_000
SPECIAL = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
LIMIT_MS = 20.0
QUERIES = ("a red wooden chair with armrests", "medieval castle", "small blue car, low poly", "lamp", "round table")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        folder = Path(temporary)
        _write(folder / "model")
        options = EmbedderOptions(model_dir=folder / "model", cache_dir=folder / "cache", device="cpu")
        siglip = Siglip(options)
        original = siglip.embed_texts(QUERIES, role="query")
        rows = [("torch", _p50(siglip, rounds), original)]
        started = time.perf_counter()
        siglip.export_onnx()
        seconds = time.perf_counter() - started
        export = folder / "cache" / "onnx" / siglip.space.revision
        for name in (FULL, SMALL):
            chosen = _choose(options, export, name)
            rows.append((name, _p50(chosen, rounds), chosen.embed_texts(QUERIES, role="query")))
        sizes = {file.name: file.stat().st_size / 1e6 for file in export.iterdir()}
    _print(rows, sizes)
    print(f"\nexported in {seconds:.0f} s; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, random weights")


def _write(folder: Path) -> None:
    """A checkpoint with a text tower of base size; its vision tower has a single layer."""
    torch.manual_seed(0)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tower = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    text = {**tower, "num_hidden_layers": 12, "vocab_size": WORDS, "projection_size": 768, **SPECIAL}
    vision = {**tower, "num_hidden_layers": 1, "image_size": 256, "patch_size": 16}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    tokens = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *string.ascii_lowercase, *string.punctuation)
    GemmaTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[],
        padding_side="right",
        add_bos_token=False,
        add_eos_token=True,
        model_input_names=["input_ids"],
    ).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 256, "width": 256}).save_pretrained(folder)


def _choose(options: EmbedderOptions, export: Path, name: str) -> Siglip:
    """The embedder with one of the two forms, whichever is better."""
    report = json.loads((export / REPORT).read_bytes())
    report["int8_cosine"] = 1.0 if name == SMALL else 0.0
    (export / REPORT).write_text(json.dumps(report), encoding="utf-8")
    chosen = Siglip(options)
    if chosen._onnx is None:  # noqa: SLF001  # else torch would be measured again
        sys.exit(f"{name} is too far from the original to be used")
    return chosen


def _p50(siglip: Siglip, rounds: int) -> float:
    """Milliseconds of one query, tokenizing included."""
    siglip.embed_texts(QUERIES, role="query")
    taken = []
    for query in QUERIES * rounds:
        started = time.perf_counter()
        siglip.embed_texts([query], role="query")
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def _print(rows: list[tuple[str, float, NDArray[np.float32]]], sizes: dict[str, float]) -> None:
    print("| form | MB | p50 of a query, ms | least cosine to torch | largest difference |")
    print("|---|---|---|---|---|")
    original = rows[0][2]
    for name, milliseconds, vectors in rows:
        cosine, difference = (vectors * original).sum(axis=1).min(), np.abs(vectors - original).max()
        megabytes = f"{sizes[name]:,.0f}" if name in sizes else ""
        print(f"| {name} | {megabytes} | {milliseconds:.1f} | {cosine:.5f} | {difference:.1e} |")
    verdict = "within" if rows[-1][1] <= LIMIT_MS else "OVER"
    print(f"\nin 8 bits: {rows[-1][1]:.1f} ms, {verdict} the limit of {LIMIT_MS:.0f} ms")


if __name__ == "__main__":
    main()
