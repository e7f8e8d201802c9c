"""Everything that reads what others wrote gives a value, or one of our errors: never anything else, and soon.

Each property is tried on a hundred examples, the same in every run; ``PARSER_EXAMPLES`` asks for more.
"""

from __future__ import annotations

import copy
import io
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from tests.model_libraries import CATALOGUE, CUBE, PAINT, make_sh3f, png

from meshseek.datasets import DatasetOptions
from meshseek.datasets._captions import read_descriptions
from meshseek.datasets.gobjaverse import Gobjaverse
from meshseek.datasets.sweethome3d.catalogue import parse_properties, read_catalogue
from meshseek.errors import MeshseekError
from meshseek.interfaces.http.schemas import TextSearch
from meshseek.meshes.gltf import pack_gltf, read_glb
from meshseek.meshes.model_files import FolderFiles
from meshseek.meshes.mtl import parse_mtl
from meshseek.meshes.obj import parse_obj
from meshseek.model import Asset, ViewSet
from meshseek.pipeline.measure import with_size
from meshseek.search.filters import conditions, parse_filter
from meshseek.search.query import Query
from meshseek.search.sizes import Size
from meshseek.settings import FILE_NAME, Settings, read_settings
from meshseek.sizes import sides_in_cm
from meshseek.store.write.labels import figures_of, labels_of
from meshseek.translators._entries import Entries
from meshseek.translators._ledger import LEDGER, Ledger, read_lines
from meshseek.workspace.libraries import Libraries
from meshseek.workspace.remembered import Remembered
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import ASSETS

EXAMPLES = int(os.environ.get("PARSER_EXAMPLES", "100"))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, 1e308, math.nan, math.inf, "", "0", "..", "\0", "\ud800"]),
    st.floats(),
    st.text(max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DEEP = st.integers(1, 5).map(lambda power: "[" * 10**power + "]" * 10**power)


def tried(function: Callable[..., None]) -> Callable[..., None]:
    """Hypothesis as this file wants it: always the same examples."""
    return settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)(function)


