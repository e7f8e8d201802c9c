"""By which names the API may be asked, from which websites, and what browsers may do with its answers.

A website that a user visits can make the browser ask a service on the same machine or network. Three rules keep it out:
a name in ``Host`` that is not ours is refused, since DNS can lead any name here (rebinding); so is what a browser says
comes from another website; and no answer may be read, framed, or run by one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.interfaces.http.addresses import address, arrived_at, is_loopback
from meshseek.interfaces.http.failures import error_answer

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]{0,5})?")
_ASKED = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"})
_SAFE = frozenset({"GET", "HEAD"})

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_JSON_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_FILE_POLICY = b"sandbox; default-src 'none'; frame-ancestors 'none'"


def are_for_here(host: str, hosts: Collection[str]) -> bool:
    """Whether a service that listens on an address, and is asked by names, is for this machine alone."""
    return is_loopback(host) and LOOPBACK_NAMES.issuperset(hosts)


class Hosts:
    """Refuses what was asked under a foreign name or by a foreign website, and puts headers on every answer.

    Args:
        app: What is behind it.
        hosts: Names beside those of this machine and the address that a connection was made to.
        origins: Websites that may ask.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self.app = app
        self._hosts = frozenset(hosts)
        self._endings = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._origins = frozenset(origin.encode() for origin in origins)
        shared = b"cross-origin" if origins else b"same-origin"
        self._always = (*_ALWAYS, (b"cross-origin-resource-policy", shared))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be asked."""
        if scope["type"] == "websocket":  # there are none, and no rule here is made for them
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._with_headers(scope, list(message.get("headers", ())))
            await send(message)

        asked = [(name, value) for name, value in scope["headers"] if name in _ASKED]
        heads = dict(asked)
        if len(heads) < len(asked) or not self._is_ours(heads.get(b"host", b""), scope):
            text = "this service is not known by that name; name it in MESHSEEK_ALLOWED_HOSTS, or use its address"
            answer = error_answer(HTTPStatus.BAD_REQUEST, "unknown_host", text)
            await answer(scope, receive, send_with_headers)
        elif self._is_foreign(heads, scope["method"]):
            text = "pages of other websites may not ask this service; name theirs in MESHSEEK_ALLOWED_ORIGINS"
            answer = error_answer(HTTPStatus.FORBIDDEN, "foreign_origin", text)
            await answer(scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)

    def _is_ours(self, host: bytes, scope: Scope) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].decode("ascii").lower().removesuffix(".")
        if name in LOOPBACK_NAMES or name in self._hosts or name.endswith(self._endings or ("\0",)):
            return True
        asked = address(name)
        return asked is not None and asked == address(arrived_at(scope))

    def _is_foreign(self, heads: Mapping[bytes, bytes], method: str) -> bool:
        """Whether a browser says that the page of another website asks.

        Where it says so in ``Sec-Fetch-Site``, no page can have had it say anything else. Browsers send that header to
        https and loopback addresses only, and ``Origin`` with whatever may change or cost something.
        """
        origin, site = heads.get(b"origin"), heads.get(b"sec-fetch-site")
        if site in {b"same-origin", b"none"} or (origin is not None and origin.lower() in self._origins):
            return False
        if origin is not None:
            return origin.partition(b"://")[2].lower() != heads[b"host"].lower()
        followed = heads.get(b"sec-fetch-mode") == b"navigate" and heads.get(b"sec-fetch-dest") == b"document"
        return site == b"cross-site" and not (followed and method in _SAFE)

    def _with_headers(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower(): value for name, value in headers}
        added = [pair for pair in self._always if pair[0] not in present]
        if b"content-security-policy" not in present:
            is_json = present.get(b"content-type", b"").startswith(b"application/json")
            added.append((b"content-security-policy", _JSON_POLICY if is_json else _FILE_POLICY))
        caller = scope.get("state", {}).get("caller")
        if caller is not None and caller.key_id is not None:  # no cache that others share may keep it
            rest = b", " + present[b"cache-control"] if b"cache-control" in present else b""
            headers = [pair for pair in headers if pair[0].lower() != b"cache-control"]
            added.append((b"cache-control", b"private" + rest))
        return headers + added
