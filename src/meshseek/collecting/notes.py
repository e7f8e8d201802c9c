"""The attribution as files: Markdown for people, CSV for tables. What assets say of themselves is only text in both."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from meshseek.collecting.cautions import warnings_of
from meshseek.collecting.credits import GONE, Credit
from meshseek.untrusted.text import plain

MARKDOWN, TABLE = "ATTRIBUTION.md", "attribution.csv"
MISSING = "MISSING"
COLUMNS = (
    "file",
    "asset_id",
    "title",
    "creator",
    "licence",
    "licence_url",
    "permits",
    "demands",
    "in_words",
    "source",
    "missing",
)
_MARKS = re.compile(r"[\\`*_\[\]<>&~|!$@]")
_ADDRESS = re.compile(r"(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)
"""What makes an address of a text where nobody asked for a link."""
_LINK = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*)?")
_FORMULA = re.compile(r"(^|[;,\t|])([\"'\s]*)(?=[=+\-@＝＋－＠])")
"""How a formula begins for a spreadsheet, also one that takes another character for the end of a cell."""


def notes(credits_: Sequence[Credit], uses: Sequence[str] = ()) -> dict[str, bytes]:
    """The content of both files, by name.

    Args:
        credits_: Of the assets.
        uses: What somebody wants to do with them.
    """
    return {MARKDOWN: markdown(credits_, uses).encode(), TABLE: table(credits_).encode("utf-8-sig")}


def markdown(credits_: Sequence[Credit], uses: Sequence[str] = ()) -> str:
    """The attribution to be read."""
    return "\n".join(_lines(credits_, uses)) + "\n"


def table(credits_: Sequence[Credit]) -> str:
    """The attribution as CSV with a header; a text that a spreadsheet would run has an apostrophe before it."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in _row(credit)] for credit in credits_)
    return written.getvalue()


def _lines(credits_: Sequence[Credit], uses: Sequence[str]) -> Iterator[str]:
    lacking = [credit for credit in credits_ if credit.missing is not None]
    warnings = warnings_of(credits_, uses)
    yield "# Attribution"
    yield ""
    yield "Whom to name for these models, and what their licences say as far as their names tell. No legal advice."
    if uses:
        yield ""
        yield f"Meant use: {', '.join(uses)}."
    if lacking:
        yield from ("", f"## {MISSING}: {len(lacking):,} of {len(credits_):,} models", "")
        yield from (f"* {_escaped(credit.asset_id)}: {_escaped(credit.missing or '')}" for credit in lacking)
    if warnings:
        yield from ("", "## Warnings", "")
        yield from (f"* {_escaped(warning)}" for warning in warnings)
    yield from ("", "## Models", "")
    for credit in credits_:
        if credit.missing != GONE:  # of the others nothing is known
            yield from _paragraph(credit)


def _paragraph(credit: Credit) -> Iterator[str]:
    licence = _escaped(credit.terms.licence) or "none stated"
    address = f" (<{credit.terms.url}>)" if credit.terms.url else ""
    yield f"* **{_escaped(credit.title)}** by {_escaped(credit.creator) or 'an unnamed creator'}"
    yield f"  * Licence: {licence}{address}. {credit.terms.words}"
    if credit.source:
        yield f"  * Source: {_linked(credit.source)}"
    yield f"  * File: {_escaped(credit.file) if credit.missing is None else MISSING}; asset {_escaped(credit.asset_id)}"


def _row(credit: Credit) -> tuple[str, ...]:
    return (
        credit.file if credit.missing is None else MISSING,
        credit.asset_id,
        credit.title,
        credit.creator,
        credit.terms.licence,
        credit.terms.url or "",
        " ".join(credit.terms.permits),
        " ".join(credit.terms.demands),
        "" if credit.missing == GONE else credit.terms.words,
        credit.source,
        credit.missing or "",
    )


def _escaped(text: str) -> str:
    """A text in which nothing means anything to Markdown; what would only at the start of a line is never there."""
    marked = _MARKS.sub(r"\\\g<0>", plain(text))
    return _ADDRESS.sub(lambda found: f"\\{found[0]}", marked)


def _linked(source: str) -> str:
    return f"<{source}>" if _LINK.fullmatch(source) else _escaped(source)


def _cell(value: str) -> str:
    return _FORMULA.sub(r"\1\2'", plain(value))
