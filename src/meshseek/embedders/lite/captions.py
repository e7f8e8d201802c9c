"""Which texts make a caption vector: what an asset is called in both languages, and what its noun means.

A caption says ``chair``, a query ``something to sit on``: the definition of the noun lies nearer to the query. Which of
its meanings fits is told by the captions themselves (as in Lesk, 1986, with vectors for words).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from meshseek.embedders import WeightedTexts
from meshseek.embedders._vectors import to_unit_length
from meshseek.embedders.lite.glosses import Sense, load_glosses
from meshseek.embedders.lite.head_noun import words_up_to_head
from meshseek.model import AssetTexts, Language

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

GLOSS_WEIGHT: Final = 1.0
PART_WEIGHT: Final = 0.5
"""Of the gloss where the noun is only a part of the name, as the table is of a changing table."""
CHINESE_WEIGHT: Final[Mapping[Language, float]] = {"english": 1.0, "chinese": 2.0}
"""How much the Chinese captions together count in each column; name and English captions count one each. Where there is
no name, the first English caption up to its head noun is one: it is what stays of a long caption."""
WIDER_WEIGHT: Final = 0.5
PRIORS: Final[Mapping[str, float]] = {
    "artifact": 0.12,
    **dict.fromkeys(("animal", "food", "plant", "person", "Tops"), 0.06),
    **dict.fromkeys(("body", "object", "substance"), 0.0),
    **dict.fromkeys(("communication", "group", "location", "shape"), -0.05),
}
"""How likely a 3D asset is of a kind, on the scale of cosines."""
OTHER_PRIOR: Final = -0.15
RANK_PENALTY: Final = 0.02
MOST_PENALISED: Final = 5
SINGLE_PENALTY: Final = 0.3
LEAST_FIT: Final = 0.4
"""A meaning that fits less well is left out: the noun was likely taken from words that do not name the thing."""


class Gloss(NamedTuple):
    """What a noun means."""

    text: str
    """Such as ``chair: a seat for one person, with a support for the back``."""
    weight: float


class _Noun(NamedTuple):
    """A noun that may name an asset."""

    senses: list[Sense]
    weight: float
    """Of its gloss."""


class CaptionTexts:
    """Chooses the texts of assets.

    Args:
        embed: Makes unit vectors of texts, as documents; called with all texts of a batch.
    """

    def __init__(self, embed: Callable[[Sequence[str]], Vectors]) -> None:
        self._embed = embed

    def of(self, assets: Sequence[AssetTexts], language: Language) -> list[WeightedTexts]:
        """The texts of each asset's vector in one column, with their weights."""
        glosses = self.glosses(assets)
        return [list(weighted_texts(texts, language, gloss)) for texts, gloss in zip(assets, glosses, strict=True)]

    def glosses(self, assets: Sequence[AssetTexts]) -> list[Gloss | None]:
        """What the noun of each asset means; None where no meaning fits."""
        nouns = [_nouns(texts) for texts in assets]
        distinct = {text for texts in assets for text in (*texts.english, *texts.chinese)}
        senses = [sense for own in nouns for noun in own for sense in noun.senses]
        distinct.update(text for sense in senses for text in (sense.gloss, sense.wider))
        named = sorted(distinct)
        vectors = dict(zip(named, self._embed(named), strict=True)) if senses else {}
        return [_fitting(texts, own, vectors) if own else None for texts, own in zip(assets, nouns, strict=True)]


def weighted_texts(texts: AssetTexts, language: Language, gloss: Gloss | None) -> Iterator[tuple[str, float]]:
    """What a caption vector of one column is made of."""
    name = texts.name or (" ".join(words_up_to_head(texts.english[0])) if texts.english else "")
    if name:
        yield name, 1.0
    english = [caption for caption in texts.english if caption != texts.name]
    for captions, weight in ((english, 1.0), (texts.chinese, CHINESE_WEIGHT[language])):
        yield from ((caption, weight / len(captions)) for caption in captions)
    if gloss is not None:
        yield gloss


def _nouns(texts: AssetTexts) -> list[_Noun]:
    """The noun in the name, and the one in the first English caption where it is another."""
    found: dict[str, _Noun] = {}
    for text in (texts.name, *texts.english[:1]):
        words = words_up_to_head(text)
        noun = load_glosses().noun_at_end(words)
        if noun is not None and noun not in found:
            is_whole = len(noun.replace("-", " ").split()) >= len(words)
            found[noun] = _Noun(load_glosses().senses(noun), GLOSS_WEIGHT if is_whole else PART_WEIGHT)
    return list(found.values())


def _fitting(texts: AssetTexts, nouns: Sequence[_Noun], vectors: Mapping[str, Vectors]) -> Gloss | None:
    """The gloss that fits best, of the first noun that has one."""
    means = [
        to_unit_length(np.mean([vectors[caption] for caption in captions], axis=0))
        for captions in (texts.english, texts.chinese)
        if captions
    ]
    captions = to_unit_length(np.sum(means, axis=0))
    for noun in nouns:
        fits = [float(_meaning(sense, vectors) @ captions) + _prior(sense) for sense in noun.senses]
        best = int(np.argmax(fits))
        if fits[best] >= LEAST_FIT:
            return Gloss(noun.senses[best].gloss, noun.weight)
    return None


def _meaning(sense: Sense, vectors: Mapping[str, Vectors]) -> Vectors:
    return to_unit_length(vectors[sense.gloss] + WIDER_WEIGHT * vectors[sense.wider])


def _prior(sense: Sense) -> float:
    prior = PRIORS.get(sense.kind, OTHER_PRIOR) - RANK_PENALTY * min(sense.rank, MOST_PENALISED)
    return prior - SINGLE_PENALTY if sense.is_single else prior
