"""Whom to name for an asset, what its licence says, and what of it is warned of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshseek.collecting.names import file_names
from meshseek.errors import BasketError
from meshseek.licences import USES, Terms, terms
from meshseek.model import PublishedAsset
from meshseek.untrusted.text import plain

MODELS = "models"
"""Folder of the models beside the attribution."""
GONE = "there is no such asset any longer"
NO_MODEL = "it has no model"
LONGEST = 300
"""Characters of what an asset says of itself; the rest is left out."""
_NOT_ALLOWED = {
    "commercial": "does not allow commercial use",
    "modification": "does not allow changed versions to be passed on",
    "no-credit": "does not allow its creator to go unnamed",
}
_NOT_KNOWN = {
    "commercial": "commercial use is allowed",
    "modification": "changed versions may be passed on",
    "no-credit": "its creator may go unnamed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One asset of a basket. Its texts are of one line and without orders for terminals, but not escaped otherwise."""

    asset_id: str
    title: str
    file: str
    """Of its model, beside the attribution."""
    creator: str = ""
    """Empty where nobody is named."""
    terms: Terms = field(default_factory=lambda: terms(""))
    source: str = ""
    """Address or name of where it comes from; empty where that is not known."""
    missing: str | None = None
    """Why its model is not there; None where it is."""

    @property
    def line(self) -> str:
        """What to write where the asset is shown: title, creator, licence, source."""
        parts = [f"{self.title} by {self.creator or 'an unnamed creator'}"]
        parts += [self.terms.licence or "no licence stated"]
        parts += [part for part in (self.terms.url, self.source) if part]
        return ", ".join(parts)


def checked_ids(asset_ids: Iterable[str], most: int | None = None) -> list[str]:
    """The assets that are asked for, each once.

    Args:
        asset_ids: Theirs.
        most: How many there may be; None for no bound.

    Raises:
        BasketError: There is none, or there are too many.
    """
    ids = list(dict.fromkeys(asset_ids))
    if not ids:
        raise BasketError("the basket is empty; name at least one asset")
    if most is not None and len(ids) > most:
        raise BasketError(f"there are {len(ids):,} assets in the basket; take at most {most:,} at a time")
    return ids


def checked_uses(uses: Iterable[str]) -> tuple[str, ...]:
    """What somebody wants to do, each once.

    Raises:
        BasketError: A use is not known.
    """
    asked = tuple(dict.fromkeys(uses))
    for use in asked:
        if use not in USES:
            raise BasketError(f"there is no use '{use}'; choose one of: {', '.join(USES)}")
    return asked


def credits_of(
    asset_ids: Sequence[str], assets: Mapping[str, PublishedAsset], missing: Mapping[str, str] | None = None
) -> list[Credit]:
    """Whom to name, in the order of the ids.

    Args:
        asset_ids: Each once.
        assets: Those that are there.
        missing: Why models are not there, by asset.
    """
    files = file_names(asset_ids)
    return [
        _credit(asset_id, assets.get(asset_id), f"{MODELS}/{files[asset_id]}.glb", (missing or {}).get(asset_id))
        for asset_id in asset_ids
    ]


def warnings_of(credits_: Iterable[Credit], uses: Sequence[str]) -> list[str]:
    """What to mind, a sentence each: licences that forbid a use or say nothing of it, and names that are lacking."""
    return [warning for credit in credits_ if credit.missing != GONE for warning in _warnings(credit, uses)]


def _warnings(credit: Credit, uses: Sequence[str]) -> Iterable[str]:
    asset, licence = plain(credit.asset_id), credit.terms.licence
    for use in uses:
        verdict = credit.terms.verdict(use)
        if verdict == "forbidden":
            yield f"'{asset}': its licence {licence} {_NOT_ALLOWED[use]}"
        elif verdict == "unknown":
            why = f"its licence '{licence}' is not known here; read it, or" if licence else "no licence is stated;"
            yield f"'{asset}': nothing says that {_NOT_KNOWN[use]}: {why} ask the creator"
    if not uses and not licence:
        yield f"'{asset}': no licence is stated; ask the creator before you use it"
    if "credit" in credit.terms.demands and not credit.creator:
        yield f"'{asset}': its licence {licence} demands that the creator is named, but who that is is not stated"


def _credit(asset_id: str, asset: PublishedAsset | None, file: str, missing: str | None) -> Credit:
    if asset is None:
        return Credit(asset_id=asset_id, title=_text(asset_id), file=file, missing=GONE)
    said = asset.attributes
    captions = (*asset.captions_english, *asset.captions_chinese)
    return Credit(
        asset_id=asset_id,
        title=_first(said.get("name"), said.get("title"), *captions, asset_id),
        creator=_first(said.get("creator"), said.get("author")),
        terms=terms(_first(said.get("licence"))),
        source=_first(said.get("source"), said.get("url"), said.get("library")),
        file=file,
        missing=missing or (NO_MODEL if asset.model is None else None),
    )


def _first(*values: Any) -> str:
    """The first that says something."""
    return next((text for text in map(_text, values) if text), "")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(str(each) for each in value)
    return " ".join(plain(str(value)).split())[:LONGEST] if isinstance(value, str | int | float) else ""
