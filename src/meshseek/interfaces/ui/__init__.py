"""The page that people search with: a web service of its own, which knows the API only by its address."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from meshseek.errors import ServiceError


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """What the page is told when it starts; it reads no settings."""

    api_url: str
    """Where the API is."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 0
    hosts: tuple[str, ...] = ()
    """Names that the page is asked by, beside those of this machine and the address that it is reached at."""
    insecure: bool = False
    """Whether it is open to whoever reaches it, unless the API needs keys."""


def launch(options: PageOptions) -> None:
    """Serve the page until told to stop; does not wait for the API.

    Raises:
        ServiceError: The address cannot be listened on, or nothing can be written.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the folder is removed then, too
    with suppress(KeyboardInterrupt), _private_folder() as folder:
        os.environ |= {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": str(Path(folder).resolve() / "uploads"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        from meshseek.interfaces.ui.server import serve  # noqa: PLC0415  # seconds to import, and it reads the above

        serve(options, Path(folder).resolve())


def _private_folder() -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix="meshseek-ui-")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ServiceError(f"the page has no folder for its files ({reason}); set TMPDIR to one with room") from error
