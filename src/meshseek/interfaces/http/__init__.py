"""The HTTP API; start it with ``uvicorn --factory meshseek.interfaces.http:create_app``."""

from meshseek.interfaces.http.app import create_app

__all__ = ["create_app"]
