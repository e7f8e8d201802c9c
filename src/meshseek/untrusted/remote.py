"""Files on object storage that speaks S3, read by ranges; no request waits without an end.

A file is named by its address, such as ``s3://bucket/renders/000.tar``. Where the storage is, and who asks, is said by
AWS's own variables (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote

from meshseek.errors import UnreadableAssetError
from meshseek.untrusted.tars import ReadAt

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

SCHEME: Final = "s3://"
CONNECT_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 10.0
"""How long storage may send nothing once it was asked."""
TRIES: Final = 2
LONGEST_ADDRESS: Final = 1200
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CURE = "check its address, your AWS_* variables, and that the storage answers"


class RemoteFile(NamedTuple):
    """A file that is there."""

    read_at: ReadAt
    """Raises :class:`UnreadableAssetError`, in one line."""
    size: int
    changed: int
    """When, in nanoseconds."""


def as_name(address: str) -> str:
    """An address as one name of a file, which no file has."""
    return quote(address, safe="")


def address_of(name: str) -> str | None:
    """The address that a name stands for; None where it is a name."""
    address = unquote(name) if name.startswith(as_name(SCHEME)) else ""
    return address if address.startswith(SCHEME) else None


@contextmanager
def opened_remote(address: str) -> Iterator[RemoteFile]:
    """Open a file.

    Raises:
        UnreadableAssetError: It is not there, or its storage does not answer.
    """
    path = address.removeprefix(SCHEME)
    try:
        storage = _storage(next(filter(None, map(os.environ.get, _ENDPOINTS)), None))
        facts = storage.get_file_info(path)
        if not facts.is_file:
            raise UnreadableAssetError("there is no such file on the storage; check its address")
        file = storage.open_input_file(path)
    except (OSError, ValueError) as error:  # pyarrow says so of what is no address
        raise _unreadable(error) from error
    size = file.size()

    def read_at(place: int, count: int) -> bytes:
        try:
            return bytes(file.read_at(min(count, size - place), place)) if place < size else b""
        except (OSError, ValueError) as error:
            raise _unreadable(error) from error

    with file:
        yield RemoteFile(read_at, size, facts.mtime_ns or 0)


def in_blocks(read_at: ReadAt, block: int) -> ReadAt:
    """The same, where much that is asked for lies close together: read in blocks of so many bytes, one of them kept."""
    begins, kept = 0, b""

    def read(place: int, count: int) -> bytes:
        nonlocal begins, kept
        if not begins <= place <= place + count <= begins + len(kept):
            begins, kept = place, read_at(place, max(block, count))
        return kept[place - begins : place - begins + count]

    return read


@cache
def _storage(endpoint: str | None) -> S3FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem  # noqa: PLC0415  # heavy, and seldom needed

    scheme, _, host = (endpoint or "https://").rpartition("://")
    return S3FileSystem(
        scheme=scheme or "https",
        endpoint_override=host.rstrip("/") or None,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=SILENT_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=TRIES),
    )


def _unreadable(error: Exception) -> UnreadableAssetError:
    told = " ".join(str(error).split())[:300]
    return UnreadableAssetError(f"its storage says: {told}; {_CURE}")
