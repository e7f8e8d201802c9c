"""What comes from outside: files that are elsewhere, archives that burst, words that terminals obey."""

from __future__ import annotations

import json
import os
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshseek.errors import UnreadableAssetError
from meshseek.untrusted import archives
from meshseek.untrusted.archives import opened_archive
from meshseek.untrusted.files import open_inside, open_regular, read_inside, read_whole
from meshseek.untrusted.text import plain, printable
from meshseek.untrusted.values import DEEPEST, is_deep

Make = Callable[[Path, Path], object]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the library, with a secret in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "a.png").write_text("secret")
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library with one file."""
    folder = tmp_path / "library"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "whole.png").write_text("whole")
    return folder


def _link_above(library: Path, outside: Path) -> None:
    (library / "sub").symlink_to(outside)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.png", lambda library, outside: (library / "a.png").symlink_to(outside / "a.png")),
        ("a.png", lambda library, _: (library / "a.png").symlink_to("../outside/a.png")),
        ("sub/a.png", _link_above),
        ("../outside/a.png", lambda *_: None),
        ("in/../../outside/a.png", lambda *_: None),
        ("a.png", lambda library, _: (library / "a.png").symlink_to("/proc/self/environ")),
    ],
    ids=["link", "relative link", "linked folder", "above", "above by another", "system file"],
)
def test_nothing_outside_is_opened(library: Path, outside: Path, name: str, make: Make) -> None:
    """Whatever leads out of the library, by whatever way, is refused with one plain sentence."""
    make(library, outside)
    with pytest.raises(UnreadableAssetError, match="leads out of the library; copy"):
        open_inside(library / name, library)


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_would_be_waited_for_is_not_opened(library: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe without a writer, a socket and a device are told at once."""
    path = library / "a.png"
    root = library
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            monkeypatch.chdir(library)  # their names are short
            server.bind("a.png")
    else:
        path, root = Path("/dev/zero"), Path("/dev")
    with pytest.raises(UnreadableAssetError, match="a pipe, a device"):
        open_inside(path, root)


def test_links_in_a_circle_and_to_nowhere_are_the_systems_own_errors(library: Path) -> None:
    """They have no content; folders have none either."""
    (library / "circle").symlink_to("circle")
    (library / "nowhere").symlink_to("gone")
    for name in ("circle", "nowhere", "in"):
        with pytest.raises(OSError, match=r"symbolic links|No such file|directory"):
            open_inside(library / name, library)


def test_links_inside_and_a_library_behind_a_link_work(library: Path, tmp_path: Path) -> None:
    """The library itself may be anywhere: it is what the user named; and its files may share others of it."""
    (library / "also.png").symlink_to("in/whole.png")
    (tmp_path / "way").symlink_to(library)
    for root in (library, tmp_path / "way", tmp_path / "way" / ".." / "library"):
        assert read_inside(root / "also.png", root, 5) == b"whole"
    with open_regular(tmp_path / "way" / "also.png") as file:
        assert file.read() == b"whole"


def test_a_link_that_comes_between_is_not_followed(
    library: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that becomes a link after it was looked at leads nowhere."""
    root = outside.with_name("way")  # by another name of it, so that it must be looked at
    root.symlink_to(library)
    resolved = os.path.realpath

    def raced(path: Path) -> str:
        answer = resolved(path)
        if (library / "in").is_dir() and not (library / "in").is_symlink() and str(path).endswith("whole.png"):
            (library / "in").rename(library / "was")
            (library / "in").symlink_to(outside)
            (outside / "whole.png").write_text("secret")
        return answer

    monkeypatch.setattr(os.path, "realpath", raced)
    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        open_inside(library / "in" / "whole.png", root)


def test_a_file_without_links_is_opened_without_looking_where_it_leads(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the millions of pictures of a library, each is found by its name alone."""
    monkeypatch.setattr(os.path, "realpath", lambda _: pytest.fail("looked"))

    assert read_inside(library / "in" / "whole.png", library, 5) == b"whole"


def test_a_file_is_read_only_so_far(library: Path) -> None:
    """One that is larger than agreed, that grows, or that shrinks while it is read gives nothing."""
    path = library / "in" / "whole.png"
    with pytest.raises(UnreadableAssetError, match="reduce it to at most 0 MB"):
        read_inside(path, library, 4)
    for size in (3, 9):
        path.write_text("whole")
        with open_inside(path, library) as file:
            real = os.fstat(file.fileno())
            os.truncate(path, size)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "fstat", lambda _, facts=real: facts)
                with pytest.raises(UnreadableAssetError, match="it changed while"):
                    read_whole(file, 100)


