"""The furniture library is fetched, and sample assets are generated, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trimesh
from tests.model_libraries import read_all

from meshseek.datasets import DatasetOptions
from meshseek.datasets.folder import Folder
from meshseek.errors import FetchError
from meshseek.pipeline import fetch
from meshseek.pipeline.sample_assets import make_sample_assets, plan_sample


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where models are put."""
    return tmp_path / "workspace" / "models"


def test_sample_assets_are_a_library(tmp_path: Path, models: Path) -> None:
    """Generated assets are the same every time, differ from each other, and read as a folder of models."""
    folder = make_sample_assets(tmp_path / "one", 30)
    again = make_sample_assets(tmp_path / "two", 30)
    assert all(file.read_bytes() == (again / file.name).read_bytes() for file in folder.iterdir())
    assert make_sample_assets(tmp_path / "one", 30) == folder
    dataset = Folder(DatasetOptions(path=folder, captions=folder / "captions.csv"))
    assets = read_all(dataset, models)
    assert len(assets) == len({asset.captions_english for asset in assets.values()}) == 30
    chair = assets["chair-0001"]
    assert (chair.captions_english, chair.captions_chinese) == (("a small red chair",), ("一把小型红色椅子",))
    assert chair.attributes["tags"] == ["seat"]
    for asset in assets.values():
        assert asset.model is not None
        bounds = trimesh.load_scene(models / asset.model).bounds
        assert bounds[0, 1] == pytest.approx(0, abs=1e-6)
    assert len({plan_sample(number).caption_english for number in range(1080)}) == 1080


FAKE_APT = """#!/bin/sh
case "$*" in
  *update*) exit 0 ;;
  *download*) touch sweethome3d-furniture_1_all.deb ;;
esac
"""
FAKE_DPKG = """#!/bin/sh
mkdir -p "$3/usr/share/sweethome3d/furniture" && touch "$3/usr/share/sweethome3d/furniture/A.sh3f"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put stand-ins for apt-get and dpkg-deb where programs are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(**scripts: str) -> None:
        for name, script in scripts.items():
            path = folder / name.replace("_", "-")
            path.write_text(script)
            path.chmod(0o755)

    monkeypatch.setattr("shutil.which", lambda name: str(folder / name) if (folder / name).exists() else None)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return install


def test_furniture_is_fetched_once(tmp_path: Path, programs: Callable[..., None]) -> None:
    """The libraries appear whole in the cache, and a second call asks nobody."""
    programs(apt_get=FAKE_APT, dpkg_deb=FAKE_DPKG)
    said: list[str] = []
    folder = fetch.fetch_furniture(tmp_path / "cache", said.append)
    assert [path.name for path in folder.iterdir()] == ["A.sh3f"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["furniture"]
    assert len(said) == 3
    assert fetch.fetch_furniture(tmp_path / "cache", said.append) == folder
    assert len(said) == 3


def test_failed_fetches_tell_the_cure(
    tmp_path: Path, programs: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No apt, no network, a hanging server and a half download each give one line; nothing half is taken for whole."""
    cache = tmp_path / "cache"
    with pytest.raises(FetchError, match="there is no apt-get here"):
        fetch.fetch_furniture(cache, print)
    programs(apt_get="#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n", dpkg_deb=FAKE_DPKG)
    with pytest.raises(FetchError, match=r"apt-get update failed \(Unable to locate package\); check the network"):
        fetch.fetch_furniture(cache, print)
    programs(apt_get=FAKE_APT, dpkg_deb="#!/bin/sh\nexit 2\n")
    with pytest.raises(FetchError, match=r"dpkg-deb failed \(status 2\)"):
        fetch.fetch_furniture(cache, print)
    programs(apt_get="#!/bin/sh\nexec sleep 30\n")
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    with pytest.raises(FetchError, match=r"took more than 0\.2 s; run again"):
        fetch.fetch_furniture(cache, print)
    assert not (cache / "furniture").exists()


def test_hooks_of_apt_do_not_run(tmp_path: Path, programs: Callable[..., None]) -> None:
    """Apt gets the system's configuration without its hooks, where nobody else reads it, and no other file of it."""
    dump = 'Acquire::http::Proxy "http://proxy.invalid";\nAPT::Update::Post-Invoke:: "touch hooked";\n'
    programs(
        apt_config=f"#!/bin/sh\ncat <<'END'\n{dump}END\n",
        apt_get=FAKE_APT.replace("#!/bin/sh\n", f'#!/bin/sh\ncp "$APT_CONFIG" {tmp_path}/seen\n'),
        dpkg_deb=FAKE_DPKG,
    )
    fetch.fetch_furniture(tmp_path / "cache", lambda _: None)
    assert not (tmp_path / "seen").stat().st_mode & 0o077
    seen = (tmp_path / "seen").read_text()
    assert "proxy.invalid" in seen
    assert "hooked" not in seen
    assert 'Dir::Etc::parts "/dev/null";' in seen
