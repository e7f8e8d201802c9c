"""``meshseek serve``: the API and the front end together."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshseek.errors import ServiceError
from meshseek.interfaces.cli.options import application

if TYPE_CHECKING:
    import uvicorn

    from meshseek.bootstrap import Meshseek
    from meshseek.settings import Settings

api_port_option = click.option("--api-port", type=click.IntRange(1, 65535), default=8000, show_default=True)
ui_port_option = click.option("--ui-port", type=click.IntRange(1, 65535), default=7860, show_default=True)
insecure_option = click.option("--insecure", is_flag=True, help="Ask nobody for a key, whoever can reach the address.")
no_ui_option = click.option("--no-ui", is_flag=True, help="Serve the API alone.")


POLL_SECONDS = 0.1
SECRET = re.compile(r"^(MESHSEEK_|PG|OTEL_)|KEY|TOKEN|SECRET|PASS|CREDENTIAL|_PROXY$", re.IGNORECASE)
"""Names in the environment of what the page is not told: settings of ours, libpq, collectors, proxies, and the like."""


@click.command("serve")
@api_port_option
@ui_port_option
@no_ui_option
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--workspace", type=click.Path(path_type=Path), help="Folder of all outputs.  [default: workspace]")
@insecure_option
def serve_command(
    *, api_port: int, ui_port: int, no_ui: bool, host: str | None, workspace: Path | None, insecure: bool
) -> None:
    """Serve the HTTP API and the front end until Ctrl-C.

    Other machines can ask only with --host, and then with a key: see 'meshseek keys add NAME'.
    """
    with application(workspace=workspace, host=host, insecure=insecure or None, needs="published") as meshseek:
        serve(meshseek, api_port, None if no_ui else ui_port)


def serve(meshseek: Meshseek, api_port: int, ui_port: int | None) -> None:
    """Serve in this process, with the front end in one beside it, until interrupted.

    Raises:
        ServiceError: A port is taken, a service cannot start, or others could reach it and there is no key.
    """
    import uvicorn

    from meshseek.interfaces.http import create_app
    from meshseek.interfaces.http.logs import write_logs
    from meshseek.interfaces.http.protocol import BoundedProtocol
    from meshseek.interfaces.http.stopping import UNFINISHED, StoppingServer

    write_logs(meshseek.settings)
    host = meshseek.settings.host
    check_keys(meshseek)
    check_port(host, api_port, "--api-port")
    if ui_port is not None:
        check_port(host, ui_port, "--ui-port")
    app, settings = create_app(meshseek), meshseek.settings
    config = uvicorn.Config(
        app,
        host=host,
        port=api_port,
        log_config=None,
        log_level="warning",
        http=BoundedProtocol,
        limit_concurrency=settings.max_connections,
        server_header=False,
    )
    seconds = {"drain_seconds": settings.drain_seconds, "stop_seconds": settings.stop_seconds}
    server = StoppingServer(config, app.state.standing, **seconds)
    with _front_end(settings, api_port, ui_port) as front_end, contextlib.suppress(KeyboardInterrupt):
        announcement = _Announcement(meshseek, server, api_port, ui_port, front_end)
        threading.Thread(target=announcement.make, daemon=True).start()
        server.run()
    if server.has_left:
        raise SystemExit(UNFINISHED)


def check_keys(meshseek: Meshseek) -> None:
    """Make sure that there is a key, if others can reach the services.

    Raises:
        ServiceError: There is none.
        KeysError: The keys cannot be read.
    """
    from meshseek.access.keys_file import KeysFile
    from meshseek.interfaces.http.addresses import is_loopback

    settings = meshseek.settings
    if not (settings.insecure or is_loopback(settings.host) or KeysFile(meshseek.workspace.folder).read()):
        raise ServiceError(
            f"others can reach {settings.host}, and this workspace has no key; run 'meshseek keys add NAME' first, "
            "or serve with --insecure if all of them may come in"
        )


def check_port(host: str, port: int, option: str) -> None:
    """Make sure that a port is free.

    Raises:
        ServiceError: It is not; the message names the option that chooses another.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(f"cannot listen on {host}:{port} ({error.strerror}); choose another {option}") from error


@contextmanager
def _front_end(settings: Settings, api_port: int, ui_port: int | None) -> Iterator[subprocess.Popen[bytes] | None]:
    """Run the front end in a process that ends with this one, however this one ends.

    It gets no secrets, and so no settings: only where the API is, and whom to let in.
    """
    if ui_port is None:
        yield None
        return
    api_url = f"http://{reachable(settings.host)}:{api_port}"
    program = [sys.executable, "-m", "meshseek.interfaces.ui", "--with-parent"]
    options = ["--host", settings.host, "--port", str(ui_port), "--api-url", api_url]
    options += [part for name in settings.allowed_hosts for part in ("--allowed-host", name)]
    options += ["--insecure"] if settings.insecure else []
    process = subprocess.Popen([*program, *options], env=without_secrets(os.environ), stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """What strangers may talk to a process with; the page needs none of the rest."""
    return {name: value for name, value in environment.items() if SECRET.search(name) is None}


def reachable(host: str) -> str:
    """The address by which this machine reaches a service that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


@dataclass(frozen=True, slots=True)
class _Announcement:
    """Prints the addresses once queries can be answered, and says when the front end stops by itself."""

    meshseek: Meshseek
    server: uvicorn.Server
    api_port: int
    ui_port: int | None
    front_end: subprocess.Popen[bytes] | None

    def make(self) -> None:
        """Wait, and print."""
        while not self.server.started or "loading" in self.meshseek.search_service.health().values():
            if self.server.should_exit:
                return
            time.sleep(POLL_SECONDS)
        for name, state in self.meshseek.search_service.health().items():
            if state != "ready":
                click.echo(f"{name}: {state}", err=True)
        address = reachable(self.meshseek.settings.host)
        if self.ui_port is not None and self._wait_for_page(address, self.ui_port):
            click.echo(f"search in a browser   http://{address}:{self.ui_port}")
        click.echo(f"search over HTTP      http://{address}:{self.api_port}/docs")
        click.echo("stop with Ctrl-C")
        while self._lives():
            time.sleep(1)
        if self.front_end and not self.server.should_exit:
            click.echo("the front end has stopped, but the API goes on; press Ctrl-C and start both again", err=True)

    def _lives(self) -> bool:
        return self.front_end is not None and self.front_end.poll() is None and not self.server.should_exit

    def _wait_for_page(self, address: str, port: int) -> bool:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        while self._lives():
            with socket.socket(family) as probe:
                if probe.connect_ex((address.strip("[]"), port)) == 0:
                    return True
            time.sleep(POLL_SECONDS)
        return False
