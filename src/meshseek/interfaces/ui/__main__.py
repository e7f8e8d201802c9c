"""``python -m meshseek.interfaces.ui``: the page alone, for an API that runs elsewhere."""

from __future__ import annotations

import os
import sys

import click

from meshseek.errors import MeshseekError
from meshseek.settings import read_settings

DEFAULT_PORT = 7860


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", help="Address to listen on.  [default: the setting MESHSEEK_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--api-url", help="Where the API is.  [default: the setting MESHSEEK_API_URL]")
def main(host: str | None, port: int, api_url: str | None) -> None:
    """Serve Meshseek's page."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        settings = read_settings(host=host, api_url=api_url)
        from meshseek.interfaces.ui.app import launch  # noqa: PLC0415  # seconds to import: --help and mistakes do not wait

        launch(settings.host, port, settings.api_url)
    except MeshseekError as error:
        click.echo(f"meshseek: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
