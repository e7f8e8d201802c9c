"""Measures what a reranker costs a search: seconds and bytes for each candidate, local and hosted.

Run it with ``python benchmarks/rerank.py``. Without ``--model`` the local weights are random and few (``--layers``,
``--width``), so that its figures show how the time grows with views, not how long the published models take: name the
folder of a Qwen3-VL-Reranker for that. The hosted model is a server on this machine that answers at once, so that what
is measured is our own part: reading and shrinking views, and the request.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import string
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from meshseek.hosted import HostedOptions
from meshseek.rerankers import RERANKERS, Candidate, Reranker, RerankerOptions, Wanted

SPECIAL = ("<pad>", "<|im_start|>", "<|im_end|>", "<unk>", "<|image_pad|>", "<|video_pad|>")
MARKS = ("<|vision_start|>", "<|vision_end|>", "yes", "no")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] + '\n' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CAPTION = "a wooden chair with four legs and a high back, painted red"
SIDE = 512
VIEWS = 4


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder of a Qwen3-VL-Reranker; random weights without it")
    parser.add_argument("--device", help="as torch names it")
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=128)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        folder = Path(temporary)
        candidates = _candidates(folder / "views", given.candidates)
        model = given.model or str(_write(folder / "model", given.layers, given.width))
        started = time.perf_counter()
        local = RERANKERS.load("qwen_reranker")(RerankerOptions(model=model, device=given.device))
        loading = time.perf_counter() - started
        weights = given.model or f"random weights, {given.layers} layers of {given.width}"
        print(f"qwen_reranker: {weights}; loaded in {loading:.1f} s\n")
        _measure(local, candidates, given.rounds, (0, 1, 2, 4) if local.views else (0,))
        with _server() as (url, sizes):
            hosted = HostedOptions(base_url=url, api_key="none", requests_per_minute=10**6, tokens_per_minute=10**9)
            print("\nopenai_vlm: our own part, with a server that answers at once\n")
            remote = RERANKERS.load("openai_vlm")(RerankerOptions(model="vlm", hosted=hosted))
            _measure(remote, candidates, given.rounds, (0, 1, 2), sizes)
    print(f"\n{given.candidates} candidates, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def _measure(
    reranker: Reranker, candidates: list[Candidate], rounds: int, views: tuple[int, ...], sizes: list[int] | None = None
) -> None:
    print("| views of each | p50 of a search, s | ms a candidate |" + (" kB sent |" if sizes is not None else ""))
    print("|---|---|---|" + ("---|" if sizes is not None else ""))
    wanted = Wanted(text="a red chair")
    for count in views:
        reranker.views = count
        reranker.judge(wanted, candidates[:2])
        taken = []
        for _ in range(rounds):
            started = time.perf_counter()
            reranker.judge(wanted, candidates).values(len(candidates))
            taken.append(time.perf_counter() - started)
        seconds = statistics.median(taken)
        sent = f" {sizes[-1] / 1000:,.0f} |" if sizes is not None else ""
        print(f"| {count} | {seconds:.3f} | {1000 * seconds / len(candidates):.1f} |{sent}")
        sys.stdout.flush()


def _candidates(folder: Path, count: int) -> list[Candidate]:
    """Assets with a caption and views as large as ours, smooth so that they compress like renderings."""
    random = np.random.default_rng(0)
    for viewpoint in range(VIEWS):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        (folder / f"{viewpoint:05d}").mkdir(parents=True)
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{viewpoint:05d}" / f"{viewpoint:05d}.png")
    return [
        Candidate(
            asset_id=str(number),
            captions_english=(f"{CAPTION}, number {number}",),
            view_folder=folder,
            viewpoint_ids=tuple(range(VIEWS)),
        )
        for number in range(count)
    ]


def _write(folder: Path, layers: int, width: int) -> Path:
    """A reranker's checkpoint in the real format, with random weights and a token for each character."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2VLImageProcessorPil,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
    )

    words = {token: number for number, token in enumerate([*SPECIAL, *MARKS, *string.printable])}
    heads = max(1, width // 64)
    sizes = {"hidden_size": width, "intermediate_size": 4 * width}
    rope = {"rope_type": "default", "mrope_section": [12, 10, 10], "rope_theta": 5e6, "mrope_interleaved": True}
    text = {"vocab_size": len(words), "num_hidden_layers": layers, "num_attention_heads": heads, "head_dim": 64}
    vision = {**sizes, "depth": layers, "num_heads": heads, "out_hidden_size": width, "deepstack_visual_indexes": [0]}
    torch.manual_seed(0)
    config = Qwen3VLConfig(
        text_config={**sizes, **text, "num_key_value_heads": heads, "rope_parameters": rope, "pad_token_id": 0},
        vision_config=vision,
        image_token_id=words["<|image_pad|>"],
        video_token_id=words["<|video_pad|>"],
        vision_start_token_id=words["<|vision_start|>"],
        vision_end_token_id=words["<|vision_end|>"],
    )
    model: Any = Qwen3VLForConditionalGeneration(config)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    kind: Any = PreTrainedTokenizerFast
    special = [*SPECIAL, *MARKS[:2]]
    fast = kind(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", additional_special_tokens=special)
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    Qwen2VLImageProcessorPil(patch_size=16, temporal_patch_size=2, merge_size=2).save_pretrained(folder)
    return folder


@contextmanager
def _server() -> Iterator[tuple[str, list[int]]]:
    """A model that grades every candidate with 50, and the sizes of the requests that it got."""
    sizes: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            """Grade."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sizes.append(len(body))
            numbers = re.findall(rb'"Candidate (\d+): ', body)
            grades = json.dumps({number.decode(): 50 for number in numbers})
            answer = json.dumps({"choices": [{"finish_reason": "stop", "message": {"content": grades}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sizes
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
