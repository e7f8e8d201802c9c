"""The tree that ``make bench-tree`` measures on: like the real one, the same for each seed, and bounded by the disk."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from meshseek.datasets import DatasetOptions
from meshseek.datasets.gobjaverse import Gobjaverse


@pytest.fixture
def trees(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which is no part of the package."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("gobjaverse_tree")


def made(trees: ModuleType, folder: Path, **size: Any) -> Any:
    """A tree of three of five known assets, each with four views."""
    usual = {"assets": 3, "views": 4, "known": 5, "pictures": 2}
    return trees.make_tree(trees.TreeSize(**{**usual, **size}), folder)


def content(folder: Path) -> dict[str, str]:
    """What is in each file of a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("form", ["each its own", "shared"])
def test_a_tree_is_one_that_can_be_imported(trees: ModuleType, tmp_path: Path, form: str) -> None:
    """Its assets have their pictures, their model's name, a camera, and two in three a caption."""
    tree = made(trees, tmp_path, shared=form == "shared", known=30, assets=20)
    dataset = Gobjaverse(DatasetOptions(path=tree.root, captions=tree.captions, id_map=tree.id_map))
    assets = [dataset.read(entry, tmp_path) for entry in dataset.entries()]

    assert len(assets) == 20
    assert 5 < sum(bool(asset.captions_english) for asset in assets) < 20
    assert len({asset.model for asset in assets}) == 20
    for asset in assets:
        assert asset.views is not None
        assert asset.views.viewpoint_ids == (0, 1, 2, 3)
        assert (asset.views.folder / "00003" / "00003.json").is_file()


def test_the_id_map_and_the_captions_are_of_the_true_number(trees: ModuleType, tmp_path: Path) -> None:
    """They also tell of assets that are not in the tree, as the published files do."""
    tree = made(trees, tmp_path, known=1000)
    known = json.loads(tree.id_map.read_text("utf-8"))
    with tree.captions.open(encoding="utf-8", newline="") as file:
        captions = dict(csv.reader(file))

    assert len(known) == 1000
    assert 600 < len(captions) < 720
    assert captions.keys() < {Path(model).stem for model in known.values()}


def test_a_seed_makes_one_tree(trees: ModuleType, tmp_path: Path) -> None:
    """The same seed gives the same files, another one others."""
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        made(trees, tmp_path / name, seed=seed)

    assert content(tmp_path / "a") == content(tmp_path / "b") != content(tmp_path / "c")


def test_pictures_are_links_and_no_file_has_too_many(
    trees: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few files have a content; they become more where each would have more names than a file system gives it."""
    tree = made(trees, tmp_path / "few")
    monkeypatch.setattr(trees, "MOST_LINKS", 3)
    other = made(trees, tmp_path / "more")

    assert len({path.stat().st_ino for path in tree.root.rglob("*.png")}) == 2
    assert len({path.stat().st_ino for path in other.root.rglob("*.png")}) == 4


def test_a_tree_is_made_once(trees: ModuleType, tmp_path: Path) -> None:
    """One that is there is taken; one that was not finished, or is another, is made anew."""
    tree = made(trees, tmp_path)
    (tree.root / "mark").touch()
    assert (made(trees, tmp_path).root / "mark").exists()
    (tmp_path / "made.json").unlink()
    assert not (made(trees, tmp_path).root / "mark").exists()


def test_a_disk_that_is_too_small_is_told(trees: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made, with what it would take and what to do."""
    free = SimpleNamespace(f_frsize=4096, f_favail=10, f_bavail=1_000_000)
    monkeypatch.setattr(os, "statvfs", lambda _: free)

    with pytest.raises(trees.NoRoomError, match=r"^3 assets with 4 views .* takes 10 and .*--shared$"):
        made(trees, tmp_path)
    with pytest.raises(trees.NoRoomError, match="a tree of 9 assets, of which 5 are known"):
        made(trees, tmp_path, assets=9)
    assert not (tmp_path / "tree").exists()
