"""Meshseek from Python: a running service asked over HTTP. Begin with :class:`Client`."""

from __future__ import annotations

from meshseek.client.answers import (
    Asset,
    AssetPage,
    Attribution,
    Facet,
    Health,
    Listed,
    Result,
    SearchAnswer,
    Status,
)
from meshseek.client.client import Client
from meshseek.client.questions import Part, SearchOptions

__all__ = [
    "Asset",
    "AssetPage",
    "Attribution",
    "Client",
    "Facet",
    "Health",
    "Listed",
    "Part",
    "Result",
    "SearchAnswer",
    "SearchOptions",
    "Status",
]