def ours(function: Callable[[], Any]) -> Any:
    """What it gives, or our error, which is one line."""
    try:
        return function()
    except MeshseekError as error:
        told = str(error)
    assert told
    assert "\n" not in told
    return None


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON tree."""
    yield above
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*above, key))


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> bytes:
    """JSON of which some values are others, or a byte, or whose end is missing, or that is none."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from([place for place in places(value) if place] or [()])) or (None,)
        if last is None:
            break
        holder = value
        for key in above:
            holder = holder[key]
        holder[last] = draw(VALUES)
    text: bytes = json.dumps(value).encode()
    kind = draw(st.sampled_from(["as it is", "as it is", "cut", "byte", "deep", "other"]))
    if kind == "cut":
        end: int = draw(st.integers(0, len(text)))
        return text[:end]
    if kind == "byte":
        place = draw(st.integers(0, len(text) - 1))
        altered: bytes = text[:place] + bytes([draw(st.integers(0, 255))]) + text[place + 1 :]
        return altered
    if kind == "deep":
        inner: str = draw(DEEP)
        return text[:-1] + b', "deep": ' + inner.encode() + b"}"
    return json.dumps(draw(VALUES)).encode() if kind == "other" else text


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One folder for all examples: Hypothesis shares what a test asks for."""
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


FACES = "f 1 2 3|f 1//1 2//1 3//1|f -1 -2 -3|f 1/ 2/ 3/|f 0 0 0|f 1 2 3 4"
OTHER_LINES = "v 0 0 0|v 1 0 0|v 1 1 0|v 0 1 0|vt 0 1|vn 0 0 1|usemtl a|mtllib a.mtl|v nan inf 0|g|o \x07|\\|#"
LINES = st.lists(
    st.one_of(
        st.sampled_from([*FACES.split("|"), *OTHER_LINES.split("|")]),
        st.builds(" ".join, st.lists(st.text(alphabet="vftn0123456789./-e \\\t", max_size=6), max_size=6)),
        st.text(max_size=30),
    ),
    max_size=30,
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r", "\\\n"]), st.binary(max_size=20))
@tried
def test_any_obj(lines: list[str], end: str, behind: bytes) -> None:
    """A mesh whose triangles name points that there are, or our error."""
    mesh = ours(lambda: parse_obj(end.join(lines).encode(errors="replace") + behind))
    if mesh is not None:
        assert np.isfinite(mesh.positions).all()
        assert (mesh.corners[..., 0] < len(mesh.positions)).all()
        assert len(mesh.materials) == len(mesh.corners) > 0


@given(
    st.lists(st.one_of(st.sampled_from(PAINT.splitlines()), st.text(max_size=40)), max_size=20), st.binary(max_size=20)
)
@tried
def test_any_mtl(lines: list[str], behind: bytes) -> None:
    """Materials that can be shown; nothing is refused."""
    for material in parse_mtl("\n".join(lines).encode(errors="replace") + behind).values():
        values = (*material.diffuse, material.opacity, material.roughness)
        assert all(0 <= value <= 1 for value in values)


TREE = json.loads(
    '{"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0, "children": [0]}],'
    ' "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "accessors": [{"bufferView": 0, "componentType":'
    ' 5126, "type": "VEC3", "count": 3}], "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"byteLength":'
    ' 36, "uri": "data:;base64,' + "AAAA" * 12 + '"}], "images": [{"uri": "a.png"}], "materials": [{}], "skins": [{}]}'
)


@given(text=damaged(TREE))
@tried
def test_any_gltf(folder: Path, text: bytes) -> None:
    """A GLB that can be read again, or our error."""
    packed = ours(lambda: pack_gltf(text, FolderFiles(folder, folder)))
    if packed is not None:
        (folder / "a.glb").write_bytes(packed[0])
        ours(lambda: read_glb(folder / "a.glb"))


@given(data=st.binary(max_size=100), head=st.sampled_from([b"", b"glTF", b"glTF\2\0\0\0\x64\0\0\0\x10\0\0\0JSON{}"]))
@tried
def test_any_glb(folder: Path, data: bytes, head: bytes) -> None:
    """A structure, or our error."""
    (folder / "b.glb").write_bytes(head + data)
    ours(lambda: read_glb(folder / "b.glb"))


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from([*CATALOGUE.splitlines(), "\\", "a\\", "=", "#", "\\u12"])).map("\n".join)
    )
)
@tried
def test_any_properties(text: str) -> None:
    """Texts by key, all of whole characters."""
    for key, value in parse_properties(text).items():
        assert (key + value).encode()


@given(
    lines=st.lists(
        st.one_of(
            st.sampled_from(CATALOGUE.splitlines()),
            st.builds(
                "{}#{}={}".format,
                st.sampled_from(["id", "name", "model", "width", "modelRotation", "tags", "license"]),
                st.integers() | st.text(max_size=5),
                st.text(max_size=20) | st.integers(),
            ),
        ),
        max_size=20,
    ),
    cut=st.integers(0, 3000),
    whole=st.booleans(),
)
@tried
def test_any_catalogue(folder: Path, lines: list[str], cut: int, whole: bool) -> None:  # noqa: FBT001
    """Items whose every field can be asked for, or our error; also of a zip of which a part is missing."""
    text = "\n".join(lines).encode("latin-1", "replace")
    path = make_sh3f(folder / "a.sh3f", PluginFurnitureCatalog__properties=text)
    if not whole:
        data = path.read_bytes()
        path.write_bytes(data[:cut] + data[cut + 1 :])
    for item in ours(lambda: read_catalogue(path, folder, revision=1)) or ():
        for name in ("short_id", "name", "category", "tags", "caption", "size_cm", "rotation"):
            ours(partial(getattr, item, name))


SAID = {
    "chair": "a chair",
    "lamp": {"caption_en": ["a lamp"], "caption_zh": "灯", "tags": "a;b", "licence": "CC0", "width": 3},
}


@given(text=damaged(SAID))
@tried
def test_any_captions_in_json(folder: Path, text: bytes) -> None:
    """Descriptions of texts that can be written anew, or our error."""
    (folder / "captions.json").write_bytes(text)
    for description in (ours(lambda: read_descriptions(folder / "captions.json")) or {}).values():
        assert all(isinstance(caption, str) and caption for caption in (*description.english, *description.chinese))
        json.dumps(description.attributes)


@given(
    rows=st.lists(st.lists(st.text(max_size=12), max_size=4), max_size=6),
    head=st.sampled_from(["id,caption,tags", "asset_id,caption_zh", "id", "", 'id,"']),
    behind=st.binary(max_size=10),
)
@tried
def test_any_captions_in_csv(folder: Path, rows: list[list[str]], head: str, behind: bytes) -> None:
    """Likewise of a table."""
    text = "\n".join([head, *(",".join(row) for row in rows)])
    (folder / "captions.csv").write_bytes(text.encode(errors="replace") + behind)
    ours(lambda: read_descriptions(folder / "captions.csv"))


@given(text=damaged({"0/1": "000-001/abc.glb", "0/2": "a/b.glb"}))
@tried
def test_any_id_map(folder: Path, text: bytes) -> None:
    """Entries, or our error; a model's name is a relative path."""
    view = folder / "renders/0/1/00000/00000.png"
    view.parent.mkdir(parents=True, exist_ok=True)
    view.write_bytes(png())
    (folder / "map.json").write_bytes(text)
    dataset = Gobjaverse(DatasetOptions(path=folder / "renders", id_map=folder / "map.json"))
    for entry in ours(lambda: list(dataset.entries())) or ():
        asset = dataset.read(entry, folder)
        assert asset.model is None or not {"..", "/"} & set(Path(asset.model).parts)


