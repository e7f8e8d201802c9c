"""Measures what the embed stage consists of: reading pictures, the forward pass, writing vectors; and all of it.

Run it with ``make bench-embed``. The pictures lie in folders, as G-Objaverse has them, and in tar files; the parts are
measured over the same pictures, and the slowest part is what bounds the stage. Peak memory is that of this process and
its children, over the first tenth of the pictures and over all of them: where memory is flat, the two are alike.

The model is SigLIP with random weights. ``--rate N`` takes a device instead that embeds N pictures a second without
using a processor, as a GPU would: on a machine without one, only that shows whether the device waits.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
from embed import SIZES, write_model
from numpy.typing import NDArray
from PIL import Image
from transformers.utils import logging as transformers_logging

from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.embedders.siglip import Siglip
from meshseek.embedders.siglip.pixels import FixedSize
from meshseek.model import Role, Space
from meshseek.pipeline.embed import embed
from meshseek.pipeline.import_assets import import_assets
from meshseek.pipeline.stage import SHARD_ROWS
from meshseek.pipeline.view_reading import Lots, view_reader
from meshseek.pipeline.view_vectors import VIEW_BATCH, vector_row, view_tasks
from meshseek.processors import usable_processors
from meshseek.reporting import SilentReporter
from meshseek.workspace.workspace import Workspace

LAYOUTS = {"folder": "gobjaverse", "tar": "webdataset"}
DIFFERENT = 64
"""Pictures that are drawn; the rest are copies, which take as long to read."""
TAR_PICTURES = 50_000
LOOK_SECONDS = 0.05
WRITTEN = 2 * SHARD_ROWS
"""Vectors of which the writing is measured by itself."""
DIM = 768


class Device(Embedder):
    """Embeds so many pictures a second, and leaves the processors to others meanwhile."""

    languages = ()
    is_on_device = True

    def __init__(self, rate: float, side: int) -> None:
        super().__init__(EmbedderOptions())
        self._rate = rate
        self._prepare = FixedSize(side, side, Image.Resampling.BILINEAR)

    @property
    def space(self) -> Space:
        """Of vectors that say nothing."""
        return Space(embedder="device", model=str(self._rate), revision="1", dim=DIM, preprocessing="none")

    def world_texts(self) -> list[Any]:
        """None: captions are another benchmark."""
        return []

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Never asked."""
        raise NotImplementedError(role, texts)

    def embed_images(self, images: Sequence[Any]) -> NDArray[np.float32]:
        """As long as it takes."""
        time.sleep(len(images) / self._rate)
        return np.full((len(images), DIM), DIM**-0.5, np.float32)

    def image_preparer(self) -> Callable[[Image.Image], Any]:
        """As SigLIP's."""
        return self._prepare

    embed_prepared = embed_images


class Busy:
    """How long a model is at work."""

    def __init__(self, model: Embedder) -> None:
        self.seconds = 0.0
        self.first = self.last = 0.0
        self.count = 0
        self._embed = model.embed_prepared
        model.embed_prepared = self._timed  # type: ignore[method-assign]

    def _timed(self, images: Sequence[Any]) -> NDArray[np.float32]:
        """From the end of the first batch on: until then processes start."""
        began = time.perf_counter()
        vectors = self._embed(images)
        self.last = time.perf_counter()
        if self.first:
            self.seconds += self.last - began
            self.count += len(images)
        else:
            self.first = self.last
        return vectors

    @property
    def rate(self) -> float:
        """Pictures a second, once the stage runs."""
        return self.count / (self.last - self.first) if self.count else 0.0

    @property
    def waits(self) -> float:
        """The part of the time in which the model has nothing to do."""
        return 1 - self.seconds / (self.last - self.first) if self.count else 0.0


