"""Writes the API's OpenAPI document to docs/openapi.json; a test compares the two, so that no change goes unnoticed."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http import create_app
from meshseek.settings import read_settings

FILE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def document() -> str:
    """The document as it is kept: readable, and the same on every machine."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Meshseek(read_settings(workspace=Path(folder))))
        return json.dumps(app.openapi(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
