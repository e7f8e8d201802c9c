"""Words that somebody else wrote: without what terminals, pages and databases take for orders."""

from __future__ import annotations

import re

_UNSEEN = (
    r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls, ANSI's escape among them
    r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # of no width
    r"\ud800-\udfff"  # halves of a character
    r"\U000e0000-\U000e007f"  # tags, which nobody sees
)
_STRIPPED = re.compile(f"[{_UNSEEN}]")
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_TOLD = re.compile(f"[{_UNSEEN}\v\f\r\x85\u2028\u2029]")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])|\x9b[0-?]*[ -/]*[@-~]")
"""What a terminal takes for an order: as a whole, so that nothing of it stays."""


def plain(text: str) -> str:
    """A text of one line without control characters, orders for terminals, and characters that nobody sees.

    Line breaks and tabs become blanks.
    """
    if text.isascii() and text.isprintable():
        return text
    return _STRIPPED.sub("", _BREAKS.sub(" ", _ESCAPE.sub("", text)))


def printable(text: str) -> str:
    r"""A text that a terminal shows as it is: what it would take for an order becomes ``\u001b`` or the like.

    Line feeds and tabs stay. Inside JSON, the result means the same.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return _TOLD.sub(_escaped, text)


def on_one_line(text: str) -> str:
    r"""As :func:`printable`, and line feeds and tabs are written out too: nothing in it begins another line."""
    return printable(text).replace("\n", r"\u000a").replace("\t", r"\u0009")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFFFF:  # noqa: PLR2004  # one unit of UTF-16
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
