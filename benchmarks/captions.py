"""Measures what caption vectors of ``lite`` are made of, on libraries that say more or less of their assets.

    python benchmarks/captions.py
    python benchmarks/captions.py --workspace workspace --queries evaluation/furniture.csv

Words are compared with captions, exactly and without a database. Each library is told in several forms: as it is, with
names only, with one language only, with long captions such as those of Cap3D. Each form is searched in three ways: by
the mean of captions of one language, as by other algorithms; as by ``lite``, but without glosses; and as by ``lite``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from meshseek.embedders import EMBEDDERS, Embedder, EmbedderOptions, WeightedTexts
from meshseek.embedders.lite.captions import weighted_texts
from meshseek.errors import DatasetError
from meshseek.language import detect_language
from meshseek.model import LANGUAGES, AssetTexts, Language
from meshseek.pipeline.embed import distinct_texts, weighted_direction
from meshseek.tables import read_table
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

EVALUATION = Path(__file__).parent.parent / "evaluation"
DEPTHS = (1, 5, 10)

Asset = tuple[set[str], AssetTexts]
"""What queries may name it by, and what it is called."""
Way = Callable[[Embedder, Sequence[AssetTexts], Language], list[WeightedTexts]]

FORMS: Mapping[str, Callable[[AssetTexts], AssetTexts]] = {
    "as it is": lambda texts: texts,
    "names only": lambda texts: AssetTexts(name=texts.name, english=(texts.name,)),
    "English only": lambda texts: replace(texts, chinese=()),
    "English, no names": lambda texts: AssetTexts(english=texts.english[:1]),
    "Chinese only": lambda texts: AssetTexts(chinese=texts.chinese or ("无名",)),
    "long, no names": lambda texts: AssetTexts(english=(_at_length(texts),)),
}
WAYS: Mapping[str, Way] = {
    "one language": Embedder.caption_texts,
    "no gloss": lambda _, assets, language: [list(weighted_texts(texts, language, None)) for texts in assets],
    "lite": lambda embedder, assets, language: embedder.caption_texts(assets, language),
}


def main() -> None:
    """Print hit@1, hit@5, hit@10 and the mean reciprocal rank for each form and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, help="whose assets to measure; else made-up ones")
    parser.add_argument("--queries", type=Path, nargs="+", default=[EVALUATION / "other-fields.csv"])
    arguments = parser.parse_args()
    assets = _from_workspace(arguments.workspace) if arguments.workspace else _from_table()
    embedder = EMBEDDERS.load("lite")(EmbedderOptions())
    print(f"{len(assets)} assets")
    for queries in arguments.queries:
        judged = _queries(queries)
        for form, told in FORMS.items():
            said = [(names, told(texts)) for names, texts in assets]
            for way, made_of in WAYS.items():
                columns = _columns(embedder, [texts for _, texts in said], made_of)
                role = "document" if way == "one language" else "query"  # without the matrix, and with it
                print(f"{queries.stem:20} {form:18} {way:13}", _scores(embedder, judged, said, columns, role))


def _from_table() -> list[Asset]:
    path = EVALUATION / "other-fields-assets.csv"
    _, rows = read_table(path, DatasetError)
    captions = [(row["name"], (row["caption_english"],), (row["caption_chinese"],)) for _, row in rows]
    return [({name}, AssetTexts(name=name, english=english, chinese=chinese)) for name, english, chinese in captions]


def _from_workspace(folder: Path) -> list[Asset]:
    assets = CurrentAssets(Workspace(folder), parts=["captions", "attributes"])
    return [({asset.asset_id, AssetTexts.of(asset).name}, AssetTexts.of(asset)) for asset in assets]


def _queries(path: Path) -> list[tuple[str, set[str]]]:
    _, rows = read_table(path, DatasetError)
    return [(row["text"], set(row["relevant"].split("|"))) for _, row in rows if row["text"]]


def _at_length(texts: AssetTexts) -> str:
    """A caption of the kind that models write of pictures."""
    caption = texts.english[0] if texts.english else texts.name
    if caption.lower().startswith(("a ", "an ", "several ")):
        return f"{caption}, shown from the side on a plain background, with smooth surfaces and simple textures"
    name, *tags = caption.split(", ")
    return f"a 3D model of a {name.lower()} with details of {' and '.join(tags) or 'its kind'}, on a plain background"


def _columns(embedder: Embedder, assets: Sequence[AssetTexts], made_of: Way) -> dict[Language, Vectors]:
    """Both columns; a caption stands in for the one that is missing in the other language."""
    columns: dict[Language, Vectors] = {}
    made = {language: made_of(embedder, assets, language) for language in LANGUAGES}
    for language, other in (LANGUAGES, LANGUAGES[::-1]):
        texts = [made[language if own.captions(language) else other][number] for number, own in enumerate(assets)]
        distinct = distinct_texts(texts)
        vectors = dict(zip(distinct, embedder.embed_texts(distinct, role="document"), strict=True))
        columns[language] = np.stack([_sum(own, vectors) for own in texts])
    return columns


def _sum(weighted: WeightedTexts, vectors: Mapping[str, Vectors]) -> Vectors:
    texts, weights = zip(*weighted, strict=True)
    return weighted_direction(np.stack([vectors[text] for text in texts]), weights)


def _scores(
    embedder: Embedder,
    queries: Sequence[tuple[str, set[str]]],
    assets: Sequence[Asset],
    columns: Mapping[Language, Vectors],
    role: str,
) -> str:
    ranks = defaultdict(list)
    vectors = embedder.embed_texts([text for text, _ in queries], role=role)  # type: ignore[arg-type]
    for (text, relevant), vector in zip(queries, vectors, strict=True):
        language = detect_language(text)
        order = np.argsort(-(columns[language] @ vector), kind="stable")
        ranks[language].append(next(rank for rank, row in enumerate(order, 1) if assets[row][0] & relevant))
    lines = []
    for language, found in ranks.items():
        hits = "/".join(f"{np.mean([rank <= depth for rank in found]):.3f}" for depth in DEPTHS)
        lines.append(f"{language} ({len(found)}) {hits} mrr {np.mean([1 / rank for rank in found]):.3f}")
    return "  ".join(lines)


if __name__ == "__main__":
    main()
