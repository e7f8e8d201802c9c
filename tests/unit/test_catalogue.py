"""Reading Sweet Home 3D catalogues and what their models are made of, without any model on disk."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import pytest

from meshseek.datasets._files import safe_name, unique_id
from meshseek.datasets.folder import caption_from_name
from meshseek.datasets.sweethome3d.catalogue import CatalogueItem, licence_id, parse_properties
from meshseek.errors import UnreadableAssetError
from meshseek.meshes.mtl import linear, parse_mtl
from meshseek.meshes.normals import crease_normals, weld
from meshseek.meshes.obj import parse_obj
from meshseek.meshes.polygons import triangulate


def _item(**fields: str) -> CatalogueItem:
    return CatalogueItem(number=7, fields=fields, chinese=("", ""), licence="CC0-1.0", model="a.obj", fingerprint="x")


def test_properties_follow_java() -> None:
    r"""Comments, separators, continued lines, \uXXXX with surrogate pairs, and other escapes are understood."""
    text = (
        "# comment\n! comment\n  name#1 = Caf\\u00e9 chair\r\nname#2:Bed\nname#3 Sofa\n"
        "tags#1=Seat,\\\n    Living\nid\\ key=a\\tb\\=c\nemoji=\\ud83d\\ude00\nempty=\n"
    )
    assert parse_properties(text) == {
        "name#1": "Café chair",
        "name#2": "Bed",
        "name#3": "Sofa",
        "tags#1": "Seat,Living",
        "id key": "a\tb=c",
        "emoji": "😀",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("stated", "file", "expected"),
    [
        ("Public domain", "This file is under the Creative Commons Zero (Public Domain)", "CC0-1.0"),
        ("Public domain", "", "Public domain"),
        ("Creative Commons Attribution 3.0 license", "", "CC-BY-3.0"),
        ("Creative Commons Attribution 3.0 Unported license", "", "CC-BY-3.0"),
        ("Creative Commons Attribution 3.0 United States license  Copyright", "", "CC-BY-3.0-US"),
        ("Creative Commons Attribution-ShareAlike 4.0", "", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution-NonCommercial 4.0", "", "CC-BY-NC-4.0"),
        ("", "", "unknown"),
    ],
)
def test_licences_get_their_spdx_names(stated: str, file: str, expected: str) -> None:
    """The wordings of the five Debian packs, and of the other Creative Commons licences, become SPDX names."""
    assert licence_id(stated, file) == expected


def test_caption_names_tags_and_category_once() -> None:
    """The caption joins name, tags and category, without source tags and without saying anything twice."""
    item = _item(name="Bathroom  TV", tags="Blend Swap, Seat,seat, SCPTS,TV ,", category="Living room")
    assert item.tags == ("Seat", "seat", "TV")
    assert item.caption == "Bathroom TV, seat, TV, living room"
    assert _item(name="Bed", category="Bed").caption == "Bed"


@pytest.mark.parametrize("width", ["", "0", "-3", "nan", "inf", "wide"])
def test_size_must_be_positive(width: str) -> None:
    """A size that is missing or senseless is refused."""
    fields = {"depth": "10", "height": "10"} | ({"width": width} if width else {})
    with pytest.raises(UnreadableAssetError, match="no valid size; fix"):
        _ = _item(**fields).size_cm


def test_rotation_has_nine_numbers() -> None:
    """A matrix of another length is refused, and none at all is fine."""
    assert _item().rotation is None
    assert _item(modelRotation="1 0 0 0 0 1 0 -1 0").rotation == (1, 0, 0, 0, 0, 1, 0, -1, 0)
    with pytest.raises(UnreadableAssetError, match="nine numbers; fix"):
        _ = _item(modelRotation="1 0 0").rotation


def test_short_id_falls_back_to_the_number() -> None:
    """The id is what follows the library's own id; an item without one is known by its number."""
    assert _item(id="Blend Swap CC-0#armchair").short_id == "armchair"
    assert _item().short_id == "7"


def test_ids_are_safe_and_unique() -> None:
    """No id leaves its folder or differs from another by case alone."""
    assert safe_name("../a b/ç#?") == "a-b-ç"
    assert safe_name("...") == "unnamed"
    taken: dict[str, int] = {}
    assert [unique_id(name, taken) for name in ("a/B", "a/b", "a/b", "c")] == ["a/B", "a/b-2", "a/b-3", "c"]


def test_mtl_traps() -> None:
    """Options and folders stay out of texture names, other maps are no colours, and opacity has two spellings."""
    materials = parse_mtl(
        b"newmtl wood\nKd 0.5 0.25 0\nd 0.4\nmap_Bump -bm 0.03 bump.jpg\nmap_refl mirror.jpg\n"
        b"map_Kd -s 1 1 1 -blendu on -mm 0 1 My Textures\\Wood 1.JPG\r\n"
        b"newmtl odd\n  kd\t0.5\nTr 0.25\nnewmtl old\nTr 1\nnewmtl broken\nKd red\nNs many\n"
    )
    assert materials["wood"].texture == "My Textures\\Wood 1.JPG"
    assert (materials["wood"].diffuse, materials["wood"].opacity) == ((0.5, 0.25, 0), 0.4)
    assert (materials["odd"].diffuse, materials["odd"].opacity) == ((0.5, 0.5, 0.5), 0.75)
    assert materials["old"].opacity == 1
    assert materials["broken"].diffuse == (0.8, 0.8, 0.8)


