"""Files of public benchmarks, made up in the forms they are published in: read, or refused in one line."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from meshseek.errors import DatasetError, WorkspaceError
from meshseek.evaluation.benchmarks import items as limits
from meshseek.evaluation.benchmarks.cap3d_human import read_cap3d_human
from meshseek.evaluation.benchmarks.items import Item
from meshseek.evaluation.benchmarks.objaverse_lvis import read_objaverse_lvis
from meshseek.evaluation.benchmarks.translations import Translations

UIDS = [f"{number:032x}" for number in range(1, 6)]
LVIS = [Item(line=1, text="Band Aid", uids=(UIDS[0], UIDS[1])), Item(line=3, text="cap (headwear)", uids=(UIDS[2],))]


class Attack:
    """What unpickling it naively would do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["{number},{category},{uid}", "{category},{uid}"])
@pytest.mark.parametrize("header", ["", "index,category,uid\n"])
def test_lvis_as_csv(tmp_path: Path, form: str, header: str) -> None:
    """With or without numbers and header; a category is one query, its models are relevant."""
    rows = [("Band_Aid", UIDS[0]), ("Band_Aid", UIDS[1]), ("cap_(headwear)", UIDS[2]), ("Band_Aid", UIDS[1])]
    lines = [form.format(number=7, category=category, uid=uid) for category, uid in rows]
    path = tmp_path / "lvis.csv"
    path.write_text(header + "\n".join(lines) + "\n")

    read = read_objaverse_lvis(path)

    assert [(item.text, item.uids) for item in read] == [(item.text, item.uids) for item in LVIS]
    assert [item.line for item in read] == [1 + bool(header), 3 + bool(header)]


