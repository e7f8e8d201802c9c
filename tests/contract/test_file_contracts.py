"""What every dataset, renderer and translator promises; each file of a family is found and tested."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.batch_service import batch_service, expected

from meshseek.datasets import DATASETS, Dataset, DatasetOptions
from meshseek.errors import DatasetError, MeshseekError, TranslatorError, UnreadableAssetError
from meshseek.hosted import HostedOptions
from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.renderers import RENDERERS, Renderer
from meshseek.translators import TRANSLATORS, Translator, TranslatorOptions


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six generated models with captions."""
    return make_sample_assets(tmp_path_factory.mktemp("samples"), 6)


def _none(path: Path) -> None:
    """Leave the place empty."""


def _touch(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("name", DATASETS.names)
@pytest.mark.parametrize("make", [_none, Path.mkdir, _touch], ids=["missing", "empty folder", "empty file"])
def test_a_library_that_is_none_is_refused(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    """A missing place, an empty folder and an empty file are each one line with the place."""
    path = tmp_path / "library"
    make(path)
    with pytest.raises(DatasetError, match=r"^[^\n]*library[^\n]*$"):
        list(DATASETS.load(name)(DatasetOptions(path=path)).entries())


@pytest.mark.parametrize("name", DATASETS.names)
def test_a_dataset_can_be_sent_to_a_worker(name: str, tmp_path: Path) -> None:
    """It is pickled with its options, before anything was read."""
    dataset = DATASETS.load(name)(DatasetOptions(path=tmp_path, captions=tmp_path / "c.csv"))
    assert pickle.loads(pickle.dumps(dataset)).options == dataset.options


def test_entries_are_stable_and_readable(models: Path, tmp_path: Path) -> None:
    """The same list each time, unique ids, entries that survive pickling, and one whole GLB for each asset."""
    dataset: Dataset = DATASETS.load("folder")(DatasetOptions(path=models, captions=models / "captions.csv"))
    entries = list(dataset.entries())

    assert len(entries) == 6
    assert list(dataset.entries()) == entries == pickle.loads(pickle.dumps(entries))
    for entry in entries:
        asset = dataset.read(entry, tmp_path)
        assert (asset.asset_id, asset.fingerprint) == (entry.asset_id, entry.fingerprint)
        assert asset.model is not None
        assert (tmp_path / asset.model).read_bytes()[:4] == b"glTF"
        assert asset.captions_english
        assert asset.captions_chinese
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".glb"]


@pytest.fixture(params=RENDERERS.names)
def renderer(request: pytest.FixtureRequest) -> Renderer:
    """Each renderer that is installed; ``embree`` always is."""
    try:
        return RENDERERS.load(request.param)(views=3, size=48)
    except (MeshseekError, ImportError) as error:
        assert request.param != "embree"
        pytest.skip(str(error))


def test_views_are_pictures_with_cameras(renderer: Renderer, models: Path, tmp_path: Path) -> None:
    """Each viewpoint has an RGBA picture of the size, transparent around the object, and a camera in JSON."""
    ids = renderer.render(models / "chair-0001.glb", tmp_path)

    assert ids == (0, 1, 2)
    drawn = []
    for number in ids:
        with Image.open(tmp_path / f"{number:05d}" / f"{number:05d}.png") as picture:
            assert (picture.mode, picture.size) == ("RGBA", (48, 48))
            drawn.append(np.asarray(picture))
        assert json.loads((tmp_path / f"{number:05d}" / f"{number:05d}.json").read_text())
        alpha = drawn[-1][..., 3]
        assert alpha[0, 0] == alpha[0, -1] == 0
        assert 0.05 < (alpha > 128).mean() < 0.9
    assert len({image.tobytes() for image in drawn}) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000", "00001", "00002"]


def test_the_same_model_gives_the_same_views(renderer: Renderer, models: Path, tmp_path: Path) -> None:
    """Rendering is repeatable, also after being sent to a worker."""
    other: Renderer = pickle.loads(pickle.dumps(renderer))
    assert other.fingerprint == renderer.fingerprint
    for made, folder in ((renderer, "one"), (other, "two")):
        (tmp_path / folder).mkdir()
        made.render(models / "cup-0001.glb", tmp_path / folder)
    for path in (tmp_path / "one").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_a_fingerprint_tells_what_changes_pictures(renderer: Renderer) -> None:
    """The number of views and their size are in it."""
    kinds = [type(renderer)(views=views, size=size) for views, size in ((3, 48), (4, 48), (3, 64))]
    assert len({made.fingerprint for made in kinds}) == 3
    assert kinds[0].fingerprint == renderer.fingerprint


@pytest.mark.parametrize("content", [b"", b"hello", b"glTF\x02\x00\x00\x00", "cut"])
def test_a_model_that_is_none_is_unreadable(
    renderer: Renderer, models: Path, tmp_path: Path, content: bytes | str
) -> None:
    """An empty, a wrong and a cut file are the asset's fault, in one line."""
    whole = (models / "chair-0001.glb").read_bytes()
    (tmp_path / "x.glb").write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    with pytest.raises(UnreadableAssetError, match=r"^[^\n]+$"):
        renderer.render(tmp_path / "x.glb", tmp_path)


@pytest.fixture(params=TRANSLATORS.names)
def translator(request: pytest.FixtureRequest, tmp_path: Path) -> Translator:
    """Each translator, with a service that is not there."""
    hosted = HostedOptions(base_url="http://127.0.0.1:9/v1")
    translator: Translator = TRANSLATORS.load(request.param)(TranslatorOptions(hosted=hosted, folder=tmp_path / "t"))
    return translator


def test_a_translator_answers_each_text_once(translator: Translator) -> None:
    """Nothing in, nothing out; each text has its Chinese or a reason, and what needs no service asks none."""
    assert list(translator.translate([])) == []
    answers = list(translator.translate(["椅子", "123", "!?"]))
    assert sorted(answer.text for answer in answers) == ["!?", "123", "椅子"]
    assert all((answer.chinese is None) != (answer.reason is None) for answer in answers)


@pytest.mark.parametrize("name", TRANSLATORS.names)
def test_a_translator_asks_once(name: str, tmp_path: Path) -> None:
    """What was answered is taken from its folder the next time, by a translator that was made anew."""
    with batch_service() as service:
        hosted = HostedOptions(base_url=service.url, api_key=service.key, requests_per_minute=600_000)
        options = TranslatorOptions(hosted=hosted, folder=tmp_path / "t", poll_seconds=0.01)
        for _ in range(2):
            translator: Translator = TRANSLATORS.load(name)(options)
            answers = {answer.text: answer.chinese for answer in translator.translate(["a chair", "a table"])}
            assert answers == {text: expected(text) if translator.translates else None for text in answers}
            assert answers.keys() == {"a chair", "a table"}
        assert service.paid == (dict.fromkeys(answers, 1) if translator.translates else {})


def test_a_translator_tells_the_price_without_a_key(translator: Translator, tmp_path: Path) -> None:
    """Before anything is sent, and leaving nothing behind; None where nothing is paid."""
    estimate = translator.estimate(["a chair", "a table", "桌子"])
    assert estimate is None or estimate.items == 2
    assert translator.translates or estimate is None
    assert not (tmp_path / "t").exists()


def test_a_translator_writes_requests_or_says_which_one_does(translator: Translator, tmp_path: Path) -> None:
    """For an engine of the user's own, as many lines as texts; else one line names another translator."""
    file = tmp_path / "requests.jsonl"
    try:
        assert translator.write_requests(["a chair", "a table"], file) == 2
    except TranslatorError as error:
        assert "use --translator" in str(error)  # noqa: PT017  # either is allowed
        assert not file.exists()
        with pytest.raises(TranslatorError, match=r"^[^\n]*use --translator[^\n]*$"):
            list(translator.read_answers(["a chair"], file))
    else:
        assert len(file.read_bytes().splitlines()) == 2
        with pytest.raises(TranslatorError, match=r"^[^\n]*cannot be read[^\n]*$"):
            list(translator.read_answers(["a chair"], tmp_path / "none.jsonl"))


def test_existing_captions_are_left_to_the_library() -> None:
    """It translates nothing, and says so of each text."""
    existing = TRANSLATORS.load("existing")(TranslatorOptions())
    assert not existing.translates
    assert [answer.chinese for answer in existing.translate(["a chair", "椅子"])] == [None, None]
