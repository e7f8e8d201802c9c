"""What every embedder promises; each file of the family is found and tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.checkpoints import write_siglip
from tests.qwen_checkpoint import write_qwen
from tests.toy import Toy

from meshseek.embedders import EMBEDDERS, Embedder, EmbedderOptions
from meshseek.errors import EmbedderError
from meshseek.model import LANGUAGES, AssetTexts, Language

ALWAYS_THERE = {"lite", "toy"}
"""These need no weights from elsewhere."""
CHECKPOINTS: dict[str, Callable[[Path], Path]] = {"siglip": write_siglip, "qwen": write_qwen}
"""These run on tiny random weights in the real format. Neither they nor those that are always there may be skipped."""
TEXTS = ["a wooden chair", "沙发", "a blue car with four wheels, seen from the side", "灯", "chair"]
ODD_TEXTS = [
    "",
    " ",
    "\n",
    "🪑",
    "стул",
    "x" * 5000,
    "椅" * 5000,
    "/etc/passwd",
    "http://127.0.0.1:9/x.png",
    "\x00",
    "\ud83e",
]


@pytest.fixture(scope="module", params=[*EMBEDDERS.names, "toy"])
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    """Each algorithm, on its default model or a tiny one."""
    name: str = request.param
    options = EmbedderOptions(device="cpu")
    if name in CHECKPOINTS:
        options = replace(options, model_dir=CHECKPOINTS[name](tmp_path_factory.mktemp("models") / name))
    try:
        yield (Toy if name == "toy" else EMBEDDERS.load(name))(options)
    except EmbedderError as error:
        if name in ALWAYS_THERE or name in CHECKPOINTS:
            raise
        pytest.skip(str(error))


def pictures() -> list[Image.Image]:
    """Pictures of several sizes and shapes."""
    random = np.random.default_rng(0)
    shapes = [(64, 64, 3), (300, 200, 3), (1, 1, 3), (7, 900, 3), (512, 512, 3)]
    return [Image.fromarray(random.integers(0, 255, shape, dtype=np.uint8)) for shape in shapes]


def check(vectors: np.ndarray, count: int, embedder: Embedder) -> None:
    """Unit vectors of the promised type and shape."""
    assert vectors.dtype == np.float32
    assert vectors.shape == (count, embedder.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(count), abs=1e-4)


def test_the_space_is_whole_and_the_same_each_time(embedder: Embedder) -> None:
    """Every part says something, an index can hold the vectors, and the model's name makes the same space again."""
    space = embedder.space
    assert all([space.embedder, space.model, space.revision, space.preprocessing])
    assert embedder.dim == space.dim
    assert 1 <= space.dim <= 4000
    assert type(embedder)(replace(embedder.options, model=space.model)).space == space
    assert {*embedder.languages} <= {*LANGUAGES}
    assert embedder.languages


@pytest.mark.parametrize("role", ["query", "document"])
def test_texts_become_unit_vectors(embedder: Embedder, role: str) -> None:
    """One for each text, none for none, and finite ones for texts of any kind."""
    check(embedder.embed_texts(TEXTS, role=role), len(TEXTS), embedder)  # type: ignore[arg-type]
    check(embedder.embed_texts([], role=role), 0, embedder)  # type: ignore[arg-type]
    check(embedder.embed_texts(ODD_TEXTS, role=role), len(ODD_TEXTS), embedder)  # type: ignore[arg-type]


def test_images_become_unit_vectors(embedder: Embedder) -> None:
    """One for each picture of any size, none for none."""
    check(embedder.embed_images(pictures()), 5, embedder)
    check(embedder.embed_images([]), 0, embedder)


