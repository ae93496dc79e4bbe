"""The files of docker/ and of the repository's tools agree with the code: settings, probed pages, versions, commands.

Invariant: these tests read files and start nothing; `tests/image` builds and runs the image.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from stream import config
from stream.config import KafkaSettings, Settings, variable
from stream.ops import broker, kafka_distribution

ROOT: Final = Path(__file__).parents[3]
DOCKER: Final = ROOT / "docker"
YAML: Final = sorted(path for path in DOCKER.rglob("*") if path.suffix in {".yaml", ".yml"})
SETTINGS: Final = {
    variable(kind, field): (kind, field) for kind in (Settings, KafkaSettings) for field in kind.model_fields
}
NAMED: Final = re.compile(r"\b(?:VOLTEFACE|KAFKA)_[A-Z][A-Z_]*")
PORT: Final = Settings.model_fields["web_port"].default


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def found(pattern: str, path: str) -> str:
    """The group of a pattern that the file must contain."""
    match = re.search(pattern, text(path), re.MULTILINE)
    assert match, f"{pattern} is not in {path}"
    return match[1]


def document(path: str) -> Any:
    """The only document of a YAML file of docker/."""
    return yaml.safe_load(text(f"docker/{path}"))


COMPOSE: Final = document("compose.yaml")
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
OURS: Final = sorted(name for name, service in SERVICES.items() if "build" in service)
DEPLOYMENT: Final = document("kubernetes/deployment.yaml")
POD: Final = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINER: Final = POD["containers"][0]
LITERALS: Final = dict(
    one.split("=", 1) for one in document("kubernetes/kustomization.yaml")["configMapGenerator"][0]["literals"]
)
#: The settings of .env.example, each a commented line `#NAME=value`.
OFFERED: Final = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text("docker/.env.example"), re.MULTILINE))


@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(DOCKER)))
def test_yaml_can_be_read(path: Path) -> None:
    assert all(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "path", ["docker/.env.example", "docker/Dockerfile", "docker/systemd/volteface.service",
             *(str(path.relative_to(ROOT)) for path in YAML if path.parent.name == "kubernetes")],
)  # fmt: skip
def test_every_setting_in_a_file_exists(path: str) -> None:
    assert set(NAMED.findall(text(path))) - set(SETTINGS) == set()


@pytest.mark.parametrize("name", OURS)
def test_every_setting_in_compose_exists(name: str) -> None:
    assert set(SERVICES[name]["environment"]) - set(SETTINGS) == set()


def test_the_defaults_in_env_example_are_the_defaults() -> None:
    for name, value in OFFERED.items():
        if name.startswith("VOLTEFACE_"):
            kind, field = SETTINGS[name]
            default = kind.model_fields[field].default
            assert value == ("" if default is None else str(default)), name


@pytest.mark.parametrize("given", [OFFERED, LITERALS, document("kubernetes/secret.example.yaml")["stringData"]])
def test_example_values_are_valid(given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # away from a developer's .env
    for name, value in given.items():
        monkeypatch.setenv(name, value or "a value of the user")
    config.load()


def test_compose_passes_on_the_settings_of_env_example() -> None:
    for_compose = text("docker/.env.example").partition("# --- Only without docker/compose.yaml")[0]
    passed = {name for name, value in SERVICES["worker"]["environment"].items() if value is None}
    secrets = {secret["environment"] for secret in COMPOSE["secrets"].values()}
    links = {
        name for service in ("prometheus", "grafana") for name in SERVICES[service]["environment"] if "_URL" in name
    }
    assert set(re.findall(r"^#([A-Z_]+)=", for_compose, re.MULTILINE)) == passed | secrets | links


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_limited_and_checked(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    assert service["restart"] in {"no", "unless-stopped"}
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert "healthcheck" in service or name == "worker"  # the image defines its health check
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert set(service.get("depends_on", [])) <= set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_no_writable_files(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert "volumes" not in SERVICES[name]


def test_workers_can_be_scaled() -> None:
    assert not {"ports", "container_name", "hostname"} & set(SERVICES["worker"])
    # `docker compose up` of a service that depends on the worker would reset its scale to one.
    assert not [name for name, service in SERVICES.items() if "worker" in service.get("depends_on", [])]


def test_mounted_files_exist() -> None:
    volumes = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    mounted = {target: DOCKER / source for source, target, *_ in volumes if source.startswith("./")}
    assert all(folder.is_dir() for folder in mounted.values())
    assert {source for source, *_ in volumes if not source.startswith("./")} == set(COMPOSE["volumes"])
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[str(home.parent)] / home.name).is_file()


def test_prometheus_finds_workers_and_alertmanager() -> None:
    prometheus = document("prometheus/prometheus.yml")
    (job,) = prometheus["scrape_configs"]
    (names,) = job["dns_sd_configs"]
    assert (names["names"], names["port"]) == (["worker"], PORT)
    (alertmanager,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"]
    assert [target.partition(":")[0] for target in alertmanager["targets"]] == ["alertmanager"]


def test_inhibited_and_routed_alerts_exist() -> None:
    groups = document("prometheus/alerting.rules.yml")["groups"]
    alerts = {rule["alert"]: rule["labels"]["severity"] for group in groups for rule in group["rules"]}
    config = text("docker/alertmanager/alertmanager.yml")
    assert set(re.findall(r"Volteface[A-Za-z]+", config)) <= set(alerts)
    assert set(re.findall(r'severity="([a-z]+)"', config)) < set(alerts.values()) == {"page", "ticket"}


def test_probed_pages_are_served() -> None:
    served = set(re.findall(r'^@app\.page\("(/[a-z/]+)"\)', text("stream/app.py"), re.MULTILINE))
    assert CONTAINER["ports"] == [{"name": "http", "containerPort": PORT}]
    probes = {name: CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready",
    }  # fmt: skip
    assert {probe["port"] for probe in probes.values()} == {"http"}
    probed = found(r"^HEALTHCHECK(?:.*\n)*?.*'(/health/[a-z]+)'", "docker/Dockerfile")
    assert {probed, "/metrics", *(probe["path"] for probe in probes.values())} <= served
    assert int(found(r"^EXPOSE (\d+)$", "docker/Dockerfile")) == PORT


def test_pods_are_restricted() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert f"USER {POD['securityContext']['runAsUser']}:" in text("docker/Dockerfile")
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert set(CONTAINER["resources"]) == {"requests", "limits"}


def test_kubernetes_objects_belong_together() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    service, monitor = document("kubernetes/service.yaml"), document("kubernetes/servicemonitor.yaml")
    budget, scaled = document("kubernetes/disruption.yaml"), document("kubernetes/scaledobject.yaml")
    assert service["spec"]["selector"] == DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    references = [next(iter(source.values()))["name"] for source in CONTAINER["envFrom"]]
    generated = document("kubernetes/kustomization.yaml")["configMapGenerator"][0]["name"]
    assert references == [generated, document("kubernetes/secret.example.yaml")["metadata"]["name"]]
    listed = re.findall(r"^  (?:# )?- ([a-z]+\.yaml)", text("docker/kubernetes/kustomization.yaml"), re.MULTILINE)
    there = {path.name for path in (DOCKER / "kubernetes").iterdir()}
    assert set(listed) == there - {"kustomization.yaml", "secret.example.yaml"}


def test_the_label_that_rules_need_is_set() -> None:
    (job,) = document("prometheus/prometheus.yml")["scrape_configs"]
    (relabel,) = [one for one in job["relabel_configs"] if one["target_label"] == "app_id"]
    service, monitor = document("kubernetes/service.yaml"), document("kubernetes/servicemonitor.yaml")
    assert monitor["spec"]["targetLabels"] == ["app_id"]
    assert service["metadata"]["labels"]["app_id"] == LITERALS["VOLTEFACE_APP_ID"]
    assert relabel["replacement"] == Settings.model_fields["app_id"].default
    # What Prometheus Operator calls the job, and what the plain configuration calls it.
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == job["job_name"]


def test_versions_are_told_once() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert found(r"^ARG VERSION=(.+)$", "docker/Dockerfile") == version
    assert {SERVICES[name]["image"] for name in OURS} == {f"volteface:{version}"}
    assert document("kubernetes/kustomization.yaml")["images"][0]["newTag"] == version
    assert found(r"^ARG UV_VERSION=(.+)$", "docker/Dockerfile") == found(r"^UV_VERSION := (.+)$", "Makefile")
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_distribution.VERSION}"
    assert kafka_distribution.VERSION not in {"4.3.0", "4.3.1", "4.4.0"}, "KAFKA-20734: lost transaction markers"
    assert re.fullmatch(
        r"python:3\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", found(r"^ARG BASE=(.+)$", "docker/Dockerfile")
    )


def test_the_image_gets_every_file_of_the_build() -> None:
    pyproject = tomllib.loads(text("pyproject.toml"))
    project, build = pyproject["project"], pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", "hatch_build.py", project["readme"], *project["license-files"], *build["packages"]}
    copied = {
        name
        for line in re.findall(r"^COPY ([^-].*)$", text("docker/Dockerfile"), re.MULTILINE)
        for name in line.split()
    }
    sent = {line[1:] for line in text("docker/Dockerfile.dockerignore").splitlines() if line.startswith("!")}
    assert needed <= copied & sent


def test_kafka_in_compose_has_the_properties_of_the_development_broker() -> None:
    dev = dict(line.split("=", 1) for line in broker._PROPERTIES.splitlines() if not line.startswith("#"))
    environment = SERVICES["kafka"]["environment"]
    composed = {name: environment.get(f"KAFKA_{name.upper().replace('.', '_')}", value) for name, value in dev.items()}
    addresses = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
    assert {name for name in dev if composed[name] != dev[name]} == addresses


def test_no_other_event_loop_is_installed() -> None:
    """On uvloop an outage of Kafka can, rarely, stop aiokafka's reconnection for ever (aio-libs/aiokafka#1038)."""
    required = tomllib.loads(text("pyproject.toml"))["project"]["dependencies"]
    assert not [each for each in required if each.startswith(("uvloop", "winloop"))]
    assert "-L" not in found(r"^    faust = \[(.+)\]$", "stream/cli/worker.py")


def test_pre_commit_runs_the_commands_of_make_lint() -> None:
    recipe = found(r"^lint: install\n((?:\t.+\n)+)", "Makefile").replace("$(BIN)", ".venv/bin")
    (repository,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == [line.strip() for line in recipe.splitlines()]
