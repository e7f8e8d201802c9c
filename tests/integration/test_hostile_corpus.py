"""More than a hundred hostile files: nothing crashes, hangs, or tells of what lies outside."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from tests.hostile.corpus import corpus
from tests.hostile.trying import READ, attempt_case, table, tasks

from meshseek.pipeline.workers import Workers, in_processes

MEMORY = 1500 << 20
INSIDE = re.compile(r"Traceback|Error\b|Exception|<class|NoneType|root:.*:0:0|PATH=|\.py\b")

Row = dict[str, Any]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """What came of each; an error that is not ours would end the work with itself."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", "ignore")
        work = in_processes(Workers(2, seconds=4, memory=MEMORY), attempt_case)
        written = tasks(folder)
        rows = list(table(iter(work(written))))
    assert [name for name, _ in rows] == [task.asset_id for task in written]
    assert len(dict(rows)) == len(rows), "each case has a name of its own"
    return dict(rows)


def test_each_hostile_file_is_read_or_told_in_one_line(outcomes: dict[str, Row]) -> None:
    """More than a hundred of them, none of which ended a process, took what it may not, or told of the inside."""
    assert len(outcomes) > 100
    for name, row in outcomes.items():
        told = row["outcome"]
        assert "its process was killed" not in told, name
        assert "\n" not in told, name
        assert not INSIDE.search(told), (name, told)
        assert row["megabytes"] < MEMORY >> 20, name


EXPECTED = {
    "model/obj-endless-dented-faces": "it took longer than 4 seconds",
    "model/obj-link-to-passwd": "leads out of the library",
    "model/obj-link-to-zeroes": "leads out of the library",
    "model/obj-pipe": "holds no model",
    "model/mtl-absolute": "read 1",
    "model/obj-utf16": "read 1",
    "model/mtl-not-numbers": "read 1",
    "model/texture-eps": "read 1",
    "model/obj-texture-link-to-shadow": "read 1",
    "model/glb-circle-of-nodes": "read 1",
    "model/glb-deep-json": "its JSON is damaged",
    "model/glb-count-of-100-million": "damaged at accessors[0]",
    "model/glb-draco": "read 1",
    "model/gltf-buffer-absolute": "'/etc/passwd' is missing",
    "model/gltf-buffer-http-address": "is missing; put it beside the model",
    "model/stl-claims-four-billion": "it is cut off",
    "model/ply-texture-of-passwd": "it has no faces",
    "model/off-no-such-vertex": "it is damaged",
    "model/3mf-billion-laughs": "declares a document type or entities",
    "model/3mf-entity-of-passwd": "declares a document type or entities",
    "model/3mf-bomb": "unpacks from 0.0 MB to 42 MB",
    "model/3mf-deep": "nested more than 256 deep",
    "model/3mf-objects-of-objects": "made of too many others",
    "model/3mf-circle": "made of too many others",
    "model/dae-billion-laughs": "declares a document type or entities",
    "model/dae-nodes-of-nodes": "more than 100,000 nodes",
    "model/dae-encoding-of-many-bytes": "save it as UTF-8",
    "model/dae-is-a-zip": "its XML is damaged",
    "model/usd-instances-of-instances": "more than 100,000 nodes",
    "model/usd-counts-that-do-not-fit": "it has no faces",
    "model/usd-reference-to-passwd": "it has no faces",
    "model/usd-clips-in-a-variant": "it has no faces",
    "model/usdz-without-a-layer": "it is damaged",
    "model/fbx-cut-off": "it is damaged",
    "picture/png-gigapixel": "too many pixels",
    "picture/png-no-palette": "cannot read png-no-palette.png: damaged",
    "picture/eps": "not a picture",
    "picture/jpeg-exif-wrong-type": READ,
    "library/bomb-model": "'a.obj' unpacks from 0.0 MB to 42 MB",
    "library/size-lies": "it is damaged",
    "library/name-link": "read 1",
    "library/encrypted": "encrypted",
    "library/catalogue-absurd-number": "lists no furniture",
    "library/catalogue-many-items": "many-items",
    "tar/plain": "read 1",
    "tar/size-of-8-gb": "it is cut off",
    "tar/two-in-one": "another tar follows its end",
    "tar/endless-name": "a name in it has 1.0 MB",
    "tar/record-of-digits": "what it says of a member cannot be read",
    "tar/name-absolute": "has no camera of view 0",
    "tar/many-members": "read",
    "tar/many-pictures": "more than 1,000 pictures",
    "tar/camera-deep": "read 1",
    "tar/picture-gigapixel": "too many pixels",
    "tar/picture-eps": "not a picture",
    "captions/json-huge-number": "a number of thousands of digits",
    "captions/json-deep-value": "read 1",
    "captions/csv-many-rows": "read 1",
    "map/map-nul": "is not the relative path of a model",
    "map/map-half-character": "is not the relative path of a model",
    "renders/camera-pipe": "it is a pipe",
    "renders/renders-picture-link": "leads out of the library",
}


def test_the_reasons_are_the_true_ones(outcomes: dict[str, Row]) -> None:
    """What is harmless is read, and what is not says what is wrong with it."""
    told = {name: outcomes[name]["outcome"] for name in EXPECTED}
    assert {name: text for name, text in told.items() if EXPECTED[name] not in text} == {}


def test_no_hostile_picture_is_a_fault_of_the_service(api_url: str) -> None:
    """Sent to a running API, each is searched by or refused with one line; afterwards it answers as before."""
    states: dict[str, int] = {}
    with httpx.Client(base_url=api_url, timeout=60) as api:
        for case in corpus():
            if case.kind == "picture":
                data = next(iter(case.files.values())) or b""
                answer = api.post("/search/image", files={"file": ("a.png", data, "image/png")}, data={"top_k": "1"})
                states[case.name] = answer.status_code
                if answer.status_code != 200:
                    message = answer.json()["error"]["message"]
                    assert "\n" not in message
                    assert not INSIDE.search(message), (case.name, message)
        assert api.get("/health").status_code == 200
    assert {name: state for name, state in states.items() if state not in {200, 413, 422}} == {}
    assert {200, 422} <= set(states.values())
