"""What the client is asked, as the API takes it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from meshseek.errors import InputError, UnreadableAssetError
from meshseek.untrusted.files import open_regular

Target = Literal["caption", "appearance", "words", "both"]
"""What to compare with: captions, views, exact words, or all of them together."""
Likeness = Literal["caption", "appearance", "both"]
"""By what assets are alike."""
Sort = Literal["name", "-name", "faces", "-faces", "size", "-size", "date", "-date"]
"""An order of the library: by name, faces, longest side or first import; with a minus backwards."""
Use = Literal["commercial", "modification", "changes", "no-credit"]
"""What somebody wants to do: earn money, pass on changed versions, name nobody."""
Relevance = Literal["strong", "fair", "weak"]
"""How well a result fits."""
QueryType = Literal["auto", "english", "chinese"]
"""The language of words; ``auto`` tells it by their script."""
Picture = str | os.PathLike[str] | bytes
"""Path of a picture, or what is in it."""
PICTURE_BYTES: Final = 30_000_000
"""More than the API takes, so that its own sentence is shown where a picture is only a little too large."""
FORM_NAME: Final = "picture"


class Part(TypedDict, total=False):
    """One part of a combined query: a text, a picture or an asset."""

    text: str
    image: Picture
    asset_id: str
    weight: float
    """1 where it is left out; negative for what is not wanted."""
    query_type: QueryType


class SearchOptions(TypedDict, total=False):
    """What a search may be asked beside the query; each has the API's name and meaning."""

    algorithm: str | Sequence[str]
    """Name of an embedding algorithm; several are fused."""
    query_type: QueryType
    """Language of the words."""
    target: Target | None
    """What to compare with."""
    cross_modal: bool
    """Compare words with views, a picture with captions."""
    top_k: int
    """Results, 1 to 200; 10 where it is left out."""
    offset: int
    """First result of the page."""
    others_only: bool
    """Leave out the assets that are named by ``like`` or ``asset_id``."""
    filters: Mapping[str, Any]
    """By field a word, a list of words, a number, ``{"min": ..., "max": ...}``, or ``{"not": ...}``; sizes in cm."""
    size: str
    """Prefer about this width x depth x height in cm, such as ``60x60x90``."""
    min_relevance: Relevance
    collapsed: bool
    """Assets that look the same count as one."""
    diverse: bool
    """Neighbours in the ranking differ."""
    facets: Sequence[str]
    """Fields whose values are to be counted."""
    explain: bool
    exact: bool
    """Compare with everything; needs a key with the scope ``write`` where keys are needed."""
    rerank: str
    """Let a model look at the first results again; likewise, and ``openai_vlm`` costs money."""


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without those that were not chosen: they are the API's to choose."""
    return {name: value for name, value in options.items() if value is not None}


def form(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the fields of a form."""
    return {name: json.dumps(value) if isinstance(value, Mapping) else value for name, value in given(options).items()}


def picture(image: Picture) -> bytes:
    """What is in a picture.

    Raises:
        InputError: It cannot be read, or is far too large.
    """
    if isinstance(image, bytes):
        return image
    path = Path(image)
    try:
        with open_regular(path) as file:
            content = file.read(PICTURE_BYTES + 1)
    except (OSError, ValueError, UnreadableAssetError) as error:  # ValueError: the path has a NUL
        told = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {told}; give the path of a picture") from error
    if len(content) > PICTURE_BYTES:
        raise InputError(f"{path} is far larger than the pictures that are taken; give one of at most 10 MB")
    return content


def part_body(part: Part) -> dict[str, Any]:
    """A part as JSON.

    Raises:
        InputError: Its picture cannot be read.
    """
    body: dict[str, Any] = given(part)
    if "image" in body:
        body["image"] = base64.b64encode(picture(body["image"])).decode()
    return body
