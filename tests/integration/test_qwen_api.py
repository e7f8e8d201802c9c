"""Qwen hosted: every item gets its own vector, nothing is paid in vain, and every refusal is said."""

from __future__ import annotations

import base64
import io
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.hosted_service import KEY, Service, hosted_service, vector
from tests.pictures import odd_pictures

from meshseek.embedders import EmbedderOptions, PartlyEmbeddedError
from meshseek.embedders.qwen import Qwen
from meshseek.embedders.qwen.models import HOSTED_MODELS, INSTRUCTIONS
from meshseek.errors import EmbedderError, HostedError
from meshseek.hosted import HostedOptions
from meshseek.images import read_image
from meshseek.model import Role

TEXTS = [f"thing number {number}" for number in range(50)]
FAST = {"requests_per_minute": 600_000, "tokens_per_minute": 600_000_000, "retry_seconds": 0.005}


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service."""
    with hosted_service() as running:
        yield running


def qwen(service: Service, model: str | None = "qwen3-vl-embedding", **given: Any) -> Qwen:
    """The embedder over it."""
    hosted = HostedOptions(**{"base_url": service.url, "api_key": service.key, "concurrency": 4, **FAST, **given})
    return Qwen(EmbedderOptions(model=model, hosted=hosted))


def expected(texts: list[str], dim: int = 1024) -> np.ndarray:
    """The service's own vectors at length one."""
    vectors = np.stack([vector([{"text": text}], dim) for text in texts])
    unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_each_text_has_its_own_vector(service: Service) -> None:
    """Answers come in any order and are matched by index; twenty texts go in a request; lengths are one."""
    service.together = 2
    vectors = qwen(service).embed_texts(TEXTS, role="document")
    assert vectors == pytest.approx(expected(TEXTS), abs=1e-6)
    assert sorted(len(request["input"]["contents"]) for request in service.requests) == [10, 20, 20]
    assert {request["parameters"]["instruct"] for request in service.requests} == {INSTRUCTIONS["document"]}
    assert {request["parameters"]["dimension"] for request in service.requests} == {1024}
    assert set(service.paid.values()) == {1}
    assert 2 <= service.most_under_way <= 4


@pytest.mark.parametrize("name", HOSTED_MODELS)
def test_every_model_takes_texts_pictures_and_views(service: Service, name: str) -> None:
    """Each is asked as its documentation says: fused or as several images, with a length only where it has several."""
    embedder = qwen(service, name)
    prepare = pickle.loads(pickle.dumps(embedder.image_preparer()))
    pictures = [read_image(content) for content in odd_pictures().values()]
    count = embedder.views_together
    assert count is not None
    sets = [[prepare(picture) for picture in pictures[:count]], [prepare(pictures[0])], [prepare(pictures[1])]]

    together = embedder.embed_together(sets)
    texts = embedder.embed_texts(["椅子", "chair"], role="query")
    single = embedder.embed_images(pictures)

    for vectors, rows in ((together, 3), (texts, 2), (single, len(pictures))):
        assert vectors.shape == (rows, HOSTED_MODELS[name].dim)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(rows), abs=1e-5)
        assert (np.triu(vectors @ vectors.T, 1) < 0.99).all()
    assert embedder.space.model == name


