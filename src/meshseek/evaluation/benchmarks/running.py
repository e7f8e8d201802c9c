"""Run a benchmark: each target, in each language that there are queries in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from meshseek.evaluation.benchmarks.drawing import Drawn
from meshseek.evaluation.judging import Expected, judge
from meshseek.evaluation.scores import Evaluation, score
from meshseek.evaluation.setting import Setting
from meshseek.search.algorithm import Algorithm

TARGETS = ("caption", "appearance", "both")
"""Words with words, words with views, and the two together."""
NOT_COMPARABLE = (
    "These are figures of retrieval: a text is the query, the library's assets are ranked. They cannot be compared "
    "with published zero-shot classification, where an asset is the query and category names are ranked."
)
_ONE_EACH = "Each caption has one relevant asset, for which it was written; others that fit as well count as misses."


def run_benchmark(
    algorithm: Algorithm,
    settings: Sequence[Setting],
    expected: Sequence[Expected],
    advance: Callable[[int], None],
) -> list[Evaluation]:
    """Ask every query of every setting.

    Args:
        algorithm: What is measured.
        settings: How it is asked, one after the other.
        expected: The queries, in all languages.
        advance: Told of each query that is done.
    """
    return [score(setting, judge(algorithm, setting, expected, advance)) for setting in settings]


def settings_of(setting: Setting) -> list[Setting]:
    """One for each target; just the one where it says what is compared."""
    is_given = setting.target is not None or setting.cross_modal is not None
    return [setting] if is_given else [replace(setting, target=target) for target in TARGETS]


def notes_of(name: str, drawn: Drawn, assets: int, without_chinese: str | None) -> list[str]:
    """What a reader of the figures must know.

    Args:
        name: The benchmark.
        drawn: What was asked.
        assets: In the library.
        without_chinese: Why there are no Chinese queries, or fewer.
    """
    asked = (
        f"{len(drawn.expected):,} of the {drawn.items:,} queries of {name} are asked, of {drawn.answerable:,} that the "
        f"library of {assets:,} assets has a model for; {drawn.unknown_uids:,} models of the file are not in it."
    )
    notes = [asked, NOT_COMPARABLE]
    if drawn.unsearchable:
        notes.append(f"{drawn.unsearchable:,} queries cannot be searched, as they are too long or hold no word.")
    if name == "cap3d-human":
        notes.append(_ONE_EACH)
    if without_chinese:
        notes.append(without_chinese)
    return notes
