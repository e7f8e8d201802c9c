"""Serving under faults, in short: one of each fault while eight clients ask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.soak.model import TOP, Known, Model
from tests.soak.run import soak

RESULTS: list[dict[str, Any]] = [{"asset_id": f"a{n}", "score": 1 - n / 100} for n in range(TOP)]


def test_twelve_seconds_of_faults() -> None:
    """No answer is wrong, late or undocumented, and nothing breaks but what was broken on purpose."""
    outcome = soak(12, 8)

    assert outcome.record.statuses[200] > 100
    assert outcome.record.wrong == outcome.record.late == outcome.record.undocumented == []
    assert (outcome.unexpected, outcome.tracebacks) == (0, 0)
    assert len(outcome.recovery) == 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"version": "two"}, "never published"),
        ({"results": RESULTS[:9]}, "9 results"),
        ({"results": [RESULTS[0]] * TOP}, "1 different"),
        ({"results": [{**result, "score": 0.5} for result in RESULTS]}, "the score of a0 is 0.5"),
        ({"results": [{"asset_id": f"b{n}", "score": 0.1} for n in range(TOP)]}, "the score of b0"),
        ({"results": [{"asset_id": f"a{n}", "score": 1 - n / 100} for n in range(10, 20)]}, "instead of"),
    ],
)
def test_a_wrong_answer_is_seen(change: dict[str, Any], words: str | None) -> None:
    """Of a version that was not published, incomplete, doubled, with other scores, or not the nearest."""
    scores = {f"a{n}": 1 - n / 100 for n in range(50)}
    model = Model({"one": {0: Known(list(scores), scores)}})

    for exact in (True, False):
        fault = model.fault(0, exact, json.dumps({"version": "one", "results": RESULTS, **change}).encode())
        assert fault is None if words is None else words in str(fault)