def test_pictures_are_made_small(service: Service) -> None:
    """A picture is sent as a JPEG of at most 512 pixels."""
    embedder = qwen(service)
    embedder.embed_images([Image.new("RGB", (3000, 1000), "red")])
    head, _, data = service.requests[0]["input"]["contents"][0]["image"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (512, 171)


@pytest.mark.parametrize("fault", ["429", "500", "503", "200 with code", "drop", "drop after", "slow", "cut"])
def test_faults_are_lived_through(service: Service, fault: str) -> None:
    """Throttling, errors, broken and slow connections cost time and nothing else."""
    service.faults = [fault] * 4
    assert qwen(service).embed_texts(TEXTS, role="document") == pytest.approx(expected(TEXTS), abs=1e-6)


@pytest.mark.parametrize("fault", ["missing", "doubled", "wrong length", "zero", "nan"])
def test_what_is_no_vector_is_asked_for_again(service: Service, fault: str) -> None:
    """Only the items without a good vector are sent once more; if it stays so, that is the reason."""
    service.faults = [fault]
    assert qwen(service).embed_texts(TEXTS[:20], role="document") == pytest.approx(expected(TEXTS[:20]), abs=1e-6)
    assert sum(service.paid.values()) <= 22

    service.faults = [fault, fault]
    with pytest.raises(PartlyEmbeddedError) as caught:
        qwen(service).embed_texts(TEXTS[:2], role="document")
    reasons = caught.value.reasons
    assert set(reasons.values()) == {"the service gave no vector of 1024 numbers for it"}
    assert caught.value.stop is None


def test_a_refused_item_does_not_cost_the_others(service: Service) -> None:
    """A request that is refused for one item is divided until it is found; the others have their vectors, paid once."""
    texts = [*TEXTS[:7], "a forbidden thing", *TEXTS[8:40]]
    with pytest.raises(PartlyEmbeddedError) as caught:
        qwen(service).embed_texts(texts, role="document")
    assert list(caught.value.reasons) == [7]
    assert "DataInspectionFailed" in caught.value.reasons[7]
    assert caught.value.stop is None
    good = [number for number in range(40) if number != 7]
    assert caught.value.vectors[good] == pytest.approx(expected([texts[n] for n in good]), abs=1e-6)
    assert set(service.paid.values()) == {1}


def test_a_request_that_is_wrong_for_all_stops(service: Service) -> None:
    """Many items that are all refused for one reason are not to blame themselves."""
    service.error = (400, {"code": "InvalidParameter", "message": "something new"})
    with pytest.raises(PartlyEmbeddedError) as caught:
        qwen(service).embed_texts(TEXTS, role="document")
    assert isinstance(caught.value.stop, HostedError)
    assert "all 50 items" in str(caught.value.stop)


@pytest.mark.parametrize(
    ("status", "code", "cure"),
    [
        (401, "InvalidApiKey", "check MESHSEEK_DASHSCOPE_API_KEY"),
        (403, "AccessDenied", "a key belongs to one region"),
        (403, "AccessDenied.Unpurchased", "no balance, quota or right"),
        (403, "Arrearage", "no balance, quota or right"),
        (429, "Throttling.AllocationQuota", "no balance, quota or right"),
        (404, "Model.NotExist", "check --model"),
    ],
)
def test_final_errors_stop_at_once(
    service: Service, caplog: pytest.LogCaptureFixture, status: int, code: str, cure: str
) -> None:
    """No money, wrong key, wrong region, no such model: one line with the cure and without the key, and an end."""
    service.error = (status, {"code": code, "message": f"no, {KEY}"})
    with caplog.at_level(logging.DEBUG), pytest.raises(PartlyEmbeddedError) as caught:
        qwen(service).embed_texts(TEXTS, role="document")
    assert cure in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in f"{caught.value} {caught.value.reasons} {caplog.text}"
    assert len(caught.value.reasons) == len(TEXTS)
    assert len(service.times) <= 4


def test_what_was_paid_comes_with_the_error(service: Service) -> None:
    """An account that runs empty in the middle: the vectors until then are there, and the rest is not tried."""
    service.requests_until_empty = 1
    with pytest.raises(PartlyEmbeddedError) as caught:
        qwen(service, concurrency=1).embed_texts(TEXTS, role="document")
    assert sorted(caught.value.reasons) == list(range(20, 50))
    assert caught.value.vectors[:20] == pytest.approx(expected(TEXTS[:20]), abs=1e-6)
    assert caught.value.reasons[49].startswith("not sent: ")


def test_texts_are_only_texts(service: Service) -> None:
    """A URL, a path, nothing, a lone surrogate and 10,000 characters are sent as texts that the service takes."""
    odd = ["http://127.0.0.1:9/x.png", "/etc/passwd", "", " ", "\ud83e", "x" * 10_000, "\x00"]
    assert qwen(service).embed_texts(odd, role="query").shape == (7, 1024)
    contents = [content for request in service.requests for content in request["input"]["contents"]]
    assert all(list(content) == ["text"] for content in contents)
    assert max(len(content["text"]) for content in contents) == 6000


def test_the_rate_is_kept(service: Service) -> None:
    """Requests are spread so that no second has more than the minute's share, after a first burst of a second."""
    embedder = qwen(service, requests_per_minute=600)
    for number in range(16):
        embedder.embed_texts([f"thing {number}"], role="document")
    seconds = service.times[-1] - service.times[0]
    assert seconds > 0.45


def test_a_query_does_not_wait_for_long(service: Service) -> None:
    """A search asks twice, a document six times."""
    service.error = (503, {"code": "ServiceUnavailable", "message": "busy"})
    asked: tuple[tuple[Role, int], ...] = (("query", 2), ("document", 6))
    for role, times in asked:
        service.times.clear()
        with pytest.raises(PartlyEmbeddedError):
            qwen(service).embed_texts(["chair"], role=role)
        assert len(service.times) == times


def test_the_price_is_told_without_a_key(service: Service) -> None:
    """Items, requests, tokens and yuan by the table; nothing is sent."""
    embedder = qwen(service, api_key=None)
    texts = embedder.estimate_texts(["x" * 400] * 100)
    assert texts is not None
    assert (texts.items, texts.requests, texts.input_tokens) == (100, 5, 10_000)
    assert texts.price == pytest.approx(10 * 0.0007)
    views = embedder.estimate_views([5] * 1000)
    assert views is not None
    assert (views.items, views.requests, views.input_tokens) == (1000, 1000, 5000 * 258)
    assert views.price == pytest.approx(1290 * 0.0018)
    assert not service.times
    with pytest.raises(HostedError, match=r"^127[^\n]* needs a key; set MESHSEEK_DASHSCOPE_API_KEY$"):
        embedder.embed_texts(["chair"], role="query")


def test_what_the_options_choose(service: Service) -> None:
    """A key and no folder mean the hosted model; lengths and names that it has not are refused with those it has."""
    assert qwen(service, None).space.model == "qwen3-vl-embedding"
    hosted = HostedOptions(base_url=service.url, api_key=service.key)
    small = Qwen(EmbedderOptions(model="qwen3-vl-embedding", dim=256, hosted=hosted))
    assert small.space.dim == 256
    assert Qwen(EmbedderOptions(model=small.space.model, dim=small.space.dim, hosted=hosted)).space == small.space
    with pytest.raises(EmbedderError, match="2560, 2048, 1536, 1024, 768, 512, 256 dimensions, not 100"):
        Qwen(EmbedderOptions(model="qwen3-vl-embedding", dim=100, hosted=hosted))
    with pytest.raises(EmbedderError, match="no-such"):
        Qwen(EmbedderOptions(model="no-such", hosted=hosted))
