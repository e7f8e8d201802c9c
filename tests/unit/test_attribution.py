"""What is written of collected assets: names of files, whom to name, warnings, and the zip itself."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from meshseek.collecting.asked import checked_ids, checked_uses
from meshseek.collecting.cautions import warnings_of
from meshseek.collecting.credits import Credit, credits_of
from meshseek.collecting.names import file_names
from meshseek.collecting.notes import COLUMNS, MISSING, markdown, notes, table
from meshseek.collecting.zips import ZipParts
from meshseek.errors import BasketError
from meshseek.model import PublishedAsset

UNKNOWN = "its licence 'Editorial' is not known here; read it, or ask the creator"
FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]")
EVIL = [
    '=HYPERLINK("http://evil.example","click")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r\n=1+1",
    "  =1+1",
    "＝1+1",
    "a;=cmd|'/c calc'!A0",
    'a","=1+1',
    "'\"=1+1",
]
MARKUP = [
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "<script>alert(1)</script>",
    "&lt;b&gt;",
    "https://evil.example",
    "www.evil.example",
    "a@evil.example",
    "**bold** `code` ~~gone~~ |cell|",
    "line\n# Heading\n* item",
    "$x$",
    "\\[x](y)",
]


def credit(**said: Any) -> Credit:
    """Whom to name for one asset with such attributes."""
    asset = PublishedAsset(asset_id="chairs/red", model="a.glb", attributes=said)
    return credits_of(["chairs/red"], {"chairs/red": asset})[0]


@given(some.lists(some.text(max_size=80), unique=True, max_size=12))
@example(["A", "a", "a-2", "ä", "a\u0308", "../../etc/passwd", "CON", "con.x", "", "/", "..", "a" * 500, "a" * 501])
def test_names_are_safe_and_unique(asset_ids: list[str]) -> None:
    """On systems that do not tell cases apart too; no folder, device or hidden file can be named."""
    names = file_names(asset_ids)

    assert list(names) == asset_ids
    compared = {unicodedata.normalize("NFD", name.casefold()) for name in names.values()}
    assert len(compared) == len(asset_ids)
    for name in names.values():
        assert re.fullmatch(r"[\w-][\w.-]*", name)
        assert len(f"{name}.glb".encode()) <= 255
        assert name.split(".")[0].lower() not in {"con", "nul", "aux", "prn", "com1"}
        assert not name.endswith(".")


def test_names_stay_readable() -> None:
    """Letters of any script stay, and the same ids have the same names."""
    assert file_names(["古董 家具/50% off? #1 椅子", "chairs/red"]) == {
        "古董 家具/50% off? #1 椅子": "古董_家具_50_off_1_椅子",
        "chairs/red": "chairs_red",
    }


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("field", ["name", "creator", "licence", "source"])
def test_no_cell_is_a_formula(field: str, text: str) -> None:
    """Also for a spreadsheet that takes semicolons or tabs for the ends of cells, and where the id itself is one."""
    asset = PublishedAsset(asset_id=text, model="a.glb", attributes={field: text})
    written = table(credits_of([text], {text: asset}))

    header, *rows = csv.reader(io.StringIO(written))
    assert tuple(header) == COLUMNS
    assert len(rows) == 1
    assert len(rows[0]) == len(COLUMNS)
    for cell in rows[0]:
        for part in re.split("[;,\t|]", cell):
            assert not FORMULA.match(part.strip(" \"'") if not part.lstrip(' "').startswith("'") else "")


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("field", ["name", "creator", "licence", "source"])
def test_nothing_is_markup(field: str, text: str) -> None:
    """What an asset says of itself is text: no link, picture, tag or heading comes of it."""
    plain = markdown([credit(**{field: "PLACE"})])
    written = markdown([credit(**{field: text})])

    assert written.count("\n") == plain.count("\n")
    own = re.sub(r"<https://[^>]*>", "", written)
    bare = re.sub(r"\\[^\w\s]", "", own)
    assert not re.search(r"[\[\]<>`&|~$@]|https?://|www\.", bare)
    assert bare.count("*") == re.sub(r"\\[^\w\s]", "", plain).count("*")


def test_the_page_of_an_asset_is_a_link() -> None:
    """Where the source is a plain address of the web; of no other scheme, and with nothing around it."""
    assert "  * Source: <https://example.com/models/1?x=y>\n" in markdown(
        [credit(source="https://example.com/models/1?x=y")]
    )
    for other in ("javascript:alert(1)", "https://a.example> [x](y)", "file:///etc/passwd"):
        assert "  * Source: <" not in markdown([credit(source=other)])


def test_what_is_written_of_an_asset() -> None:
    """Title, creator, licence with its address and words, source and file; the table says the same."""
    asset = PublishedAsset(
        asset_id="chairs/red",
        model="a.glb",
        captions_english=("a red chair",),
        attributes={"creator": "Ann Lee", "licence": "CC-BY-4.0", "library": "bought"},
    )
    given_ = credits_of(["chairs/red", "gone"], {"chairs/red": asset})
    text = markdown(given_, ("commercial",))

    assert given_[0].line == ("a red chair by Ann Lee, CC-BY-4.0, https://creativecommons.org/licenses/by/4.0/, bought")
    assert (
        "* **a red chair** by Ann Lee\n  * Licence: CC-BY-4.0 (<https://creativecommons.org/licenses/by/4.0/>). May"
        in text
    )
    assert "  * File: models/chairs\\_red.glb; asset chairs/red\n" in text
    assert f"## {MISSING}: 1 of 2 models\n\n* gone: no asset here has this id\n" in text
    rows = list(csv.DictReader(io.StringIO(notes(given_)["attribution.csv"].decode("utf-8-sig"))))
    assert [row["file"] for row in rows] == ["models/chairs_red.glb", MISSING]
    assert rows[0]["demands"] == "credit"
    assert rows[1]["missing"] == "no asset here has this id"


def test_a_use_may_be_named_as_the_permission_that_it_takes() -> None:
    """Filters have the one word, uses the other; it is one and the same use."""
    assert checked_uses(["changes", "commercial", "modification"]) == ("modification", "commercial")


@pytest.mark.parametrize(
    ("licence", "uses", "warned"),
    [
        ("CC0-1.0", ("commercial", "modification", "no-credit"), []),
        ("CC-BY-4.0", ("commercial", "modification"), []),
        ("CC-BY-4.0", ("no-credit",), ["its licence CC-BY-4.0 does not allow its creator to go unnamed"]),
        ("CC-BY-NC-4.0", (), []),
        ("CC-BY-NC-4.0", ("commercial",), ["its licence CC-BY-NC-4.0 does not allow commercial use"]),
        (
            "CC-BY-NC-ND-4.0",
            ("commercial", "modification"),
            [
                "its licence CC-BY-NC-ND-4.0 does not allow commercial use",
                "its licence CC-BY-NC-ND-4.0 does not allow changed versions to be passed on",
            ],
        ),
        (
            "Editorial",
            ("commercial",),
            [f"nothing says that commercial use is allowed: {UNKNOWN}"],
        ),
        ("Editorial", (), []),
        (
            "",
            ("modification",),
            ["nothing says that changed versions may be passed on: no licence is stated; ask the creator"],
        ),
        ("", (), ["no licence is stated; ask the creator before you use it"]),
    ],
)
def test_what_is_warned_of(licence: str, uses: tuple[str, ...], warned: list[str]) -> None:
    """A licence that forbids a use or says nothing of it, and none at all; nothing else."""
    told = warnings_of([credit(licence=licence, creator="Ann")], uses)

    assert told == [f"'chairs/red': {warning}" for warning in warned]


def test_a_creator_who_must_be_named_and_is_not_known() -> None:
    """That is warned of whatever the use."""
    (told,) = warnings_of([credit(licence="CC-BY-4.0")], ())

    assert (
        told == "'chairs/red': its licence CC-BY-4.0 demands that the creator is named, but who that is is not stated"
    )


def test_what_cannot_be_collected_is_told() -> None:
    """An empty basket, too many assets, a use that nobody knows; the same asset twice is one."""
    assert checked_ids(["a", "b", "a"], 2) == ["a", "b"]
    for wrong, message in (
        (lambda: checked_ids([]), "the basket is empty; name at least one asset"),
        (lambda: checked_ids(["a", "b"], 1), "there are 2 assets in the basket; take at most 1 at a time"),
        (lambda: checked_uses(["war"]), "there is no use 'war'; choose one of: commercial, modification, no-credit"),
    ):
        with pytest.raises(BasketError) as caught:
            wrong()
        assert str(caught.value) == message


def test_a_zip_in_parts() -> None:
    """The parts are the zip, the same each time; without the end it is none; what was taken is not kept."""

    def parts() -> list[bytes]:
        made = ZipParts()
        made.add("ATTRIBUTION.md", b"text")
        taken = [made.taken()]
        with made.file("models/椅子.glb", None) as entry:
            for _ in range(3):
                entry.write(b"x" * 1000)
                taken.append(made.taken())
                assert len(taken[-1]) < 1200
        return [*taken, made.end()]

    whole = b"".join(parts())
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["ATTRIBUTION.md", "models/椅子.glb"]
        assert opened.read("models/椅子.glb") == b"x" * 3000
    assert b"".join(parts()) == whole
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(parts()[:-1])))
