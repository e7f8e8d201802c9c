"""Tar files: what their headers say is what others read, and nothing is believed that could harm."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tars import TIME, header, packed, with_odd

from meshseek.errors import UnreadableAssetError
from meshseek.untrusted import tars
from meshseek.untrusted.tar_views import MARK, folder_in_tar, views_in_tar
from meshseek.untrusted.tars import BLOCK, Member, ReadAt, Tar, is_member, read_member

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0/\\", exclude_categories=["Cs"])
NAMES = st.text(CHARACTERS, min_size=1, max_size=150)
MEMBERS = st.dictionaries(
    NAMES.filter(lambda name: name not in {".", ".."} and name[1:2] != ":"), st.binary(max_size=1500)
)
PLACES = st.tuples(st.integers(0, 2**40), st.integers(0, 2**24), st.integers(0, 2**32 - 1))


def reader(data: bytes) -> ReadAt:
    """Reads bytes as if they were a file."""
    return lambda place, size: data[place : place + size]


def walked(data: bytes) -> list[Member]:
    """All members of a tar."""
    return list(Tar(reader(data), len(data)).members())


@given(MEMBERS, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_members_are_those_that_others_read(members: dict[str, bytes], kind: int) -> None:
    """Names of any length and script, in both ways in which long ones are written; and their content."""
    data = packed(members, kind)
    found = walked(data)
    assert [member.name for member in found] == [*members]
    assert {member.time for member in found} <= {TIME * 10**9}
    for member in found:
        place = (member.header, member.size, member.check)
        assert read_member(reader(data), place) == members[member.name]
        assert is_member(reader(data), place)


def test_a_part_of_a_tar_is_walked_by_itself() -> None:
    """From where a member begins, with its long name, up to where another does."""
    names = ["a.0.png", f"{'b' * 150}.0.png", "c.0.png"]
    data = packed(dict.fromkeys(names, b"x" * 700))
    first, second, third = walked(data)
    part = Tar(reader(data), len(data)).members(second.begins, third.begins)
    assert list(part) == [second]
    assert second.header - second.begins == 2 * BLOCK
    assert first.begins == first.header == 0


@pytest.mark.parametrize("end", [0, 1, 511, 512, 600, 1024, 1025, 2048])
def test_a_tar_that_is_cut_off_is_told(end: int) -> None:
    """Wherever it was cut, also between two members."""
    data = packed({"a.0.png": b"a" * 100, "b.0.png": b"b" * 100})
    with pytest.raises(UnreadableAssetError, match=r"^it is cut off; copy it again"):
        walked(data[:end])


@given(st.data())
def test_no_damage_is_more_than_an_error(data: st.DataObject) -> None:
    """With any bytes of any headers changed, walking ends, and says what it cannot read in one line."""
    kind = data.draw(st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    whole = bytearray(packed({"a.0.png": b"a" * 600, f"{'b' * 90}/{'c' * 90}.1.png": b"", "c.txt": b"c"}, kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for start in range(0, len(whole), BLOCK):  # the sums that protect headers are made to fit
        head = bytes(whole[start : start + BLOCK])
        if head[257:262] == b"ustar" and data.draw(st.booleans()):
            whole[start + 148 : start + 156] = b"%06o\0 " % (sum(head[:148]) + sum(head[156:]) + 256)
    told = ""
    try:
        for member in walked(bytes(whole)):
            assert 0 <= member.header + BLOCK + member.size <= len(whole)
    except UnreadableAssetError as error:
        told = str(error)
    assert "\n" not in told


def _sized(field: bytes, data: bytes = b"x") -> bytes:
    """A tar whose first member says that it is of another size."""
    whole = bytearray(packed({"a.0.png": data}))
    whole[124:136] = field.ljust(12, b"\0")
    whole[148:156] = b"%06o\0 " % (sum(whole[:148]) + sum(whole[156:512]) + 256)
    return bytes(whole)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1f\x8b" + bytes(600), "it is compressed.*'gunzip'"),
        (b"\x28\xb5\x2f\xfd" + bytes(600), "'unzstd'"),
        (b"PK\x03\x04" + bytes(600), "damaged at byte 0, or no tar"),
        *(  # zeros fill a tar up to twenty blocks, or to twenty more
            (packed({"a.0.png": bytes(512 * n)}) + packed({"b.0.png": b"b"}), "another tar follows.*--concatenate")
            for n in range(16, 21)
        ),
        (_sized(b"77777777777"), "cut off"),
        (_sized(b"\x80" + b"\xff" * 11), "cut off"),
        (_sized(b"\xff" * 12), "no size"),
        (_sized(b"-1"), "no size"),
        (_sized(b"1_0"), "no size"),
        (with_odd(header("a", kind=b"S")), "sparse files"),
        (with_odd(header("a", kind=b"M")), "goes on in another tar"),
        (with_odd(header("a", 70_000, kind=b"L")), r"a name in it has 0\.1 MB"),
        (with_odd(header("a", 30, kind=b"x"), a__png=b"a"), "what it says of a member cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(data: bytes, message: str) -> None:
    """In one line, with what helps."""
    with pytest.raises(UnreadableAssetError, match=message):
        walked(data)


@pytest.mark.parametrize(
    "record",
    [
        *(b"12 size=1_0\n", b"5 a=b\n", b"0 a=b\n", b"99 a=b\n", b"9 size=-\n", b"x", b"6 =ab\n"),
        b"29 size=99999999999999999999\n",
    ],
)
def test_what_extended_headers_say_is_checked(record: bytes) -> None:
    """Lengths that lead astray, and sizes that are none."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(header("x", len(record), kind=b"x"), io.BytesIO(record))
        tar.addfile(header("a.0.png", 3), io.BytesIO(b"abc"))
    with pytest.raises(UnreadableAssetError, match="damaged"):
        walked(buffer.getvalue())


