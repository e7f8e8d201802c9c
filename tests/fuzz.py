"""Requests made from the API's own description, good and bad ones, and what came of them: ``python -m tests.fuzz``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import schemathesis
from fastapi import FastAPI
from schemathesis import Response
from schemathesis.engine import Status, events, from_schema

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http import create_app
from meshseek.search.query import Query
from meshseek.settings import read_settings
from meshseek.workspace.workspace import Workspace
from tests.sample_library import make_library

PHASES = ("examples", "coverage", "fuzzing", "stateful")
EDGES = 1000
"""With fewer requests than this, all are random: the edges of all fields alone would take half of them."""
PER_ROUTE, MOST_TURNS, MESSAGE = 150, 100, 400
ADDRESS = "http://127.0.0.1:8000"
UNLIMITED = {"rate_limit": "off", "rate_limit_address": "off", "log_level": "error", "rerank_seconds": "0.2"}
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
"""Not among them: that whatever fits the schema is accepted, for a text of no language fits it and is refused. Keys are
not tried either: the users of this machine need none."""


@dataclass(slots=True)
class Outcome:
    """What came of all requests."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    """What was wrong, each kind once for a route, and how to repeat it."""

    def summary(self) -> dict[str, Any]:
        """The figures."""
        return {
            "cases": self.cases,
            "phases": dict(self.phases),
            "statuses": {str(status): self.statuses[status] for status in sorted(self.statuses)},
            "5xx": sum(count for status, count in self.statuses.items() if status >= 500),
            "failures": len(self.failures),
        }


@dataclass(frozen=True, slots=True)
class Making:
    """How requests are made: the phases of Schemathesis, how many for a route, and parameters that are given."""

    phases: tuple[str, ...]
    examples: int = 1
    parameters: dict[str, str] = field(default_factory=dict)


def fuzz(app: FastAPI, asset_id: str, cases: int, seed: int) -> Outcome:
    """Send about so many requests: where they are many, the edges of each field first; then random ones.

    Args:
        app: The API.
        asset_id: Of an asset that is there: every other round asks for it, or nearly all answers would be 404.
        cases: How many requests.
        seed: Of the random ones.
    """
    outcome = Outcome()
    operations = sum(len(methods) for methods in app.openapi()["paths"].values())
    if cases >= EDGES:
        _run(app, outcome, cases, seed, Making(("examples", "coverage")))
    for turn in range(MOST_TURNS):
        if outcome.cases >= cases:
            break
        examples = max(1, min(PER_ROUTE, (cases - outcome.cases) // operations))
        given = {"asset_id": asset_id} if turn % 2 == 0 else {}
        _run(app, outcome, cases, seed + turn, Making(("fuzzing", "stateful"), examples, given))
    return outcome


def _run(app: FastAPI, outcome: Outcome, cases: int, seed: int, making: Making) -> None:
    config = schemathesis.Config.from_dict(
        {
            "seed": seed,
            "base-url": ADDRESS,
            "continue-on-failure": True,
            "parameters": making.parameters,
            "generation": {
                "with-security-parameters": False,
                "max-examples": making.examples,
                "no-shrink": True,
                "database": "none",
            },
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
            "phases": {name: {"enabled": name in making.phases} for name in PHASES},
        }
    )
    schema = schemathesis.openapi.from_dict(app.openapi(), config=config)
    schema.app = app
    stream = from_schema(schema).execute()
    for event in stream:
        if isinstance(event, events.ScenarioFinished):
            _note(event, outcome)
        elif isinstance(event, events.NonFatalError):
            outcome.failures[f"{event.label}: {event.value!r}"[:MESSAGE]] = ""
        elif isinstance(event, events.FatalError):
            raise event.exception
        if outcome.cases >= cases:
            stream.stop()


def _note(event: events.ScenarioFinished, outcome: Outcome) -> None:
    for case_id, interaction in event.recorder.interactions.items():
        outcome.cases += 1
        outcome.phases[event.phase.value] += 1
        if interaction.response is not None:
            outcome.statuses[interaction.response.status_code] += 1
        for check in event.recorder.checks.get(case_id, ()):
            if check.status == Status.FAILURE and check.failure_info is not None and not _is_busy(interaction.response):
                failure = check.failure_info.failure
                key = f"{event.label}: {failure.title}: {failure.message}"[:MESSAGE]
                outcome.failures.setdefault(key, check.failure_info.code_sample)


def _is_busy(response: Response | None) -> bool:
    """Whether it says in our form that it can answer later: a true 503, as on a machine that is crowded."""
    if response is None or response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
        return False
    return json.loads(response.content)["error"]["code"] in {"busy", "too_slow"}


def main() -> None:
    """Fuzz an API over a small library of its own."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("build/fuzz.json"), help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshseek fuzz ") as folder:
        workspace = Path(folder, "workspace")
        meshseek = Meshseek(read_settings(workspace=workspace, **UNLIMITED))
        asset_id, *_ = make_library(Workspace(workspace), meshseek.server, Path(folder, "models"))
        meshseek.search_service.algorithm("lite").search(Query(text="chair"))
        outcome = fuzz(create_app(meshseek), asset_id, arguments.cases, arguments.seed)
        meshseek.close()
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(
        json.dumps({"seed": arguments.seed, **outcome.summary(), "failed": outcome.failures}, indent=1)
    )
    print(json.dumps(outcome.summary()))  # noqa: T201
    for failure, how in outcome.failures.items():
        print(f"\n{failure}\n  {how}")  # noqa: T201
    sys.exit(bool(outcome.failures))


if __name__ == "__main__":
    main()