@pytest.mark.parametrize("name", ["lvis-annotations.json.gz", "lvis.json"])
def test_lvis_as_json(tmp_path: Path, name: str) -> None:
    """As Objaverse's own package keeps it."""
    text = json.dumps({"Band_Aid": UIDS[:2], "cap_(headwear)": [UIDS[2]]}).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)

    assert [(item.text, item.uids) for item in read_objaverse_lvis(path)] == [(item.text, item.uids) for item in LVIS]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("lvis.csv", b"", "holds no queries; give Objaverse's lvis-annotations"),
        ("lvis.csv", b"category,uid\n", "holds no queries"),
        ("lvis.csv", b"Chair,not-a-uid\nChair,nor-this\n", "line 2: no category and Objaverse uid"),
        ("lvis.csv", f"{UIDS[0]}\n".encode(), "line 1: no category and Objaverse uid"),
        ("lvis.csv", b"\xff\xfe", "not UTF-8"),
        ("lvis.json", b"{", "is not JSON text, or damaged"),
        ("lvis.json", b"[1]", "holds JSON, but no object"),
        ("lvis.json", b'{"Chair": "x"}', "the value of 'Chair' is no list"),
        ("lvis.json", b'{"Chair": ["x"]}', "'x' of 'Chair' is no Objaverse uid"),
        ("lvis.json", b"[" * 100_000, "is not JSON text, or damaged"),
        ("lvis.json.gz", gzip.compress(b"{}", mtime=0)[:-9], "is not JSON text, or damaged"),
    ],
)
def test_bad_files_of_lvis(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """Another form, an empty file and a damaged one are told."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(DatasetError, match=words) as told:
        read_objaverse_lvis(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_cap3d_as_pickle(tmp_path: Path, protocol: int) -> None:
    """Of any protocol, with one caption or several for each model; empty captions are passed over."""
    value = {UIDS[0]: "a  red chair", UIDS[1]: ["a lamp", "a tall lamp", " "], UIDS[2]: "椅子"}
    path = tmp_path / "Cap3D_human_Objaverse.pkl"
    path.write_bytes(pickle.dumps(value, protocol))

    assert read_cap3d_human(path) == [
        Item(line=1, text="a red chair", uids=(UIDS[0],)),
        Item(line=2, text="a lamp", uids=(UIDS[1],)),
        Item(line=2, text="a tall lamp", uids=(UIDS[1],)),
        Item(line=3, text="椅子", uids=(UIDS[2],)),
    ]


def test_cap3d_as_csv(tmp_path: Path) -> None:
    """Without a header, or with one; ids of Objaverse-XL too."""
    path = tmp_path / "human.csv"
    path.write_text(f'uid,caption\n{UIDS[0]},"a chair, red"\n{UIDS[1] * 2},a lamp\n')

    assert read_cap3d_human(path) == [
        Item(line=2, text="a chair, red", uids=(UIDS[0],)),
        Item(line=3, text="a lamp", uids=(UIDS[1] * 2,)),
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "holds no queries; give Cap3D_human_Objaverse.pkl"),
        ([UIDS[0]], "holds no table of uid to caption"),
        ({"chair": "a chair"}, "entry 1: 'chair' is no Objaverse uid"),
        ({UIDS[0]: [["nested"]]}, "entry 1: a caption is no text"),
        ({UIDS[0]: 7}, "more than plain texts and lists .binint1."),
        ({UIDS[0]: ("a",)}, "more than plain texts and lists .tuple1."),
        (OrderedDict({UIDS[0]: "a chair"}), "more than plain texts and lists .stack_global."),
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, value: object, words: str) -> None:
    """What is no table of captions is told."""
    path = tmp_path / "human.pkl"
    path.write_bytes(pickle.dumps(value))

    with pytest.raises(DatasetError, match=words) as told:
        read_cap3d_human(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    """A file that would run a program when it is unpickled is refused, and runs none."""
    path = tmp_path / "human.pkl"
    path.write_bytes(pickle.dumps({UIDS[0]: Attack(tmp_path / "ran")}, protocol))

    with pytest.raises(DatasetError, match="can run programs"):
        read_cap3d_human(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle at all",
        pickle.dumps({UIDS[0]: "a chair"})[:-3],
        b"\x80\x04}r" + struct.pack("<I", 0x7FFFFFFF) + b".",
        b"\x80\x04]h\x05.",
        b"\x80\x04u.",
        b"(" * 1000 + b".",
    ],
)
def test_damaged_pickles(tmp_path: Path, content: bytes) -> None:
    """Half a file, another file, and instructions that make no sense or reserve gigabytes are told."""
    path = tmp_path / "human.pkl"
    path.write_bytes(content)

    with pytest.raises(DatasetError, match=r"is no pickle, or damaged|is damaged"):
        read_cap3d_human(path)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large is not read, packed or not, and no more items than there can be."""
    lvis, packed = tmp_path / "lvis.csv", tmp_path / "lvis.json.gz"
    lvis.write_text("".join(f"Chair,{uid}\n" for uid in UIDS))
    packed.write_bytes(gzip.compress(json.dumps({"Chair": [UIDS[0]] * 100}).encode()))
    monkeypatch.setattr("meshseek.evaluation.benchmarks.objaverse_lvis.MAX_ITEMS", 3)
    with pytest.raises(DatasetError, match="more than 3 models"):
        read_objaverse_lvis(lvis)
    monkeypatch.setattr("meshseek.evaluation.benchmarks.objaverse_lvis.MAX_BYTES", 1000)
    with pytest.raises(DatasetError, match="unpacks to more than"):
        read_objaverse_lvis(packed)
    monkeypatch.setattr(limits, "MAX_BYTES", 100)
    with pytest.raises(DatasetError, match="has 0 MB, more than 0"):
        read_objaverse_lvis(lvis)
    with pytest.raises(DatasetError, match=r"cannot read .*No such file"):
        read_cap3d_human(tmp_path / "nowhere.pkl")


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_damaged_translations(tmp_path: Path, content: str) -> None:
    """What was kept is read strictly; the cure is in the message."""
    (tmp_path / "kept.json").write_text(content)

    with pytest.raises(WorkspaceError, match="is damaged; remove it to translate the queries again"):
        Translations(tmp_path / "kept.json")
