"""Loads assets and vectors into the tables of the schema that is first in the search path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from psycopg import sql

from meshseek.language import as_name, bigrams, last_characters, without_han
from meshseek.model import LANGUAGES, Asset, Language, PublishedAsset, Space
from meshseek.store.ahead import read_ahead
from meshseek.store.postgres import Connection
from meshseek.store.queries import query
from meshseek.store.write.binary_copy import HEADER, TRAILER, Column, Numbers, Vectors, pack_rows
from meshseek.store.write.labels import LabelBook
from meshseek.store.write.listed import listed_row
from meshseek.store.write.text_copy import Value, text_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


ASSETS = 4096
"""Assets that are in memory at a time; rows of as many are sent meanwhile."""
LONGEST_NAME = 100
"""Nobody types a longer one letter by letter."""
AHEAD = 16
"""Pieces of rows that wait to be sent: enough for the server to work on while the next shard is read and checked."""


@dataclass(frozen=True, slots=True)
class Captions:
    """Caption vectors of some assets, float16 of shape ``(assets, dim)``; a row counts where its flag is set."""

    ids: Sequence[str]
    english: NDArray[np.float16]
    has_english: NDArray[np.bool_]
    chinese: NDArray[np.float16]
    has_chinese: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Views:
    """View vectors, float16 of shape ``(views, dim)``; without a viewpoint, a vector stands for all views."""

    ids: Sequence[str]
    viewpoints: NDArray[np.int16]
    has_viewpoint: NDArray[np.bool_]
    vectors: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Centroids:
    """Unit means of the views of some assets, float16 of shape ``(assets, dim)``, and their spreads."""

    ids: Sequence[str]
    centroids: NDArray[np.float16]
    spreads: NDArray[np.float32]


class Loader:
    """Writes rows by binary ``COPY``.

    Args:
        connection: In a transaction.
        space: Of the vectors.
        new: Whether the tables were made in this transaction: then the rows are frozen, and no log of them is written.
        known: The numbers that labels have already; rows of number, field, value.
    """

    def __init__(
        self, connection: Connection, space: Space, *, new: bool, known: Iterable[tuple[int, str, str]] = ()
    ) -> None:
        self._connection = connection
        self._space = space
        self._new = new
        self._known = known
        self._book = LabelBook()
        self._rows: Mapping[str, int] = {}

    def load_labels(self, book: LabelBook, rows: Mapping[str, int]) -> None:
        """Load what assets are filtered by; first of all.

        Args:
            book: Of every asset that will be in the version.
            rows: Where it has each asset.
        """
        book.keep_numbers(self._known)
        self._book, self._rows = book, rows
        self._copy_text("labels", text_rows(book.rows()))
        self._copy_text("percentiles", text_rows(book.percentiles()))

    def load_assets(self, assets: Iterable[tuple[Asset, str]]) -> None:
        """Load assets with their words, each with a digest that tells later whether anything of it has changed."""
        self._connection.execute(query("make_word_texts"))
        for rows, listed, words in read_ahead(self._asset_lots(iter(assets))):
            self._copy_text("assets", rows)
            self._copy_text("listed", listed)
            self._copy_text("word_texts", words)
            self._connection.execute(query("turn_into_words"))
            self._connection.execute(query("truncate", table=sql.Identifier("word_texts")))

    def load_captions(self, batches: Iterable[Captions]) -> None:
        """Load caption vectors."""

        def columns(batch: Captions) -> list[Column]:
            english, chinese = Vectors(batch.english, batch.has_english), Vectors(batch.chinese, batch.has_chinese)
            return [english, chinese, self._dims(len(batch.ids)), *self._labels(batch.ids)]

        self._copy("text_embeddings", ((batch.ids, columns(batch)) for batch in batches))

    def load_views(self, batches: Iterable[Views]) -> None:
        """Load view vectors."""

        def columns(batch: Views) -> list[Column]:
            viewpoints = Numbers(batch.viewpoints, ">i2", batch.has_viewpoint)
            return [viewpoints, Vectors(batch.vectors), self._dims(len(batch.ids))]

        self._copy("image_embeddings", ((batch.ids, columns(batch)) for batch in batches))

    def load_centroids(self, batches: Iterable[Centroids]) -> None:
        """Load the centroids of views."""

        def columns(batch: Centroids) -> list[Column]:
            return [Vectors(batch.centroids), Numbers(batch.spreads, ">f4"), *self._labels(batch.ids)]

        self._copy("asset_centroids", ((batch.ids, columns(batch)) for batch in batches))

    def load_world(
        self, texts: Sequence[str], languages: Sequence[Language | None], vectors: NDArray[np.float32]
    ) -> None:
        """Load words as queries, with their languages and unit vectors, shape ``(len(texts), dim)``."""
        if texts:
            codes = np.array([LANGUAGES.index(language) if language else 0 for language in languages])
            known = np.array([language is not None for language in languages])
            self._copy("world", [(texts, [Vectors(vectors.astype(np.float16)), Numbers(codes, ">i2", known)])])

    def load_copied(self, table: str, columns: Sequence[str], contents: Iterable[Iterable[bytes]]) -> None:
        """Load a table as it was copied out of another version; each content is whole by itself."""
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = query("copy_in", table=sql.Identifier(table), columns=names)
        for pieces in contents:
            with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
                for piece in pieces:
                    copy.write(piece)

    def _asset_lots(self, assets: Iterator[tuple[Asset, str]]) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Rows of assets, those of the catalogue, and the texts of words, so many at a time: no more are in memory."""
        while lot := list(islice(assets, ASSETS)):
            rows = text_rows(asset_row(PublishedAsset.of(asset), digest) for asset, digest in lot)
            listed = text_rows(listed_row(asset, *self._book.held_by(self._rows[asset.asset_id])) for asset, _ in lot)
            words = text_rows((asset.asset_id, _names(asset), *_word_texts(asset)) for asset, _ in lot)
            del lot  # or it would live until the next one is whole
            yield rows, listed, words

    def _labels(self, ids: Sequence[str]) -> list[Column]:
        return self._book.columns([self._rows[asset_id] for asset_id in ids])

    def _dims(self, rows: int) -> Column:
        return Numbers(np.full(rows, self._space.dim), ">i4")

    def _copy(self, table: str, batches: Iterable[tuple[Sequence[str], Sequence[Column]]]) -> None:
        """Send rows while the next ones are read and packed."""
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY, FREEZE {})").format(
            sql.Identifier(table), sql.Literal(self._new)
        )
        pieces = (piece for ids, columns in batches for piece in pack_rows(ids, columns))
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(HEADER)
            for piece in read_ahead(pieces, AHEAD):
                copy.write(piece)
            copy.write(TRAILER)

    def _copy_text(self, table: str, rows: bytes) -> None:
        statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(rows)


