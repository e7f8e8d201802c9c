"""The client against a real service over 22 models."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.sample_library import BARE_ID, ODD_ID

from meshseek import Client
from meshseek.errors import ApiError


@pytest.fixture(scope="module")
def client(api_url: str) -> Iterator[Client]:
    """Of the service."""
    with Client(api_url) as client:
        yield client


def test_what_is_found_can_be_looked_at_and_taken(client: Client, tmp_path: Path) -> None:
    """Words find an asset; its picture finds it again; its model comes whole."""
    assert client.health().ready == ["lite"]
    found = client.search("antique wooden chair", top_k=5)
    assert found.results[0].asset_id == ODD_ID
    best = found.results[0]
    assert best.thumbnail_url is not None
    picture = client.read(best.thumbnail_url)
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.size == (128, 128)
    again = client.search(image=picture, top_k=5, filters={"category": "Living room"})
    assert ODD_ID in [result.asset_id for result in again.results]

    asset = client.asset(ODD_ID)
    assert asset.captions_zh == ("一把古董木椅",)
    assert len(asset.view_urls) == len(asset.viewpoint_ids) == 3
    model = client.download(ODD_ID, tmp_path / "chair.glb")
    assert model.read_bytes()[:4] == b"glTF"


def test_what_is_like_an_asset_and_what_there_is(client: Client) -> None:
    """Similar assets, and the values of a field."""
    similar = client.similar(ODD_ID, top_k=4)
    assert len(similar.results) == 4
    assert similar.target == "appearance"
    facets = client.facets("category")
    assert sum(facet.count for facet in facets) <= 22
    assert facets[0].count >= facets[-1].count


def test_refusals_are_the_service_s_own(client: Client) -> None:
    """Each with its code."""
    for ask, code in (
        (lambda: client.asset("none"), "not_found"),
        (lambda: client.search(""), "query"),
        (lambda: client.search(image=b"no picture"), "image"),
        (lambda: client.search("chair", algorithm="siglip"), "not_published"),
        (lambda: client.facets("faces"), "not_found"),
        (lambda: client.download(f"{BARE_ID}?", "/tmp/never"), "not_found"),
    ):
        with pytest.raises(ApiError) as caught:
            ask()
        assert caught.value.code == code
        assert caught.value.request_id


def test_several_things_are_one_query(client: Client) -> None:
    """An asset and words, a picture and what is not wanted; the answer says how each part was taken."""
    like = client.search(like=ODD_ID, top_k=3)
    assert len(like.results) == 3
    assert like.parts[0].asset_id == ODD_ID
    view = client.read(client.asset(BARE_ID).view_urls[0])
    mixed = client.search(
        "椅子", image=view, parts=[{"text": "cup", "weight": -0.5}], filters={"permits": "commercial"}
    )
    told = [(part.text, part.image, part.weight) for part in mixed.parts]
    assert told == [("椅子", False, 1.0), (None, True, 1.0), ("cup", False, -0.5)]
    assert mixed.parts[0].language == "chinese"
    assert mixed.algorithms.keys() == {"lite"}


def test_the_page_s_examples_run(
    api_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they stand, but for the address and the ids."""
    page = Path(__file__).parents[2] / "docs" / "client.md"
    Image.new("RGB", (64, 64), "red").save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        code = block.replace("http://127.0.0.1:8000", api_url)
        exec(code.replace("lamps/desk", ODD_ID).replace("chairs/red", BARE_ID), names)

    assert ODD_ID in capsys.readouterr().out
    assert (tmp_path / "chair.glb").read_bytes()[:4] == b"glTF"
    assert (tmp_path / "furniture.zip").read_bytes()[:2] == b"PK"


def test_the_library_and_what_it_holds(client: Client, tmp_path: Path) -> None:
    """Every asset once, page by page; facets; how everything stands; whom to name; a zip."""
    pages = list(client.assets(sort="-faces", limit=7, facets=["category", "faces"]))
    ids = [asset.asset_id for page in pages for asset in page.assets]
    assert (len(ids), len({*ids}), len(pages)) == (22, 22, 4)
    assert {page.total for page in pages} == {22}
    assert pages[0].assets[0].added is not None
    categories, faces = pages[0].facets["category"], pages[0].facets["faces"]
    assert isinstance(categories, tuple)
    assert not isinstance(faces, tuple)
    assert sum(bucket.count for bucket in faces.buckets) == 22
    one = next(client.assets(category=categories[0].value))
    assert one.total == categories[0].count

    status = client.status()
    assert status.algorithms["lite"].state == "ready"
    assert status.algorithms["lite"].published is not None
    assert status.algorithms["lite"].published.assets == 22

    told = client.attribution([ODD_ID, BARE_ID], use="commercial")
    assert [item.asset_id for item in told.items] == [ODD_ID, BARE_ID]
    assert told.items[0].verdicts == {"commercial": "allowed"}
    assert len(told.warnings) == 1
    assert client.attribution([ODD_ID, "no/pe"]).warnings == ("'no/pe': no asset here has this id",)
    collected = client.collect([ODD_ID, BARE_ID], tmp_path / "chosen.zip")
    assert (collected.path, collected.missing) == (tmp_path / "chosen.zip", {})
    with zipfile.ZipFile(collected) as packed:
        assert packed.testzip() is None
        assert sum(name.endswith(".glb") for name in packed.namelist()) == 2


def test_what_is_not_collected_is_told(client: Client, tmp_path: Path) -> None:
    """By its id as it was asked for, whatever a table makes of it; the others are there."""
    collected = client.collect(["no/pe", ODD_ID, "=gone", ODD_ID], tmp_path / "chosen.zip")
    assert collected.missing == dict.fromkeys(("no/pe", "=gone"), "no asset here has this id")
    with zipfile.ZipFile(collected) as packed:
        assert sum(name.endswith(".glb") for name in packed.namelist()) == 1
    with pytest.raises(ApiError, match="none of these assets is here"):
        client.collect(["no/pe"], tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()
