"""The tools over stdio, for an agent on this machine that starts them as a program; a running API is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from mcp.server import Server
from mcp.server.stdio import stdio_server

from meshseek.client import Client
from meshseek.interfaces.mcp.server import make_server
from meshseek.interfaces.mcp.tools import Tools
from meshseek.interfaces.mcp.wording import Reach


def serve(url: str, key: str | None, models: Path) -> None:
    """Serve until standard input closes.

    Args:
        url: Where the API is; the address of its ``/mcp``, as agents name it over HTTP, is as good.
        key: For it, where it needs one.
        models: Folder in which GLBs are put.

    Raises:
        InputError: The address or the key is none.
    """
    with Client(url.rstrip("/").removesuffix("/mcp"), key) as client:
        tools = Tools(client, Reach(client.url, needs_key=key is not None, saves=True), models)
        anyio.run(_serve, make_server(lambda _: tools, here=True))


async def _serve(server: Server[Any]) -> None:
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
