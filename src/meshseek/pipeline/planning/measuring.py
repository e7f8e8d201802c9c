"""A short look at how fast a model is on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from meshseek.embedders import Embedder
from meshseek.images import decode
from meshseek.model import AssetTexts
from meshseek.pipeline.planning.times import Speed

SECONDS = 3.0
"""As long as each of the two measurements takes, beside loading the model."""
BATCH = 16
SIDE = 512


def measure(embedder: Embedder, *, cores: int, gpu: bool, seconds: float = SECONDS) -> Speed:
    """Embed made-up pictures and captions for a few seconds.

    Pictures are read and resized in processes of their own while the model works: a GPU does not wait for them as long
    as they are faster, a CPU does their work as well.

    Args:
        embedder: The model, which is no hosted one.
        cores: That read pictures.
        gpu: Whether the model works elsewhere meanwhile.
        seconds: For each measurement.
    """
    prepare, file = embedder.image_preparer(), _picture()
    prepared = [prepare(decode(BytesIO(file), "made up"))] * BATCH
    reading = _each(lambda: prepare(decode(BytesIO(file), "made up")), seconds / 6, 1) / cores
    if embedder.views_together is not None:
        together = embedder.views_together
        forward = _each(lambda: embedder.embed_together([prepared[:together]]), seconds, min(together, BATCH))
    else:
        forward = _each(lambda: embedder.embed_prepared(prepared), seconds, BATCH)
    numbers = iter(range(1 << 40))

    def captions() -> object:
        texts = [
            AssetTexts(english=(f"a red armchair with carved legs, number {next(numbers)}",)) for _ in range(BATCH)
        ]
        made_of = embedder.caption_texts(texts, "english")
        distinct = list(dict.fromkeys(text for weighted in made_of for text, _ in weighted))
        return embedder.embed_texts(distinct, role="document")

    caption = _each(captions, seconds / 3, BATCH)
    picture = max(forward, reading) if gpu else forward + reading
    return Speed(picture=picture, caption=caption, source=f"measured here for {seconds:g} s")


def _each(work: Callable[[], Any], seconds: float, count: int) -> float:
    """Seconds for each of ``count`` items of a piece of work, the first of which is not counted."""
    work()
    started, done = time.perf_counter(), 0
    while (taken := time.perf_counter() - started) < seconds or not done:
        work()
        done += count
    return taken / done


def _picture() -> bytes:
    """A picture that is about as hard to read as a rendered one: PNG, mostly of one colour."""
    from PIL import Image  # noqa: PLC0415  # only where something is measured

    content = BytesIO()
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    picture.paste(Image.effect_noise((SIDE // 2, SIDE // 2), 60).convert("RGB"), (SIDE // 4, SIDE // 4))
    picture.save(content, "PNG")
    return content.getvalue()
