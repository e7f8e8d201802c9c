"""Tells which of the texts that a caption vector is made of brought a result up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from meshseek.embedders import Embedder, WeightedTexts
from meshseek.model import AssetTexts, Language, PublishedAsset, TextShare

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXPLAINED: Final = 20
"""Results of a page whose texts are told, the first ones: they are embedded once more, which takes time."""
SHOWN: Final = 200
"""Characters of such a text that are told; a caption may have many thousands."""


def explained_captions(
    embedder: Embedder, vector: NDArray[np.float32], languages: Sequence[Language], assets: Sequence[PublishedAsset]
) -> dict[str, tuple[TextShare, ...]]:
    """Embed once more what the captions of some assets were made of, and split the cosine among the texts.

    Args:
        embedder: That the library was embedded with.
        vector: Of the query, shape ``(dim,)``.
        languages: Whose captions were compared; the second stand in where an asset has none of the first.
        assets: Those to explain; one without captions is left out.

    Returns:
        By asset id, the texts with the largest share first.
    """
    made_of: dict[str, WeightedTexts] = {}
    for language in reversed(languages):
        with_captions = [asset for asset in assets if AssetTexts.of(asset).captions(language)]
        texts = embedder.caption_texts([AssetTexts.of(asset) for asset in with_captions], language)
        made_of |= dict(zip((asset.asset_id for asset in with_captions), texts, strict=True))
    distinct = list(dict.fromkeys(text for weighted in made_of.values() for text, _ in weighted))
    vectors = dict(zip(distinct, embedder.embed_texts(distinct, role="document"), strict=True)) if distinct else {}
    return {asset_id: _shares(vector, weighted, vectors) for asset_id, weighted in made_of.items()}


def _shares(
    vector: NDArray[np.float32], weighted: WeightedTexts, vectors: dict[str, NDArray[np.float32]]
) -> tuple[TextShare, ...]:
    import numpy as np  # noqa: PLC0415  # the command line knows queries without it

    weights = np.array([weight for _, weight in weighted], dtype=np.float32)
    matrix = np.stack([vectors[text] for text, _ in weighted]) * weights[:, None]
    gave = matrix @ vector / (float(np.linalg.norm(matrix.sum(axis=0))) or 1.0)
    shares = [TextShare(text=_cut(text), gave=float(part)) for (text, _), part in zip(weighted, gave, strict=True)]
    return tuple(sorted(shares, key=lambda share: -share.gave))


def _cut(text: str) -> str:
    """A text, or as much of it as is told."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1].rstrip()}…"