def asset_row(asset: PublishedAsset, digest: str) -> Sequence[Value]:
    """A row of the table ``assets``; :func:`meshseek.store.read.rows.published_asset` reads it."""
    return (
        asset.asset_id,
        list(asset.captions_english),
        list(asset.captions_chinese),
        asset.model,
        None if asset.view_folder is None else str(asset.view_folder),
        list(asset.viewpoint_ids),
        json.dumps(dict(asset.attributes), ensure_ascii=False),
        digest,
    )


def _names(asset: Asset) -> list[str]:
    """What an asset is called as a whole, as somebody would type it."""
    captions = (*asset.captions_english, *asset.captions_chinese)
    heads = (re.split("[,，]", caption, maxsplit=1)[0] for caption in captions)
    whole = (*_strings(asset.attributes.get("name")), *captions, *heads)
    return [name for name in dict.fromkeys(map(as_name, whole)) if 0 < len(name) <= LONGEST_NAME]


def _word_texts(asset: Asset) -> tuple[str, str]:
    """What an asset is called, in any language: as it is, and its Chinese as pairs and last characters.

    Its id is there as a whole, by folders, and by words.
    """
    named = [value for name in ("name", "category", "tags") for value in _strings(asset.attributes.get(name))]
    whole = asset.asset_id
    ids = dict.fromkeys((whole, whole.replace("/", "\n"), re.sub(r"[\W_]+", " ", whole)))
    own = (*asset.captions_chinese, *asset.captions_english, *named, whole)
    pairs = " ".join((*map(bigrams, own), *map(last_characters, own)))
    return without_han("\n".join((*asset.captions_english, *named, *ids))), pairs


def _strings(value: object) -> list[str]:
    found = value if isinstance(value, list | tuple) else [value]
    return [own for own in found if isinstance(own, str)]