@given(text=damaged({"bbox": [[0, 0, 0], [1, 2, 3]], "x": [1, 0, 0], "origin": [0, 0, 1]}))
@tried
def test_any_camera(folder: Path, text: bytes) -> None:
    """A size of three sound sides, or none."""
    place = folder / "camera" / "00000"
    place.mkdir(parents=True, exist_ok=True)
    (place / "00000.png").write_bytes(png())
    (place / "00000.json").write_bytes(text)
    views = ViewSet(folder=folder / "camera", viewpoint_ids=(0,), fingerprint="")
    size = with_size(Asset(asset_id="a", fingerprint="", views=views), folder).attributes["size"]
    assert size is None or all(0 <= size[side] < math.inf for side in ("width", "depth", "height"))


@given(
    st.text(max_size=40)
    | st.builds("{}{}{}".format, st.sampled_from(["faces", "tags", "x"]), st.sampled_from(["=", "!=", "=.."]), SCALARS)
)
@tried
def test_any_filter_on_the_command_line(text: str) -> None:
    """Conditions, or our error."""
    parsed = ours(lambda: parse_filter(text))
    if parsed is not None:
        ours(lambda: conditions(dict([parsed])))


FIELDS = st.sampled_from(["faces", "width", "tags", "category", "library", "x"])
FILTERS = st.dictionaries(
    FIELDS, VALUES | st.dictionaries(st.sampled_from(["min", "max", "not"]), VALUES, max_size=2), max_size=3
)


@given(FILTERS)
@tried
def test_any_filters(filters: dict[str, Any]) -> None:
    """Conditions within what the database holds, or our error; over HTTP the schema may refuse them before."""
    for condition in ours(lambda: conditions(filters)) or ():
        assert all(bound is None or abs(bound) <= 3.5e38 for bound in (condition.minimum, condition.maximum))
    try:
        search = TypeAdapter(TextSearch).validate_json(json.dumps({"query": "a", "filters": filters}))
    except ValidationError:
        return
    ours(lambda: Query(text="a", **search.options()))


def test_a_filter_in_a_filter_in_a_filter_is_refused() -> None:
    """However deep it is."""
    filters: Any = "a"
    for _ in range(100_000):
        filters = {"not": filters}
    ours(lambda: conditions({"tags": filters}))


@given(st.text(max_size=90) | st.text(alphabet="0123456789.x×*?cm ", max_size=40))
@tried
def test_any_size(text: str) -> None:
    """Three sides, or our error."""
    size = ours(lambda: Size.parse(text))
    if size is not None:
        assert all(side is None or 0 < side < math.inf for side in (size.width, size.depth, size.height))


@given(
    st.dictionaries(st.sampled_from(["size", "dimensions_cm", "faces", "tags", "licence", "width", "category"]), VALUES)
)
@tried
def test_any_attributes(attributes: dict[str, Any]) -> None:
    """Labels and numbers, whatever an asset says of itself."""
    assert all(isinstance(value, str) for _, value in labels_of(attributes))
    assert len(figures_of(attributes)) == 4
    sides = sides_in_cm(attributes)
    assert sides is None or len(sides) == 3


