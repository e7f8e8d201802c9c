"""Refuses what a program asks of other machines, and writes it down: in the program itself and all that it starts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOOK = '''
"""Python imports this when it starts."""

import ipaddress
import json
import os
import socket
import sys

RECORD = {record!r}


def number(host):
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_here(host):
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    address = number(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def write(kind, what):
    line = json.dumps([kind, what, sys.orig_argv]) + "\\n"
    descriptor = os.open(RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple) and not is_here(address[0]):
            write("asked", f"{{address[0]}}:{{address[1]}}")
            raise ConnectionRefusedError("recorded")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        if not (is_here(arguments[0]) or number(arguments[0])):
            write("asked", str(arguments[0]))
            raise socket.gaierror(socket.EAI_NONAME, "recorded")


write("started", "")
sys.addaudithook(watch)
sys.modules["uvloop"] = None  # it connects where Python does not see it; without it, servers take Python's own loop
'''


@dataclass(frozen=True, slots=True)
class Recorder:
    """What programs were started with an environment, and what they asked of others.

    It sees what goes through Python's sockets, not what other programs do, nor libraries that open sockets themselves.
    """

    folder: Path

    def environment(self) -> dict[str, str]:
        """Makes any Python that is started with it record."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "sitecustomize.py").write_text(HOOK.format(record=str(self._record)), "utf-8")
        path = [str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(path)}

    def asked(self) -> list[tuple[str, list[str]]]:
        """Addresses and names that were asked for, each with the command line that asked."""
        return [(what, line) for kind, what, line in self._lines() if kind == "asked"]

    def started(self) -> list[str]:
        """The command lines of all programs that recorded."""
        return [" ".join(line) for kind, _, line in self._lines() if kind == "started"]

    @property
    def _record(self) -> Path:
        return self.folder / "record.jsonl"

    def _lines(self) -> list[list[Any]]:
        return [json.loads(line) for line in self._record.read_text("utf-8").splitlines()]
