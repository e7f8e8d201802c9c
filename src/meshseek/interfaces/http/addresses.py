"""Network addresses as requests name them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import Scope

Address = IPv4Address | IPv6Address

FORWARDED = frozenset({b"x-forwarded-for", b"x-real-ip", b"forwarded"})
"""Headers in which proxies say for whom they ask."""
LONGEST = 64
"""Characters that an address may have; what is longer is not remembered, since strangers send it."""


def address(text: str) -> Address | None:
    """An address without brackets, zone, or the IPv6 clothes of an IPv4 address; None where it is a name."""
    return _address(text) if len(text) <= LONGEST else None


@lru_cache(4096)
def _address(text: str) -> Address | None:
    try:
        parsed = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def is_loopback(text: str) -> bool:
    """Whether only this machine is reached by it."""
    known = address(text)
    return text == "localhost" if known is None else known.is_loopback


def arrived_at(scope: Scope) -> str:
    """The address of ours that a connection was made to, or the path of a socket."""
    server = scope.get("server")
    return str(server[0]) if server else ""


def came_from(scope: Scope) -> str:
    """The address of whoever asks, as far as the server knows; empty where it has none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_local(scope: Scope) -> bool:
    """Whether a request was made on this machine, and not handed on by a proxy for somebody elsewhere."""
    if not is_loopback(arrived_at(scope)):
        return False
    client = came_from(scope)
    if address(client) is not None and not is_loopback(client):
        return False
    return all(_names_only_loopback(value) for name, value in scope["headers"] if name in FORWARDED)


def counted_as(text: str) -> str:
    """Under which name requests of an address are counted: one machine may have all of an IPv6 network of 64 bits."""
    known = address(text)
    if isinstance(known, IPv6Address):
        return str(ip_network((int(known) >> 64 << 64, 64)))
    return text[:LONGEST] if known is None else str(known)


def _names_only_loopback(value: bytes) -> bool:
    """Of a header; what is not a plain list of addresses, such as ``Forwarded``, may name anybody."""
    return all(is_loopback(part.strip()) for part in value.decode("latin-1").split(","))
