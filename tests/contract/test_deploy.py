"""What is deployed runs unprivileged, can be asked for its health, and knows no secret that it does not need."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from meshseek.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
CLUSTER = {name for name, service in SERVICES.items() if service.get("profiles") == ["cluster"]}
PAGES = ("ui", "page")
KUBERNETES: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
KINDS = {each["kind"]: each for each in KUBERNETES}
KUBERNETES_VERSIONS = ("1.30.0", kubernetes_validate.latest_version())
PASSWORD = "letters9"  # pragma: allowlist secret


@pytest.mark.parametrize("name", SERVICES)
def test_containers_can_do_little(name: str) -> None:
    """Each container has a read-only root file system, no capability, and a health check."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"]
    assert "USER meshseek" in (ROOT / "Dockerfile").read_text() or service["user"] != "root"


def test_the_image_can_be_built_with_what_weights_need() -> None:
    """All of ours are the same image, with the extras that are asked for."""
    builds = [service["build"] for service in SERVICES.values() if "build" in service]

    assert builds == [{"context": ".", "args": {"EXTRAS": "${MESHSEEK_EXTRAS:-}"}}] * 5
    assert '".[$EXTRAS]"' in (ROOT / "Dockerfile").read_text()


def test_ports_are_open_to_this_machine_only() -> None:
    """Whoever wants others to come in has to say so."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_page_knows_no_secret() -> None:
    """The page's container gets the API's address and nothing else; no password has a default."""
    assert [list(SERVICES[name]["environment"]) for name in PAGES] == [["MESHSEEK_API_URL"]] * 2
    assert "PASSWORD" not in json.dumps(SERVICES["proxy"])
    assert "PASSWORD:-" not in (ROOT / "compose.yaml").read_text()


def test_the_cluster_is_asked_for_by_name() -> None:
    """Who does not ask for it gets one machine's services as before; nobody of them waits for one of the cluster's."""
    assert set(SERVICES) - CLUSTER == {"database", "api", "ui"}
    assert {"replica-1", "replica-2", "api-1", "api-2", "proxy", "page"} == CLUSTER
    assert not CLUSTER & {needed for name in set(SERVICES) - CLUSTER for needed in SERVICES[name].get("depends_on", ())}


def test_searches_of_the_cluster_are_spread_over_its_replicas() -> None:
    """Each API process reads that address in its settings, and knows the primary and both replicas."""
    environments = [SERVICES[name]["environment"] for name in ("api-1", "api-2")]
    asked = re.sub(r"\$\{[^}]+\}", PASSWORD, environments[0]["MESHSEEK_READ_DATABASE_URLS"])
    settings = read_settings(read_database_urls=asked)

    assert environments[0] == environments[1]
    assert [url.get_secret_value() for url in settings.read_database_urls] == [
        f"postgresql://meshseek:{PASSWORD}@replica-{number}/postgres" for number in (1, 2)
    ]
    assert "@database/" in environments[0]["MESHSEEK_DATABASE_URL"]


def test_each_replica_has_data_and_a_place_in_the_log_of_its_own() -> None:
    """Both run the same script as the test of replicas that are deployed does."""
    replicas = [SERVICES[name] for name in ("replica-1", "replica-2")]

    assert [each["entrypoint"] for each in replicas] == [
        ["sh", "/deploy/replica.sh", f"replica_{number}"] for number in (1, 2)
    ]
    assert [each["volumes"] for each in replicas] == [
        [f"replica-{number}:/var/lib/postgresql", "./deploy:/deploy:ro"] for number in (1, 2)
    ]


def test_the_proxy_asks_who_is_ready() -> None:
    """It hands requests to the API processes of the cluster, and looks away before one of them goes."""
    told = (DEPLOY / "Caddyfile.cluster").read_text()
    (interval,) = re.findall(r"health_interval (\d+)s", told)
    (timeout,) = re.findall(r"health_timeout (\d+)s", told)

    assert "reverse_proxy api-1:8000 api-2:8000 {" in told
    assert "health_uri /ready" in told
    for name in ("api-1", "api-2"):
        environment = SERVICES[name]["environment"]
        assert environment["MESHSEEK_DRAIN_SECONDS"] >= int(interval) + int(timeout)
        assert environment["MESHSEEK_ALLOWED_HOSTS"] == "proxy"
    assert SERVICES["page"]["environment"]["MESHSEEK_API_URL"] == "http://proxy:8080"


@pytest.mark.skipif(shutil.which("caddy") is None, reason="Caddy is not installed")
@pytest.mark.parametrize("name", ["Caddyfile", "Caddyfile.cluster"])
def test_caddy_understands_its_files(name: str, tmp_path: Path) -> None:
    """It finds no fault."""
    done = subprocess.run(
        ["caddy", "adapt", "--validate", "--adapter", "caddyfile", "--config", DEPLOY / name],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


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


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("resource", KUBERNETES, ids=lambda resource: resource["kind"])
def test_kubernetes_understands_the_manifest(resource: dict[str, Any], version: str) -> None:
    """Each resource is one of an old and of the newest version, with no field that they do not know."""
    kubernetes_validate.validate(resource, version, strict=True)


def test_pods_can_do_little() -> None:
    """They run without root as the image's user, can write to a temporary folder only, and within bounds."""
    pod = KINDS["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (uid,) = re.findall(r"useradd --uid (\d+) .*meshseek", (ROOT / "Dockerfile").read_text())

    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, int(uid))
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["/tmp"]
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


