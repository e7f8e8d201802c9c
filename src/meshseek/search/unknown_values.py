"""Why filters let nothing pass: a value that no asset has, and values that some have."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from meshseek.model import LABEL_FIELDS, Condition
from meshseek.search.filters import shown

if TYPE_CHECKING:
    from meshseek.store.read.library import Library

MOST_UNKNOWN: Final = 3
"""Values that are told of: one cure is enough, and each takes a look at the field."""
MOST_COMPARED: Final = 1_000
"""Values of a field among which near ones are looked for, the most frequent first."""
MOST_NAMED: Final = 10
"""Values that there are, named in the place of one that there is not."""
_NEAR: Final = 4
_LONGEST: Final = 80
"""Characters that are compared, for it takes far longer for long ones."""
_CALLED: Final = {"tags": "the tag", "permits": "a licence that permits"}


def hint(library: Library, conditions: Sequence[Condition]) -> str | None:
    """What filters name and no asset has, with what there is, on one line; None where all of it is there."""
    wanted = [each for each in conditions if each.field in LABEL_FIELDS and not each.negated]
    unknown = library.unknown_labels(wanted) if wanted else []
    blamed = [each for each in wanted if all((each.field, value) in unknown for value in each.values)]
    told = [line for each in blamed[:MOST_UNKNOWN] for line in _lines(library, each.field, each.values[:MOST_UNKNOWN])]
    return "; ".join(told[:MOST_UNKNOWN]) or None


def _lines(library: Library, field: str, values: Sequence[str]) -> list[str]:
    known = [name for name, _ in library.facet(field, MOST_COMPARED)]
    if not known:
        return [f"no asset here has any {field}: leave this filter out"]
    return [_line(field, value, known) for value in values]


def _line(field: str, value: str, known: Sequence[str]) -> str:
    named = list(dict.fromkeys([*near(value, known), *known]))
    more = " and more" if len(named) > MOST_NAMED else ""
    called = _CALLED.get(field, f"the {field}")
    return f"no asset here has {called} '{shown(value)}'; there are: {', '.join(map(shown, named[:MOST_NAMED]))}{more}"


def near(value: str, known: Sequence[str]) -> list[str]:
    """Those of the known values that may have been meant: in other letters, with more around it, or nearly spelt so."""
    wanted = value.casefold().strip()[:_LONGEST]
    folded: dict[str, list[str]] = {}
    for name in known:
        folded.setdefault(name.casefold(), []).append(name)
    parts = [name for name in folded if wanted and wanted in name]
    close = [*sorted(parts, key=len), *get_close_matches(wanted, folded, _NEAR)]
    return [name for each in dict.fromkeys(close) for name in folded[each]][:_NEAR]
