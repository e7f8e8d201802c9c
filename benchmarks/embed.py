"""Measures the embed stage: pictures a second beside the pure forward pass, how long the device waits, and memory.

Run it with ``python benchmarks/embed.py``. The weights are random, and as many as those of the real models: on a GPU
of google/siglip2-so400m-patch14-384, on a CPU of google/siglip2-base-patch16-256, with fewer pictures. ``--captions
100000`` measures memory instead.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import GemmaTokenizer, SiglipConfig, SiglipImageProcessorPil, SiglipModel
from transformers.utils import logging as transformers_logging

from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.embedders.siglip import Siglip
from meshseek.model import Asset, Role, Space, ViewSet
from meshseek.pipeline.embed import embed
from meshseek.pipeline.view_vectors import VIEW_BATCH
from meshseek.reporting import SilentReporter
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

VIEWS = 8
SIDE = 512
DIFFERENT = 64
"""Pictures that are drawn; the rest are copies, which take as long to read."""
MOST_WAITING = 0.10
MOST_MEMORY_MB = 1500.0
SIZES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2},
    "base": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
    "so400m": {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16},
}
GEOMETRY = {"tiny": (64, 16), "base": (256, 16), "so400m": (384, 14)}
SPECIAL = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--assets", type=int, default=200 if torch.cuda.is_available() else 40, help=f"assets with {VIEWS} views each"
    )
    parser.add_argument("--size", choices=SIZES, default="so400m" if torch.cuda.is_available() else "base")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--captions", type=int, help="measure the memory of embedding so many captions instead")
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        folder = Path(temporary)
        if arguments.captions:
            measure_captions(folder, arguments.captions)
        else:
            measure_views(folder, arguments.assets, arguments.size, arguments.workers)


def measure_views(folder: Path, assets: int, size: str, workers: int) -> None:
    """Compare the stage with the same batches already prepared."""
    workspace = Workspace(folder / "workspace")
    write_views(workspace, assets)
    siglip = Siglip(EmbedderOptions(model_dir=write_model(folder / "model", size)))
    prepare = siglip.image_preparer()
    picture = Image.open(next((folder / "workspace" / "pictures").rglob("*.png"))).convert("RGB")
    batch = [prepare(picture)] * VIEW_BATCH
    siglip.embed_prepared(batch)
    forward = statistics.median(_seconds(lambda: siglip.embed_prepared(batch)) for _ in range(5)) / VIEW_BATCH

    timed = _Timed(siglip)
    started = time.perf_counter()
    embed(timed, "siglip", workspace, max_assets=None, reporter=SilentReporter(), workers=workers)
    seconds = time.perf_counter() - started
    first = timed.first - started
    views = assets * VIEWS
    waiting = 1 - timed.busy / (timed.last - timed.first)
    print(f"{size}, {views} views of {SIDE} px, {workers} worker processes, {siglip.options.device or 'best device'}\n")
    print("| | pictures/s | of the forward pass |\n|---|---|---|")
    for name, rate in (
        ("forward pass", 1 / forward),
        ("stage, once it runs", (views - timed.first_count) / (timed.last - timed.first)),
        ("stage, start included", views / seconds),
    ):
        print(f"| {name} | {rate:,.1f} | {rate * forward:.2f} |")
    verdict = "within" if waiting <= MOST_WAITING else "OVER"
    print(f"\nthe device waits {waiting:.1%} of the time, {verdict} the limit of {MOST_WAITING:.0%}")
    print(f"the first batch came after {first:.1f} s; load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")


def measure_captions(folder: Path, count: int) -> None:
    """Embed captions with a model that takes no memory of its own."""
    workspace = Workspace(folder / "workspace")
    rows = (
        asset_row(
            Asset(
                asset_id=f"000-{number % 160:03d}/{number:032x}",
                fingerprint=f"{number:016x}",
                captions_english=(f"a low-poly model of thing number {number}, seen from the side " * 2,),
                attributes={"tags": [f"tag{number % 50}"], "creator": f"maker {number % 999}", "faces": number},
            )
        )
        for number in range(count)
    )
    while part := [row for _, row in zip(range(20_000), rows, strict=False)]:
        workspace.assets_table().append(part)
    before = _peak_mb()
    started = time.perf_counter()
    embed(_Weightless(EmbedderOptions()), "weightless", workspace, max_assets=None, reporter=SilentReporter())
    seconds, peak = time.perf_counter() - started, _peak_mb()
    verdict = "within" if peak - before <= MOST_MEMORY_MB else "OVER"
    print(
        f"{count:,} captions in {seconds:.1f} s; peak memory {peak:,.0f} MB, of which {before:,.0f} MB before it began"
    )
    print(f"{peak - before:,.0f} MB for the stage, {verdict} the limit of {MOST_MEMORY_MB:,.0f} MB")


class _Timed(Embedder):
    """Another embedder, and how long it was at work."""

    def __init__(self, embedder: Siglip) -> None:
        super().__init__(EmbedderOptions())
        self.languages = embedder.languages
        self._embedder = embedder
        self.busy = 0.0
        self.first = self.last = 0.0
        self.first_count = 0

    @property
    def space(self) -> Space:
        return self._embedder.space

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        return self._embedder.embed_texts(texts, role=role)

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        return self._embedder.embed_images(images)

    def image_preparer(self) -> Callable[[Image.Image], Any]:
        return self._embedder.image_preparer()

    def embed_prepared(self, images: Sequence[Any]) -> NDArray[np.float32]:
        """From the end of the first batch on: until then processes start."""
        started = time.perf_counter()
        vectors = self._embedder.embed_prepared(images)
        self.last = time.perf_counter()
        if self.first:
            self.busy += self.last - started
        else:
            self.first, self.first_count = self.last, len(images)
        return vectors


class _Weightless(Embedder):
    """Random vectors of the usual length."""

    languages = ("english",)

    @property
    def space(self) -> Space:
        return Space(embedder="weightless", model="none", revision="1", dim=1024, preprocessing="none")

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        del role
        vectors = np.random.default_rng(len(texts)).normal(size=(len(texts), self.dim)).astype(np.float32)
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        raise NotImplementedError


def write_views(workspace: Workspace, assets: int) -> None:
    """Pictures of noise on white, about as hard to unpack as renders."""
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(DIFFERENT):
        pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
        pixels[128:384, 128:384] = random.integers(0, 256, (256, 256, 3), dtype=np.uint8)
        drawn.append(Image.fromarray(pixels))
    rows = []
    for number in range(assets):
        folder = workspace.folder / "pictures" / f"{number:05d}"
        for view in range(VIEWS):
            path = folder / f"{view:05d}" / f"{view:05d}.png"
            path.parent.mkdir(parents=True)
            drawn[(number * VIEWS + view) % DIFFERENT].save(path, compress_level=1)
        views = ViewSet(folder=folder, viewpoint_ids=tuple(range(VIEWS)), fingerprint="1")
        rows.append(asset_row(Asset(asset_id=f"{number:05d}", fingerprint="1", views=views)))
    workspace.assets_table().append(rows)


def write_model(folder: Path, size: str) -> Path:
    """A checkpoint of a real size with random weights."""
    torch.manual_seed(0)
    tower = SIZES[size]
    side, patch = GEOMETRY[size]
    text = {**tower, "num_hidden_layers": 1, "vocab_size": 64, "projection_size": tower["hidden_size"], **SPECIAL}
    vision = {**tower, "image_size": side, "patch_size": patch}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    tokens = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", "a")
    GemmaTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[],
        padding_side="right",
        add_eos_token=True,
        model_input_names=["input_ids"],
    ).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