def _alone(vectors: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(vectors)


def test_a_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    """Alone, in a batch, and in a batch in another order: the same vectors in the order of the inputs."""
    texts = embedder.embed_texts(TEXTS, role="document")
    assert texts == pytest.approx(_alone([embedder.embed_texts([text], role="document") for text in TEXTS]), abs=1e-4)
    assert texts[::-1] == pytest.approx(embedder.embed_texts(TEXTS[::-1], role="document"), abs=1e-4)

    images = embedder.embed_images(pictures())
    assert images == pytest.approx(_alone([embedder.embed_images([picture]) for picture in pictures()]), abs=1e-4)
    assert images[::-1] == pytest.approx(embedder.embed_images(pictures()[::-1]), abs=1e-4)


def test_different_inputs_differ(embedder: Embedder) -> None:
    """No two of these texts, nor of these pictures, get the same vector."""
    for vectors in (embedder.embed_texts(TEXTS, role="document"), embedder.embed_images(pictures())):
        assert (np.triu(vectors @ vectors.T, 1) < 0.9999).all()


def test_a_path_is_only_words(embedder: Embedder, tmp_path: Path) -> None:
    """A text that names a picture on this machine is not opened."""
    path = tmp_path / "picture.png"
    before = embedder.embed_texts([str(path)], role="query")
    pictures()[0].save(path)
    assert embedder.embed_texts([str(path)], role="query") == pytest.approx(before)


def test_threads_may_share_it(embedder: Embedder) -> None:
    """Texts and pictures embedded side by side are those embedded alone."""
    texts, images = embedder.embed_texts(TEXTS, role="query"), embedder.embed_images(pictures()[:2])

    def embed(number: int) -> bool:
        if number % 2:
            return np.allclose(embedder.embed_images(pictures()[:2]), images, atol=1e-4)
        return np.allclose(embedder.embed_texts(TEXTS, role="query"), texts, atol=1e-4)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(embed, range(16)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_caption_vector_has_texts(embedder: Embedder, language: Language) -> None:
    """Each asset gets texts with positive weights, whatever its neighbours, also with odd or very many captions."""
    odd = tuple(text for text in ODD_TEXTS if text != "\ud83e")
    assets = [
        AssetTexts(name="Oak chair", english=("a wooden chair", "Oak chair"), chinese=("椅子",)),
        AssetTexts(english=odd, chinese=odd),
        AssetTexts(name="x" * 10_000, english=("x" * 10_000,), chinese=("椅" * 10_000,)),
        AssetTexts(english=tuple(f"chair {n}" for n in range(200)), chinese=tuple(f"椅子{n}" for n in range(200))),
        AssetTexts(name="стул", english=("стул",), chinese=("стул",)),
    ]
    found = embedder.caption_texts(assets, language)
    assert len(found) == len(assets)
    assert all(weighted and all(weight > 0 for _, weight in weighted) for weighted in found)
    assert found == [embedder.caption_texts([texts], language)[0] for texts in assets]
    assert embedder.caption_texts([], language) == []


def test_only_what_is_said_to_count_counts(embedder: Embedder) -> None:
    """An embedder that makes vectors of one language's captions looks at nothing else of an asset."""
    texts = AssetTexts(name="Oak chair", english=("a wooden chair",), chinese=("椅子",))
    other = AssetTexts(name="Bench", english=("a wooden chair",), chinese=("长凳",))
    same = embedder.caption_texts([texts], "english") == embedder.caption_texts([other], "english")
    assert same is (embedder.caption_basis == "own_language")


def test_the_world_is_of_words(embedder: Embedder) -> None:
    """Each text stands once, and says something."""
    texts = [text for text, _ in embedder.world_texts()]
    assert len(set(embedder.world_texts())) == len(texts)
    assert all(text.strip() for text in texts)


def test_none_of_ours_is_skipped() -> None:
    """The algorithms that this file knows are all there."""
    assert {*CHECKPOINTS, *ALWAYS_THERE} <= {*EMBEDDERS.names, "toy"}


@pytest.mark.parametrize("name", EMBEDDERS.names)
def test_an_unknown_model_is_an_error_of_ours(name: str) -> None:
    """A model that the algorithm does not have is named, with the cure."""
    with pytest.raises(EmbedderError, match="no-such-model"):
        EMBEDDERS.load(name)(EmbedderOptions(model="no-such-model"))
