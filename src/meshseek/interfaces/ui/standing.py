"""How the service and its library stand, as far as the API tells."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from meshseek.client.standing import AlgorithmStatus, LibraryStatus, Measured, Publication
from meshseek.errors import MeshseekError
from meshseek.interfaces.ui.answers import READY, Status
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.shown import Shown
from meshseek.interfaces.ui.wording import Wording

Rows = list[tuple[str, str]]
UNUSED = ("not published", "nothing is published")
"""How the API says, to strangers and to those who may know more, that nobody has brought an algorithm into use."""


def standing(client: ApiClient, wording: Wording, known: Shown) -> Markup:
    """The page of the service's state."""
    states = known.health.algorithms if known.health else {}
    try:
        told = client.status()
    except MeshseekError:  # an API that is older than its status
        told = Status(algorithms={name: AlgorithmStatus(state=state) for name, state in states.items()})
    algorithms = [
        {
            "name": name,
            "kind": "good" if each.state == READY else "plain" if each.state.startswith(UNUSED) else "bad",
            "state": _state(each.state, wording),
            "rows": _algorithm(each, wording),
        }
        for name, each in told.algorithms.items()
    ]
    cards = [{"name": name, "rows": _library(each, wording)} for name, each in told.libraries.items()]
    skipped = [(f"{each.stage}: {each.count:,}", f"{each.reason} ({each.example})") for each in told.skipped]
    latency = [
        (
            route,
            wording("status.times", p50=f"{each.p50_ms:.0f}", p95=f"{each.p95_ms:.0f}", p99=f"{each.p99_ms:.0f}"),
        )
        for route, each in told.latency.items()
    ]
    cards += [
        {"name": wording(key), "rows": rows}
        for key, rows in (("status.skipped", skipped), ("status.latency", latency))
        if rows
    ]
    return piece("status", wording, algorithms=algorithms, cards=cards, note=told.note)


def _state(state: str, wording: Wording) -> str:
    key = UNUSED[0] if state.startswith(UNUSED) else state
    return wording.known(f"state.{key}", state)


def _algorithm(each: AlgorithmStatus, wording: Wording) -> Rows:
    rows = _publication(each.published, wording) if each.published else []
    if each.outdated:
        rows.append((wording("status.outdated"), wording("status.outdated.yes")))
    return rows


def _publication(live: Publication, wording: Wording) -> Rows:
    counts: dict[str, Any] = {
        "assets": live.assets,
        "english": live.english_captions,
        "chinese": live.chinese_captions,
        "views": live.views,
    }
    space = f"{live.model}@{live.revision[:12]} ({live.dim})"
    rows = [(wording(f"status.{name}"), f"{count:,}") for name, count in counts.items()]
    rows += [(wording("status.space"), space), (wording("status.index"), live.index)]
    rows += [(wording("status.recall"), _recall(each, wording)) for each in live.measured]
    return [*rows, (wording("status.published"), live.published_at.strftime("%Y-%m-%d %H:%M UTC"))]


def _recall(each: Measured, wording: Wording) -> str:
    target = wording.known(f"target.{each.target}", each.target)
    query = wording.known(f"language.{each.query}", each.query)
    return wording("status.measured", target=target, query=query, recall=f"{each.recall:.1%}", p50=f"{each.p50_ms:.1f}")


def _library(each: LibraryStatus, wording: Wording) -> Rows:
    rows = [(wording("status.assets"), f"{each.assets:,}")]
    for key, stages in (("waiting", each.waiting), ("outdated", each.outdated), ("skipped", each.skipped)):
        told = [f"{stage} {count:,}" for stage, count in stages.items() if count]
        rows += [(wording(f"status.{key}"), wording("comma").join(told))] if told else []
    return rows
