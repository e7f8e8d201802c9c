"""The hosted reranker over a real connection, to a service that is as documented, slow, down, or talks nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.vlm_service import KEY, MODEL, Service, vlm_service

from meshseek.errors import HostedError, RerankerError
from meshseek.model import PublishedAsset
from meshseek.rerankers import Candidate, RerankerOptions, Wanted
from meshseek.rerankers.openai_vlm import OpenaiVlm
from meshseek.search.reranking import Found, Reranking

CAPTIONS = ["a blue lamp", "a red chair", "a chair", "a red table with a red lamp"]
PATIENCE = 30.0


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service."""
    with vlm_service() as running:
        yield running


def reranker(service: Service, **hosted: Any) -> OpenaiVlm:
    """The reranker over it."""
    return OpenaiVlm(RerankerOptions(model=MODEL, hosted=service.options(**hosted)))


def candidates(folder: Path | None = None, size: tuple[int, int] = (600, 300)) -> list[Candidate]:
    """One for each caption; with a folder, each has two views, redder the later it comes."""
    made = []
    for number, caption in enumerate(CAPTIONS):
        views = None if folder is None else folder / str(number)
        for viewpoint in range(2) if views else ():
            place = views / f"{viewpoint:05d}" if views else Path()
            place.mkdir(parents=True)
            Image.new("RGB", size, (60 * number, 0, 0)).save(place / f"{viewpoint:05d}.png")
        made.append(
            Candidate(
                asset_id=str(number),
                captions_english=(caption,),
                view_folder=views,
                viewpoint_ids=(0, 1) if views else (),
            )
        )
    return made


def test_words_are_graded_in_one_request(service: Service, tmp_path: Path) -> None:
    """All captions and one small view of each go at once; grades come back in order, with what they cost."""
    judgement = reranker(service).judge(Wanted(text="red chair"), candidates(tmp_path))

    assert judgement.scores.tolist() == [0, 100, 50, 50]
    assert judgement.cost is not None
    assert judgement.cost.startswith(f"{MODEL} at 127.0.0.1:")
    assert judgement.cost.endswith(", 3,000 tokens in and 100 out, 0.00060 CNY")
    (body,) = service.bodies
    assert body["max_tokens"] == 100
    assert service.sizes == [(384, 192)] * 4


def test_a_picture_is_graded_against_pictures(service: Service, tmp_path: Path) -> None:
    """The picture that is searched comes first, and is small too."""
    wanted = Wanted(image=Image.new("RGB", (900, 900), "red"))
    scores = reranker(service).judge(wanted, candidates(tmp_path)).scores

    assert scores.tolist() == sorted(scores.tolist())
    assert len(set(scores.tolist())) == 4
    assert service.sizes[0] == (384, 384)


def test_the_price_of_a_model_that_is_not_listed_is_not_guessed(service: Service) -> None:
    """What the service counted is told, and where it counts nothing, that."""
    service.usage = None
    assert (reranker(service).judge(Wanted(text="red"), candidates()).cost or "").endswith("tokens not told")
    service.usage = {"prompt_tokens": "many"}
    assert (reranker(service).judge(Wanted(text="red"), candidates()).cost or "").endswith("tokens not told")


@pytest.mark.parametrize("fault", ["429", "500", "drop", "cut"])
def test_what_may_pass_is_tried_once_more(service: Service, fault: str) -> None:
    """One failure is lived through; two are an error, because somebody waits."""
    service.faults = [fault]
    assert reranker(service).judge(Wanted(text="red"), candidates()).scores.tolist() == [0, 100, 0, 100]
    service.faults = [fault] * 2
    with pytest.raises(HostedError, match=r"^[^\n]*127\.0\.0\.1[^\n]*$"):
        reranker(service).judge(Wanted(text="red"), candidates())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (lambda grades: json.dumps(dict(list(grades.items())[:-1])), "graded 3 of 4"),
        (lambda _: "I cannot grade furniture.", "did not answer with JSON"),
        (lambda grades: json.dumps(dict.fromkeys(grades, "good")), "no number"),
        (lambda _: "{}" * 20_000, "no list of grades"),
    ],
)
def test_nonsense_is_an_error(service: Service, said: Callable[[dict[str, float]], str], told: str) -> None:
    """Partial grades, prose, words for grades and endless answers are refused, and not asked for again."""
    service.said = said
    with pytest.raises(RerankerError, match=told):
        reranker(service).judge(Wanted(text="red"), candidates())
    assert len(service.bodies) == 1


def test_refusals_say_what_to_do(service: Service) -> None:
    """A wrong key, a wrong model and a refused request are one line each; the key is never in it."""
    with pytest.raises(HostedError, match=r"invalid_api_key: [^\n]*\*\*\*[^\n]*; check MESHSEEK_"):
        reranker(service, api_key="sk-wrong").judge(Wanted(text="red"), candidates())
    unknown = OpenaiVlm(RerankerOptions(model="qwen-unknown", hosted=service.options()))
    with pytest.raises(HostedError, match="model_not_found"):
        unknown.judge(Wanted(text="red"), candidates())
    service.error = (400, {"error": {"code": "data_inspection_failed", "message": f"inappropriate {KEY}"}})
    with pytest.raises(HostedError, match=r"refused it \(data_inspection_failed: inappropriate \*\*\*\)"):
        reranker(service).judge(Wanted(text="red"), candidates())


def test_it_is_off_until_a_model_is_named(service: Service) -> None:
    """A key that is there for other things pays for no search."""
    with pytest.raises(RerankerError, match=r"^[^\n]*pays[^\n]*set MESHSEEK_RERANKER_MODEL[^\n]*$"):
        OpenaiVlm(RerankerOptions(hosted=service.options()))
    without_key = OpenaiVlm(RerankerOptions(model=MODEL, hosted=service.options(api_key=None)))
    with pytest.raises(HostedError, match="needs a key"):
        without_key.judge(Wanted(text="red"), candidates())


def test_a_slow_service_keeps_no_search_waiting(service: Service) -> None:
    """The search is answered as it is; the grades that come later are there for the next one, and paid once."""
    service.faults = ["hold"]
    made = reranker(service)
    reranking = Reranking(lambda _: made, Path("/nowhere"), 0.01)
    reranking.prepare("openai_vlm")
    found = [Found(asset=PublishedAsset(asset_id=text, captions_english=(text,))) for text in CAPTIONS]
    wanted = Wanted(text="red chair")

    assert reranking.judge("openai_vlm", wanted, found, 0).order is None
    assert service.came.acquire(timeout=PATIENCE)
    service.held.set()
    reranking._seconds = PATIENCE  # the next one joins it, or finds what it left
    assert reranking.judge("openai_vlm", wanted, found, 0).order == (1, 2, 3, 0)
    assert len(service.bodies) == 1
