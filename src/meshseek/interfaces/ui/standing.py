"""How the service and its library stand, as far as the API tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from meshseek.errors import MeshseekError
from meshseek.interfaces.ui.answers import READY
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.shown import Shown
from meshseek.interfaces.ui.wording import Wording


def standing(client: ApiClient, wording: Wording, known: Shown) -> Markup:
    """The page of the service's state."""
    states = known.health.algorithms if known.health else {}
    try:
        told: Mapping[str, Any] = client.status().root
    except MeshseekError:  # an API that is older than its status
        told = {}
    details = told.get("algorithms")
    facts = _by_name(details)
    algorithms = [
        {
            "name": name,
            "ready": state == READY,
            "state": wording.known(f"state.{state}", state),
            "facts": _facts(facts.get(name, {}), wording),
        }
        for name, state in states.items()
    ]
    cards = [
        {"name": wording.known(f"status.{name}", name.replace("_", " ")), "facts": _facts(value, wording)}
        for name, value in told.items()
        if name != "algorithms" and value not in (None, [], {})
    ]
    return piece("status", wording, algorithms=algorithms, cards=cards)


def _by_name(details: Any) -> dict[str, Any]:
    if isinstance(details, Mapping):
        return dict(details)
    named = [each for each in details or () if isinstance(each, Mapping)] if isinstance(details, list) else []
    return {str(each.get("algorithm", each.get("name"))): each for each in named}


def _facts(value: Any, wording: Wording) -> list[tuple[str, str]]:
    """Names and values, however deep they lie."""
    if not isinstance(value, Mapping):
        return [("", _shown(value))]
    rows: list[tuple[str, str]] = []
    for name, each in value.items():
        label = wording.known(f"status.{name}", str(name).replace("_", " "))
        if isinstance(each, Mapping):
            rows += [(f"{label} · {below}" if below else label, text) for below, text in _facts(each, wording)]
        elif each is not None:
            rows.append((label, _shown(each)))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(_shown, value)) if isinstance(value, list) else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
