"""The values that every layer shares: frozen, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Language = Literal["english", "chinese"]
LANGUAGES: tuple[Language, ...] = ("english", "chinese")

Role = Literal["query", "document"]

ViewCount = int | Literal["all"]
"""How many views of each asset; where it has more they are taken at even distances."""

Attributes = Mapping[str, Any]
"""JSON values by field name; some can be filtered on."""

LABEL_FIELDS = ("category", "creator", "library", "licence", "permits", "tags")
"""Fields that hold words; ``permits`` is what the licence allows, ``library`` where the asset was imported from."""
NUMBER_FIELDS = ("faces", "width", "depth", "height")
"""Fields that hold numbers; sizes in centimetres."""
FILTER_FIELDS = (*LABEL_FIELDS, *NUMBER_FIELDS)


Certainty = Literal["stated", "likely", "unknown"]
"""How sure we are of the unit of a size: the dataset says it, the numbers suit a thing in metres, or neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What assets must be like: one field of :data:`FILTER_FIELDS` with values, or within bounds."""

    field: str
    values: tuple[str, ...] = ()
    """Words of which the field must hold one."""
    minimum: float | None = None
    maximum: float | None = None
    negated: bool = False
    """Assets that the rest lets through are left out, and only they."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSet:
    """The rendered pictures of one asset, in the G-Objaverse layout."""

    folder: Path
    """Holds ``NNNNN/NNNNN.png`` and ``NNNNN/NNNNN.json`` for each viewpoint."""
    viewpoint_ids: tuple[int, ...]
    fingerprint: str
    """Changes when any of the pictures may have changed."""
    root: Path | None = None
    """Where the pictures must really lie, whatever links lead to; None for the folder itself."""
    stamps: bytes = b""
    """Size and time of each picture, in the order of the viewpoints, where pictures change one by one; else nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One 3D object as a dataset describes it."""

    asset_id: str
    """Stable and unique in the workspace; may hold ``/``, never ``..``; also names the asset's files."""
    fingerprint: str
    """Changes when anything about the source of the asset changes; import knows finished work by it."""
    captions_english: tuple[str, ...] = ()
    """The first one is shown; all of them are embedded, and their mean is the asset's caption vector."""
    captions_chinese: tuple[str, ...] = ()
    model: str | None = None
    """Path of the GLB below the workspace's ``models`` folder, and below ``BASE_URL``."""
    model_fingerprint: str | None = None
    """Changes when the GLB does, and not with the captions; None where it is not in the workspace."""
    model_bytes: int | None = None
    """Size of the GLB; None where it is not in the workspace."""
    views: ViewSet | None = None
    """Views that came with the dataset; None where the render stage has to make them."""
    attributes: Attributes = field(default_factory=dict)
    library: str = ""
    """Name of its library; empty in a workspace that does not tell its libraries apart."""
    added: int | None = None
    """When it was first imported, in seconds since 1970; None where an older Meshseek did that."""


