"""A G-Objaverse tree of true size without its terabytes: every folder and file is there, few of them have a content.

``python benchmarks/gobjaverse_tree.py FOLDER --assets 100000`` makes ``FOLDER/tree`` as it lies on the server, with the
id map and Cap3D's captions beside it. Pictures and cameras are hard links to a few thousand real files. The same seed
makes the same tree.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import random
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

VIEWS = 40
KNOWN = 1_000_000
PICTURES = 4_000
MOST_LINKS = 60_000
"""A file may have 65,000 names on ext4."""
IN_A_FOLDER = 5_000
CAPTIONED = 0.66
SHARED = 2_000
"""Folders of views that assets share where the file system cannot hold one for each."""
SIDE = 16
COLOURS = ("red", "dark blue", "white", "wooden", "golden", "pale green", "rusty", "black and white")
THINGS = ("chair", "sword", "house with a tiled roof", "dragon", "office desk", "robot", "sports car", "oak tree")
DETAILS = ("on a round base", 'with the word "OPEN" on it', "with four legs, two of them bent", "seen from above")


class NoRoomError(Exception):
    """The file system cannot hold the tree; the message says what it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSize:
    """What is made."""

    assets: int
    views: int = VIEWS
    known: int = KNOWN
    """Assets that the id map knows, of which those of the tree are a sample."""
    pictures: int = PICTURES
    seed: int = 0
    shared: bool = False
    """Whether an asset's pictures are a link to one of a few folders, which takes two names for an asset, not 42."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Where it is."""

    root: Path
    id_map: Path
    captions: Path


def make_tree(size: TreeSize, folder: Path) -> Tree:
    """Make a tree, unless the folder holds just this one.

    Raises:
        NoRoomError: The file system has too few names or too little room; or the size makes no sense.
    """
    tree = Tree(root=folder / "tree", id_map=folder / "id_map.json", captions=folder / "captions.csv")
    made, wanted = folder / "made.json", json.dumps(asdict(size))
    if made.is_file() and made.read_text("utf-8") == wanted:
        return tree
    if not 0 < size.assets <= size.known:
        raise NoRoomError(f"a tree of {size.assets:,} assets, of which {size.known:,} are known; give 1 to all of them")
    folder.mkdir(parents=True, exist_ok=True)
    made.unlink(missing_ok=True)
    shutil.rmtree(tree.root, ignore_errors=True)
    check_room(size, folder)
    pool = tree.root / "pool"
    count = _fill_pool(size, pool)
    chance = random.Random(size.seed)
    sets = [_make_views(pool / "sets" / str(number), pool, size.views, count, chance) for number in _sets(size)]
    for number in sorted(chance.sample(range(size.known), size.assets)):
        asset = tree.root / asset_id(number)
        asset.mkdir(parents=True)
        if size.shared:
            (asset / "campos_512_v4").symlink_to(Path("../..", chance.choice(sets).relative_to(tree.root)))
        else:
            _make_views(asset / "campos_512_v4", pool, size.views, count, chance)
    _write_id_map(size, tree.id_map)
    _write_captions(size, tree.captions)
    made.write_text(wanted, "utf-8")
    return tree


def check_room(size: TreeSize, folder: Path) -> None:
    """Refuse a tree that the file system cannot hold.

    Raises:
        NoRoomError: It cannot.
    """
    there = os.statvfs(folder)
    each = 2 if size.shared else 2 + size.views
    names = size.assets * each + SHARED * size.views
    room = names * there.f_frsize
    free_names, free_room = there.f_favail or names, there.f_bavail * there.f_frsize  # some count no names
    if names > free_names or room > free_room:
        raise NoRoomError(
            f"{size.assets:,} assets with {size.views} views are {names:,} folders of {room / 1e9:,.0f} GB, and the "
            f"disk of {folder} takes {free_names:,} and {free_room / 1e9:,.0f} GB; "
            "give fewer --assets or --views, or --shared"
        )


def asset_id(number: int) -> str:
    """The id of an asset by its number."""
    return f"{number // IN_A_FOLDER}/{10_000 + number % IN_A_FOLDER}"


def uid(size: TreeSize, number: int) -> str:
    """Its Objaverse uid, 32 hexadecimal digits."""
    return hashlib.md5(f"{size.seed}/{number}".encode(), usedforsecurity=False).hexdigest()


def _sets(size: TreeSize) -> range:
    return range(min(SHARED, size.assets) if size.shared else 0)


def _fill_pool(size: TreeSize, pool: Path) -> int:
    """Write the real files; returns how many pictures they are."""
    chance = random.Random(size.seed)
    count = max(min(size.pictures, size.assets * size.views), -(-size.assets * size.views // MOST_LINKS))
    pool.mkdir(parents=True)
    for number in range(count):
        content = io.BytesIO()
        Image.frombytes("RGBA", (SIDE, SIDE), chance.randbytes(4 * SIDE * SIDE)).save(content, "PNG")
        (pool / f"{number}.png").write_bytes(content.getvalue())
        high = [round(chance.uniform(0.1, 0.5), 4) for _ in range(3)]
        camera = {"origin": high, "bbox": [[-side for side in high], high]}
        (pool / f"{number}.json").write_text(json.dumps(camera), "utf-8")
    return count


def _make_views(folder: Path, pool: Path, views: int, pictures: int, chance: random.Random) -> Path:
    folder.mkdir(parents=True)
    for view in range(views):
        name, number = f"{view:05d}", chance.randrange(pictures)
        os.mkdir(f"{folder}/{name}")  # noqa: PTH102  # four million times
        for suffix in (".png", ".json"):
            os.link(f"{pool}/{number}{suffix}", f"{folder}/{name}/{name}{suffix}")
    return folder


def _write_id_map(size: TreeSize, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(size.known):
            start = ", " if number else "{"
            file.write(f'{start}"{asset_id(number)}": "000-{number % 160:03d}/{uid(size, number)}.glb"')
        file.write("}\n")


def _write_captions(size: TreeSize, path: Path) -> None:
    chance = random.Random(size.seed + 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for number in range(size.known):
            if chance.random() < CAPTIONED:
                words = (chance.choice(COLOURS), chance.choice(THINGS), chance.choice(DETAILS))
                writer.writerow([uid(size, number), f"A {' '.join(words)}, model {number}"])


def main() -> None:
    """Make a tree and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", type=Path)
    add_arguments(parser)
    arguments = parser.parse_args()
    try:
        print(make_tree(size_of(arguments), arguments.folder).root)
    except NoRoomError as error:
        raise SystemExit(str(error)) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a tree may be like."""
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--known", type=int, default=KNOWN, help="entries of the id map")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shared", action="store_true", help="assets share folders of views, to need fewer names")


def size_of(arguments: argparse.Namespace) -> TreeSize:
    """The size that was asked for."""
    known = max(arguments.known, arguments.assets)
    return TreeSize(
        assets=arguments.assets, views=arguments.views, known=known, seed=arguments.seed, shared=arguments.shared
    )


if __name__ == "__main__":
    main()
