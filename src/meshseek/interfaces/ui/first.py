"""What stands first in the page: its script, which Gradio would run only after it has chosen a language itself."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BEGIN = b"<head>"
LENGTH, COMPRESSION = b"content-length", b"accept-encoding"


class First:
    """Puts a piece of HTML at the beginning of the page's head.

    Args:
        app: What is behind it.
        piece: What is put there.
    """

    def __init__(self, app: ASGIApp, piece: str) -> None:
        self.app = app
        self._piece = BEGIN + piece.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything else on."""
        if scope["type"] != "http" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        begun: list[Message] = []

        async def send_with_piece(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            body = message.get("body", b"")
            for start in begun:
                body = body.replace(BEGIN, self._piece, 1)
                headers = [pair for pair in start["headers"] if pair[0].lower() != LENGTH]
                if not message.get("more_body"):
                    headers.append((LENGTH, b"%d" % len(body)))
                await send({**start, "headers": headers})
            begun.clear()
            await send({**message, "body": body})

        plain = [pair for pair in scope["headers"] if pair[0] != COMPRESSION]
        await self.app({**scope, "headers": plain}, receive, send_with_piece)
