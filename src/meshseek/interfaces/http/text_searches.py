"""Searches by words, past the framework: what most requests ask for is answered without its share of the time."""

from __future__ import annotations

import json
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshseek.bootstrap import Meshseek
from meshseek.errors import MeshseekError
from meshseek.interfaces.http.failures import refusal
from meshseek.interfaces.http.routes import search_text
from meshseek.interfaces.http.schemas import FIELD_BYTES, TextSearch
from meshseek.interfaces.http.threads import Threads


class TextSearches:
    """Answers ``POST /search/text`` by the function of that route, without the framework around it.

    Whatever else a request may be (of another form, in parts, too large, or wrong) is passed on to the route, whose
    answer it gets.

    Args:
        app: Has the route.
        meshseek: Answers searches.
        threads: In which it does.
    """

    path = "/search/text"

    def __init__(self, app: ASGIApp, meshseek: Meshseek, threads: Threads) -> None:
        self.app = app
        self._meshseek = meshseek
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a search, or pass on."""
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        scope["route"] = self  # as the framework does it: this is how a request is known in figures and the log
        message = await receive()
        search = _search_in(scope, message)
        if search is None:
            await self.app(scope, _from(message, receive), send)
            return
        try:
            answer = await self._threads.run(partial(search_text, self._meshseek, scope["state"]["caller"], search))
        except MeshseekError as error:
            answer = refusal(scope, error)
        await answer(scope, receive, send)


def _search_in(scope: Scope, message: Message) -> TextSearch | None:
    """What is asked for; None where the framework has to look at it, which says what is wrong."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), None)
    body: bytes = message.get("body", b"")
    is_plain = kind == b"application/json" and not scope["query_string"]
    if not is_plain or not body or message.get("more_body") or len(body) > FIELD_BYTES:
        return None
    try:
        return TextSearch.model_validate(json.loads(body))  # the same steps as the framework's
    except (ValueError, RecursionError):
        return None


def _from(message: Message, receive: Receive) -> Receive:
    """Gives a message that was taken once more, and then those that follow."""
    taken = [message]

    async def again() -> Message:
        return taken.pop() if taken else await receive()

    return again
