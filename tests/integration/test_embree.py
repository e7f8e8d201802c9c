"""The Embree renderer, from GLB files to pictures."""

from __future__ import annotations

import json
import math
import multiprocessing
import struct
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from meshseek.errors import UnreadableAssetError
from meshseek.renderers import RENDERERS, Renderer
from meshseek.renderers.embree import Embree

SIZE = 128
SOLID = 128
"""Alpha from here on is the object; the shadow stays below."""
SQUARE_UV = [[0, 0], [1, 0], [1, 1], [0, 1]]
RED, GREEN, BLUE, WHITE = (200, 0, 0, 255), (0, 200, 0, 255), (0, 0, 200, 255), (255, 255, 255, 255)

Meshes = trimesh.Trimesh | trimesh.Scene | trimesh.PointCloud
Pixels = NDArray[np.uint8]
Picture = tuple[Pixels, dict[str, Any]]
Render = Callable[..., list[Picture]]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Give a function that renders a mesh and reads the (pixels, camera) of each view back."""

    def run(mesh: Meshes, *, views: int = 1, size: int = SIZE) -> list[Picture]:
        model = tmp_path / "model.glb"
        model.write_bytes(glb_of(mesh))
        found = Embree(views=views, size=size).render(model, tmp_path / "views")
        return [read_view(tmp_path / "views", viewpoint) for viewpoint in found]

    return run


def read_view(folder: Path, viewpoint: int) -> Picture:
    """Read what the renderer wrote for one viewpoint."""
    path = folder / f"{viewpoint:05d}" / f"{viewpoint:05d}"
    with Image.open(path.with_suffix(".png")) as image:
        assert image.mode == "RGBA"
        return np.asarray(image), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def project(camera: dict[str, Any], points: NDArray[np.float64], size: int = SIZE) -> NDArray[np.float64]:
    """Picture positions (n, 2) of points (n, 3) of a GLB, which is Y up, not yet centred, of any size."""
    world = points[:, [0, 2, 1]] * (1, -1, 1)
    low, high = world.min(axis=0), world.max(axis=0)
    world = (world - (low + high) / 2) / (high - low).max()
    seen = (world - camera["origin"]) @ np.array([camera["x"], camera["y"], camera["z"]]).T
    result: NDArray[np.float64] = (seen[:, :2] / seen[:, 2:] / math.tan(camera["x_fov"] / 2) + 1) * size / 2
    return result


def colour_at(picture: Picture, points: NDArray[np.float64], index: int) -> list[int]:
    """RGBA where one of the points is seen."""
    column, row = project(picture[1], points)[index].astype(int)
    return [int(value) for value in picture[0][row, column]]


def on_white(pixels: Pixels) -> NDArray[np.float64]:
    """Grey levels (h, w) as seen on a white page."""
    page = Image.new("RGBA", (pixels.shape[1], pixels.shape[0]), "white")
    return np.asarray(Image.alpha_composite(page, Image.fromarray(pixels)).convert("L"), np.float64)


def material(**values: Any) -> PBRMaterial:
    """Make a glTF material; not a metal unless it says so."""
    return PBRMaterial(**{"metallicFactor": 0.0, **values})  # type: ignore[no-untyped-call]


def square(z: float, look: PBRMaterial | None = None) -> trimesh.Trimesh:
    """Make an upright unit square that faces the front, at a depth."""
    corners = [[-0.5, -0.5, z], [0.5, -0.5, z], [0.5, 0.5, z], [-0.5, 0.5, z]]
    mesh = trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False)
    return mesh if look is None else dressed(mesh, look)


def dressed(mesh: trimesh.Trimesh, look: PBRMaterial) -> trimesh.Trimesh:
    """Give a mesh a material; the first four vertices get the corners of a texture."""
    uv = np.resize(np.array(SQUARE_UV, float), (len(mesh.vertices), 2))
    mesh.visual = TextureVisuals(uv=uv, material=look)  # type: ignore[no-untyped-call]
    return mesh


def painted_box(colours: list[tuple[int, int, int, int]]) -> trimesh.Scene:
    """Make a box whose sides -x, +x, -y, +y, -z, +z have these colours."""
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    for side, colour in enumerate(colours):
        axis, sign = divmod(side, 2)
        faces = box.faces[np.isclose(box.face_normals[:, axis], 2 * sign - 1)]
        mesh = trimesh.Trimesh(box.vertices, faces, process=False)
        scene.add_geometry(dressed(mesh, material(baseColorFactor=colour)))
    return scene


def glb_of(mesh: Meshes) -> bytes:
    """Export a mesh."""
    content = mesh.export(file_type="glb")
    assert isinstance(content, bytes)
    return content


def raw_glb(document: dict[str, Any]) -> bytes:
    """Make a GLB that holds nothing but a JSON chunk."""
    text = json.dumps({"asset": {"version": "2.0"}, **document}).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text


def test_camera_agrees_with_the_silhouette(render: Render) -> None:
    """Known points, projected with the written camera, outline the rendered object within 1.5 pixels."""
    corners = np.array([[0, 0, 0], [3.0, 0.2, 0.5], [0.4, 2.0, 0.1], [0.7, 0.3, -1.4]])
    faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]

    for pixels, camera in render(trimesh.Trimesh(corners, faces, process=False), views=5):
        places = project(camera, corners)
        fine = Image.new("L", (SIZE * 8, SIZE * 8))
        for face in faces:
            ImageDraw.Draw(fine).polygon([(x * 8, y * 8) for x, y in places[face]], fill=255)
        expected = fine.reduce(8).point([255 * (value >= SOLID) for value in range(256)])
        seen = Image.fromarray(((pixels[..., 3] >= SOLID) * 255).astype(np.uint8))
        assert ImageChops.subtract(seen, expected.filter(ImageFilter.MaxFilter(3))).getbbox() is None
        assert ImageChops.subtract(expected.filter(ImageFilter.MinFilter(3)), seen).getbbox() is None


def test_camera_file_describes_the_normalised_object(render: Render) -> None:
    """The box is centred, Z up, with its longest side 1, whatever the file's units are."""
    (_, camera) = render(trimesh.creation.box(extents=(200, 500, 100)))[0]

    assert np.array(camera["bbox"]) == pytest.approx(np.array([[-0.2, -0.1, -0.5], [0.2, 0.1, 0.5]]), abs=1e-5)
    assert camera["max_depth"] > np.linalg.norm(camera["origin"])