def test_the_manifest_holds_no_secret() -> None:
    """What opens a database or costs money comes from Secrets; all of it are settings that there are."""
    (container,) = KINDS["Deployment"]["spec"]["template"]["spec"]["containers"]
    from_secrets = {each["name"] for each in container["env"] if "secretKeyRef" in each.get("valueFrom", {})}
    names = {each["name"].removeprefix("MESHSEEK_").lower() for each in container["env"]}

    assert from_secrets == {
        "MESHSEEK_DATABASE_URL",
        "MESHSEEK_READ_DATABASE_URLS",
        "MESHSEEK_DASHSCOPE_API_KEY",
    }
    assert "postgresql://" not in json.dumps(KUBERNETES)
    assert names <= set(Settings.model_fields)


def test_pods_are_asked_by_routes_that_there_are_and_have_time_to_stop() -> None:
    """The probes' routes are the API's; what was taken can be finished before the pod is killed."""
    pod = KINDS["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    routes = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    probes = {name: container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}
    values = {each["name"]: each.get("value") for each in container["env"]}
    (port,) = container["ports"]

    assert [probe["httpGet"]["path"] for probe in probes.values()] == ["/live", "/live", "/ready"]
    assert {probe["httpGet"]["path"] for probe in probes.values()} <= routes.keys()
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {port["name"]}
    drained = int(values["MESHSEEK_DRAIN_SECONDS"])
    assert drained > probes["readiness"]["periodSeconds"] * probes["readiness"]["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] >= drained + read_settings().stop_seconds + 10


def test_all_resources_mean_the_same_pods() -> None:
    """The service, the budget and the scaling find the deployment and its pods; both volumes are there."""
    deployment = KINDS["Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    name = deployment["metadata"]["name"]
    volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    selectors = [KINDS[kind]["spec"]["selector"] for kind in ("Deployment", "PodDisruptionBudget")]
    assert selectors == [{"matchLabels": labels}] * 2
    assert KINDS["Service"]["spec"]["selector"] == labels
    assert KINDS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == name
    assert deployment["spec"]["replicas"] == KINDS["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == 2
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    claim = volumes["workspace"]["persistentVolumeClaim"]["claimName"]
    assert claim == KINDS["PersistentVolumeClaim"]["metadata"]["name"]