def _zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.obj")
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_only_sound_members_are_seen(tmp_path: Path) -> None:
    """Links, names that lead elsewhere, doubles and deep ones are not there; what only sounds odd is."""
    names = ["../up.obj", "/root.obj", "C:/drive.obj", "a/../../b.obj", "..\\up.obj", "d/" * 40 + "deep.obj", "n" * 600]
    odd = ["a..b.obj", "dir/c.obj", "Ünï.obj", "A.OBJ", "a.obj"]
    path = _zip(tmp_path / "a.zip", *((name, b"x") for name in [*names, *odd, "twice", "twice"]), (_link(), b"/etc"))
    with opened_archive(path, tmp_path) as archive:
        assert sorted(archive.members) == sorted(odd)
        assert archive.read("a.obj") == b"x"
        with pytest.raises(KeyError):
            archive.read("twice")


def test_an_encrypted_member_is_not_seen(tmp_path: Path) -> None:
    """Nobody is asked for a password."""
    path = _zip(tmp_path / "a.zip", ("a.obj", b"x"))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with opened_archive(path, tmp_path) as archive:
        assert archive.members == {}


def test_a_bomb_is_refused_by_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that unpacks far, to too much in all, or to too many members is told before anything is unpacked."""
    path = _zip(tmp_path / "a.zip", ("bomb.obj", bytes(40 << 20)))
    assert path.stat().st_size < 100_000
    with pytest.raises(UnreadableAssetError, match=r"'bomb\.obj' unpacks from 0\.0 MB to 42 MB"):
        opened_archive(path, tmp_path).__enter__()
    path = _zip(tmp_path / "b.zip", *((f"{n}.obj", bytes(1000)) for n in range(5)))
    for name, value, told in (("MOST_BYTES", 4999, "unpacks to"), ("MOST_MEMBERS", 4, "has 5 members")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archives, name, value)
            with pytest.raises(UnreadableAssetError, match=told):
                opened_archive(path, tmp_path).__enter__()
    monkeypatch.setattr(archives, "MOST_DIRECTORY_BYTES", 200)
    with pytest.raises(UnreadableAssetError, match="its directory has more than"):
        opened_archive(path, tmp_path).__enter__()


def test_members_that_are_read_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One asset cannot call for everything, and a text of the catalogue cannot be a model."""
    monkeypatch.setattr(archives, "MOST_READ_BYTES", 25)
    path = _zip(tmp_path / "a.zip", *((name, bytes(10)) for name in "abc"))
    with opened_archive(path, tmp_path) as archive:
        with pytest.raises(UnreadableAssetError, match="unpacks to"):
            archive.read("a", 9)
        assert archive.read("a") == archive.read("b") == bytes(10)
        with pytest.raises(UnreadableAssetError, match="unpacks to"):
            archive.read("c")


def test_a_directory_that_lies_gives_no_more_than_it_says(tmp_path: Path) -> None:
    """A member of 1 MB that is said to have 10 bytes is damaged."""
    path = _zip(tmp_path / "a.zip", ("a.obj", bytes(1 << 20)))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 1 << 20), struct.pack("<I", 10)))
    with opened_archive(path, tmp_path) as archive, pytest.raises(zipfile.BadZipFile):
        archive.read("a.obj")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("red chair", "red chair"),
        ("a\nb\tc\r\nd", "a b c d"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07chair\x9b2J", "red chair"),
        ("nul\0 bell\a back\b del\x7f", "nul bell back del"),
        ("\u202egnp.exe\u202c \u2066x\u2069 zero\u200bwidth\ufeff", "gnp.exe x zerowidth"),
        ("half \ud800 tag \U000e0041", "half  tag "),
        ("红木 椅子 — Ünï 🪑", "红木 椅子 — Ünï 🪑"),
    ],
)
def test_texts_lose_what_nobody_should_obey(text: str, clean: str) -> None:
    """Controls, orders to terminals, turns of direction, and what has no width; words of any script stay."""
    assert plain(text) == clean


@given(st.text())
def test_cleaning_is_done_once_and_is_storable(text: str) -> None:
    """Cleaned text is UTF-8 of one line, and cleaning it again changes nothing."""
    clean = plain(text)
    assert plain(clean) == clean
    assert clean.encode().decode() == clean
    assert "\n" not in clean


@given(st.text())
def test_what_is_printed_is_no_order(text: str) -> None:
    """Neither as text nor as JSON, which means the same afterwards."""
    shown = printable(text)
    assert not any((character < " " and character not in "\n\t") or "\x7f" <= character < "\xa0" for character in shown)
    assert json.loads(printable(json.dumps({"text": text}, ensure_ascii=False))) == {"text": text}


def test_depth_is_told_without_going_there() -> None:
    """Even of what ends other programs."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert is_deep(deep)
    assert is_deep({"a": deep})
    shallow: object = "x"
    for _ in range(DEEPEST):
        shallow = [shallow]
    assert not is_deep(shallow)
    assert is_deep([shallow])
