"""What an algorithm's file ``planning.json`` says of it, for those who do not import it."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from meshseek.model import ViewCount

FILE: Final = "planning.json"
USUAL: Final[dict[str, Any]] = {
    "views": None,
    "together": False,
    "languages": ["english", "chinese"],
    "default": None,
    "default_on_gpu": None,
    "models": {},
}
"""Of an algorithm that says nothing of itself."""


def told_of(algorithm: str) -> dict[str, Any]:
    """The file of an algorithm, where it has one."""
    file = resources.files("meshseek.embedders").joinpath(algorithm, FILE)
    if not file.is_file():
        return USUAL
    told: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return told


def usual_views(algorithm: str, model: str | None = None) -> ViewCount:
    """How many views of each asset are embedded with a model, unless somebody says otherwise."""
    told = told_of(algorithm)
    return told["models"].get(model, {}).get("views", told["views"]) or "all"
