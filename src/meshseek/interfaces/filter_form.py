"""Filters as programs and agents write them, and what is said of those that are written otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictStr

from meshseek.model import FILTER_FIELDS, LABEL_FIELDS, NUMBER_FIELDS
from meshseek.search.filters import shown

NAME, WORD, WORDS, FIELDS = 100, 1_000, 100, 20
"""Characters of a name and of a filter's word, words of a filter, and filters. A bound on a text also refuses half a
character (a lone surrogate), which JSON can hold, but neither an answer nor a database."""

Word = Annotated[StrictStr, Field(max_length=WORD)]
Words = Annotated[list[Word], Field(max_length=WORDS)]
FieldName = Annotated[str, Field(max_length=NAME, json_schema_extra={"enum": [*FILTER_FIELDS]})]


class Bounds(BaseModel):
    """Numbers within bounds, both included."""

    model_config = ConfigDict(extra="forbid", strict=True)

    min: float | None = None
    max: float | None = None


class Not(BaseModel):
    """Everything but this."""

    model_config = ConfigDict(extra="forbid")

    excluded: Word | Words | StrictFloat | Bounds = Field(alias="not")


Filters = Annotated[
    dict[FieldName, Word | Words | StrictFloat | Bounds | Not],
    Field(
        max_length=FIELDS,
        description=f"By field a word, or words of which one must hold ({', '.join(LABEL_FIELDS)}), or a number, or "
        f"min and max ({', '.join(NUMBER_FIELDS)}, the latter three in cm); inside `not` for everything else",
    ),
]

_TOO_LONG: Final = {"string_too_long", "too_long"}
_BOUNDS: Final = '{"min": 40, "max": 60}'


def plain_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Filters as a query takes them."""
    return {name: _plain(value) for name, value in filters.items()}


def _plain(value: Any) -> Any:
    return value.model_dump(by_alias=True, exclude_none=True) if isinstance(value, BaseModel) else value


UNKNOWN: Final = "extra_forbidden"
"""What pydantic calls something that nobody asks for."""


def wrong_filters(errors: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with filters, in one sentence.

    Args:
        errors: Of pydantic, whose first counts. It tells of each form that a value might have had.

    Returns:
        None where the first is of something else.
    """
    place = [str(part) for part in errors[0]["loc"]]
    if "filters" not in place or (place[-1] == "filters" and errors[0]["type"] == UNKNOWN):
        return None
    inside = place[place.index("filters") + 1 :]
    same = errors[0]["loc"][: place.index("filters") + 2]
    too_long = any(error["type"] in _TOO_LONG and error["loc"][: len(same)] == same for error in errors)
    if not inside:
        most = f"at most {FIELDS} fields; " if too_long else ""
        return f'filters: {most}give a JSON object by field, as in {{"category": "Office", "height": {{"max": 80}}}}'
    name = inside[0]
    if name not in FILTER_FIELDS:
        return f"cannot filter on '{shown(name)}'; known fields: {', '.join(FILTER_FIELDS)}"
    if too_long:
        return f"the filter on '{name}' is too long: at most {WORDS} words of at most {WORD:,} characters"
    takes = "a word or a list of words"
    if name in NUMBER_FIELDS:
        takes = f"a number or {_BOUNDS}{'' if name == 'faces' else ' in cm'}"
    return f"the filter on '{name}' takes {takes}, or {{\"not\": ...}} around either"