def test_scene_graph_is_applied(render: Render) -> None:
    """A mesh used twice stands where its two nodes put it."""
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box(), geom_name="box", node_name="low")
    higher = np.eye(4)
    higher[1, 3] = 7
    scene.graph.update("high", matrix=higher, geometry="box")  # type: ignore[no-untyped-call]

    (_, camera) = render(scene)[0]

    assert np.ptp(camera["bbox"], axis=0) == pytest.approx([1 / 8, 1 / 8, 1])


def test_sides_have_their_colours(render: Render) -> None:
    """The first view shows the front left of the middle, the right side right of it, and the top above."""
    box = painted_box([WHITE, GREEN, WHITE, BLUE, WHITE, RED])
    cube = np.indices((3, 3, 3)).reshape(3, -1).T / 2 - 0.5
    picture = render(box)[0]

    front, right, top = (colour_at(picture, cube, index) for index in (14, 22, 16))

    assert [int(np.argmax(colour[:3])) for colour in (front, right, top)] == [0, 1, 2]
    assert min(max(front[:3]), max(right[:3]), max(top[:3])) > 100
    assert [front[3], right[3], top[3]] == [255, 255, 255]


def test_texture_stands_upright(render: Render) -> None:
    """A picture of four colours on an upright square is neither turned nor mirrored."""
    image = Image.new("RGB", (64, 64), RED[:3])
    image.paste(GREEN[:3], (32, 0, 64, 32))
    image.paste(BLUE[:3], (0, 32, 32, 64))
    image.paste(WHITE[:3], (32, 32, 64, 64))
    mesh = square(0, material(baseColorTexture=image))
    points = np.array(
        [[-0.25, 0.25, 0], [0.25, 0.25, 0], [-0.25, -0.25, 0], [0.25, -0.25, 0], [-0.5] * 2 + [0], [0.5] * 2 + [0]]
    )

    picture = render(mesh)[0]
    colours = [colour_at(picture, points, index) for index in range(4)]

    assert [int(np.argmax(colour[:3])) for colour in colours[:3]] == [0, 1, 2]
    assert min(colours[3][:3]) > 150


