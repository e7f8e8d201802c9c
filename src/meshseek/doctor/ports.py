"""Whether the services can listen where they would."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

import httpx

from meshseek.doctor.findings import Finding

ANSWER_SECONDS: Final = 3.0


def look_at_ports(host: str, ports: dict[str, int]) -> Iterator[Finding]:
    """Whether nobody else listens where the services would.

    Args:
        host: Where they listen.
        ports: By the option of 'meshseek serve' that chooses another.
    """
    for option, port in ports.items():
        if _is_free(host, port):
            yield Finding("ports", "ok", f"{host}:{port} is free")
        elif option == "--api-port" and _is_ours(host, port):
            yield Finding("ports", "ok", f"Meshseek serves at {host}:{port}")
        else:
            cure = f"end it, or give another {option} to 'meshseek serve'"
            yield Finding("ports", "warning", f"another program listens on {host}:{port}, or none may", cure)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _is_ours(host: str, port: int) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    address = f"[{host}]" if ":" in host else host
    try:
        answer = httpx.get(f"http://{address}:{port}/live", timeout=ANSWER_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.text == '{"status":"live"}'