class Memory:
    """The most that this process and its children take, by itself each."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        this = psutil.Process()
        while not self._over.wait(LOOK_SECONDS):
            taken = 0
            for process in (this, *this.children(recursive=True)):
                with suppress(psutil.Error):  # it is gone
                    facts = process.memory_info()
                    taken += facts.rss - facts.shared
            self.peak = max(self.peak, taken)


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--pictures", type=int, default=640, help="how many; a million show that memory is flat")
    parser.add_argument("--views", type=int, default=8, help="of each asset")
    parser.add_argument("--side", type=int, default=512, help="of each picture, in pixels")
    parser.add_argument("--size", choices=SIZES, default="base", help="of the model")
    parser.add_argument("--rate", type=float, help="pictures a second of a device that takes a model's place")
    parser.add_argument("--workers", type=int, default=usable_processors())
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=[*LAYOUTS])
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="meshseek bench ") as temporary:
        folder = Path(temporary)
        model = make_model(folder, arguments)
        device = f"a device of {arguments.rate:g} pictures/s" if arguments.rate else f"SigLIP, {arguments.size}"
        print(f"{arguments.pictures:,} pictures of {arguments.side} px, {arguments.views} of each asset, {device}, ")
        load = os.getloadavg()[0]
        print(f"{arguments.workers} reading processes, {usable_processors()} processors, load {load:.1f}\n")
        rates = {"forward pass": forward_rate(model), "writing": writing_rate(folder / "written", model)}
        print("| layout | part | pictures/s |\n|---|---|---|")
        for name, rate in rates.items():
            print(f"| both | {name} alone | {rate:,.0f} |")
        for layout in arguments.layouts:
            measure(layout, library(folder / layout, layout, arguments), model, rates, arguments)


def make_model(folder: Path, arguments: argparse.Namespace) -> Embedder:
    """SigLIP, or what stands for a GPU."""
    if arguments.rate:
        return Device(arguments.rate, min(256, arguments.side))
    siglip = Siglip(EmbedderOptions(model_dir=write_model(folder / "model", arguments.size)))
    siglip.languages = ()
    siglip.world_texts = list  # type: ignore[method-assign]
    return siglip


def forward_rate(model: Embedder) -> float:
    """Of prepared pictures that are in memory already."""
    batch = [model.image_preparer()(Image.new("RGB", (256, 256), "white"))] * VIEW_BATCH
    model.embed_prepared(batch)
    return VIEW_BATCH / statistics.median(_seconds(lambda: model.embed_prepared(batch)) for _ in range(3))


def writing_rate(folder: Path, model: Embedder) -> float:
    """Of vectors that are in memory already, into shards as the stage writes them."""
    table = Workspace(folder).vectors_table("bench", "appearance", model.space)
    vector = np.full(model.dim, model.dim**-0.5, np.float32)

    def write() -> None:
        for start in range(0, WRITTEN, SHARD_ROWS):
            numbers = range(start, start + SHARD_ROWS)
            table.append([{**vector_row(f"{n // 8}", n % 8, vector), "fingerprint": "1"} for n in numbers])

    return WRITTEN / _seconds(write)


def reading_rate(lots: Lots, model: Embedder, arguments: argparse.Namespace) -> float:
    """Of pictures that are prepared and then dropped, once processes have started."""
    outcomes = iter(view_reader(model.image_preparer(), arguments.workers)(lots))
    first = len(next(outcomes).rows)
    count = 0

    def read() -> None:
        nonlocal count
        count = sum(len(lot.rows) for lot in outcomes)

    seconds = _seconds(read)
    assert first + count == arguments.pictures, f"{first + count} pictures were read"
    return count / seconds


def measure(
    layout: str, workspace: Workspace, model: Embedder, rates: dict[str, float], arguments: argparse.Namespace
) -> None:
    """The parts over one layout, and the stage."""
    tasks = list(view_tasks(model, workspace, None, {}))
    reading = reading_rate(Lots(tasks, whole=False), model, arguments)
    print(f"| {layout} | reading and decoding alone | {reading:,.0f} |")
    parts = {**rates, "reading and decoding": reading}
    usual: dict[str, Any] = {"reporter": SilentReporter(), "workers": arguments.workers}
    with Memory() as tenth:
        embed(model, "first", workspace, max_assets=max(1, len(tasks) // 10), **usual)
    busy = Busy(model)
    with Memory() as whole:
        seconds = _seconds(lambda: embed(model, "all", workspace, max_assets=None, **usual))
    del model.embed_prepared  # the class has its own
    slowest = min(parts, key=lambda name: parts[name])
    print(f"| {layout} | **the whole stage**, start included | {arguments.pictures / seconds:,.0f} |")
    print(f"| {layout} | **the whole stage**, once it runs | {busy.rate:,.0f} |")
    print(
        f"\n{layout}: the bottleneck is {slowest}; the stage has {busy.rate / parts[slowest]:.2f} of its speed, the "
        f"device waits {busy.waits:.1%} of the time; peak memory {tenth.peak / 1e6:,.0f} MB over the first tenth, "
        f"{whole.peak / 1e6:,.0f} MB over all\n",
        flush=True,
    )


def library(folder: Path, layout: str, arguments: argparse.Namespace) -> Workspace:
    """Pictures of noise on white, imported."""
    folder.mkdir()
    pictures, views = _drawn(arguments.side), arguments.views
    named = ((f"0/{n // views}", n % views, pictures[n % DIFFERENT]) for n in range(arguments.pictures))
    if layout == "folder":
        for asset_id, view, data in named:
            path = folder / asset_id / f"{view:05d}" / f"{view:05d}.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
    else:
        size = views * max(1, TAR_PICTURES // views)
        for number in range(-(-arguments.pictures // size)):
            with tarfile.open(folder / f"{number:05d}.tar", "w", format=tarfile.GNU_FORMAT) as tar:
                for asset_id, view, data in islice(named, size):
                    info = tarfile.TarInfo(f"{asset_id}.{view}.png")
                    info.size, info.mtime = len(data), 1
                    tar.addfile(info, BytesIO(data))
    workspace = Workspace(folder.with_name(f"workspace of {layout}"))
    dataset = DATASETS.load(LAYOUTS[layout])(DatasetOptions(path=folder))
    seconds = _seconds(
        lambda: import_assets(dataset, workspace, workers=arguments.workers, max_assets=None, reporter=SilentReporter())
    )
    print(f"| {layout} | listing and import | {arguments.pictures / seconds:,.0f} |", flush=True)
    return workspace


def _drawn(side: int) -> list[bytes]:
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(DIFFERENT):
        pixels = np.full((side, side, 3), 255, np.uint8)
        inner = slice(side // 4, side // 4 * 3)
        pixels[inner, inner] = random.integers(0, 256, pixels[inner, inner].shape, dtype=np.uint8)
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        drawn.append(buffer.getvalue())
    return drawn


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
