"""What is told of the texts that a caption vector is made of."""

from __future__ import annotations

from tests.toy import toy

from meshseek.model import PublishedAsset
from meshseek.search.explaining import SHOWN, explained_captions


def test_a_long_text_is_cut_visibly() -> None:
    """What it gave is that of the whole text; one of just the greatest length is told whole."""
    long, short = "chair " * 1666, "x" * SHOWN
    asset = PublishedAsset(asset_id="a", version="1", captions_english=(long, short))
    vector = toy().embed_texts(["chair"], role="query")[0]

    (first, second) = explained_captions(toy(), vector, ["english"], [asset])["a"]

    assert first.text == f"{long[: SHOWN - 1].rstrip()}…"
    assert first.gave > second.gave
    assert second.text == short
