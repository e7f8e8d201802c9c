"""Meshseek: a search engine for 3D assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meshseek.client import Client as Client

__version__ = "0.1.0"
__all__ = ["Client", "__version__"]


def __getattr__(name: str) -> Any:
    """The client, imported when it is asked for: commands need none of what it needs."""
    if name != "Client":
        raise AttributeError(f"module 'meshseek' has no attribute '{name}'")
    from meshseek.client import Client  # noqa: PLC0415

    return Client
