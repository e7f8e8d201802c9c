"""What the page begins with: what the library holds, and a few things to try."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from meshseek.interfaces.ui.address import Filter, Part, State
from meshseek.interfaces.ui.answers import Spread
from meshseek.interfaces.ui.finding import Found
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.wording import Wording

EXAMPLES: Final = ("wooden chair", "table lamp", "something to sleep on", "沙发", "厨房电器", "盆栽植物")
MOST_CATEGORIES: Final = 16


def start(state: State, wording: Wording, found: Found) -> Markup:
    """The first lines of the page."""
    known = (found.facets or {}).get("category", ())
    categories = () if isinstance(known, Spread) else known[:MOST_CATEGORIES]
    examples = [
        {
            "words": words,
            "link": State(parts=(Part(kind="q", value=words),), algorithm=state.algorithm).link(),
            "chinese": not words.isascii(),
        }
        for words in EXAMPLES
    ]
    shown = [
        {
            "label": wording.label(each.value),
            "count": f"{each.count:,}",
            "link": state.link(filters={"category": Filter(values=(each.value,))}),
        }
        for each in categories
    ]
    hello = wording.count("start.hello", found.total) if found.total is not None else wording("start.plain")
    return piece("start", wording, hello=hello, examples=examples, categories=shown)
