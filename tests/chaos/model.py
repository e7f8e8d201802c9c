"""What must be there, worked out from the libraries alone, and how what is there differs from it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from meshseek.errors import MeshseekError
from meshseek.images import read_image
from meshseek.pipeline.clean import all_tables
from meshseek.workspace.workspace import Workspace
from tests.batch_service import expected
from tests.living import BLANK, BROKEN, FACES, MODELS, Caption, Contents, LibraryFolder, tint
from tests.toy import toy

VIEWS = 2
SIDE = 32
Facts = dict[tuple[Any, ...], Any]
"""What is known of each thing, by what and whose it is."""


def asset_id(library: str, name: str) -> str:
    """Of a model of the first or the second library."""
    return name if library == "first" else f"{library}/{name}"


def facts_of(libraries: Mapping[str, LibraryFolder], forgotten: Iterable[str] = ()) -> Facts:
    """What must be published of libraries that are all known to the workspace."""
    facts: Facts = {}
    for library, folder in libraries.items():
        for name, number in folder.models.items():
            own = asset_id(library, name)
            if number != BROKEN and own not in forgotten:
                facts |= _facts_of_one(own, library, number, folder.captions.get(name, Caption(None, None)))
    return facts


def _facts_of_one(own: str, library: str, number: int, caption: Caption) -> Facts:
    chinese = caption.chinese or (expected(caption.english) if caption.english else None)
    model = hashlib.sha256(MODELS[number]).hexdigest()
    facts: Facts = {("asset", own): (model, caption.english, chinese, FACES[number], caption.category, library)}
    for language, text in (("english", caption.english), ("chinese", chinese)):
        if text:
            facts[language, own] = _halves(toy().embed_texts([text], role="document"))[0]
    pictures = [] if number == BLANK else [tint(MODELS[number], view, SIDE) for view in range(VIEWS)]
    for view, picture in enumerate(pictures):
        facts["view", own, view] = hashlib.sha256(picture).hexdigest()
    if pictures:
        vectors = _halves(toy().embed_images([read_image(picture) for picture in pictures]))
        facts |= {("appearance", own, view): vector for view, vector in enumerate(vectors)}
    return facts


def _halves(vectors: Any) -> list[bytes]:
    return [vector.astype("<f2").tobytes() for vector in vectors]


def published_facts(contents: Contents, workspace: Path) -> Facts:
    """What is published, with the content of the files that it names."""
    facts: Facts = {}
    for own, english, chinese, model, folder, viewpoints, attributes, _ in contents["assets"]:
        texts = [captions[0] if captions else None for captions in (english, chinese)]
        named = (attributes["faces"], attributes.get("category"), attributes["library"])
        facts["asset", own] = (_digest(workspace / "models" / model), *texts, *named)
        for view in viewpoints:
            facts["view", own, view] = _digest(workspace / folder / f"{view:05d}" / f"{view:05d}.png")
    for own, english, chinese, *_ in contents["text_embeddings"]:
        facts |= {(language, own): _parsed(vector) for language, vector in (("english", english), ("chinese", chinese))}
    facts |= {("appearance", own, view): _parsed(vector) for own, view, vector in contents["image_embeddings"]}
    return {key: value for key, value in facts.items() if value is not None}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return str(error.strerror)


def _parsed(vector: str | None) -> bytes | None:
    return None if vector is None else np.array(json.loads(vector), dtype="<f2").tobytes()


def rows_of(workspace: Workspace) -> Counter[tuple[Any, ...]]:
    """The rows that count of every table, without what tells of times; an error is a row as well."""
    rows: Counter[tuple[Any, ...]] = Counter()
    try:
        for table in all_tables(workspace):
            name = table.folder.relative_to(workspace.folder).as_posix()
            for part in table.tables():
                rows.update((name, row["asset_id"], row.get("viewpoint_id"), _content(row)) for row in part.to_pylist())
        for library in workspace.libraries.all():
            listed = workspace.libraries.listing(library)
            rows.update(("listed", own, None, library.name) for own in listed)
            rows[("library", library.name, None, (library.prefix, library.number, library.forgotten))] += 1
    except MeshseekError as error:
        rows[("error", str(error), None, "")] += 1
    return rows


def _content(row: Mapping[str, Any]) -> str:
    if "vector" in row:
        return str(row["vector"].hex())
    # Fingerprints of sources tell of their times, and the names of what was made from them follow.
    volatile = {"fingerprint", "added", *(("folder", "sizes") if "checksum" in row else ())}
    return json.dumps({key: value for key, value in row.items() if key not in volatile}, sort_keys=True, default=str)


@dataclass(slots=True)
class Difference:
    """How what is there differs from what must be there."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    zeroed: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)

    def add_rows(self, expected: Counter[tuple[Any, ...]], actual: Counter[tuple[Any, ...]]) -> None:
        """Compare rows: table, asset, number, content."""
        missing, extra = expected - actual, actual - expected
        known = {row[:3] for row in missing}
        for row in extra:
            if row in expected:
                self.doubled.append(str(row[:3]))
            elif row[:3] not in known:
                self.phantom.append(str(row[:3]))
            else:
                (self.zeroed if is_zero(row[3]) else self.altered).append(str(row[:3]))
        there = {row[:3] for row in extra}
        self.lost += [str(row[:3]) for row in missing if row[:3] not in there]

    def add_facts(self, expected: Facts, actual: Facts) -> None:
        """Compare what is published with the model."""
        as_rows = [
            Counter([("published", str(key), None, value) for key, value in facts.items()])
            for facts in (expected, actual)
        ]
        self.add_rows(*as_rows)

    def add_contents(self, expected: Contents, actual: Contents) -> None:
        """Compare the tables of two published versions."""
        as_rows = [
            Counter(
                (table, str(row[0]), str(row[1]) if table == "image_embeddings" else None, str(row))
                for table, own in contents.items()
                for row in own
            )
            for contents in (expected, actual)
        ]
        self.add_rows(*as_rows)


def is_zero(content: Any) -> bool:
    """Whether the content of a vector is nothing but zeros."""
    if isinstance(content, bytes):
        return not any(content)
    return isinstance(content, str) and bool(content) and not content.strip("0")
