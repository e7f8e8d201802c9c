"""The panel of one asset: all that is known of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from meshseek.collecting.names import readable
from meshseek.interfaces.ui.address import Part, State
from meshseek.interfaces.ui.answers import Asset, Listed, Result
from meshseek.interfaces.ui.commands import CLI, asset_commands, search_commands
from meshseek.interfaces.ui.tiles_shown import fit, tile_picture
from meshseek.interfaces.ui.wording import LABELLED, Wording
from meshseek.licences import terms
from meshseek.sizes import size_of

STRIP: Final = 96
"""Side of the small pictures of all views."""
MOST_COPIES: Final = 8
LONG: Final = 10
"""Centimetres from which on their fractions are left out."""
PERSON_CM: Final = 170.0
TALL: Final = 58.0
"""Units of the drawing that the taller one, thing or person, takes."""
LEAST: Final = 0.8
"""Units below which a thing would not be seen."""
WIDEST: Final = 90.0


def panel(
    state: State, wording: Wording, asset: Asset, listed: Listed | None, api_url: str, otherwise: str | None = None
) -> dict[str, Any]:
    """What the panel shows.

    Args:
        state: Of the page.
        wording: What is written in it.
        asset: The one that was chosen.
        listed: The result by which it was, where there is one.
        api_url: Where the API is, for commands.
        otherwise: The algorithm that they name where the address names none; None leaves the choice to the API.
    """
    words, relevance = fit(listed, wording) if listed else ("", "")
    like = Part(kind="like", value=asset.asset_id)
    alone = State(parts=(like,), algorithm=state.algorithm, asset=asset.asset_id)
    asked = replace(state, algorithm=state.algorithm or otherwise or "")
    searches, assets = search_commands(api_url, asked), asset_commands(api_url, asset.asset_id)
    said = [
        {"name": wording(key, how=wording("panel.cli") if how == CLI else how), "text": text}
        for key, commands in (("panel.this_asset", assets), ("panel.this_search", searches))
        for how, text in commands.items()
    ]
    return {
        "id": asset.asset_id,
        "captions": _captions(asset, wording),
        "views": _views(state, asset, shown_view(state, asset, listed)),
        "download": f"/models{asset.model_url}" if asset.model_url else "",
        "file": f"{readable(asset.asset_id.rpartition('/')[2])}.glb",
        "alike": {name: alone.link(target=name) for name in ("appearance", "caption")},
        "add": state.link(parts=(*state.parts, replace(like, weight=1.0)), sort="", place=""),
        "fit": words,
        "relevance": relevance,
        "facts": _facts(asset.attributes, wording),
        "copies": _copies(state, listed),
        "every_copy": state.link(copies=True),
        "size": size(asset.attributes, wording),
        "person": beside_person(asset.attributes),
        "licence": _licence(asset.attributes.get("licence"), wording),
        "commands": said,
    }


def shown_view(state: State, asset: Asset, listed: Listed | None) -> int | None:
    """The viewpoint that the asset is seen from: the chosen one, else the one that matched, else the first."""
    for viewpoint in (state.view, listed.viewpoint_id if listed else None):
        if viewpoint in asset.viewpoint_ids:
            return viewpoint
    return next(iter(asset.viewpoint_ids), None)


def view_url(asset: Asset, viewpoint: int | None) -> str | None:
    """Address of a view."""
    return (
        dict(zip(asset.viewpoint_ids, asset.view_urls, strict=False)).get(viewpoint) if viewpoint is not None else None
    )


def size(attributes: Mapping[str, Any], wording: Wording) -> str:
    """Width, depth and height, and how sure their unit is where nobody states it."""
    known = size_of(attributes)
    if known is None:
        return ""
    if not known.is_known:
        return wording("size.unknown", size=" × ".join(f"{side:.3g}" for side in known.sides))
    width, depth, height = (f"{side:.{0 if side >= LONG else 1}f}" for side in known.sides)
    return wording("size.likely" if known.is_likely else "size.sure", width=width, depth=depth, height=height)


def beside_person(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """A drawing of the thing's front beside a person of 1.70 m, in units of which the taller one has :data:`TALL`."""
    known = size_of(attributes)
    if known is None or not known.is_known or min(known.sides) <= 0:
        return None
    width, _, height = known.sides
    unit = min(TALL / max(PERSON_CM, height), WIDEST / width)
    tall, thing = PERSON_CM * unit, (max(width * unit, LEAST), max(height * unit, LEAST))
    head, ground = tall * 0.075, 59.0
    top = ground - tall
    half, hip = tall * 0.13, ground - tall * 0.47
    shoulder = top + head * 2.3
    figure = (
        f"M{8 - half:.2f} {shoulder:.2f}Q8 {shoulder - head * 0.6:.2f} {8 + half:.2f} {shoulder:.2f}"
        f"L{8 + half * 0.9:.2f} {hip:.2f}H{8 + half * 0.7:.2f}L{8 + half * 0.6:.2f} {ground:.2f}"
        f"H{8 - half * 0.6:.2f}L{8 - half * 0.7:.2f} {hip:.2f}H{8 - half * 0.9:.2f}Z"
    )
    return {
        "width": round(20 + thing[0]),
        "head": round(top + head, 2),
        "radius": round(head, 2),
        "figure": figure,
        "x": 18.0,
        "y": round(ground - thing[1], 2),
        "w": round(thing[0], 2),
        "h": round(thing[1], 2),
    }


def _captions(asset: Asset, wording: Wording) -> list[tuple[str, str]]:
    """The first one of each language, with its name; the user's language comes first."""
    said = [(next(iter(asset.captions_en), ""), "en"), (next(iter(asset.captions_zh), ""), "zh")]
    return [each for each in (reversed(said) if wording.chinese else said) if each[0]]


def _views(state: State, asset: Asset, chosen: int | None) -> list[dict[str, Any]]:
    return [
        {"link": state.link(view=viewpoint), "picture": tile_picture(url, STRIP), "chosen": viewpoint == chosen}
        for viewpoint, url in zip(asset.viewpoint_ids, asset.view_urls, strict=False)
    ]


def _copies(state: State, listed: Listed | None) -> list[tuple[str, str]]:
    """The first assets that stand behind a result because they look the same, with where they are shown."""
    copies = listed.duplicates if isinstance(listed, Result) else ()
    return [(each, state.link(asset=each, view=None)) for each in copies[:MOST_COPIES]]


def _facts(attributes: Mapping[str, Any], wording: Wording) -> list[tuple[str, str]]:
    names = ("category", "library", "faces", "tags", "creator")
    said = [(wording(f"field.{name}"), _told(name, attributes.get(name), wording)) for name in names]
    return [(name, value) for name, value in said if value]


def _told(name: str, value: Any, wording: Wording) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    words = [str(each) for each in (value if isinstance(value, list) else [value]) if each]
    return wording("list").join(wording.label(each) if name in LABELLED else each for each in words)


def _licence(name: Any, wording: Wording) -> dict[str, Any] | None:
    """What the licence permits, in plain words; nothing is claimed of one that is not known."""
    if not name:
        return None
    told = terms(str(name))
    lines = [
        {"kind": "yes" if each in told.permits else "no", "text": wording(f"licence.{each}.{each in told.permits}")}
        for each in ("commercial", "changes")
    ]
    lines += [{"kind": "no", "text": wording(f"licence.{each}")} for each in told.demands]
    lines += [] if told.demands else [{"kind": "yes", "text": wording("licence.free")}]
    plainly = lines if told.is_known else [{"kind": "unknown", "text": wording("licence.unknown")}]
    return {"name": str(name), "url": told.url or "", "plainly": plainly}
