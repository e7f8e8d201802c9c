"""``python -m meshseek.interfaces.ui``: the page alone, for an API that runs elsewhere."""

from __future__ import annotations

import os
import signal
import sys
from threading import Thread

import click

from meshseek.errors import MeshseekError
from meshseek.interfaces.ui import launch
from meshseek.settings import read_settings

DEFAULT_PORT = 7860


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", help="Address to listen on.  [default: the setting MESHSEEK_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--api-url", help="Where the API is.  [default: the setting MESHSEEK_API_URL]")
@click.option("--with-parent", is_flag=True, hidden=True, help="End when standard input closes; read no settings.")
def main(host: str | None, port: int, api_url: str | None, *, with_parent: bool) -> None:
    """Serve Meshseek's page."""
    try:
        if with_parent and host is not None and api_url is not None:
            _end_with_parent()
            launch(host, port, api_url)
            return
        settings = read_settings(host=host, api_url=api_url)
        click.echo(f"the page of {settings.api_url} will be at {settings.host}, port {port}; stop it with Ctrl-C")
        launch(settings.host, port, settings.api_url)
    except MeshseekError as error:
        click.echo(f"meshseek: {error}", err=True)
        sys.exit(1)


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, which holds the other end of standard input, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
