"""``python -m meshseek.interfaces.ui``: the page alone, for an API that runs elsewhere."""

from __future__ import annotations

import sys

import click

from meshseek.errors import MeshseekError
from meshseek.interfaces.ui import launch
from meshseek.settings import read_settings

DEFAULT_PORT = 7860


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", help="Address to listen on.  [default: the setting MESHSEEK_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--api-url", help="Where the API is.  [default: the setting MESHSEEK_API_URL]")
def main(host: str | None, port: int, api_url: str | None) -> None:
    """Serve Meshseek's page."""
    try:
        settings = read_settings(host=host, api_url=api_url)
        click.echo(f"the page of {settings.api_url} will be at {settings.host}, port {port}; stop it with Ctrl-C")
        launch(settings.host, port, settings.api_url)
    except MeshseekError as error:
        click.echo(f"meshseek: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
