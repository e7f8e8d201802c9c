"""The few routes that the page is made of; whatever else Gradio could do is closed."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.interfaces.ui.events import EVENT, HEARTBEAT
from meshseek.interfaces.ui.refusals import refusal
from meshseek.interfaces.ui.sign_in import SIGN_IN, SIGN_OUT
from meshseek.interfaces.ui.uploads import UPLOAD

TILES, MODELS, ZIP = "/tiles/", "/models/", "/basket.zip"
FILE = "/gradio_api/file="
APP_ID = "/gradio_api/app_id"
"""By it an open page learns that the server was started anew, and loads itself again."""
READ, SENT = frozenset({"GET", "HEAD"}), frozenset({"POST"})
PATHS = {
    **dict.fromkeys(("/", "/theme.css", "/favicon.ico", APP_ID), READ),
    **dict.fromkeys((EVENT, UPLOAD, ZIP, SIGN_OUT), SENT),
    SIGN_IN: READ | SENT,
}
PREFIXES = ("/assets/", "/static/", TILES, MODELS, FILE, HEARTBEAT)
"""Only ever read."""
UNTOLD = frozenset({b"x-forwarded-host", b"x-gradio-server", b"x-forwarded-prefix"})
"""Headers by which anybody could tell Gradio where it is."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Whatever a model or a caption says, the browser contacts this server alone."""
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"referrer-policy", b"same-origin"),  # with no-referrer, browsers do not tell where a form comes from
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Routes:
    """Answers what the page needs, with 404 otherwise, and puts security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the page needs."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                message["headers"] = headers + [pair for pair in HEADERS if pair[0] not in present]
            await send(message)

        if not is_open(scope["method"], scope["path"]):
            error = HTTPException(HTTPStatus.NOT_FOUND, "there is no such page")
            await refusal(error)(scope, receive, send_with_headers)
            return
        plain = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in UNTOLD]}
        if scope["path"] == "/":
            plain["query_string"] = b""  # Gradio would load a state that is named there
        await self.app(plain, receive, send_with_headers)


def is_open(method: str, path: str) -> bool:
    """Whether the page needs this."""
    return method in PATHS.get(path, ()) or (method in READ and path.startswith(PREFIXES))
