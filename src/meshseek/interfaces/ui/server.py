"""Serving the page: the address, and bounds on connections."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from meshseek.errors import ServiceError
from meshseek.interfaces.http.protocol import BoundedProtocol
from meshseek.interfaces.ui import PageOptions
from meshseek.interfaces.ui.app import create_app

GRACE_SECONDS = 1
"""How long open pages may keep the service from stopping; each of them holds a connection."""
MOST_CONNECTIONS = 500
IDLE_SECONDS = 15
"""How long a connection may wait for its next request."""


def serve(options: PageOptions, folder: Path) -> None:
    """Serve the page until told to stop.

    Raises:
        ServiceError: The address cannot be listened on.
    """
    app = create_app(options, folder)
    with _listening(options.host, options.port) as listener:
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            log_level="error",
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = uvicorn.Server(config)
        logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)  # pages are cut off then
        server.run(sockets=[listener])


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ServiceError(
            f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}; choose another --port"
        ) from error
    with listener:
        yield listener
