"""Gradio's 3D view: what browsers load for it, and the light in it, which is tinted and makes white things lilac."""

from __future__ import annotations

import base64
import io
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import gradio
from PIL import Image as Pillow

ASSETS: Final = ("templates", "frontend", "assets")
MODULES: Final = (
    "Canvas3D",
    "lib",
    "webgpuEngine",
    "glTFLoader",
    "pbrMaterialLoadingAdapter",
    "pbr.vertex",
    "pbr.fragment",
)
"""What is loaded when the first model is looked at: most of a second's work."""
LIGHT: Final = "defaultEnvironment-*.js"
MAGIC: Final = bytes((0x86, 0x16, 0x87, 0x96, 0xF6, 0xD6, 0x96, 0x36))
"""Begins an environment as Babylon.js stores it: then come a description in JSON, a zero byte, and pictures."""
BEGINS, ENDS = ";base64,", "`"


def modules() -> list[str]:
    """Addresses of that, for browsers to fetch while nobody waits; the names have each version's own endings."""
    return sorted(f"/assets/{file.name}" for name in MODULES for file in _assets().glob(f"{name}-*.js"))


def _assets() -> Path:
    return Path(gradio.__file__).parent.joinpath(*ASSETS)


@cache
def neutral_environment() -> tuple[str, str] | None:
    """The name and content of the viewer's module with its light, made grey; None where Gradio has another one.

    Babylon.js, "EnvironmentTextureTools": irradiance is told by the coefficients of spherical harmonics for red, green
    and blue, reflections by pictures in which alpha divides all three colours.
    """
    for file in _assets().glob(LIGHT):
        before, mark, rest = file.read_text("utf-8").partition(BEGINS)
        encoded, end, after = rest.partition(ENDS)
        try:
            grey = _grey(base64.b64decode(encoded))
        except (AttributeError, LookupError, SyntaxError, TypeError, ValueError, OSError):
            continue  # of another version; its own light is better than none
        return file.name, f"{before}{mark}{base64.b64encode(grey).decode()}{end}{after}"
    return None


def _grey(stored: bytes) -> bytes:
    if not stored.startswith(MAGIC):
        raise ValueError("not an environment")
    described, _, pictures = stored.removeprefix(MAGIC).partition(b"\0")
    described_as: dict[str, Any] = json.loads(described)
    irradiance = described_as["irradiance"]
    irradiance |= {
        name: [sum(value) / len(value)] * len(value) for name, value in irradiance.items() if isinstance(value, list)
    }
    made = io.BytesIO()
    for picture in (*described_as["specular"]["mipmaps"], *irradiance.get("irradianceTexture", {}).get("faces", ())):
        first = picture["position"]
        grey = _grey_picture(pictures[first : first + picture["length"]])
        picture |= {"position": made.tell(), "length": len(grey)}
        made.write(grey)
    return MAGIC + json.dumps(described_as).encode() + b"\0" + made.getvalue()


def _grey_picture(content: bytes) -> bytes:
    with Pillow.open(io.BytesIO(content), formats=("PNG", "WEBP")) as picture:
        alpha = picture.convert("RGBA").getchannel("A")
        grey = picture.convert("RGB").convert("L")
        made = io.BytesIO()
        Pillow.merge("RGBA", (grey, grey, grey, alpha)).save(made, picture.format or "PNG", lossless=True)
        return made.getvalue()
