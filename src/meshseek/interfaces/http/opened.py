"""Files of assets as answers: what was checked is what is sent, whatever takes its place meanwhile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import BinaryIO

from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send


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
