"""The page that people search with: a web service of its own, which knows the API only by its address."""

from __future__ import annotations

import os


def launch(host: str, port: int, api_url: str) -> None:
    """Serve the page until told to stop; does not wait for the API.

    Raises:
        ServiceError: The address cannot be listened on.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from meshseek.interfaces.ui.app import serve  # noqa: PLC0415  # seconds to import, and it reads the above

    serve(host, port, api_url)
