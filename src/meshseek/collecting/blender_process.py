"""Runs Blender's module in a process of its own, which may fail or hang alone."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ANSWER: Final = "MESHSEEK "
"""Begins the line that the process answers with; Blender says much else."""
_SCRIPT = Path(__file__).with_name("_in_blender.py")


def lacking() -> str | None:
    """Why there can be no library for Blender; None where there can."""
    if importlib.util.find_spec("bpy") is None:
        return "Blender's module bpy is not installed for this Python; 'pip install --no-deps bpy' brings it"
    return None


def made_in_blender(job: dict[str, Any], seconds: float) -> dict[str, str]:
    """What a process with Blender's module says of one model.

    Raises:
        RuntimeError: It failed, or took too long.
        ValueError: It says what makes no sense; likewise KeyError and TypeError.
    """
    command, given = [sys.executable, "-P", str(_SCRIPT)], json.dumps(job)
    try:
        ended = subprocess.run(
            command, input=given, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"it took longer than {seconds:g} s") from error
    answers = [line for line in ended.stdout.splitlines() if line.startswith(ANSWER)]
    if ended.returncode or not answers:
        said = ended.stderr.strip().splitlines() or [f"it ended with status {ended.returncode}"]
        raise RuntimeError(said[-1])
    made = json.loads(answers[-1].removeprefix(ANSWER))
    return {"name": str(made["name"]), "version": str(made["version"])}
