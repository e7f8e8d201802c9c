"""Fixtures of the stages on a folder of small models."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.stages import Stages

from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Six small models with captions in both languages."""
    return make_sample_assets(tmp_path / "made", 6)


@pytest.fixture
def stages(workspace: Workspace, server: Server, samples: Path) -> Stages:
    """The stages, once through."""
    stages = Stages(workspace, server)
    stages.import_folder(samples)
    stages.update()
    return stages
