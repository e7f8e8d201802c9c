"""What every derived row is made from, in short: the one place that knows.

Views come from the model and the renderer, Chinese captions from the captions of the library, vectors from captions or
views. A row whose fingerprint says something else than its asset is now is outdated.
"""

from __future__ import annotations

import hashlib

from meshseek.model import LANGUAGES, Asset, AssetTexts, CaptionBasis, Language
from meshseek.workspace.tables import SOURCE_OF, Source

Captions = tuple[str, ...]


def caption_fingerprint(texts: AssetTexts, language: Language, basis: CaptionBasis) -> str:
    """What the caption vector of a language is made from, by what the embedder looks at."""
    used = texts.captions(language) if basis == "own_language" else (texts.name, texts.english, texts.chinese)
    return hashlib.sha256(repr(used).encode()).hexdigest()[:16]


def model_source(asset: Asset) -> str:
    """What an asset's views are rendered from; where the model has no fingerprint, anything about the asset."""
    return asset.model_fingerprint or asset.fingerprint


def render_fingerprint(asset: Asset, renderer: str) -> str:
    """What views are made from: the model, and the renderer with its options."""
    return f"{model_source(asset)}:{renderer}"


def is_rendered_from(fingerprint: str, asset: Asset) -> bool:
    """Whether views show the model that the asset has now."""
    return fingerprint.startswith(f"{model_source(asset)}:")


def version_of(fingerprint: str) -> str:
    """Names the files of something by what they are or were made from.

    A file never changes under its name: what is published goes on showing its own files until the next publication.
    """
    return "@" + hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def caption_source(asset: Asset) -> str:
    """What an asset's Chinese captions are made from: all captions of its library."""
    text = repr((asset.captions_english, asset.captions_chinese))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def partly_translated(source: str, translated: int) -> str:
    """The fingerprint of an asset of whose captions only so many are translated: a translator tries it again."""
    return f"{source}-{translated}"


def is_translated_from(fingerprint: str, asset: Asset) -> bool:
    """Whether Chinese captions belong to the captions that the asset has now, all of them or some."""
    return fingerprint.partition("-")[0] == caption_source(asset)


def vector_sources(asset: Asset, basis: CaptionBasis) -> dict[Source, str]:
    """What an asset's vectors must have been made from, of each source that it has anything for.

    Args:
        asset: With its captions, views and, where ``basis`` says so, attributes.
        basis: What the caption vectors of the algorithm are made from, as its tables say.
    """
    wanted: dict[Source, str] = {}
    texts = AssetTexts.of(asset)
    for language in LANGUAGES:
        if texts.captions(language):
            wanted[SOURCE_OF[language]] = caption_fingerprint(texts, language, basis)
    if asset.views is not None:
        wanted["appearance"] = asset.views.fingerprint
    return wanted
