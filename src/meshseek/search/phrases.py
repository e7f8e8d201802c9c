"""Queries in which some words are meant exactly: quoted phrases, and ids of assets."""

from __future__ import annotations

import re

from meshseek.model import Condition

_QUOTED = re.compile(r'(?<![A-Za-z0-9])"([^"]*)"(?![A-Za-z0-9])|“([^”]*)”|「([^」]*)」')
"""Straight quotes stand around whole words, so that inches are none."""
_ID = re.compile(r"\S*[\d/_-]\S*|.*\S/\S.*")


def phrases(text: str) -> tuple[Condition, ...]:
    """A condition for each quoted phrase that has a letter or digit: assets whose words hold it just so."""
    found = ("".join(groups).strip() for groups in _QUOTED.findall(text))
    return tuple(Condition(field="words", values=(phrase,)) for phrase in found if any(map(str.isalnum, phrase)))


def quoted_spans(text: str) -> list[tuple[int, int]]:
    """Where each quoted phrase begins and ends, with its quotes."""
    return [match.span() for match in _QUOTED.finditer(text)]


def without_quotes(text: str) -> str:
    """The text as it is compared by its meaning."""
    return " ".join(_QUOTED.sub(lambda match: " " + "".join(match.groups(default="")) + " ", text).split()) or text


def may_be_id(text: str) -> bool:
    """Whether a query looks like the id of an asset: one word with a digit or a separator in it, or a path."""
    return _ID.fullmatch(text.strip()) is not None