def test_srgb_becomes_light() -> None:
    """Both parts of the sRGB curve are right at known points."""
    assert linear(0) == 0
    assert linear(1) == pytest.approx(1)
    assert linear(0.5) == pytest.approx(0.21404, abs=1e-5)
    assert linear(0.02) == pytest.approx(0.02 / 12.92)


SQUARE = b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nvn 0 0 1\n"


@pytest.mark.parametrize(
    "face",
    [
        b"1 2 3 4",
        b"1/1 2/2 3/3 4/4",
        b"1//1 2//1 3//1 4//1",
        b"1/1/1 2/2/1 3/3/1 4/4/1",
        b"-4 -3 -2 -1",
        b"1/ 2/ 3/ 4/",
    ],
)
def test_obj_faces_of_every_style(face: bytes) -> None:
    """A quad makes the same two triangles however its corners are written."""
    mesh = parse_obj(SQUARE + b"f " + face + b"\n")
    assert mesh.corners[..., 0].tolist() == [[0, 1, 2], [0, 2, 3]]


def test_obj_mixes_styles_and_materials() -> None:
    """Styles may differ from line to line and within a line; lines without faces and unknown words are passed over."""
    mesh = parse_obj(
        b"\xef\xbb\xbfmtllib my lib.mtl\r\no thing\r\n"
        + SQUARE.replace(b"\n", b"\r\n")
        + b"f 1 2 3\r\nusemtl red wood\r\n"
        b"f 1/1 2/2 3/3\r\n\tf 1//1 2 3/3 \\\r\n 4/4/1\r\nl 1 2\r\nf 1 2\r\nusemtl\r\nf 2 3 4\r\n"
    )
    assert mesh.libraries == ("my lib.mtl",)
    assert [mesh.material_names[number] for number in mesh.materials] == ["", "red wood", "red wood", "red wood", ""]
    assert mesh.corners[2].tolist() == [[0, -1, 0], [1, -1, -1], [2, 2, -1]]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"v 0 0 0\n",
        SQUARE + b"f 1 2 9\n",
        SQUARE + b"f 1 2 x\n",
        SQUARE + b"f 0 1 2\n",
        b"v 1,5 0 0\n",
        b"\x00\xff",
    ],
)
def test_damaged_obj_is_refused(text: bytes) -> None:
    """Text that is no OBJ, or names vertices that do not exist, is this model's own error."""
    with pytest.raises(UnreadableAssetError, match="; export it"):
        parse_obj(text)


def test_concave_polygons_keep_their_shape() -> None:
    """An L has the area of an L in any plane and in either direction; a fan would cover more."""
    shape = np.array([(0, 0, 0), (3, 0, 0), (3, 1, 0), (1, 1, 0), (1, 3, 0), (0, 3, 0)], np.float64)
    for points in (shape, shape[::-1], np.roll(shape, 3, axis=0), shape[:, [2, 0, 1]], shape[:, [0, 2, 1]]):
        cut, _ = triangulate(np.array([3, 6]), np.concatenate([points[:3], points]))
        a, b, c = (points[cut[1:, corner] - 3] for corner in range(3))
        assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(5)
        assert cut[0].tolist() == [0, 1, 2]


def test_creases_stay_hard_and_curves_turn_smooth() -> None:
    """Faces at 90 degrees keep their own normals; faces at 20 degrees share one."""
    for bend, shared in ((90, False), (20, True)):
        rise = (np.cos(np.radians(bend)), np.sin(np.radians(bend)))
        points = np.array(
            [[(-1, 0, 0), (0, 0, 0), (0, 0, -1)], [(0, 0, -1), (0, 0, 0), (rise[0], rise[1], 0)]], np.float32
        )
        normals = crease_normals(points, weld(points.reshape(-1, 3)).reshape(-1, 3))
        assert bool(np.allclose(normals[0, 1], normals[1, 1])) is shared
        assert np.allclose(np.linalg.norm(normals, axis=-1), 1)


@pytest.mark.parametrize(
    ("file", "english", "chinese"),
    [
        ("red_chair-02.glb", ("red chair",), ()),
        ("a/OfficeDesk.v2.glb", ("office desk",), ()),
        ("old TV stand.glb", ("old TV stand",), ()),
        ("blue_sofa/scene.gltf", ("blue sofa",), ()),
        ("红色椅子_01.glb", (), ("红色椅子",)),
        ("0012.glb", (), ()),
        ("8476c4170df24cf5bbe6967222d1a42d.glb", (), ()),
    ],
)
def test_file_names_become_captions(file: str, english: tuple[str, ...], chinese: tuple[str, ...]) -> None:
    """A file's name reads as a person would say it; numbers and hashes say nothing."""
    description = caption_from_name(PurePosixPath(file))
    assert (description.english, description.chinese) == (english, chinese)
