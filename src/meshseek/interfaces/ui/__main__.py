"""``python -m meshseek.interfaces.ui``: the page alone, for an API that runs elsewhere."""

from __future__ import annotations

import os
import signal
import sys
from threading import Thread
from typing import Any

import click

from meshseek.errors import MeshseekError
from meshseek.interfaces.ui import PageOptions, launch
from meshseek.interfaces.ui.client import Address
from meshseek.settings import read_settings

DEFAULT_PORT = 7860


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", help="Address to listen on.  [default: the setting MESHSEEK_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--api-url", help="Where the API is.  [default: the setting MESHSEEK_API_URL]")
@click.option("--allowed-host", "hosts", multiple=True, help="Name to be asked by.  [default: MESHSEEK_ALLOWED_HOSTS]")
@click.option("--insecure", is_flag=True, help="Ask nobody for a key, unless the API needs one.")
@click.option("--with-parent", is_flag=True, hidden=True, help="End when standard input closes; read no settings.")
def main(**given: Any) -> None:
    """Serve Meshseek's page."""
    try:
        launch(_options(**given))
    except MeshseekError as error:
        click.echo(f"meshseek: {error}", err=True)
        sys.exit(1)


def _options(
    *, host: str | None, port: int, api_url: str | None, hosts: tuple[str, ...], insecure: bool, with_parent: bool
) -> PageOptions:
    """What was given, else what the settings say; a parent gives all, as settings hold secrets.

    Raises:
        SettingsError: A setting is not valid.
    """
    if with_parent and host is not None and api_url is not None:
        _end_with_parent()
        return PageOptions(api_url=api_url, host=host, port=port, hosts=hosts, insecure=insecure)
    settings = read_settings(host=host, api_url=api_url, allowed_hosts=hosts or None, insecure=insecure or None)
    shown = Address.parse(settings.api_url).shown
    click.echo(f"the page of {shown} will be at {settings.host}, port {port}; stop it with Ctrl-C")
    return PageOptions(
        api_url=settings.api_url,
        host=settings.host,
        port=port,
        hosts=settings.allowed_hosts,
        insecure=settings.insecure,
    )


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, which holds the other end of standard input, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # a buffered reader would hold its lock as Python ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
