"""Who comes in: everybody where no key is needed, else whoever signed in with one."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.interfaces.http.addresses import is_local
from meshseek.interfaces.http.hosts import are_for_here
from meshseek.interfaces.ui.keys import ABSENT, Keys, Standing
from meshseek.interfaces.ui.refusals import refusal
from meshseek.interfaces.ui.sign_in import (
    SIGN_IN,
    SIGN_OUT,
    arrived,
    form,
    key_of,
    sign_in,
    sign_out,
)
from meshseek.interfaces.ui.visitors import Rooms, Visitor

LEAD_BACK = f"""<script>(() => {{
  const ask = window.fetch;
  window.fetch = async (...given) => {{
    const answer = await ask(...given);
    if (answer.status === 401) location.assign(answer.headers.get('location') || '{SIGN_IN}');
    return answer;
  }};
}})();</script>"""
"""Part of the page: where something is refused because a key is no good any longer, the browser goes to sign in."""


class Door:
    """Lets requests in with their visitor in ``scope["state"]``, or leads to the form.

    Args:
        app: What is behind it.
        keys: What the API says of keys.
        rooms: Of the visitors.
        host: Address that the page listens on.
        hosts: Names that the page is asked by, beside those of this machine.
        insecure: Whether it is open to whoever reaches it, unless the API needs keys.
    """

    def __init__(
        self, app: ASGIApp, keys: Keys, rooms: Rooms, host: str, *, hosts: Collection[str] = (), insecure: bool = False
    ) -> None:
        self.app = app
        self._keys = keys
        self._rooms = rooms
        self._insecure = insecure
        self._only_here = are_for_here(host, hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on whoever may come in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with suppress(ClientDisconnect):  # there is nobody to answer, and nothing to log
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            visitor = await self._visitor(request)
        except HTTPException as error:
            visitor = refusal(error)
        if isinstance(visitor, Response):
            await visitor(scope, receive, send)
            return
        scope.setdefault("state", {})["visitor"] = visitor
        await self.app(scope, receive, _Ending(self._keys, request, visitor, send))

    async def _visitor(self, request: Request) -> Visitor | Response:
        """Who asks; an answer where they go no further."""
        path, is_needed = request.url.path, await self._is_key_needed(request.scope)
        if path == SIGN_OUT:
            return sign_out(request)
        if not is_needed:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER) if path == SIGN_IN else Visitor()
        if path == SIGN_IN and request.method == "POST":
            return await sign_in(request, self._keys)
        key = key_of(request)
        standing = ABSENT if key is None else await self._keys.standing(key)
        if path == SIGN_IN:
            return arrived(request, standing)
        is_good = key is not None and standing.verdict == "good"
        return self._rooms.visitor(key or "", standing.name) if is_good else to_sign_in(request, standing)

    async def _is_key_needed(self, scope: Scope) -> bool:
        """Where others can reach the page, or the API says so."""
        if not self._insecure and not (self._only_here and is_local(scope)):
            return True
        return await self._keys.are_needed()


def to_sign_in(request: Request, standing: Standing) -> Response:
    """Lead a person to the form, and tell a script.

    A key that is refused stays with the browser until the form has said why: else whichever part of an open page is
    asked for first would take the reason along.
    """
    is_refused = standing.verdict == "refused"
    address = f"{SIGN_IN}?reason=refused" if is_refused else SIGN_IN
    if request.url.path != "/":
        headers = {"Location": address, "Cache-Control": "no-store"}
        return refusal(HTTPException(HTTPStatus.UNAUTHORIZED, "sign in first", headers))
    if request.headers.get("sec-fetch-site") == "cross-site":
        return form(again=0)  # a link from elsewhere: the browser sends the cookie when the page itself asks once more
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


class _Ending:
    """Turns an answer into a refusal where the API has said meanwhile that the visitor's key is no good."""

    def __init__(self, keys: Keys, request: Request, visitor: Visitor, send: Send) -> None:
        self._keys = keys
        self._request = request
        self._visitor = visitor
        self._send = send
        self._is_replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._visitor.is_refused:
            self._is_replaced = True
            self._keys.forget(self._visitor.key or "")
            answer = to_sign_in(self._request, Standing(verdict="refused"))
            await answer(self._request.scope, self._request.receive, self._send)
        elif not self._is_replaced:
            await self._send(message)