def test_what_is_no_file_of_ours_is_passed_over() -> None:
    """Links, devices, sparse files and names that lead elsewhere are counted; folders are not worth a word."""
    odd = [
        header("a.1.png", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        header("a.2.png", kind=tarfile.LNKTYPE, link="a.0.png"),
        header("a.3.png", kind=tarfile.CHRTYPE),
        header("a.4.png", kind=tarfile.FIFOTYPE),
        header("folder/", kind=tarfile.DIRTYPE),
        *(header(name, 600) for name in ("/a.5.png", "../a.6.png", "b/../a.7.png", "b\\a.8.png", "C:/a.9.png")),
        header("b/" * 40 + "a.10.png", 5),
        header("n" * 600, 5),
    ]
    data = with_odd(*odd, a__0__png=b"whole")
    tar = Tar(reader(data), len(data))
    assert [member.name for member in tar.members()] == ["a.0.png"]
    assert dict(tar.passed_over) == {
        "links, devices and the like": 4,
        "named as lying elsewhere, or too long or not in UTF-8": 7,
    }


def test_a_sparse_file_is_passed_over() -> None:
    """As POSIX has it, its content is not where its header says."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        sparse = header("a.0.png", 600)
        sparse.pax_headers = {"GNU.sparse.major": "1"}
        tar.addfile(sparse, io.BytesIO(bytes(600)))
        tar.addfile(header("a.1.png", 3), io.BytesIO(b"abc"))
    data = buffer.getvalue()
    walk = Tar(reader(data), len(data))
    assert [member.name for member in walk.members()] == ["a.1.png"]
    assert dict(walk.passed_over) == {"sparse": 1}


def test_there_are_so_many_members_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tar of millions of empty files ends somewhere."""
    monkeypatch.setattr(tars, "MOST_HEADERS", 20)
    with pytest.raises(UnreadableAssetError, match="more than 20 headers; divide it"):
        walked(packed({f"{number}.png": b"" for number in range(21)}))


def test_a_member_that_changed_is_not_read() -> None:
    """Another one in its place, a part of one, or nothing at all."""
    data = packed({"a.0.png": b"a" * 600, "b.0.png": b"b" * 600})
    first, second = walked(data)
    place = (second.header, second.size, second.check)
    for changed in (
        packed({"a.0.png": b"a" * 600, "c.0.png": b"b" * 600}),
        packed({"a.0.png": b"a" * 600, "b.0.png": b"b" * 600}, time=TIME + 1),
        packed({"a.0.png": b"a" * 2000, "b.0.png": b"b" * 600}),
        data[: second.header + BLOCK + 599],
        b"",
    ):
        with pytest.raises(UnreadableAssetError, match="changed after it was imported; run 'meshseek update'"):
            read_member(reader(changed), place)
        assert not is_member(reader(changed), place)
    assert first.check != second.check


@given(st.dictionaries(st.integers(0, 32767), PLACES, max_size=60), st.booleans())
def test_a_folder_says_where_views_are(
    places: dict[int, tuple[int, int, int]],
    with_cameras: bool,  # noqa: FBT001
) -> None:
    """Whatever their order in the tar, every number comes back."""
    members = {number: Member("a", 0, BLOCK * block, size, 0, check) for number, (block, size, check) in places.items()}
    cameras = members if with_cameras else {}
    found = views_in_tar(folder_in_tar(Path("/library/a.tar"), members, cameras))
    assert found is not None
    assert found.tar == Path("/library/a.tar")
    expected = {number: (BLOCK * block, size, check) for number, (block, size, check) in places.items()}
    assert found.pictures == expected
    assert found.cameras == (expected if with_cameras else {})


def test_forty_views_take_few_bytes() -> None:
    """A million assets are named in tables and databases."""
    data = packed({f"{'a' * 32}.{number}.png": bytes(40_000 + 700 * number) for number in range(40)})
    members = dict(enumerate(walked(data)))
    assert len(folder_in_tar(Path("a.tar"), members, {}).name) < 600


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[A-Za-z0-9_-]{0,60}", fullmatch=True)))
def test_what_says_nothing_of_views_is_told(text: str) -> None:
    """A name that somebody else wrote is an error of one line, if it is not by chance one of ours."""
    name = text.replace("/", "").replace("\0", "")
    told, places = "", []
    try:
        found: Any = views_in_tar(Path("/library/a.tar") / (MARK + name))
        places = [*found.pictures.values(), *found.cameras.values()]
    except UnreadableAssetError as error:
        told = str(error)
    assert "\n" not in told
    assert all(header >= 0 for header, _, _ in places)
