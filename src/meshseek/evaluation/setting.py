"""Which search is measured: an algorithm and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from meshseek.errors import InputError
from meshseek.evaluation.judged import JudgedQuery
from meshseek.images import read_image
from meshseek.search.query import Query

DEPTH = 10
"""Results that are judged, those of a first page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An algorithm and the options of its queries; None means the search's default."""

    algorithm: str = "lite"
    target: str | None = None
    cross_modal: bool | None = None
    diverse: bool | None = None

    def __str__(self) -> str:
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return ", ".join(value if name == "algorithm" else _written(name, value) for name, value in given.items())

    def query(self, judged: JudgedQuery) -> Query:
        """What is asked for a judged query.

        Raises:
            InputError: It cannot be searched so.
        """
        options = {name: value for name, value in asdict(self).items() if name != "algorithm" and value is not None}
        image = read_image(judged.image) if judged.image else None
        return Query(text=judged.text, image=image, language=judged.language, top_k=DEPTH, **options)


def _written(name: str, value: object) -> str:
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"


def _yes_or_no(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise ValueError("give true or false")
    return value.lower() == "true"


_READERS: Mapping[str, Callable[[str], Any]] = {
    "algorithm": str,
    "target": str,
    "cross_modal": _yes_or_no,
    "diverse": _yes_or_no,
}


def changed(setting: Setting, words: str) -> Setting:
    """A setting with some of its options changed by words such as ``algorithm=siglip target=both``.

    Raises:
        InputError: An option is unknown, given twice, or has no such value.
    """
    options: dict[str, Any] = {}
    for word in words.split():
        name, sign, value = word.partition("=")
        name = name.replace("-", "_")
        if name not in _READERS or not sign or not value:
            raise InputError(f"'{word}' is no option of a search; give NAME=VALUE, with one of {', '.join(_READERS)}")
        if name in options:
            raise InputError(f"'{name}' is given twice in '{words}'; give it once")
        try:
            options[name] = _READERS[name](value)
        except ValueError as error:
            raise InputError(f"'{word}': {error}") from error
    if not options:
        raise InputError("an empty setting cannot be compared; give words such as target=caption")
    other = replace(setting, **options)
    other.query(JudgedQuery(source="", line=0, text="chair"))
    if other == setting:
        raise InputError(f"'{words}' is what is measured anyway; change an option to compare with")
    return other
