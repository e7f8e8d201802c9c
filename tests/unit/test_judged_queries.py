"""Files of judged queries: read as they are meant, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshseek.errors import DatasetError, InputError
from meshseek.evaluation import judged
from meshseek.evaluation.judged import JudgedQuery, read_queries
from meshseek.evaluation.setting import Setting, changed


def written(folder: Path, text: str, name: str = "queries.csv") -> Path:
    """A file of queries."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_queries_are_read(tmp_path: Path) -> None:
    """Texts and pictures, what is relevant without doubles, language and kind; an empty relevant means nothing fits."""
    path = written(
        tmp_path,
        "text,image,relevant,language,kind\n"
        "a seat, ,Chair|a/b| Chair|,english, by  purpose\n"
        "\n"
        ",views/1.png,Lamp,,\n"
        "大象,,,,absent\n",
    )

    assert read_queries([path]) == [
        JudgedQuery(
            source=str(path),
            line=2,
            text="a seat",
            language="english",
            relevant=("Chair", "a/b"),
            kind="by purpose",
        ),
        JudgedQuery(source=str(path), line=4, image=tmp_path / "views" / "1.png", relevant=("Lamp",)),
        JudgedQuery(source=str(path), line=5, text="大象", kind="absent"),
    ]


def test_several_files(tmp_path: Path) -> None:
    """Each query knows its file; the optional columns may be missing."""
    paths = [written(tmp_path, f"relevant,text,image\nx,{name},\n", f"{name}.csv") for name in ("one", "two")]

    assert [(query.source, query.text) for query in read_queries(paths)] == [(str(path), path.stem) for path in paths]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty; its first line must name the columns"),
        ("text,image,relevant\n", "holds no queries"),
        ("text,relevant\nx,y\n", "lacks the column 'image'"),
        ("text,image,relevant,text\nx,,y,\n", "names the column 'text' twice"),
        ("text,image,relevant,colour\nx,,y,red\n", "unknown column 'colour'; it may have text, image"),
        ("text,image,relevant\nx,y.png,z\n", "line 2: give either a text or an image"),
        ("text,image,relevant\n,,z\n", "line 2: give either a text or an image"),
        ("text,image,relevant\na, b,,z\n", "line 2: 4 columns where the header has 3"),
        ("text,image,relevant,language\nx,,y,french\n", "line 2: language is 'french'; give english or chinese"),
        (f"text,image,relevant,kind\nx,,y,{'k' * 41}\n", "line 2: kind has 41 characters"),
        ('text,image,relevant\n"x,,y\n', "after line"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, words: str) -> None:
    """One line says what is wrong, and where."""
    path = written(tmp_path, text)

    with pytest.raises(DatasetError, match=words) as told:
        read_queries([path])
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, one that is no text, and one that is given twice are told."""
    path = tmp_path / "queries.csv"
    with pytest.raises(DatasetError, match=r"cannot read .*No such file"):
        read_queries([path])
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="not UTF-8 text"):
        read_queries([path])
    with pytest.raises(DatasetError, match="given twice"):
        read_queries([path, path])


def test_queries_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading ends at the limit, over all files."""
    monkeypatch.setattr(judged, "MAX_QUERIES", 3)
    paths = [written(tmp_path, "text,image,relevant\nx,,y\nx,,y\n", name) for name in ("a.csv", "b.csv")]

    with pytest.raises(DatasetError, match=r"b.csv, line 3: more than 3 queries; evaluate them in parts"):
        read_queries(paths)


def test_settings_are_changed_by_words() -> None:
    """What is not named stays as it is; a setting is written as it can be given."""
    setting = Setting(algorithm="lite", target="both")

    other = changed(setting, "target=caption  cross-modal=true diverse=false")

    assert other == Setting(algorithm="lite", target="caption", cross_modal=True, diverse=False)
    assert str(other) == "lite, target=caption, cross_modal=true, diverse=false"
    assert str(changed(setting, "algorithm=siglip")) == "siglip, target=both"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "an empty setting"),
        ("colour=red", "'colour=red' is no option of a search; give NAME=VALUE, with one of algorithm, target"),
        ("target", "'target' is no option"),
        ("target=", "'target=' is no option"),
        ("target=caption target=both", "'target' is given twice"),
        ("cross_modal=maybe", "'cross_modal=maybe': give true or false"),
        ("target=nowhere", "nowhere"),
        ("target=both", "is what is measured anyway"),
    ],
)
def test_bad_settings(words: str, told: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(InputError, match=told):
        changed(Setting(target="both"), words)
