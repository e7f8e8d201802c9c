"""What stands above the results: how many there are, what they rest on, how they are filtered; and beside: by what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from meshseek.interfaces.ui.address import SORTS, Filter, State, figure_of
from meshseek.interfaces.ui.answers import Answer, Facet, Result, Spread
from meshseek.interfaces.ui.finding import FACETS, Found
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.wording import LABELLED, Wording
from meshseek.model import NUMBER_FIELDS

FEW: Final = 8
"""Values of a field that are shown unfolded."""
MOST_VALUES: Final = 60
FITTING: Final = ("strong", "fair")
HIGH: Final = 24.0
"""Of a drawing's bars."""


def summary(state: State, wording: Wording, found: Found) -> Markup:
    """The line above the results."""
    answer, number = found.answer, len(found.results)
    if answer is None:
        total = found.total if found.total is not None else number
        sorts = [
            {"value": "" if sort == SORTS[0] else sort, "label": wording(f"sort.{sort}"), "chosen": sort == state.sort}
            for sort in SORTS
        ]
        given: dict[str, Any] = {"count": wording.count("assets", total), "sorts": sorts}
        return piece("summary", wording, **{**_nothing(), **given})
    has_words = any(part.kind == "q" for part in state.parts)
    fits = sum(isinstance(each, Result) and each.relevance in FITTING for each in found.results)
    took = wording("summary.took", number=max(round(answer.took_ms.total), 1)) if answer.took_ms else ""
    given = {
        "count": wording("results.best", number=f"{number:,}") if found.more else wording.count("results", number),
        "fits": wording.count("summary.fits", fits) if 0 < fits < number and not answer.nothing_close else "",
        "took": took,
        "partial": answer.partial,
        "nothing_close": answer.nothing_close and number,
        "without_filters": state.link(filters={}) if state.filters else "",
        "language": wording.known(f"language.{answer.query_type}") if has_words else "",
        "translated": answer.translated_query,
        "compared": compared(answer, wording),
    }
    return piece("summary", wording, **{**_nothing(), **given})


def compared(answer: Answer, wording: Wording) -> str:
    """What the results rest on, in words."""
    target = wording.known(f"target.{answer.target}.long", answer.target)
    if answer.target == "both" and answer.query_type == "image":
        target = wording("target.both.picture")
    said = [wording("summary.compared", target=target)] if target else []
    said += [wording("summary.crossing")] if answer.cross_modal else []
    said += [wording("summary.order", name=answer.reranked_by)] if answer.reranked_by else []
    said += [answer.note] if answer.note else []
    return wording("comma").join(said)


def chips(state: State, wording: Wording) -> Markup:
    """The filters that hold, each with a way to take it off."""
    shown = []
    for name, each in state.filters.items():
        if each.values:
            shown += [
                {"label": _labelled(name, _value(name, value, wording), wording), "link": state.without(name, value)}
                for value in each.values
            ]
        else:
            shown.append({"label": _labelled(name, _bounds(each), wording), "link": state.without(name)})
    return piece("chips", wording, chips=shown, clear=state.link(filters={}))


def facets(state: State, wording: Wording, found: Found) -> Markup:
    """The fields that can be filtered by, with counts for what is shown."""
    counted = found.facets or {}
    fields = []
    for name in FACETS:
        known = counted.get(name)
        if isinstance(known, Spread) or (known is None and name in NUMBER_FIELDS and name in state.filters):
            fields.append(_numbers(name, known or Spread(), state, wording))
        elif known and (len(known) > 1 or name in {*state.filters, FACETS[0]}):
            fields.append(_words(name, known, state, wording))
    return piece("facets", wording, fields=[each for each in fields if each], few=FEW)


def _words(name: str, known: tuple[Facet, ...], state: State, wording: Wording) -> dict[str, Any]:
    chosen = state.filters.get(name, Filter()).values
    missing = tuple(Facet(value=value, count=0) for value in chosen if value not in {each.value for each in known})
    shown = (*missing, *known)[:MOST_VALUES]
    said = Counter(_value(name, each.value, wording) for each in shown)
    values = [
        {
            "label": label if said[label] == 1 else f"{label} ({each.value})",
            "count": f"{each.count:,}",
            "chosen": each.value in chosen,
            "link": state.without(name, each.value) if each.value in chosen else state.with_value(name, each.value),
        }
        for each in shown
        for label in [_value(name, each.value, wording)]
    ]
    return {"key": name, "name": wording(f"field.{name}"), "choices": values}


def _numbers(name: str, known: Spread, state: State, wording: Wording) -> dict[str, Any] | None:
    if known.min is None and name not in state.filters:
        return None
    chosen = state.filters.get(name, Filter())
    most = max((bucket.count for bucket in known.buckets), default=0)
    width = 100 / max(len(known.buckets), 1)
    bars = [
        {"x": index * width, "y": HIGH - tall, "width": width * 0.86, "height": tall}
        for index, bucket in enumerate(known.buckets)
        for tall in [HIGH * bucket.count / most if most else 0]
    ]
    return {
        "key": name,
        "name": wording(f"field.{name}"),
        "choices": [],
        "bars": bars,
        "low": figure_of(chosen.low),
        "high": figure_of(chosen.high),
        "least": _rounded(known.min),
        "most": _rounded(known.max),
    }


def _rounded(value: float | None) -> str:
    """A number as people write it; what the database keeps of 45.4 has more digits."""
    return "" if value is None else figure_of(round(value, 1))


def _labelled(name: str, value: str, wording: Wording) -> str:
    return wording("chips.label", field=wording(f"field.{name}"), value=value)


def _value(name: str, value: str, wording: Wording) -> str:
    if name == "permits":
        return wording.known(f"permits.{value}", value)
    return wording.label(value) if name in LABELLED else value


def _bounds(each: Filter) -> str:
    return f"{figure_of(each.low)}–{figure_of(each.high)}"


def _nothing() -> Mapping[str, Any]:
    """What a line says nothing of."""
    names = ("fits", "took", "partial", "nothing_close", "language", "translated", "compared", "sorts")
    return dict.fromkeys((*names, "without_filters"))
