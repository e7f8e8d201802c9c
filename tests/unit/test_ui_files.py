"""What the page shows: the bounded cache, tiles, and what a GLB says of itself."""

from __future__ import annotations

import io
import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image
from tests.waiting import eventually

from meshseek.errors import ImageError, InputError
from meshseek.interfaces.ui.answers import Asset
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.files import FileCache, Pictures
from meshseek.interfaces.ui.glb import FRONT, camera_position, diagonal, read_document, unsupported_compression
from meshseek.interfaces.ui.tiles import TILE, on_tile, write_tile


def glb(path: Path, document: object) -> Path:
    """A GLB that has nothing but its JSON."""
    content = json.dumps(document).encode()
    length = len(content).to_bytes(4, "little")
    path.write_bytes(b"glTF" + (2).to_bytes(4, "little") + (20 + len(content)).to_bytes(4, "little") + length + b"JSON")
    path.write_bytes(path.read_bytes() + content)
    return path


def test_cache_makes_a_file_once(tmp_path: Path) -> None:
    """A file that is there is not made again."""
    made: list[Path] = []

    def make(file: Path) -> None:
        made.append(file)
        file.write_text("content")

    cache = FileCache(tmp_path)
    first, second = cache.file("room", "key", "a.txt", make), cache.file("room", "key", "a.txt", make)

    assert first == second
    assert first.read_text() == "content"
    assert len(made) == 1


def test_two_threads_make_a_file_once(tmp_path: Path) -> None:
    """The second waits for the first, and takes what it made; where that failed, it tries itself."""
    begun, go_on = threading.Event(), threading.Event()
    made: list[Path] = []

    def slow(file: Path) -> None:
        begun.set()
        go_on.wait(10)
        raise InputError("no")

    def make(file: Path) -> None:
        made.append(file)
        file.write_text("content")

    cache = FileCache(tmp_path)
    with ThreadPoolExecutor(3) as threads:
        failing = threads.submit(cache.file, "room", "key", "a.txt", slow)
        begun.wait(10)
        others = [threads.submit(cache.file, "room", "key", "a.txt", make) for _ in range(2)]
        assert not made
        go_on.set()
        assert len({other.result(10) for other in others}) == 1
        assert isinstance(failing.exception(10), InputError)
    assert len(made) == 1


def test_tiles_are_made_before_they_are_asked_for(tmp_path: Path) -> None:
    """Of the size of the visitor's screen, and once; what fails ahead, and after the cache was closed, harms nobody."""
    asked: list[str] = []
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200 if request.url.path == "/good" else 500, content=picture.getvalue())

    cache = FileCache(tmp_path)
    pictures = Pictures(ApiClient("http://api.test", httpx.MockTransport(answer)), cache, "mary", dense=True)
    pictures.prepare(["/good", None, "/bad"])
    eventually(lambda: sorted(asked) == ["/bad", "/good"])
    with Image.open(pictures.tile("/good").path) as tile:
        assert tile.size == (384, 384)
    assert asked.count("/good") == 1
    assert pictures.tile("/bad").is_asked is False
    cache.close()
    pictures.prepare(["/good"])


def test_cache_forgets_what_was_not_used(tmp_path: Path) -> None:
    """The file that was used least recently goes when all take too much room."""
    cache = FileCache(tmp_path, limit=25)

    def make(file: Path) -> None:
        file.write_bytes(b"x" * 10)

    def file(key: str) -> Path:
        return cache.file("room", key, "a.txt", make)

    first, second = file("first"), file("second")
    file("first")
    file("third")

    assert first.exists()
    assert not second.parent.exists()


def test_cache_keeps_nothing_unfinished(tmp_path: Path) -> None:
    """A file that could not be made leaves nothing behind."""

    def fail(file: Path) -> None:
        file.write_text("half")
        raise InputError("no")

    with pytest.raises(InputError):
        FileCache(tmp_path).file("room", "key", "a.txt", fail)

    assert list(tmp_path.iterdir()) == []


def test_cache_that_is_too_small_for_two_is_shared_by_threads(tmp_path: Path) -> None:
    """Folders that go take nothing along that another thread is making in them."""
    cache = FileCache(tmp_path, limit=15)

    def make(file: Path) -> None:
        file.write_bytes(b"x" * 10)

    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(lambda n: cache.file("room", str(n % 3), "a.txt", make), range(600)))) == 600
    assert len(list((tmp_path / "room").iterdir())) <= 3


