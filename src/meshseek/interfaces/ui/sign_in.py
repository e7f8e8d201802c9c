"""Signing in with a key, and out: two small pages that need neither scripts nor anything from elsewhere."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from meshseek.interfaces.ui.bodies import read_body
from meshseek.interfaces.ui.keys import Keys, Standing

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
FORM_BYTES = 10_000
FORM_SECONDS = 10
COOKIE_SECONDS = 12 * 60 * 60
"""How long a browser stays signed in."""
WAIT_SECONDS = 3
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
REASONS = {"refused": "Your key is no longer accepted. Please sign in with another one. 密钥已失效，请重新登录。"}
"""Why a visitor was led here, by the word in the address."""


def cookie_name(request: Request) -> str:
    """Over HTTPS one that neither another site of the same domain nor a plain connection can set."""
    return "__Host-meshseek" if request.url.scheme == "https" else "meshseek"


def key_of(request: Request) -> str | None:
    """The key that a browser keeps for its user."""
    return request.cookies.get(cookie_name(request))


def form(sentence: str = "", status: HTTPStatus = HTTPStatus.OK, again: int | None = None) -> Response:
    """The page to sign in on.

    Args:
        sentence: What is to be said first.
        status: Of the answer.
        again: Seconds after which the browser asks for the main page again; None to show the form.
    """
    page = _template().render(sentence=sentence, again=again)
    return HTMLResponse(page, status, {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})


def waiting(sentence: str) -> Response:
    """A page that leads back by itself, for a key of which nothing is known for the moment."""
    return form(sentence, HTTPStatus.SERVICE_UNAVAILABLE, again=WAIT_SECONDS)


async def sign_in(request: Request, keys: Keys) -> Response:
    """Take a key from the form: back to the page with a cookie if it is good, else the form again, and why.

    Raises:
        HTTPException: The form is too large, or comes too slowly.
    """
    given = parse_qs((await read_body(request, FORM_BYTES, FORM_SECONDS)).decode("utf-8", "replace"))
    key = "".join(given.get("key", [""])[0].split())  # what is copied from a message may be broken over lines
    standing = await keys.standing(key, anew=True)
    if standing.verdict != "good":
        if standing.verdict == "refused":
            return form(f"{standing.sentence} 密钥无效。", HTTPStatus.UNAUTHORIZED)
        return form(standing.sentence, HTTPStatus.SERVICE_UNAVAILABLE)
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    secure = request.url.scheme == "https"
    answer.set_cookie(
        cookie_name(request), key, COOKIE_SECONDS, path="/", secure=secure, httponly=True, samesite="strict"
    )
    return answer


def sign_out(request: Request) -> Response:
    """Forget the key."""
    return without_cookie(request, RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER))


def without_cookie(request: Request, answer: Response) -> Response:
    """Have the browser forget the key with this answer."""
    secure = request.url.scheme == "https"
    answer.delete_cookie(cookie_name(request), path="/", secure=secure, httponly=True, samesite="strict")
    return answer


def arrived(request: Request, standing: Standing) -> Response:
    """What is answered to whoever comes to sign in.

    Args:
        request: Of the page.
        standing: Of the key in the cookie.
    """
    if standing.verdict == "good":
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    if standing.verdict == "unknown":
        return waiting(standing.sentence)
    is_refused = standing.verdict == "refused"
    answer = form(REASONS.get("refused" if is_refused else request.query_params.get("reason", ""), ""))
    return without_cookie(request, answer) if is_refused else answer


@cache
def _template() -> Template:
    source = Path(__file__).with_name("sign_in.html").read_text("utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
