"""A benchmark's queries in Chinese: by the workspace's translator, after its price was agreed to, and only once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.batch_service import Service, batch_service, expected

from meshseek.bootstrap import Meshseek
from meshseek.evaluation.judged import JudgedQuery
from meshseek.evaluation.judging import Expected
from meshseek.interfaces.cli.evaluating import _chinese
from meshseek.model import Estimate
from meshseek.settings import read_settings
from meshseek.workspace.workspace import Workspace

TEXTS = ("a red chair", "a tall lamp", "a red chair")
QUERIES = [
    Expected(query=JudgedQuery(source="lvis.csv", line=line, text=text), relevant=frozenset([f"a/{line}"]))
    for line, text in enumerate(TEXTS, 1)
]


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service."""
    with batch_service() as running:
        yield running


@pytest.fixture
def meshseek(service: Service, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meshseek]:
    """A workspace with a translator that was named before."""
    monkeypatch.setenv("MESHSEEK_DASHSCOPE_API_KEY", service.key)
    monkeypatch.setenv("MESHSEEK_DASHSCOPE_BASE_URL", service.url.removesuffix("/compatible-mode/v1"))
    made = Meshseek(read_settings(workspace=workspace.folder))
    made.workspace.remembered.keep("translate", {"translator": "openai_chat"})
    yield made
    made.close()


def test_queries_are_translated_once(meshseek: Meshseek, service: Service) -> None:
    """The price of what is missing is shown; what was translated is kept and costs nothing any longer."""
    shown: list[Estimate | None] = []

    def agree(estimate: Estimate | None) -> bool:
        shown.append(estimate)
        return True

    for _ in range(2):
        found = _chinese(meshseek, "objaverse-lvis", QUERIES, agree)
        assert found is not None
        chinese, lacking = found
        assert [each.query.text for each in chinese] == [expected(text) for text in TEXTS]
        assert {each.query.language for each in chinese} == {"chinese"}
        assert [each.relevant for each in chinese] == [each.relevant for each in QUERIES]
        assert lacking is None

    first, second = shown
    assert first is not None
    assert (first.items, second) == (2, None)
    assert set(service.paid.values()) == {1}
    assert (meshseek.workspace.folder / "benchmarks" / "objaverse-lvis-chinese.json").is_file()


def test_nothing_is_sent_without_consent(meshseek: Meshseek, service: Service) -> None:
    """Where the price is not agreed to, the benchmark does not go on."""
    assert _chinese(meshseek, "objaverse-lvis", QUERIES, lambda _: False) is None
    assert not service.paid


def test_without_a_translator_english_is_asked(meshseek: Meshseek, service: Service) -> None:
    """The note says how many queries are missing, and how to have them."""
    meshseek.workspace.remembered.keep("translate", {"translator": "existing"})

    found = _chinese(meshseek, "objaverse-lvis", QUERIES, lambda estimate: estimate is None)

    assert found is not None
    assert found[0] == []
    assert str(found[1]).startswith("3 queries are not asked in Chinese: name a translator once by 'meshseek translate")
    assert not service.paid


def test_what_cannot_be_searched_in_chinese_is_told(meshseek: Meshseek) -> None:
    """Apart from what is not translated, which has another cure."""
    meshseek.workspace.remembered.keep("translate", {"translator": "existing"})
    folder = meshseek.workspace.folder / "benchmarks"
    folder.mkdir()
    (folder / "objaverse-lvis-chinese.json").write_text('{"a red chair": "！", "a tall lamp": "台灯"}', "utf-8")

    found = _chinese(meshseek, "objaverse-lvis", QUERIES, lambda estimate: estimate is None)

    assert found is not None
    assert [each.query.text for each in found[0]] == ["台灯"]
    assert found[1] == "The Chinese of 2 queries cannot be searched, as it is too long or holds no word."