def test_vertex_colours_show(render: Render) -> None:
    """A mesh without material has the colours of its vertices."""
    sphere = trimesh.creation.icosphere()
    sphere.visual.vertex_colors = np.tile(GREEN, (len(sphere.vertices), 1))

    (pixels, _) = render(sphere)[0]
    red, green, blue, _ = (int(value) for value in pixels[SIZE // 2, SIZE // 2])

    assert green > 100 > max(red, blue)


def test_background_is_transparent(render: Render) -> None:
    """The object is solid and the border of every view is clear: the shadow ends before it."""
    for pixels, _ in render(trimesh.creation.icosphere(), views=4):
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert border[:, 3].max() <= 2
        assert pixels[SIZE // 2, SIZE // 2, 3] == 255


def test_white_object_stands_out_on_a_white_page(render: Render) -> None:
    """The sides of a white box differ from each other and from the page, and a shadow lies at its foot."""
    cube = np.indices((3, 3, 3)).reshape(3, -1).T / 2 - 0.5
    picture = render(painted_box([WHITE] * 6))[0]
    places = project(picture[1], cube).astype(int)
    page = on_white(picture[0])

    front, right, top = (page[places[index][1], places[index][0]] for index in (14, 22, 16))
    foot_column, foot_row = places[11]

    assert 150 < right < front - 10
    assert front < 245
    assert top < 250
    assert 20 < picture[0][foot_row + 3, foot_column, 3] < SOLID


def test_masked_texture_lets_one_see_through(render: Render) -> None:
    """Where a MASK texture is clear, what stands behind shows; elsewhere the front does."""
    image = Image.new("RGBA", (64, 64), (*BLUE[:3], 0))
    image.paste(BLUE, (32, 0, 64, 64))
    front = square(0.1, material(baseColorTexture=image, alphaMode="MASK", alphaCutoff=0.5))
    back = square(0, material(baseColorFactor=RED))
    points = np.array([[-0.2, 0, 0.1], [0.2, 0, 0.1], [-0.5, -0.5, 0], [0.5, 0.5, 0.1]])

    picture = render(trimesh.Scene([front, back]))[0]

    assert np.argmax(colour_at(picture, points, 0)[:3]) == 0
    assert np.argmax(colour_at(picture, points, 1)[:3]) == 2


def test_glass_is_half_transparent(render: Render) -> None:
    """A blended pane has alpha between clear and solid and colours what stands behind it."""
    pane = square(0, material(baseColorFactor=(0, 200, 0, 100), alphaMode="BLEND"))

    alone = render(pane)[0][0][SIZE // 2, SIZE // 2]
    before = render(trimesh.Scene([pane, square(-0.1, material(baseColorFactor=RED))]))[0]
    mixed = before[0][SIZE // 2, SIZE // 2]

    assert 80 < alone[3] < 200
    assert mixed[3] == 255
    assert min(mixed[0], mixed[1]) > 50


def test_back_of_a_surface_is_lit(render: Render) -> None:
    """A surface seen from behind is not black."""
    pictures = render(square(0, material(baseColorFactor=WHITE)), views=2)

    assert min(int(pixels[SIZE // 2, SIZE // 2, :3].min()) for pixels, _ in pictures) > 100


def test_metal_and_glow_are_not_black(render: Render) -> None:
    """A metal mirrors the studio, and a lamp glows, although neither has diffuse colour."""
    metal = material(baseColorFactor=WHITE, metallicFactor=1.0, roughnessFactor=0.3)
    lamp = material(baseColorFactor=(0, 0, 0, 255), emissiveFactor=(1.0, 0.5, 0.0))

    mirrored = render(square(0, metal))[0][0][SIZE // 2, SIZE // 2]
    glowing = render(square(0, lamp))[0][0][SIZE // 2, SIZE // 2]

    assert min(mirrored[:3]) > 80
    assert glowing[0] > 200 > glowing[1] > 100


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    """Rendering again changes nothing."""
    model = tmp_path / "model.glb"
    model.write_bytes(glb_of(trimesh.creation.annulus(0.3, 1.0, 0.4)))

    first, second = (render_bytes(Embree(views=2, size=64), model, tmp_path / name) for name in ("one", "two"))

    assert first == second
    assert len(first) == 4


def render_bytes(renderer: Renderer, model: Path, folder: Path) -> list[bytes]:
    """Render and return the content of every file; importable, so that a worker process can run it."""
    renderer.render(model, folder)
    return [path.read_bytes() for path in sorted(folder.rglob("*.*"))]


def test_works_in_a_worker_process(tmp_path: Path) -> None:
    """A pickled renderer gives the same pictures in a fresh process."""
    model = tmp_path / "model.glb"
    model.write_bytes(glb_of(trimesh.creation.icosphere()))
    renderer = Embree(views=2, size=64)

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        there = workers.submit(render_bytes, renderer, model, tmp_path / "there").result()

    assert there == render_bytes(renderer, model, tmp_path / "here")


def test_is_found_by_name() -> None:
    """The file name is the plug-in's name, and its fingerprint tells views and size."""
    renderer = RENDERERS.load("embree")(views=3, size=99)

    name, revision, *rest = renderer.fingerprint.split(":")

    assert (name, rest) == ("embree", ["3", "99"])
    assert int(revision) >= 1


def test_unreadable_texture_leaves_the_plain_colour(render: Render, tmp_path: Path) -> None:
    """A damaged picture in an otherwise good model does not lose the model."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    glb = glb_of(square(0, material(baseColorTexture=Image.fromarray(noise))))
    start = glb.index(b"IDAT") + 60
    (tmp_path / "broken.glb").write_bytes(glb[:start] + bytes(400) + glb[start + 400 :])

    Embree(views=1, size=64).render(tmp_path / "broken.glb", tmp_path / "views")

    assert read_view(tmp_path / "views", 0)[0][32, 32, 3] == 255


def test_invalid_faces_are_left_out(render: Render) -> None:
    """Faces without area or with coordinates that are no numbers do not disturb the others."""
    box = trimesh.creation.box()
    vertices = np.concatenate([box.vertices, [[np.nan, 0, 0], [1e30, 0, 0]]])
    faces = np.concatenate([box.faces, [[8, 0, 1], [9, 9, 9], [0, 0, 1]]])

    (_, camera) = render(trimesh.Trimesh(vertices, faces, process=False))[0]

    assert np.array(camera["bbox"]) == pytest.approx(np.array([[-0.5] * 3, [0.5] * 3]))


NOTHING = np.zeros((3, 3))
BROKEN: dict[str, Callable[[], bytes]] = {
    "no file content": lambda: b"",
    "not a GLB": lambda: b"solid not a glb" * 9,
    "truncated": lambda: glb_of(trimesh.creation.icosphere())[:-2000],
    "header only": lambda: struct.pack("<4sII", b"glTF", 2, 12),
    "no meshes": lambda: raw_glb({}),
    "broken references": lambda: raw_glb({"scenes": [{"nodes": [7]}], "nodes": [{"mesh": 3}], "meshes": []}),
    "points only": lambda: glb_of(trimesh.Scene([trimesh.PointCloud(np.eye(3))])),  # type: ignore[no-untyped-call]
    "no area": lambda: glb_of(trimesh.Trimesh(NOTHING, [[0, 1, 2]], process=False)),
    "no numbers": lambda: glb_of(trimesh.Trimesh(NOTHING * np.nan, [[0, 1, 2]], process=False)),
    "invisible": lambda: glb_of(square(0, material(baseColorFactor=(255, 255, 255, 0), alphaMode="BLEND"))),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN.keys())
def test_unreadable_models_are_refused_in_one_line(make: Callable[[], bytes], tmp_path: Path) -> None:
    """Each kind of bad file raises the error that the stage counts, with a one-line reason that names the file."""
    model = tmp_path / "bad.glb"
    model.write_bytes(make())

    with pytest.raises(UnreadableAssetError) as caught:
        Embree(views=1, size=32).render(model, tmp_path / "views")

    assert "bad.glb" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_model_is_refused(tmp_path: Path) -> None:
    """A path without a file raises the same error."""
    with pytest.raises(UnreadableAssetError, match=r"gone\.glb is missing"):
        Embree(views=1, size=32).render(tmp_path / "gone.glb", tmp_path / "views")
