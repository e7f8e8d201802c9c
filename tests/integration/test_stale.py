"""What was made from something else is never published, always counted, and mended by the stage that is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.stages import Stages

from meshseek.meshes.glb import encode_glb
from meshseek.pipeline.standing import standings
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.shards import ShardFolder


def outdated(stages: Stages) -> dict[str, int]:
    """What the standing of the only library says."""
    (standing,) = standings(stages.workspace, ["toy"]).values()
    return dict(standing.outdated)


def replace_model(samples: Path) -> None:
    """Another model under the chair's name."""
    shutil.copyfile(samples / "cup-0001.glb", samples / "chair-0001.glb")


def edit_caption(samples: Path) -> None:
    """Another English caption for the chair."""
    captions = samples / "captions.csv"
    captions.write_text(captions.read_text("utf-8").replace("a small red chair", "a scarlet chair"), "utf-8")


def test_a_replaced_model_does_not_show_its_old_pictures(stages: Stages, samples: Path) -> None:
    """Import, embed and publish without render: neither the old model's views nor their vectors are published."""
    replace_model(samples)
    stages.import_folder(samples)
    assert outdated(stages) == {"render": 1}
    assert stages.embed()[2].skipped == 1
    summary = stages.publish()

    assert summary.details["outdated render"] == 1
    assert any("run 'meshseek render' and publish again" in line for line in stages.said)
    assert stages.searchable()["chair-0001"]["view_folder"] is None
    assert stages.vectors() == set(stages.searchable()) - {"chair-0001"}

    stages.render()
    assert outdated(stages) == {"embed toy": 1}
    stages.embed()
    stages.publish()
    assert outdated(stages) == {}
    assert stages.vectors() == set(stages.searchable())


def test_views_that_are_not_embedded_yet_are_not_searched(stages: Stages, samples: Path) -> None:
    """Rendered anew but not embedded: the vectors of the old views stay out, and the cure is named."""
    replace_model(samples)
    stages.import_folder(samples)
    stages.render()
    summary = stages.publish()

    assert summary.details["outdated embed"] == 1
    assert any("run 'meshseek embed --algorithm toy' and publish again" in line for line in stages.said)
    assert "chair-0001" not in stages.vectors()


def test_an_edited_caption_loses_its_translation(stages: Stages, samples: Path) -> None:
    """Without translate, the Chinese caption of the old English one is neither shown nor searched."""
    captions = samples / "captions.csv"
    captions.write_text(captions.read_text("utf-8").replace("一把", "两把"), "utf-8")
    stages.workspace.chinese_captions_table()  # translated from the former captions
    stages.import_folder(samples)
    chairs = outdated(stages)["translate"]
    stages.embed()
    summary = stages.publish()

    assert summary.details["outdated translate"] == chairs
    assert any("run 'meshseek translate' and publish again" in line for line in stages.said)

    stages.translate()
    assert "translate" not in outdated(stages)


def test_stages_agree_about_a_translation(stages: Stages, samples: Path) -> None:
    """A translation of another caption is no caption: not for embed, not for publish, not for what is counted."""
    rows = [
        {**row, "captions": ["机器翻译"]}
        for table in stages.workspace.chinese_captions_table().tables()
        for row in table.to_pylist()
        if row["asset_id"] == "chair-0001"
    ]
    stages.workspace.chinese_captions_table().append(rows)
    stages.embed()
    stages.publish()
    assert stages.searchable()["chair-0001"]["chinese"] == ["机器翻译"]

    edit_caption(samples)
    stages.import_folder(samples)
    stages.embed()
    stages.publish()
    (asset,) = [asset for asset in CurrentAssets(stages.workspace) if asset.asset_id == "chair-0001"]
    assert "机器翻译" not in [*asset.captions_chinese, *stages.searchable()["chair-0001"]["chinese"]]


def test_a_new_version_that_cannot_be_read_is_not_shown_as_the_old_one(stages: Stages, samples: Path) -> None:
    """A model that was replaced by a broken file is out of the search, and counted for import."""
    (samples / "chair-0001.glb").write_bytes(b"glTF broken")
    assert stages.import_folder(samples).skipped == 1
    (standing,) = standings(stages.workspace, ["toy"]).values()
    assert (standing.outdated, standing.skipped) == ({}, {"import": 1})
    stages.publish()

    assert "chair-0001" not in stages.searchable()


def test_a_new_version_that_cannot_be_rendered_is_skipped_not_outdated(stages: Stages, samples: Path) -> None:
    """Until it was tried it is outdated; then running the stage again would mend nothing, and nobody is told to."""
    content = (samples / "cup-0001.glb").read_bytes()
    length = int.from_bytes(content[12:16], "little")
    packed = ["KHR_draco_mesh_compression"]
    tree = {**json.loads(content[20 : 20 + length]), "extensionsUsed": packed, "extensionsRequired": packed}
    (primitive, *_) = tree["meshes"][0]["primitives"]
    primitive["extensions"] = {packed[0]: {"bufferView": 0, "attributes": {"POSITION": 0}}}  # which it is not
    (samples / "chair-0001.glb").write_bytes(encode_glb(tree, content[28 + length :]))
    stages.import_folder(samples)
    assert outdated(stages) == {"render": 1}
    stages.update()

    (standing,) = standings(stages.workspace, ["toy"]).values()
    assert (standing.outdated, standing.skipped) == ({}, {"render": 1})
    assert "chair-0001" not in stages.vectors()


@pytest.mark.parametrize("lost", ["model", "view"])
def test_the_cure_of_a_lost_file_cures(stages: Stages, lost: str) -> None:
    """Import brings a lost model back and render a lost view, though their tables say that they are done."""
    folder = stages.workspace.models if lost == "model" else stages.workspace.views
    (path,) = folder.glob("chair-0001@*.glb" if lost == "model" else "chair-0001/@*/00000/00000.png")
    content = path.read_bytes()
    for damage in (path.unlink, lambda: path.write_bytes(content[:-1])):
        damage()
        summary = stages.update().summaries[0 if lost == "model" else 1]
        assert (summary.done, summary.already_there) == (1, 5)
        assert path.read_bytes() == content


def test_a_damaged_part_of_the_captions_is_written_again_at_once(stages: Stages) -> None:
    """What translate finds damaged is done in the same run, and counted as done."""
    table = stages.workspace.chinese_captions_table()
    (table.folder / table.shards[0]["file"]).write_bytes(b"damaged")

    assert (stages.translate().done, stages.translate().already_there) == (6, 6)
    assert ShardFolder(table.folder, table.schema).count() == 6
    assert all(row["chinese"] for row in stages.searchable().values())


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(
    stages: Stages, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row tells the file that was listed; the next import sees that it is another one by now."""
    from meshseek.datasets.folder import Folder  # noqa: PLC0415  # to hook into its reading

    read = Folder.read
    edit_caption(samples)

    def read_and_replace(*arguments: object) -> object:
        replace_model(samples)
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Folder, "read", read_and_replace)
    stages.import_folder(samples)
    monkeypatch.undo()
    stages.update()

    shown = stages.workspace.models / stages.searchable()["chair-0001"]["model"]
    assert shown.read_bytes() == (samples / "chair-0001.glb").read_bytes()
    assert outdated(stages) == {}
