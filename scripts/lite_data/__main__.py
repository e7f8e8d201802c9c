"""Makes the data files of ``lite`` from WordNet's nouns: query matrix, table of glosses, commonest nouns.

    make lite-data WORDNET=/usr/share/wordnet

The folder is that of Debian's package ``wordnet-base`` (WordNet 3.0), which ``apt-get download`` and ``dpkg-deb -x``
give without installing it. It takes about five minutes on one core. The table is the same to the byte each time; the
matrix is the same on one kind of machine, and elsewhere differs in its last digits, as sums of floats do.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from commonest import common_nouns, write_nouns
from han import write_characters
from matrix import SEED, train
from numpy.typing import NDArray
from pairs import pairs_of
from table import read_plurals, rows, write_table
from wordnet import read_nouns

from meshseek.embedders import EMBEDDERS, Embedder, EmbedderOptions
from meshseek.embedders import lite as module
from meshseek.embedders.lite.dimensions import TEXT_DIM
from meshseek.embedders.lite.glosses import GLOSSES_FILE

BATCH = 1024
LICENCE_LINES = 29
"""At the beginning of every file of WordNet, numbered."""


def main() -> None:
    """Write the files beside the embedder, and say what they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wordnet", type=Path, help="folder with data.noun, index.noun, noun.exc, cntlist.rev")
    parser.add_argument("--no-matrix", action="store_true", help="do not train the matrix, which takes minutes")
    arguments = parser.parse_args()
    folder = Path(module.__file__).parent
    synsets = read_nouns(arguments.wordnet)
    table = folder / GLOSSES_FILE
    licence = _licence(arguments.wordnet / "data.noun")
    write_table(table, rows(synsets, read_plurals(arguments.wordnet)), licence)
    _tell(table)
    write_nouns(folder / module.COMMON_FILE, common_nouns(arguments.wordnet / "cntlist.rev"), licence)
    _tell(folder / module.COMMON_FILE)
    write_characters(folder / module.HAN_FILE)
    _tell(folder / module.HAN_FILE)
    if not arguments.no_matrix:
        torch.set_num_threads(1)  # sums in one order
        pairs = list(pairs_of(synsets.values()))
        print(f"{len(pairs):,} pairs, seed {SEED}")
        vectors = _vectors(sorted({text for pair in pairs for text in pair[:2]}))
        descriptions, names = (torch.from_numpy(np.stack([vectors[pair[side]] for pair in pairs])) for side in (0, 1))
        meanings = np.array([int(pair.synset) for pair in pairs])
        matrix, before, after = train(descriptions, names, meanings)
        np.save(folder / module.MATRIX_FILE, matrix)
        print(f"mean reciprocal rank of held-out names: {before:.3f} without, {after:.3f} with the matrix")
        _tell(folder / module.MATRIX_FILE)


def _licence(path: Path) -> str:
    """WordNet's notice, which has to appear on all copies."""
    with path.open(encoding="utf-8") as file:
        lines = [next(file) for _ in range(LICENCE_LINES)]
    return "\n".join(line[4:].strip() for line in lines)


def _vectors(texts: list[str]) -> dict[str, NDArray[np.float32]]:
    embedder: Embedder = EMBEDDERS.load("lite")(EmbedderOptions())
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        vectors = embedder.embed_texts(batch, role="document")[:, :TEXT_DIM]
        found.update(zip(batch, vectors, strict=True))
    return found


def _tell(path: Path) -> None:
    content = path.read_bytes()
    print(f"{path.name}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