def test_white_object_stands_out_on_its_tile() -> None:
    """The tile around a white view is darker than the view."""
    tile = on_tile(Image.new("RGBA", (64, 32), "white"))

    assert tile.size == (TILE, TILE)
    assert tile.getpixel((TILE // 2, TILE // 2)) == (255, 255, 255)
    corner = tile.getpixel((2, 2))
    assert isinstance(corner, tuple)
    assert max(corner) < 240


def test_views_of_too_many_pixels_are_not_unpacked(tmp_path: Path) -> None:
    """A view that is small on the disk and huge in memory is shown as one that is missing."""
    view = tmp_path / "view.png"
    Image.new("1", (8000, 7000)).save(view)
    assert view.stat().st_size < 100_000

    with pytest.raises(ImageError, match="8000 x 7000"):
        write_tile(view, tmp_path / "tile.webp")
    assert not (tmp_path / "tile.webp").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_view_is_no_tile(tmp_path: Path, content: bytes) -> None:
    """Among it what Pillow would start another program for."""
    view = tmp_path / "view.png"
    view.write_bytes(content)

    with pytest.raises(ImageError):
        write_tile(view, tmp_path / "tile.webp")


def test_a_view_that_cannot_be_had_is_a_plain_tile(tmp_path: Path) -> None:
    """And the others are shown."""
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=picture.getvalue() if request.url.path == "/good" else b"nonsense")

    client = ApiClient("http://api.test", httpx.MockTransport(answer))
    pictures = Pictures(client, FileCache(tmp_path), "mary")
    (good, is_good), (bad, is_bad) = (pictures.tile(path, 192) for path in ("/good", "/bad"))

    with Image.open(good) as tile:
        assert tile.size == (192, 192)
        assert tile.convert("RGB").getpixel((96, 96)) != (247, 248, 250)
    assert (is_good, is_bad) == (True, False)
    assert pictures.tile(None, 192) == (bad, True)
    assert good.parent != bad.parent
    assert {path.parent.parent.name for path in (good, bad)} == {"mary"}


def test_rooms_of_the_cache_are_kept_apart(tmp_path: Path) -> None:
    """What one visitor may see another may not."""
    made: list[Path] = []

    def make(file: Path) -> None:
        made.append(file)
        file.write_bytes(b"x")

    cache = FileCache(tmp_path)
    paths = {cache.file(room, "key", "a.txt", make) for room in ("mary", "fred", "mary")}

    assert len(paths) == len(made) == 2


def test_long_names_fit_on_the_disk(tmp_path: Path) -> None:
    """An id may have more characters than a file's name may have bytes."""
    client = ApiClient("http://api.test", httpx.MockTransport(lambda _: httpx.Response(200, content=b"glTF")))
    asset = Asset(asset_id="椅" * 300, model_url="/model")
    model = Pictures(client, FileCache(tmp_path), "mary").model(asset)

    assert model is not None
    assert model.path.is_file()


def test_glb_tells_its_size(tmp_path: Path) -> None:
    """The diagonal takes the nodes' scale, rotation and translation into account."""
    half = math.sqrt(0.5)
    document = {
        "scenes": [{"nodes": [0]}],
        "nodes": [{"scale": [2, 2, 2], "children": [1]}, {"mesh": 0, "rotation": [0, 0, half, half]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"min": [0, 0, 0], "max": [1, 2, 2]}],
    }

    assert diagonal(read_document(glb(tmp_path / "a.glb", document))) == pytest.approx(6)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"scenes": []},
        {"scenes": [{"nodes": [3]}], "nodes": []},
        {"scenes": [{"nodes": []}]},
        {"scenes": [{"nodes": [0]}], "nodes": [{"children": [0, 0]}]},
        {"scenes": [{"nodes": [0]}], "nodes": ["chair"]},
        [],
    ],
    ids=["empty", "no scene", "no node", "nothing in it", "circle", "no nodes", "no object"],
)
def test_glb_that_does_not_tell_has_no_size(tmp_path: Path, document: object) -> None:
    """A file that is incomplete is no failure here."""
    assert diagonal(read_document(glb(tmp_path / "a.glb", document))) is None


def test_compressed_model_is_recognised(tmp_path: Path) -> None:
    """A model that the 3D view cannot decode by itself is named."""
    document = read_document(glb(tmp_path / "a.glb", {"extensionsRequired": ["KHR_draco_mesh_compression"]}))

    assert unsupported_compression(document) == "Draco"
    assert unsupported_compression({}) is None


def test_model_opens_from_the_camera_of_the_view() -> None:
    """A camera in front of the object, where Z is up, is one on the positive Z axis where Y is up."""
    alpha, beta, distance = camera_position({"origin": [0.0, -2.0, 0.0]}, 1.0)

    assert (alpha, beta) == pytest.approx((90, 90))
    assert distance is not None
    assert distance > 1


@pytest.mark.parametrize("camera", [None, {}, {"origin": [0, 0]}, {"origin": [0, 0, 0]}, {"origin": "here"}])
def test_model_opens_from_the_front_without_a_camera(camera: dict[str, object] | None) -> None:
    """A camera that is missing or damaged is replaced."""
    assert camera_position(camera, None) == (*FRONT, None)
