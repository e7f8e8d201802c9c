"""XML that somebody may have made to harm: without entities, and neither deep nor endless."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.parsers import expat

from meshseek.errors import UnreadableAssetError

DEEPEST = 256
MOST_ELEMENTS = 40_000_000
_PART = 1 << 20

Began = Callable[[str, Mapping[str, str]], None]
Ended = Callable[[str], None]


class _Walk:
    """Counts what begins and ends, and hands it on."""

    def __init__(self, began: Began, ended: Ended) -> None:
        self._began, self._ended = began, ended
        self._depth = self._count = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > DEEPEST:
            raise UnreadableAssetError(f"its XML is nested more than {DEEPEST} deep; export it again")
        if self._count > MOST_ELEMENTS:
            raise UnreadableAssetError(f"its XML has more than {MOST_ELEMENTS:,} elements; reduce it")
        self._began(name, attributes)

    def end(self, name: str) -> None:
        self._depth -= 1
        self._ended(name)


def walk(content: bytes, began: Began, ended: Ended = lambda _: None) -> None:
    """Go through a document, without building a tree of it.

    Args:
        content: The document.
        began: Told of each element's name, without its namespace, and its attributes.
        ended: Told of its name where it ends.

    Raises:
        UnreadableAssetError: It is damaged, declares a document type or entities, or is too deep or too long.
    """
    walking = _Walk(
        lambda name, given: began(_bare(name), {_bare(key): value for key, value in given.items()}),
        lambda name: ended(_bare(name)),
    )
    parser = expat.ParserCreate()
    parser.StartElementHandler = walking.begin
    parser.EndElementHandler = walking.end
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        for start in range(0, len(content), _PART):
            parser.Parse(content[start : start + _PART], False)  # noqa: FBT003 - it takes no names
        parser.Parse(b"", True)  # noqa: FBT003
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise UnreadableAssetError("its XML is damaged; export it again") from error


def _refuse(*_: object) -> None:
    raise UnreadableAssetError("its XML declares a document type or entities, which are not followed; export it again")


def _bare(name: str) -> str:
    return name.rpartition(":")[2]
