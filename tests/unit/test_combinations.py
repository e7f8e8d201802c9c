"""Which vectors answer which query, and what is remembered of queries."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from meshseek.search.caching import RecentlyUsed, picture_key
from meshseek.search.combinations import MODE
from meshseek.search.modes import MODES
from meshseek.search.query import Query
from meshseek.store.indexes import INDEXES
from meshseek.store.read.published import CAPTION_COLUMNS
from meshseek.store.read.statements import statement

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
ROW = re.compile(r"^\| (\w+) \| (as it is|inner-modal|cross-modal) \| `(\w+)` \| (.+) \|$", re.MULTILINE)
ASKED = {"as it is": None, "inner-modal": False, "cross-modal": True}


def view_columns() -> tuple[str, ...]:
    """The columns whose distance to the query the statement for views takes, in its order."""
    text = statement(INDEXES.load("hnsw").views_query).decode()
    return tuple(dict.fromkeys(re.findall(r"(\w+) <=> %\(vector\)", text)))


def test_the_documentation_has_the_same_table() -> None:
    """Every row of the page is one of the code's, and the other way round; views are compared as the query says."""
    documented = {}
    for kind, asked, mode, columns in ROW.findall(PAGE.read_text("utf-8")):
        documented[kind, ASKED[asked]] = (mode, tuple(re.findall(r"`(\w+)`", columns)))
    expected = {}
    for (kind, cross_modal), mode in MODE.items():
        columns_of = {
            "caption": CAPTION_COLUMNS[kind],
            "appearance": view_columns(),
            "both": ("caption", "appearance"),
        }
        expected[kind, cross_modal] = (mode, columns_of[mode])
    assert documented == expected


@pytest.mark.parametrize(("kind", "cross_modal"), MODE)
def test_queries_follow_the_table(kind: str, cross_modal: bool) -> None:  # noqa: FBT001  # a parameter of the table
    """A query is answered by the mode of its row unless it names one."""
    image = Image.new("RGB", (4, 4))
    asked = {"english": {"text": "chair"}, "chinese": {"text": "椅子"}, "image": {"image": image}}[kind]
    assert Query(**asked, cross_modal=cross_modal).mode == MODE[kind, cross_modal]  # type: ignore[arg-type, index]
    assert Query(**asked, cross_modal=cross_modal, target="both").mode == "both"  # type: ignore[arg-type]
    assert set(MODE.values()) <= set(MODES.names)


def test_the_least_recently_used_goes_first() -> None:
    """What was asked for again stays; what was not is made again."""
    made: list[int] = []
    cache: RecentlyUsed[int] = RecentlyUsed(2)

    def get(key: int) -> int:
        return cache.get(key, lambda: (made.append(key), key)[1])  # type: ignore[func-returns-value]

    assert [get(key) for key in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert made == [1, 2, 3, 2]


def test_what_failed_is_not_remembered() -> None:
    """None is asked for again."""
    cache: RecentlyUsed[str | None] = RecentlyUsed(2)
    assert cache.get("a", lambda: None) is None
    assert cache.get("a", lambda: "b") == "b"
    assert cache.get("a", lambda: "c") == "b"


def test_threads_share_it() -> None:
    """Each key has its own value whatever the order."""
    cache: RecentlyUsed[int] = RecentlyUsed(5)
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda n: cache.get(n % 9, lambda: n % 9), range(2000)))
    assert values == [n % 9 for n in range(2000)]


def test_pictures_are_known_by_their_pixels() -> None:
    """Equal pixels are the same picture; another pixel, size or mode is another."""
    red = Image.new("RGB", (4, 6), "red")
    other = red.copy()
    other.putpixel((0, 0), (254, 0, 0))
    keys = [picture_key(image) for image in (red, other, red.resize((6, 4)), red.convert("L"))]
    assert picture_key(red.copy()) == keys[0]
    assert len(set(keys)) == 4
