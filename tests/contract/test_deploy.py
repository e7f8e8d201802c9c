"""What is deployed runs unprivileged, can be asked for its health, and knows no secret that it does not need."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_containers_can_do_little(name: str) -> None:
    """Each container has a read-only root file system, no capability, and a health check."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"]
    assert "USER meshseek" in (ROOT / "Dockerfile").read_text() or service["user"] != "root"


def test_ports_are_open_to_this_machine_only() -> None:
    """Whoever wants others to come in has to say so."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_page_knows_no_secret() -> None:
    """The page's container gets the API's address and nothing else; no password has a default."""
    assert list(SERVICES["ui"]["environment"]) == ["MESHSEEK_API_URL"]
    assert "PASSWORD:-" not in (ROOT / "compose.yaml").read_text()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_confined(unit: Path) -> None:
    """Each unit runs as a user that cannot gain rights or write outside its folders; the page reads no secret."""
    lines = unit.read_text().splitlines()
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="} <= set(lines)
    assert "User=meshseek" in lines or "DynamicUser=yes" in lines
    assert ("EnvironmentFile=-/etc/meshseek/api.env" in lines) == (unit.name == "meshseek-api.service")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_units(unit: Path, tmp_path: Path) -> None:
    """Systemd finds no fault in a unit whose program is there."""
    installed = tmp_path / unit.name
    installed.write_text(unit.read_text().replace("/opt/meshseek/.venv/bin/", "/usr/bin/env "))
    done = subprocess.run(["systemd-analyze", "verify", installed], capture_output=True, text=True, check=False)
    assert unit.name not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