@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), SCALARS, max_size=3), st.text(max_size=40))
@tried
def test_any_settings(values: dict[str, Any], text: str) -> None:
    """Settings, or our error; given, in the environment, or in the file."""
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        place = Path(temporary)
        ours(lambda: read_settings(**{**values, "workspace": place}))
        (place / FILE_NAME).write_text(text.encode(errors="replace").decode(), "utf-8")
        ours(lambda: read_settings(workspace=place))
        (place / FILE_NAME).write_bytes(b"\xff" + text.encode(errors="replace"))
        ours(lambda: read_settings(workspace=place))
        (place / FILE_NAME).unlink()
        for name, value in values.items():
            said = str(value).replace("\0", "").encode(errors="replace").decode()
            patch.setenv(f"MESHSEEK_{name.upper()}", said)
        ours(lambda: read_settings(workspace=place))


BATCH = {"number": 1, "name": "a", "keys": ["k"], "file_id": None, "creating": False, "answer": {}, "collected": False}


@given(entry=damaged(BATCH))
@tried
def test_any_entry_of_the_ledger(entry: bytes) -> None:
    """Batches, or our error."""
    with tempfile.TemporaryDirectory() as temporary:
        Entries(Path(temporary) / LEDGER).write("1", entry.decode(errors="replace"))
        ours(lambda: Ledger(Path(temporary)).open_batches())


@given(data=st.binary(max_size=200), magic=st.booleans())
@tried
def test_any_ledger_and_answers(folder: Path, data: bytes, magic: bool) -> None:  # noqa: FBT001
    """A ledger that is none is our error; lines of answers that are none are passed over."""
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / LEDGER).write_bytes(b"SQLite format 3\0" * magic + data)
        ours(lambda: Ledger(Path(temporary)))
    (folder / "answers.jsonl").write_bytes(data + b'\n{"custom_id": "a"}\n' + b"[" * 5000)
    answers, _ = read_lines(folder / "answers.jsonl")
    assert {"custom_id": "a"} in answers


MANIFEST = {"format": 2, "header": {}, "shards": [{"file": "a.parquet", "rows": 1, "bytes": 1, "sha256": "0"}]}


@given(text=damaged(MANIFEST))
@tried
def test_any_manifest(folder: Path, text: bytes) -> None:
    """A table, or our error."""
    (folder / "table").mkdir(exist_ok=True)
    (folder / "table" / "manifest.json").write_bytes(text)
    table = ours(lambda: ShardFolder(folder / "table", ASSETS))
    if table is not None:
        ours(lambda: (len(table), table.digest, table.damaged(), table.fingerprints(), list(table.tables())))


RECORD = {
    "name": "a",
    "number": 1,
    "prefix": "",
    "dataset": "folder",
    "path": "/a",
    "captions": None,
    "forgotten": ["x"],
}


@given(text=damaged(RECORD), listing=st.binary(max_size=50))
@tried
def test_any_record_of_a_library(folder: Path, text: bytes, listing: bytes) -> None:
    """Libraries with their listings, or our error."""
    place = folder / "libraries" / "a"
    place.mkdir(parents=True, exist_ok=True)
    (place / "library.json").write_bytes(text)
    (place / "listing.parquet").write_bytes(b"PAR1" + listing + b"PAR1")
    libraries = Libraries(folder / "libraries")
    for library in ours(libraries.all) or ():
        ours(partial(libraries.listing, library))
    ours(lambda: libraries.named("a"))
    ours(lambda: libraries.path_of("a"))
    ours(libraries.current)


@given(text=damaged({"renderer": "embree", "views": 8}))
@tried
def test_any_remembered_options(folder: Path, text: bytes) -> None:
    """Options by name, or our error."""
    (folder / "render.json").write_bytes(text)
    kept = ours(lambda: Remembered(folder).get("render"))
    assert kept is None or isinstance(kept, dict)


def test_a_zip_of_nothing_is_our_error(folder: Path) -> None:
    """The smallest one."""
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    (folder / "nothing.sh3f").write_bytes(buffer.getvalue())
    assert ours(lambda: read_catalogue(folder / "nothing.sh3f", folder, revision=1)) is None
    assert CUBE
