"""The gate of the API: lets a request in with its caller, or says why not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from meshseek.access.keys import ANYBODY, NOBODY, Caller, Scope, bearer
from meshseek.access.ring import KeyRing
from meshseek.errors import ForbiddenError, KeysError
from meshseek.interfaces.http.addresses import came_from, counted_as, is_local
from meshseek.interfaces.http.failures import error_answer
from meshseek.interfaces.http.hosts import are_for_here
from meshseek.interfaces.http.rates import Rates
from meshseek.settings import Settings

WITHOUT_KEY = frozenset({"/access", "/health", "/live", "/ready"})
"""What anybody may ask for."""
UNCOUNTED = frozenset({"/live", "/ready"})
"""What is never too often: a balancer that shares an address with others would take a service that is well for dead."""
SCOPE_OF: dict[str, Scope] = {"/metrics": "admin"}
"""What more than ``read`` is needed for, whatever is asked; what costs is told by the routes."""
CURE = "run 'meshseek keys add NAME' in its workspace, or set MESHSEEK_INSECURE=true if all of them may come in"


class Gate:
    """Says whether a key is needed, and whose a key is.

    Args:
        settings: Of the service.
        ring: Its keys.
    """

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        self.ring = ring
        self.insecure = settings.insecure
        self._only_here = are_for_here(settings.host, settings.allowed_hosts)

    def needs_key(self, scope: AsgiScope) -> bool:
        """Whether a request needs one: unless it was made on this machine to a service that is for this machine."""
        return not self.insecure and not (self._only_here and is_local(scope))


class Access:
    """Lets a request in with its caller, in ``scope["state"]``, or answers why not.

    Args:
        app: What is behind it.
        gate: Knows the keys.
        rates: Counts requests.
    """

    def __init__(self, app: ASGIApp, gate: Gate, rates: Rates) -> None:
        self.app = app
        self._gate = gate
        self._rates = rates
        self._writing: asyncio.Task[None] | None = None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass on what may be asked."""
        if scope["type"] != "http" or "caller" in scope.get("state", ()):  # the latter is asked by ourselves
            await self.app(scope, receive, send)
            return
        try:
            refusal = await self._refusal(scope)
        except KeysError:  # the ring has logged which, and why
            text = "the keys of this service cannot be read, so no key is let in; its log says why"
            refusal = error_answer(HTTPStatus.SERVICE_UNAVAILABLE, "keys", text)
        await (refusal or self.app)(scope, receive, send)

    async def _refusal(self, scope: AsgiScope) -> JSONResponse | None:
        """Why a request is not let in; None where it is."""
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(sent) > 1:
            return _unauthorized("there is more than one Authorization header; send one")
        address = counted_as(came_from(scope))
        caller = self._caller(scope, sent[0] if sent else None)
        if caller is None:
            return await self._too_many(self._rates.of_failures(address)) or _unauthorized(
                "this is no key, or one that has expired or was revoked; ask whoever runs the service for another",
                error="invalid_token",
            )
        refusal = await self._too_often(scope, caller, address)
        if refusal is None:
            refusal = self._forbidden(scope, caller)
        scope.setdefault("state", {})["caller"] = caller
        self._keep_when_used()
        return refusal

    def _caller(self, scope: AsgiScope, sent: bytes | None) -> Caller | None:
        """Who asks; None where what they sent is no good."""
        if sent is not None:
            text = bearer(sent)
            return None if text is None else self._gate.ring.caller(text)
        return NOBODY if self._gate.needs_key(scope) else ANYBODY

    async def _too_often(self, scope: AsgiScope, caller: Caller, address: str) -> JSONResponse | None:
        if _path(scope) in UNCOUNTED:
            return None
        if caller.key_id is not None:
            refusal = await self._too_many(self._rates.of_key(caller.key_id))
            if refusal is not None:
                return refusal
        if is_local(scope):
            return None
        return await self._too_many(self._rates.of_address(address, has_key=caller.key_id is not None))

    async def _too_many(self, counted: Awaitable[int | None]) -> JSONResponse | None:
        seconds = await counted
        if seconds is None:
            return None
        text = f"too many requests; the next one may be made in {seconds} s"
        answer = error_answer(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", text)
        answer.headers["Retry-After"] = str(seconds)
        return answer

    def _forbidden(self, scope: AsgiScope, caller: Caller) -> JSONResponse | None:
        path = _path(scope)
        wanted = SCOPE_OF.get(path, "read")
        if path in WITHOUT_KEY or caller.may(wanted):
            return None
        if caller.key_id is not None:
            return error_answer(HTTPStatus.FORBIDDEN, "forbidden", str(missing(wanted)))
        if self._gate.ring.is_empty():
            return error_answer(
                HTTPStatus.FORBIDDEN, "no_keys", f"this service can be reached by others, and has no keys; {CURE}"
            )
        return _unauthorized("this service needs a key; send it in the header 'Authorization: Bearer <key>'")

    def _keep_when_used(self) -> None:
        """Have it written when keys were last used, in a thread."""
        used = self._gate.ring.used
        if used.is_due():
            used.begin()
            self._writing = asyncio.ensure_future(asyncio.to_thread(used.write))


def _path(scope: AsgiScope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _unauthorized(message: str, error: str | None = None) -> JSONResponse:
    answer = error_answer(HTTPStatus.UNAUTHORIZED, "unauthorized", message)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="meshseek"' + (f', error="{error}"' if error else "")
    return answer


def missing(scope: Scope) -> ForbiddenError:
    """What is said where a key does not allow something."""
    return ForbiddenError(f"this needs a key with the scope '{scope}'; ask whoever runs the service for one")
