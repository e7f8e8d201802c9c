"""What a match rests on, without figures."""

from __future__ import annotations

import pytest

from meshseek.search.basis import basis

FUSED = {"caption": 0.7, "caption_standard": 4.0, "appearance": 0.2, "appearance_standard": 0.5, "words": 1.0}
UNWANTED = {"part_2.appearance": 0.1, "part_2.appearance_standard": -6.0, "part_2.share": -0.5}


@pytest.mark.parametrize(
    ("parts", "rests_on"),
    [
        (FUSED, ("caption",)),
        ({**FUSED, "appearance_standard": 3.0}, ("caption", "appearance")),
        ({**FUSED, "words": 2.0}, ("caption", "words")),
        ({**FUSED, "appearance_standard": 3.0, "appearance_weight": 0.1}, ("caption",)),
        ({"appearance": 0.3}, ("appearance",)),
        ({"words": 0.01}, ("words",)),
        ({"part_1.caption": 0.7, "part_1.caption_standard": 4.0, "part_1.share": 1.0, **UNWANTED}, ("caption",)),
        ({f"lite.part_1.{name}": value for name, value in FUSED.items()}, ("caption",)),
        ({"size": 2.0, "caption_instead": 1.0}, ()),
        ({}, ()),
    ],
    ids=["caption", "both", "words", "doubtful", "only views", "only words", "unwanted", "terms", "neither", "named"],
)
def test_what_weighs_in_is_told(parts: dict[str, float], rests_on: tuple[str, ...]) -> None:
    """By what each kind gave, of one query as of several together."""
    assert basis(parts) == rests_on
