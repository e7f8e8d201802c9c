"""Files of a workspace that are altered by no doing of ours: what each kind is, and what may happen to it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

BLOCK = 512
REMEMBERED = {"options"}
"""Nothing but the file itself says that there was one: where it is deleted, the defaults hold again."""
MADE_AGAIN = {"worlds"}
"""Likewise, but an update makes it again."""

KINDS: Mapping[str, str] = {
    "manifests": "**/manifest.json",
    "shards": "**/part-*.parquet",
    "records": "libraries/*/library.json",
    "listings": "libraries/*/listing.parquet",
    "options": "remembered/*.json",
    "ledgers": "translations/*/*/*",
    "models": "models/**/*.glb",
    "views": "views/**/*.png",
    "worlds": "vectors/*/world/world.parquet",
    "skipped": "**/skipped.jsonl",
    "locks": ".*.lock",
}


def flip(path: Path, random: Random) -> str:
    """Turn one bit over."""
    content = bytearray(path.read_bytes())
    if not content:
        return truncate(path, random)
    place, bit = random.randrange(len(content)), random.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} of {path.name} was flipped"


def truncate(path: Path, random: Random) -> str:
    """Cut off the end."""
    length = random.randrange(max(1, path.stat().st_size))
    with path.open("r+b") as file:
        file.truncate(length)
    return f"{path.name} was cut off after {length} bytes"


def zero(path: Path, random: Random) -> str:
    """Make a block zeros."""
    content = bytearray(path.read_bytes())
    start = random.randrange(max(1, len(content) // BLOCK + 1)) * BLOCK
    if start >= len(content):
        start = 0
    end = min(start + BLOCK, len(content))
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    return f"bytes {start} to {end} of {path.name} became zero"


def delete(path: Path, random: Random) -> str:
    """Take the file away."""
    del random
    path.unlink()
    return f"{path.name} was deleted"


def swap(path: Path, random: Random, others: list[Path]) -> str:
    """Exchange it with another file of its kind."""
    differing = [other for other in others if other.read_bytes() != path.read_bytes()]
    if not differing:
        return flip(path, random)
    other = random.choice(differing)
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)
    return f"{path.parent.name}/{path.name} and {other.parent.name}/{other.name} were swapped"


WAYS: tuple[Callable[[Path, Random], str], ...] = (flip, flip, truncate, zero, delete)


def damage(workspace: Path, kind: str, random: Random) -> tuple[str, bool]:
    """Alter one file of a kind in one way; returns what was done, and whether nobody need notice it."""
    files = sorted(path for path in workspace.glob(KINDS[kind]) if path.is_file())
    files = [path for path in files if "database" not in path.relative_to(workspace).parts]
    path = random.choice(files)
    before = path.read_bytes()
    way = random.randrange(len(WAYS) - (kind in REMEMBERED) + 1)
    if kind in REMEMBERED and way == len(WAYS) - 1:
        way = len(WAYS)
    done = (
        swap(path, random, [other for other in files if other != path]) if way == len(WAYS) else WAYS[way](path, random)
    )
    is_harmless = _says_the_same(before, path) if path.exists() else kind in MADE_AGAIN
    return f"{path.relative_to(workspace)}: {done}", is_harmless


def _says_the_same(before: bytes, path: Path) -> bool:
    """Whether a table was altered where it says nothing, such as in the name of the program that wrote it."""
    if path.suffix != ".parquet":
        return False
    try:
        return bool(pq.read_table(io.BytesIO(before)).equals(pq.read_table(path), check_metadata=True))
    except (OSError, ValueError, pa.ArrowException):
        return False
