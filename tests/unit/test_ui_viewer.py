"""Gradio's 3D view: its light, and what is fetched ahead."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import gradio
import pytest
from PIL import Image

from meshseek.interfaces.ui.viewer import MAGIC, MODULES, modules, neutral_environment


def damaged() -> str:
    """A module whose pictures are none."""
    told = {"irradiance": {}, "specular": {"mipmaps": [{"position": 0, "length": 4}]}}
    return f"var e=`;base64,{base64.b64encode(MAGIC + json.dumps(told).encode() + bytes(5)).decode()}`;"


def test_the_light_has_no_colour() -> None:
    """Neither from everywhere nor in reflections; each picture lies where the description says."""
    name, module = neutral_environment() or ("", "")

    assert name.endswith(".js")
    stored = base64.b64decode(module.partition(";base64,")[2].partition("`")[0])
    described, _, pictures = stored.removeprefix(MAGIC).partition(b"\0")
    told = json.loads(described)
    coefficients = [value for value in told["irradiance"].values() if isinstance(value, list)]
    assert coefficients
    assert all(len(set(value)) == 1 for value in coefficients)
    faces = [*told["specular"]["mipmaps"], *told["irradiance"]["irradianceTexture"]["faces"]]
    for face in faces:
        with Image.open(io.BytesIO(pictures[face["position"] : face["position"] + face["length"]])) as picture:
            red, green, blue, _ = picture.convert("RGBA").split()
        assert red.tobytes() == green.tobytes() == blue.tobytes()
    assert sum(face["length"] for face in faces) == len(pictures)


@pytest.mark.parametrize(
    "module", ["var e=`none`;", "var e=`data:;base64,bm8=`;", damaged(), f"var e=`;base64,{'A' * 4001}`"]
)
def test_a_viewer_with_another_light_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """A later Gradio may bring something else."""
    folder = tmp_path / "templates" / "frontend" / "assets"
    folder.mkdir(parents=True)
    (folder / "defaultEnvironment-1.js").write_text(module)
    monkeypatch.setattr(gradio, "__file__", str(tmp_path / "__init__.py"))

    assert neutral_environment.__wrapped__() is None


def test_the_installed_gradio_has_the_viewer() -> None:
    """All that is fetched ahead is there."""
    addresses = modules()

    assert len(addresses) >= len(MODULES)
    assert all(any(f"/{name}-" in address for address in addresses) for name in MODULES)
