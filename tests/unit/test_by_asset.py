"""What is known by asset id in little memory is what a dictionary would say."""

from __future__ import annotations

import string

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from meshseek.workspace.by_asset import ByAsset, Some, Texts, flat, latest_rows, pieces, replaced_ids, texts_by_asset

SCHEMA = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string()})
IDS = st.text(st.sampled_from(string.ascii_lowercase[:3] + "/é龍"), max_size=3)
SHARDS = st.lists(st.dictionaries(IDS, st.text(max_size=5), max_size=8), max_size=5)


def table(rows: dict[str, str]) -> pa.Table:
    """Ids with what they were made from."""
    return pa.table({"asset_id": list(rows.keys()), "fingerprint": list(rows.values())}, SCHEMA)


@given(shards=SHARDS, asked=st.lists(IDS))
def test_it_says_what_a_dictionary_would(shards: list[dict[str, str]], asked: list[str]) -> None:
    """Of any shards, also where later ones replace assets of earlier ones: the same keys, values, order and length."""
    expected: dict[str, str] = {}
    for shard in shards:
        expected.update(shard)

    known = texts_by_asset(latest_rows(map(table, shards), SCHEMA), "fingerprint")

    assert list(known.items()) == list(expected.items())
    assert (list(known), list(known.values()), len(known)) == ([*expected], [*expected.values()], len(expected))
    assert [known.get(name) for name in asked] == [expected.get(name) for name in asked]
    assert [name in known for name in asked] == [name in expected for name in asked]
    assert known == expected


@given(shards=SHARDS)
def test_what_later_shards_replaced_is_told(shards: list[dict[str, str]]) -> None:
    """Each shard's assets that a later one has as well, in the shard's order."""
    ids = [table(shard)["asset_id"].unique() for shard in shards]

    later = [set().union(*shards[number + 1 :]) for number in range(len(shards))]
    assert replaced_ids(ids) == [
        [name for name in shard if name in after] for shard, after in zip(shards, later, strict=True)
    ]


def test_ids_of_equal_hashes_are_told_apart() -> None:
    """However few places there are for hashes, each id has its row: of a thousand ids many share one."""
    names = [f"{number // 50}/{10_000 + number % 50}" for number in range(1000)]
    known = ByAsset(pa.array(names), lambda row: row)

    assert [known[name] for name in names] == list(range(1000))
    assert not any(f"{name}0" in known for name in names)


def test_what_no_table_can_hold_is_not_there() -> None:
    """A file's name that is no Unicode, or a key that is no text, is no asset and no error."""
    known = ByAsset(pa.array(["a"]), lambda row: row)

    assert "\udcff" not in known
    assert known.get("\udcff") is None
    assert 1 not in known  # type: ignore[comparison-overlap]


def test_texts_of_a_part_and_missing_ones() -> None:
    """A column may be cut from a longer one, come in chunks, and have gaps."""
    column = pa.chunked_array([pa.array(["x", "é", None, ""]).slice(1), pa.array(["龍"])])
    texts = Texts(column)

    assert [texts[row] for row in range(len(texts))] == ["é", None, "", "龍"]
    assert texts.at(1) == ""
    assert len(Texts(pa.chunked_array([], pa.string()))) == 0


def test_lists_are_found_among_all_values() -> None:
    """Also those of a column that was cut and put together."""
    lists = [["a"], [], ["b", "c"], ["d"]]
    column = pa.chunked_array([pa.array(lists).slice(1), pa.array(lists)])

    ends, values = flat(column)

    found = [values[ends[row] : ends[row + 1]].to_pylist() for row in range(len(column))]
    assert found == lists[1:] + lists


def test_tables_that_do_not_fit_are_left_out() -> None:
    """What a damaged file holds is not finished, and no error."""
    odd = [pa.table({"asset_id": ["a"]}), pa.table({"asset_id": [["a"]], "fingerprint": ["f"]})]

    assert latest_rows([*odd, table({"b": "f"})], SCHEMA).to_pylist() == [{"asset_id": "b", "fingerprint": "f"}]
    assert latest_rows([], SCHEMA).num_rows == 0


def test_some_of_a_mapping() -> None:
    """Those that are wanted are there, the others not."""
    some = Some({"a": "1", "b": "2", "c": "3"}, lambda name: name != "b")

    assert dict(some) == {"a": "1", "c": "3"}
    assert (len(some), some.get("b"), "b" in some, "a" in some) == (2, None, False, True)


def test_pieces_are_the_whole() -> None:
    """More texts than are Python's at a time."""
    names = [str(number) for number in range(3000)]

    assert list(pieces(pa.array(names))) == names
