"""XML that somebody may have made to harm: without entities, and neither deep nor endless."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.parsers import expat

from meshseek.errors import UnreadableAssetError

DEEPEST = 256
MOST_ELEMENTS = 40_000_000
_PART = 1 << 20

Began = Callable[[str, Mapping[str, str]], None]


class _Walk:
    """Counts what begins and ends, and hands on what is of a namespace that is asked for."""

    def __init__(self, began: Began, namespaces: tuple[str, ...]) -> None:
        self._began, self._namespaces = began, namespaces
        self._depth = 0
        self.count = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self.count += 1
        if self._depth > DEEPEST:
            raise UnreadableAssetError(f"its XML is nested more than {DEEPEST} deep; export it again")
        if self.count > MOST_ELEMENTS:
            raise UnreadableAssetError(f"its XML has more than {MOST_ELEMENTS:,} elements; reduce it")
        if self._asked_for(name):
            self._began(_bare(name), {_bare(key): value for key, value in attributes.items() if self._asked_for(key)})

    def end(self, _: str) -> None:
        self._depth -= 1

    def _asked_for(self, name: str) -> bool:
        return " " not in name or name.startswith(self._namespaces)


def walk(content: bytes, began: Began, namespaces: tuple[str, ...] = ("",)) -> None:
    """Go through a document, without building a tree of it.

    Args:
        content: The document.
        began: Told of each element's name, without its namespace, and its attributes; what it raises is passed on.
        namespaces: How those begin of which it is told; of elements and attributes without one it is told as well.

    Raises:
        UnreadableAssetError: It is damaged, in a strange encoding, declares a document type or entities, or is too
            deep or too long.
    """
    walking = _Walk(began, namespaces)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = walking.begin
    parser.EndElementHandler = walking.end
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        for start in range(0, len(content), _PART):
            parser.Parse(content[start : start + _PART], False)  # noqa: FBT003 - it takes no names
        parser.Parse(b"", True)  # noqa: FBT003
    except expat.ExpatError as error:
        raise UnreadableAssetError("its XML is damaged; export it again") from error
    except (ValueError, LookupError) as error:
        if walking.count:  # not of the encoding, which comes first
            raise
        raise UnreadableAssetError("its XML has an encoding that is not read here; save it as UTF-8") from error


def _refuse(*_: object) -> None:
    raise UnreadableAssetError("its XML declares a document type or entities, which are not followed; export it again")


def _bare(name: str) -> str:
    return name.rpartition(" ")[2]
