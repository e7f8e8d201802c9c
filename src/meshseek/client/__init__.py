"""Meshseek from Python: a running service asked over HTTP. Begin with :class:`Client`."""

from __future__ import annotations

from meshseek.client.answers import (
    Asset,
    AssetPage,
    Attribution,
    CatalogueAsset,
    Collected,
    Credit,
    Facet,
    Health,
    Listed,
    Result,
    SearchAnswer,
)
from meshseek.client.client import Client
from meshseek.client.questions import Likeness, Part, QueryType, Relevance, SearchOptions, Sort, Target, Use
from meshseek.client.standing import Status

__all__ = [
    "Asset",
    "AssetPage",
    "Attribution",
    "CatalogueAsset",
    "Client",
    "Collected",
    "Credit",
    "Facet",
    "Health",
    "Likeness",
    "Listed",
    "Part",
    "QueryType",
    "Relevance",
    "Result",
    "SearchAnswer",
    "SearchOptions",
    "Sort",
    "Status",
    "Target",
    "Use",
]
