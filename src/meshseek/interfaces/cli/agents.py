"""``meshseek mcp``: the tools for an agent on this machine."""

from __future__ import annotations

from pathlib import Path

import click

MODELS = Path("~/.cache/meshseek/models")


@click.command("mcp")
@click.option("--url", help="Where the API is.  [default: the setting MESHSEEK_API_URL, http://127.0.0.1:8000]")
@click.option(
    "--models",
    type=click.Path(path_type=Path, file_okay=False),
    default=MODELS,
    show_default=True,
    help="Folder in which the GLBs of assets are put that the agent takes.",
)
def mcp_command(*, url: str | None, models: Path) -> None:
    """Let an agent search: serve tools by the Model Context Protocol over stdio.

    An agent starts it by itself; 'meshseek serve' has to run. A key is taken from MESHSEEK_API_KEY.
    """
    from meshseek.interfaces.mcp.over_stdio import serve
    from meshseek.settings import read_settings

    settings = read_settings(api_url=url)
    key = settings.api_key
    serve(settings.api_url, None if key is None else key.get_secret_value(), models.expanduser())
