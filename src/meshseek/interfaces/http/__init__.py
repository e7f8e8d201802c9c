"""The HTTP API; start it with ``uvicorn --factory meshseek.interfaces.http:create_app``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from meshseek.bootstrap import Meshseek

__all__ = ["create_app"]


def create_app(meshseek: Meshseek | None = None) -> FastAPI:
    """Make the API.

    Args:
        meshseek: Everything it needs; None to read the settings.
    """
    from meshseek.interfaces.http.app import create_app as create  # noqa: PLC0415  # the page needs hosts alone

    return create(meshseek)
