"""Writes the corpus: each hostile file in a folder of its own, with what it calls for beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.hostile import gltf_models, libraries, obj_models, other_formats, pictures, tables, tars

Kind = Literal["model", "picture", "library", "captions", "map", "renders", "tar"]
Content = bytes | None
"""None for a pipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One case."""

    name: str
    kind: Kind
    files: Mapping[str, Content]
    """By name in its folder; the first is the hostile one."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Where each link leads."""

    def write(self, folder: Path) -> Path:
        """Write it below a folder; returns the hostile file."""
        place = folder / self.kind / self.name
        place.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                os.mkfifo(path)
            else:
                path.write_bytes(content)
        for name, target in self.links.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).symlink_to(target)
        return place / next(iter([*self.files, *self.links]))


def corpus() -> Iterator[Hostile]:
    """Every case, always in the same order."""
    models: dict[str, Mapping[str, Content]] = {**obj_models.cases(), **gltf_models.cases(), **other_formats.cases()}
    for name, files in models.items():
        yield Hostile(name=name, kind="model", files=files, links=obj_models.LINKS.get(name, {}))
    for name, data in pictures.cases().items():
        yield Hostile(name=name, kind="picture", files={f"{name}.png": data})
    for name, data in libraries.cases().items():
        yield Hostile(name=name, kind="library", files={f"{name}.sh3f": data})
    for name, data in tars.cases().items():
        yield Hostile(name=name, kind="tar", files={f"{name}.tar": data})
    for name, (file, data) in tables.captions().items():
        yield Hostile(name=name, kind="captions", files={file: data})
    for name, data in tables.maps().items():
        yield Hostile(name=name, kind="map", files={"map.json": data})
    for name, files in tables.renders().items():
        yield Hostile(name=name, kind="renders", files=files, links=tables.LINKS.get(name, {}))
