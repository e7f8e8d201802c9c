"""Whoever may not spend money spends none: neither on a hosted model, nor on a translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.toy import Toy, toy

from meshseek.errors import ForbiddenError
from meshseek.model import Estimate
from meshseek.search.query import Query
from meshseek.search.query_model import QueryModel

PICTURE = Image.new("RGB", (8, 8), "red")


class WeakToy(Toy):
    """A toy that knows no Chinese."""

    weak_languages = ("chinese",)


class PaidToy(Toy):
    """A toy that would cost money."""

    def estimate_texts(self, texts: Sequence[str]) -> Estimate:
        """Something."""
        count = len(texts)
        return Estimate(
            service="toy", items=count, requests=1, input_tokens=count, output_tokens=0, price=0.1, seconds=1.0
        )


def model_of(embedder: Toy, translated: list[str] | None = None) -> QueryModel:
    """A model whose translations are noted."""

    def translate(text: str) -> str:
        assert translated is not None
        translated.append(text)
        return "chair"

    return QueryModel("toy", lambda _: embedder, None if translated is None else translate)


@pytest.mark.parametrize("asked", [{"text": "chair"}, {"image": PICTURE}], ids=["words", "a picture"])
def test_a_hosted_model_is_not_asked_for_who_may_not_pay(asked: dict[str, Any]) -> None:
    """What was asked before costs nothing, and is answered."""
    embedder = PaidToy(toy().options)
    model = model_of(embedder)
    with pytest.raises(ForbiddenError, match=r"^searching with 'toy' costs money; it needs a key [^\n]*'write'$"):
        model.embed(Query(**asked, free=True), embedder.space)

    paid = model.embed(Query(**asked), embedder.space)
    free = model.embed(Query(**asked, free=True), embedder.space)
    assert np.array_equal(paid.vector, free.vector)


def test_a_model_of_ours_is_free() -> None:
    """Its queries need no more than a key that may read."""
    model = model_of(toy())
    assert model.embed(Query(text="chair", free=True), toy().space).vector.shape == (64,)


def test_nothing_is_translated_for_who_may_not_pay() -> None:
    """A Chinese query that would be translated by a hosted model is refused; an English one is not."""
    embedder, translated = WeakToy(toy().options), list[str]()
    model = model_of(embedder, translated)
    with pytest.raises(ForbiddenError, match=r"^translating Chinese queries [^\n]*costs money; [^\n]*'write'$"):
        model.embed(Query(text="椅子", free=True), embedder.space)
    assert translated == []
    model.embed(Query(text="chair", free=True), embedder.space)

    assert model.embed(Query(text="椅子"), embedder.space).translated == "chair"
    assert model.embed(Query(text="椅子", free=True), embedder.space).translated == "chair"
    assert translated == ["椅子"]