CaptionBasis = Literal["own_language", "all_texts"]
"""What the caption vector of a language is made from: the captions of that language, or all :class:`AssetTexts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTexts:
    """What an asset is called."""

    name: str = ""
    """As in the attribute ``name``; empty where it has none."""
    english: tuple[str, ...] = ()
    """Its English captions."""
    chinese: tuple[str, ...] = ()
    """Its Chinese captions."""

    @classmethod
    def of(cls, asset: Asset | PublishedAsset) -> AssetTexts:
        """The texts of an asset that was read with its captions and attributes."""
        name = asset.attributes.get("name")
        return cls(
            name=name.strip() if isinstance(name, str) else "",
            english=asset.captions_english,
            chinese=asset.captions_chinese,
        )

    def captions(self, language: Language) -> tuple[str, ...]:
        """The captions of one language."""
        return self.english if language == "english" else self.chinese


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedAsset:
    """An asset as a database has it."""

    asset_id: str
    captions_english: tuple[str, ...] = ()
    captions_chinese: tuple[str, ...] = ()
    model: str | None = None
    """As in :class:`Asset`."""
    view_folder: Path | None = None
    """Where the views are, below the workspace unless it is absolute; None where there are none."""
    viewpoint_ids: tuple[int, ...] = ()
    attributes: Attributes = field(default_factory=dict)
    version: str = ""
    """Changes whenever anything of the asset is published otherwise than before."""

    @classmethod
    def of(cls, asset: Asset) -> PublishedAsset:
        """What is published of an asset."""
        return cls(
            asset_id=asset.asset_id,
            captions_english=asset.captions_english,
            captions_chinese=asset.captions_chinese,
            model=asset.model,
            view_folder=asset.views.folder if asset.views else None,
            viewpoint_ids=asset.views.viewpoint_ids if asset.views else (),
            attributes=asset.attributes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Where vectors are comparable. Two spaces that differ in any field must never meet."""

    embedder: str
    model: str
    revision: str
    dim: int
    preprocessing: str

    def __str__(self) -> str:
        return f"{self.embedder}:{self.model}@{self.revision} ({self.dim}-d, {self.preprocessing})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What paid work would take, told before anything is sent."""

    service: str
    """Model and host."""
    items: int
    requests: int
    input_tokens: int
    output_tokens: int
    price: float | None
    """In yuan (CNY); None where the model's price is not known."""
    seconds: float

    def __add__(self, other: Estimate) -> Estimate:
        prices = (self.price, other.price)
        return Estimate(
            service=self.service,
            items=self.items + other.items,
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            price=None if None in prices else sum(price for price in prices if price is not None),
            seconds=self.seconds + other.seconds,
        )

    def __str__(self) -> str:
        price = "price not known" if self.price is None else f"about {self.price:,.2f} CNY"
        tokens = f"about {self.input_tokens:,} tokens in and {self.output_tokens:,} out"
        minutes = f"about {max(1, round(self.seconds / 60)):,} min"
        return f"{self.service}: {self.items:,} items in {self.requests:,} requests, {tokens}, {price}, {minutes}"


Relevance = Literal["strong", "fair", "weak"]
RELEVANCES: tuple[Relevance, ...] = ("strong", "fair", "weak")
"""The best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """An asset in a ranking, before anything of it is looked up."""

    asset_id: str
    score: float
    """Cosine with the query, rank of its words, or a sum of standard scores: comparable within one ranking only."""
    viewpoint_id: int | None = None
    """The view that matched best; None where views were not compared one by one."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the score rests on: raw figures by the name of the part, as in ``caption`` or ``words``."""
    is_named: bool = False
    """Whether the words of the query are its id or its whole name: it stands before those that are merely alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextShare:
    """One of the texts that an asset's caption vector is made of."""

    text: str
    gave: float
    """Its part of the cosine with the query; those of all texts add up to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One asset of an answer."""

    asset_id: str
    score: float
    """As in :class:`Ranked`."""
    viewpoint_id: int | None
    """The view that matched best; None where captions were searched."""
    thumbnail: int | None
    """The view to show: the one that matched, else the first; None where there are no views."""
    caption_english: str | None
    caption_chinese: str | None
    model: str | None
    attributes: Attributes
    view_folder: Path | None = None
    """As in :class:`PublishedAsset`."""
    version: str = ""
    """Changes whenever anything of the asset is published otherwise than before."""
    relevance: Relevance = "fair"
    """How well it fits, as the scores of this library are to be read."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """As in :class:`Ranked`."""
    texts: tuple[TextShare, ...] = ()
    """What each text of its caption vector gave, where that was asked for and costs nothing."""
    duplicates: tuple[str, ...] = ()
    """Ids of assets further down that look just like it, where they were asked to be collapsed into it."""

    @classmethod
    def of(
        cls, ranked: Ranked, asset: PublishedAsset, relevance: Relevance = "fair", duplicates: tuple[str, ...] = ()
    ) -> Hit:
        """A ranked asset with what is shown of it."""
        return cls(
            asset_id=ranked.asset_id,
            score=ranked.score,
            viewpoint_id=ranked.viewpoint_id,
            thumbnail=next(iter(asset.viewpoint_ids), None) if ranked.viewpoint_id is None else ranked.viewpoint_id,
            caption_english=next(iter(asset.captions_english), None),
            caption_chinese=next(iter(asset.captions_chinese), None),
            model=asset.model,
            attributes=asset.attributes,
            view_folder=asset.view_folder,
            version=asset.version,
            relevance=relevance,
            parts=ranked.parts,
            duplicates=duplicates,
        )
