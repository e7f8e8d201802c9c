"""What the page shows, as an address: every state is a link that can be shared, and that back and forward lead to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args
from urllib.parse import parse_qsl, urlencode

from meshseek.model import FILTER_FIELDS, NUMBER_FIELDS

Kind = Literal["q", "like", "picture"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Place = Literal["", "basket", "status"]
FEWEST, USUAL, MOST = 4, 24, 100
"""Results at a time."""
DEEPEST = 1000
"""The API's pages end here."""
MOST_PARTS = 8
HEAVIEST = 2.0
LONGEST = 20_000
"""Characters of an address that are read."""
TARGETS = ("caption", "appearance", "both", "words")
LANGUAGES = ("english", "chinese")
SORTS = ("-date", "date", "name", "-name", "faces", "-faces", "size", "-size")
SWITCHES = {"cross": "cross_modal", "plain": "plain", "copies": "copies"}
TEXTS = ("algorithm", "against", "asset")
ONE_OF: Mapping[str, tuple[str, ...]] = {
    "target": TARGETS,
    "language": LANGUAGES,
    "sort": SORTS,
    "place": get_args(Place)[1:],
}
IGNORED = frozenset({"lang", "__theme"})
"""For the browser, and for Gradio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the things that are searched together."""

    kind: Kind
    """Words, an asset's id, or the name of an uploaded picture."""
    value: str
    weight: float = 1.0
    """Negative for what results should not be like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a field must hold: one of some words, or a number within bounds."""

    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def asked(self) -> Any:
        """As the API takes it."""
        if self.values:
            return list(self.values)
        bounds = {"min": self.low, "max": self.high}
        return {name: value for name, value in bounds.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that is chosen on the page."""

    parts: tuple[Part, ...] = ()
    language: str = ""
    """That words are taken for; empty where the API finds out."""
    target: str = ""
    """What is compared with; empty where the API chooses, as for the algorithm."""
    cross_modal: bool = False
    plain: bool = False
    """Whether results come strictly by their scores."""
    copies: bool = False
    """Whether assets that look the same are results of their own."""
    algorithm: str = ""
    against: str = ""
    """The algorithm that is compared with."""
    count: int = USUAL
    pages: int = 1
    """How often more was shown, and once."""
    filters: Mapping[str, Filter] = field(default_factory=dict)
    sort: str = ""
    asset: str = ""
    """The one that is looked at."""
    view: int | None = None
    """The viewpoint that it is seen from."""
    place: Place = ""
    troubles: tuple[tuple[str, str], ...] = ()
    """What of the address could not be used: the key of a sentence, and what it is about."""

    @classmethod
    def read(cls, address: Any) -> Self:
        """The state of an address; what is not understood is left out, and told in ``troubles``."""
        text = address if isinstance(address, str) else ""
        reading = _Reading()
        for name, value in parse_qsl(text.lstrip("?")[:LONGEST], keep_blank_values=False, max_num_fields=None):
            reading.take(name, value)
        return cls(**reading.made())

    @property
    def words(self) -> str:
        """The first words that results should be like."""
        return next((part.value for part in self.parts if part.kind == "q" and part.weight > 0), "")

    @property
    def wanted(self) -> tuple[Any, ...]:
        """What the results depend on; two states that are equal in it show the same ones."""
        filters = tuple(sorted(self.filters.items()))
        switched = (self.cross_modal, self.plain, self.copies)
        chosen = (self.language, self.target, self.algorithm, self.against, self.count, self.sort, self.place)
        return (self.parts, *switched, *chosen, filters)

    @property
    def asked_filters(self) -> dict[str, Any]:
        """As the API takes them."""
        return {name: each.asked() for name, each in self.filters.items()}

    def link(self, **changes: Any) -> str:
        """The address of this state with some changes; results start anew where they are others."""
        changed = replace(self, **changes)
        if changed.wanted != self.wanted and "pages" not in changes:
            changed = replace(changed, pages=1)
        return f"?{urlencode(list(changed.fields()))}"

    def without(self, name: str, value: str | None = None) -> str:
        """The address without a filter, or without one of its words."""
        filters = dict(self.filters)
        rest = tuple(each for each in filters.pop(name, Filter()).values if value is not None and each != value)
        if rest:
            filters[name] = Filter(values=rest)
        return self.link(filters=filters)

    def with_value(self, name: str, value: str) -> str:
        """The address with one more word that a field may hold."""
        known = self.filters.get(name, Filter()).values
        return self.link(filters={**self.filters, name: Filter(values=(*known, value))})

    def fields(self) -> Iterator[tuple[str, str]]:
        """Names and values of the address, only those that say something."""
        for part in self.parts:
            yield (part.kind if part.weight == 1 else f"{part.kind}*{part.weight:g}", part.value)
        for name in (*ONE_OF, *TEXTS):
            if getattr(self, name):
                yield name, getattr(self, name)
        for name, attribute in SWITCHES.items():
            if getattr(self, attribute):
                yield name, "1"
        numbers = {"count": (self.count, USUAL), "pages": (self.pages, 1), "view": (self.view, None)}
        yield from ((name, str(value)) for name, (value, usual) in numbers.items() if value != usual)
        for name, each in self.filters.items():
            yield from ((f"f.{name}", value) for value in each.values or (bounds_of(each),))


class _Reading:
    """Takes an address apart, one name and value after the other."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._filters: dict[str, Filter] = {}
        self._plain: dict[str, Any] = {}
        self._troubles: list[tuple[str, str]] = []

    def made(self) -> dict[str, Any]:
        """What a state is made of."""
        troubles = tuple(dict.fromkeys(self._troubles))[:3]
        return {**self._plain, "parts": tuple(self._parts), "filters": self._filters, "troubles": troubles}

    def take(self, name: str, value: str) -> None:
        """Note one of them, or what is wrong with it."""
        kind, _, weight = name.partition("*")
        if kind in KINDS:
            self._part(kind, value, weight)
        elif name.startswith("f."):
            self._filter(name.removeprefix("f."), value)
        elif name in ONE_OF:
            self._one_of(name, value)
        elif name in TEXTS:
            self._plain[name] = value
        elif name in SWITCHES:
            self._plain[SWITCHES[name]] = value == "1"
        elif name in {"count", "pages", "view"}:
            self._number(name, value)
        elif name not in IGNORED:
            self._troubles.append(("link.unknown", name))

    def _part(self, kind: Any, value: str, weight: str) -> None:
        number = _number(weight) if weight else 1.0
        if number is None or len(self._parts) == MOST_PARTS:
            self._troubles.append(("link.weight", weight) if number is None else ("link.part", value))
            return
        self._parts.append(Part(kind=kind, value=value, weight=max(-HEAVIEST, min(number, HEAVIEST))))

    def _filter(self, name: str, value: str) -> None:
        if name not in FILTER_FIELDS:
            self._troubles.append(("link.filter", name))
        elif name in NUMBER_FIELDS:
            low, mark, high = value.partition("..")
            bounds = [_number(low), _number(high if mark else low)]
            if bounds == [None, None]:
                self._troubles.append(("link.number", value))
            else:
                self._filters[name] = Filter(low=bounds[0], high=bounds[1])
        else:
            known = self._filters.get(name, Filter()).values
            self._filters[name] = Filter(values=tuple(dict.fromkeys((*known, value))))

    def _one_of(self, name: str, value: str) -> None:
        if value in ONE_OF[name]:
            self._plain[name] = value
        else:
            self._troubles.append(("link.value", value))

    def _number(self, name: str, value: str) -> None:
        if not (value.isascii() and value.isdigit() and len(value) < len(str(LONGEST))):
            self._troubles.append(("link.value", value))
            return
        bounds = {"count": (FEWEST, MOST), "pages": (1, DEEPEST // FEWEST), "view": (0, LONGEST)}[name]
        self._plain[name] = max(bounds[0], min(int(value), bounds[1]))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def figure_of(value: float | None) -> str:
    """A number with all its digits; nothing where there is none."""
    return "" if value is None else f"{value:.15g}"


def bounds_of(each: Filter) -> str:
    """The bounds of a number as addresses and commands have them."""
    return f"{figure_of(each.low)}..{figure_of(each.high)}"
