"""The page as a web service of its own."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.errors import ServiceError
from meshseek.interfaces.ui.blocks import build
from meshseek.interfaces.ui.theme import theme

STYLE = Path(__file__).with_name("style.css")
LARGEST_UPLOAD = "30mb"
"""Above what the API takes, so that the API's own sentence is shown for pictures that are only a little too large."""
GRACE_SECONDS = 1
"""How long open pages may keep the service from stopping; each of them holds a connection."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'self'"
)
"""Whatever a model or a caption says, the browser contacts this server alone."""


class StayHere:
    """Adds the policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; only the head of an answer is changed."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        await self.app(scope, receive, send_with_policy)


def create_app(api_url: str, folder: Path) -> FastAPI:
    """Make the web service.

    Args:
        api_url: Where the API is.
        folder: A private folder for what the page shows.
    """
    app = FastAPI(openapi_url=None)
    app.add_middleware(StayHere)
    gr.mount_gradio_app(
        app,
        build(api_url, folder),
        path="/",
        theme=theme(),
        css_paths=STYLE,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        max_file_size=LARGEST_UPLOAD,
    )
    return app


def serve(host: str, port: int, api_url: str) -> None:
    """Serve the page until told to stop.

    Raises:
        ServiceError: The address cannot be listened on.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the folder is removed then, too
    with suppress(KeyboardInterrupt), TemporaryDirectory(prefix="meshseek-ui-") as folder:
        shown, uploads = Path(folder).resolve() / "shown", Path(folder).resolve() / "uploads"
        shown.mkdir()
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)
        app = create_app(api_url, shown)
        with _listening(host, port) as listener:
            config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=GRACE_SECONDS)
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
