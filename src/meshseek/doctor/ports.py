"""Whether the services can listen where they would."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

import httpx

from meshseek.doctor.findings import Finding

ANSWER_SECONDS: Final = 3.0
PIECE: Final = 64 << 10
"""Characters of an answer that are read: whatever listens there may send without end."""
TITLE: Final = "<title>Meshseek</title>"


def look_at_ports(host: str, ports: dict[str, int]) -> Iterator[Finding]:
    """Whether nobody else listens where the services would.

    Args:
        host: Where they listen.
        ports: By the option of 'meshseek serve' that chooses another.
    """
    for option, port in ports.items():
        if _is_free(host, port):
            yield Finding("ports", "ok", f"{host}:{port} is free")
        elif _is_ours(host, port, option):
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


def _is_ours(host: str, port: int, option: str) -> bool:
    """Whether the API, or the page, answers there."""
    if option == "--api-port":
        return _answer(host, port, "/live") == '{"status":"live"}'
    return TITLE in _answer(host, port, "/") or TITLE in _answer(host, port, "/sign-in")


def _answer(host: str, port: int, path: str) -> str:
    """The beginning of what is answered; nothing if that is no success."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    address = f"[{host}]" if ":" in host else host
    url = f"http://{address}:{port}{path}"
    beginning = ""
    try:
        with httpx.stream("GET", url, timeout=ANSWER_SECONDS, trust_env=False) as answer:
            for piece in answer.iter_text(PIECE):
                beginning += piece
                if len(beginning) >= PIECE:
                    break
            return beginning if answer.is_success else ""
    except (httpx.HTTPError, httpx.InvalidURL):
        return ""
