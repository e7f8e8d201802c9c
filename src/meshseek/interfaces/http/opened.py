"""Files of assets as answers: what was checked is what is sent, whatever takes its place meanwhile."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import BinaryIO

from fastapi.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

PICTURE_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
"""How pictures begin that may be in a tar, and what they are."""


def picture_type(file: BinaryIO) -> str:
    """What a view is: on the disk a PNG by its name, in a tar what it begins with."""
    begins = file.getvalue()[:4] if isinstance(file, io.BytesIO) else b"\x89PNG"
    return next((kind for magic, kind in PICTURE_TYPES.items() if begins.startswith(magic)), "application/octet-stream")


def file_answer(file: BinaryIO, media_type: str, headers: Mapping[str, str]) -> Response:
    """An answer of an open file, or of one in memory, which was read from a tar."""
    if isinstance(file, io.BytesIO):
        return Response(file.getvalue(), media_type=media_type, headers=dict(headers))
    return OpenedFile(file, media_type, headers)


class OpenedFile(FileResponse):
    """An open file; it is closed when it was sent.

    Args:
        file: A regular file on the disk.
        media_type: What it is.
        headers: More headers.
    """

    def __init__(self, file: BinaryIO, media_type: str, headers: Mapping[str, str] | None = None) -> None:
        self._file = file
        # The system's second name for what is open: no path is looked up again.
        name, facts = f"/dev/fd/{file.fileno()}", os.fstat(file.fileno())
        super().__init__(name, media_type=media_type, headers=headers, stat_result=facts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
