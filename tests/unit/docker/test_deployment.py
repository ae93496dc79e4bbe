"""The files of docker/ and of the repository's tools agree with the code: settings, probed pages, versions, commands.

Invariant: these tests read files and start nothing; `tests/image` builds and runs the image.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from stream import config
from stream.bridge.mapping_file import read_mapping
from stream.config import KINDS, BridgeSettings, ConsoleSettings, Settings, variable
from stream.console import health
from stream.console.access.addresses import is_loopback
from stream.console.access.protection import authenticator_of
from stream.console.routes import RULES
from stream.engine.service_pages import LIVE, METRICS, READY
from stream.ops import broker, kafka_distribution

ROOT: Final = Path(__file__).parents[3]
DOCKER: Final = ROOT / "docker"
YAML: Final = sorted(path for path in DOCKER.rglob("*") if path.suffix in {".yaml", ".yml"})
SETTINGS: Final = {variable(kind, field): (kind, field) for kind in KINDS for field in kind.model_fields}
NAMED: Final = re.compile(r"\b(?:VOLTEFACE|KAFKA)_[A-Z][A-Z_]*")
_CONNECT_POM: Final = "tests/kafka/cdc/pom.xml"
PORT: Final = Settings.model_fields["web_port"].default
CONSOLE_PORT: Final = ConsoleSettings.model_fields["console_port"].default
BRIDGE_PORT: Final = BridgeSettings.model_fields["port"].default


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
OURS: Final = sorted(name for name, service in SERVICES.items() if service["image"].startswith("volteface:"))
#: The folders of the manifests of the worker, the console and the bridge.
FOLDERS: Final = ("kubernetes", "kubernetes/console", "kubernetes/bridge")
DEPLOYMENTS: Final = {folder: document(f"{folder}/deployment.yaml") for folder in FOLDERS}
DEPLOYMENT: Final = DEPLOYMENTS["kubernetes"]


def container(folder: str) -> dict[str, Any]:
    """The only container of a deployment's pods."""
    (only,) = DEPLOYMENTS[folder]["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def literals(folder: str) -> dict[str, str]:
    """The settings of a kustomization's config map."""
    (generator,) = document(f"{folder}/kustomization.yaml")["configMapGenerator"]
    return dict(one.split("=", 1) for one in generator["literals"])


def secrets(folder: str) -> dict[str, str]:
    """The settings of a folder's example of a Secret."""
    found: dict[str, str] = document(f"{folder}/secret.example.yaml")["stringData"]
    return found


CONTAINER: Final = container("kubernetes")
LITERALS: Final = literals("kubernetes")
#: The settings of .env.example, each a commented line `#NAME=value`.
OFFERED: Final = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text("docker/.env.example"), re.MULTILINE))


@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(DOCKER)))
def test_yaml_can_be_read(path: Path) -> None:
    assert all(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "path", ["docker/.env.example", "docker/Dockerfile", "docker/systemd/volteface.service",
             *(str(path.relative_to(ROOT)) for path in YAML if "kubernetes" in path.parts)],
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


@pytest.mark.parametrize(
    "given",
    [OFFERED, *(literals(folder) | secrets(folder) for folder in FOLDERS),
     {name: value for name, value in SERVICES["console"]["environment"].items() if value}],
    ids=["env", *FOLDERS, "compose"],
)  # fmt: skip
def test_example_values_are_valid(given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # away from a developer's .env
    for name, value in given.items():
        example = "https://host.example" if name.endswith("_URL") else "a-value-of-the-user-as-long-as-a-secret-must-be"
        monkeypatch.setenv(name, value or example)
    config.load()
    authenticator_of(config.load_console())


def test_compose_passes_on_the_settings_of_env_example() -> None:
    for_compose = text("docker/.env.example").partition("# --- Only without docker/compose.yaml")[0]
    passed = {name for each in OURS for name, value in SERVICES[each]["environment"].items() if value is None}
    secrets = {secret["environment"] for secret in COMPOSE["secrets"].values()}
    links = {
        name for service in ("prometheus", "grafana") for name in SERVICES[service]["environment"] if "_URL" in name
    }
    assert set(re.findall(r"^#([A-Z_]+)=", for_compose, re.MULTILINE)) == passed | secrets | links


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_limited_and_checked(name: str) -> None:
    service = SERVICES[name]
    least = r"\d+\.\d+" if name == "postgres" else r"\d+\.\d+\.\d+"  # PostgreSQL's releases have two numbers
    assert re.search(rf":v?{least}$", service["image"])
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
    files = [DOCKER / each["file"] for each in COMPOSE["configs"].values()]
    assert all(path.is_file() for path in files)
    used = {each["source"] for service in SERVICES.values() for each in service.get("configs", [])}
    assert used == set(COMPOSE["configs"])
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[str(home.parent)] / home.name).is_file()


def test_prometheus_finds_workers_and_alertmanager() -> None:
    prometheus = document("prometheus/prometheus.yml")
    found = [
        (job["job_name"], names["names"], names["port"])
        for job in prometheus["scrape_configs"]
        for names in job["dns_sd_configs"]
    ]
    assert found == [
        ("volteface", ["worker"], PORT),
        ("volteface-console", ["console"], CONSOLE_PORT),
        ("volteface-bridge", ["bridge"], BRIDGE_PORT),
    ]
    assert {names for _, (names,), _ in found} <= set(SERVICES)
    (alertmanager,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"]
    assert [target.partition(":")[0] for target in alertmanager["targets"]] == ["alertmanager"]


def test_inhibited_and_routed_alerts_exist() -> None:
    groups = document("prometheus/alerting.rules.yml")["groups"]
    alerts = {rule["alert"]: rule["labels"]["severity"] for group in groups for rule in group["rules"]}
    config = text("docker/alertmanager/alertmanager.yml")
    assert set(re.findall(r"Volteface[A-Za-z]+", config)) <= set(alerts)
    assert set(re.findall(r'severity="([a-z]+)"', config)) < set(alerts.values()) == {"page", "ticket"}


SERVED: Final = {
    "kubernetes": {METRICS, LIVE, READY},
    "kubernetes/console": {rule.path for rule in RULES if rule.role is None},
    "kubernetes/bridge": {METRICS, LIVE, READY},
}


@pytest.mark.parametrize(("folder", "port"), [*zip(FOLDERS, (PORT, CONSOLE_PORT, BRIDGE_PORT), strict=True)])
def test_probed_pages_are_served(folder: str, port: int) -> None:
    only = container(folder)
    assert only["ports"] == [{"name": "http", "containerPort": port}]
    probes = {name: only[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready",
    }  # fmt: skip
    assert {probe["port"] for probe in probes.values()} == {"http"}
    assert {"/metrics", *(probe["path"] for probe in probes.values())} <= SERVED[folder]


def test_the_health_checks_of_containers_ask_pages_that_are_served() -> None:
    assert found(r"^HEALTHCHECK(?:.*\n)*?.*'(/health/[a-z]+)'", "docker/Dockerfile") in SERVED["kubernetes"]
    check = SERVICES["console"]["healthcheck"]["test"]
    assert check[:3] == ["CMD", "python", "-c"]
    compile(check[3], "the health check", "exec")
    (path,) = re.findall(r"'(/health/[a-z]+)'", check[3])
    assert path in SERVED["kubernetes/console"]
    assert f"'{CONSOLE_PORT}'" in check[3]
    check = SERVICES["bridge"]["healthcheck"]["test"]
    compile(check[3], "the health check", "exec")
    ((port, path),) = re.findall(r"127.0.0.1:(\d+)(/health/[a-z]+)'", check[3])
    assert int(port) == BRIDGE_PORT
    assert path in SERVED["kubernetes/bridge"]
    assert found(r"^EXPOSE (\d+ \d+)$", "docker/Dockerfile") == f"{PORT} {CONSOLE_PORT}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_pods_are_restricted(folder: str) -> None:
    pod, only = DEPLOYMENTS[folder]["spec"]["template"]["spec"], container(folder)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {pod['securityContext']['runAsUser']}:" in text("docker/Dockerfile")
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert set(only["resources"]) == {"requests", "limits"}
    assert pod["automountServiceAccountToken"] is False
    mounted = {mount["name"] for mount in only["volumeMounts"]}
    assert mounted == {
        volume["name"] for volume in pod["volumes"] if "configMap" in volume or volume["emptyDir"]["sizeLimit"]
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_kubernetes_objects_belong_together(folder: str) -> None:
    deployment = DEPLOYMENTS[folder]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    service, monitor = document(f"{folder}/service.yaml"), document(f"{folder}/servicemonitor.yaml")
    budget = document(f"{folder}/disruption.yaml")
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    generated = [
        one["name"] for each in FOLDERS for one in document(f"{each}/kustomization.yaml")["configMapGenerator"]
    ]
    references = [next(iter(source.values()))["name"] for source in container(folder)["envFrom"]]
    assert references[-1] == document(f"{folder}/secret.example.yaml")["metadata"]["name"]
    assert references[:-1] == list(dict.fromkeys((generated[0], generated[FOLDERS.index(folder)])))
    pattern = r"^  (?:# )?- ([a-z]+(?:\.yaml)?)(?: |$)"
    listed = re.findall(pattern, text(f"docker/{folder}/kustomization.yaml"), re.MULTILINE)
    there = {path.name for path in (DOCKER / folder).iterdir()}
    assert set(listed) == there - {"kustomization.yaml", "secret.example.yaml"}


def test_the_scaled_object_scales_the_workers() -> None:
    assert document("kubernetes/scaledobject.yaml")["spec"]["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]


def test_the_network_policy_lets_pass_what_the_console_needs_and_nothing_else() -> None:
    policy = document("kubernetes/console/networkpolicy.yaml")["spec"]
    labels = DEPLOYMENTS["kubernetes/console"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (ingress,) = policy["ingress"]
    assert [port["port"] for port in ingress["ports"]] == [CONSOLE_PORT]
    assert all(rule["from"] if "from" in rule else rule["to"] for rule in (ingress, *policy["egress"]))
    reached = {tuple(port["port"] for port in rule["ports"]): rule["to"] for rule in policy["egress"]}
    assert set(reached) == {(53, 53), (9092, 9093), (PORT,), (443,)}
    workers = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert reached[PORT,] == [{"podSelector": {"matchLabels": workers}}]
    given = literals("kubernetes/console")
    name = document("kubernetes/service.yaml")["metadata"]["name"]
    assert given["VOLTEFACE_CONSOLE_METRICS_URLS"] == f"http://{name}:{PORT}/metrics"


def test_the_ingress_leads_to_the_console_under_its_public_address() -> None:
    ingress = document("kubernetes/console/ingress.yaml")["spec"]
    (rule,), (tls,) = ingress["rules"], ingress["tls"]
    assert f"https://{rule['host']}" == literals("kubernetes/console")["VOLTEFACE_CONSOLE_PUBLIC_URL"]
    assert tls["hosts"] == [rule["host"]]
    (path,) = rule["http"]["paths"]
    service = document("kubernetes/console/service.yaml")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] == service["spec"]["ports"][0]["name"]


def test_the_bridge_in_kubernetes_finds_its_mapping() -> None:
    path = Path(literals("kubernetes/bridge")["VOLTEFACE_BRIDGE_MAPPING"])
    assert {"name": "mapping", "mountPath": str(path.parent), "readOnly": True} in container("kubernetes/bridge")[
        "volumeMounts"
    ]
    (volume,) = [
        each for each in DEPLOYMENTS["kubernetes/bridge"]["spec"]["template"]["spec"]["volumes"] if "configMap" in each
    ]
    command = f"kubectl create configmap {volume['configMap']['name']} --from-file={path.name}\n"
    assert command in text("docker/kubernetes/bridge/kustomization.yaml")


def test_the_bridge_of_compose_finds_its_mapping_and_maps_the_tables_of_the_connector() -> None:
    for name in ("bridge", "bridge-topics"):
        service = SERVICES[name]
        assert {each["target"] for each in service["configs"]} == {service["environment"]["VOLTEFACE_BRIDGE_MAPPING"]}
    connector = json.loads(text("docker/cdc/connector.json"))["config"]
    topics = {f"{connector['topic.prefix']}.{table}" for table in connector["table.include.list"].split(",")}
    assert {table.topic for table in read_mapping(DOCKER / COMPOSE["configs"]["mapping"]["file"])} == topics
    assert connector["topic.creation.default.partitions"] == "1"
    variable_name = re.fullmatch(r"\$\{env:(\w+)\}", connector["database.password"])
    assert variable_name
    passwords = [SERVICES[name]["environment"][variable_name[1]] for name in ("postgres", "connect")]
    assert passwords[0] == passwords[1]
    assert variable_name[1] in text("docker/cdc/shop.sql")


def test_consoles_in_kubernetes_share_their_sessions_and_keep_the_read_model_in_a_volume() -> None:
    assert "VOLTEFACE_CONSOLE_SECRET" in secrets("kubernetes/console")
    folder = literals("kubernetes/console")["VOLTEFACE_CONSOLE_DATA"]
    assert {"name": "data", "mountPath": folder} in container("kubernetes/console")["volumeMounts"]


def test_the_console_of_compose_lets_nobody_in_from_another_machine() -> None:
    service = SERVICES["console"]
    assert service["environment"]["VOLTEFACE_CONSOLE_AUTH"] == "local"
    assert service["network_mode"] == "host"
    assert is_loopback(service["environment"]["VOLTEFACE_CONSOLE_HOST"])
    assert service["environment"]["KAFKA_BOOTSTRAP_SERVERS"] in {
        port.rpartition(":")[0] for port in SERVICES["kafka"]["ports"]
    }
    assert service["environment"]["VOLTEFACE_GRAFANA_URL"].removeprefix("http://") in {
        port.rpartition(":")[0] for port in SERVICES["grafana"]["ports"]
    }


def test_the_line_of_health_in_compose_asks_for_what_the_console_shows() -> None:
    """Prometheus' page /federate gives what the workers' own pages would give."""
    url = SERVICES["console"]["environment"]["VOLTEFACE_CONSOLE_METRICS_URLS"]
    assert set(re.findall(r"match\[\]=(\w+)", url)) == health._NAMES
    assert url.removeprefix("http://").partition("/")[0] in {
        port.rpartition(":")[0] for port in SERVICES["prometheus"]["ports"]
    }


def test_the_settings_of_the_commented_console_for_several_people_are_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commented = found(r"^  #   environment:\n((?:  #     .*\n)+)", "docker/compose.yaml")
    given = dict(re.findall(r"^  #     ([A-Z_]+): ?(.*)$", commented, re.MULTILINE))
    assert set(given) <= set(SETTINGS)
    monkeypatch.chdir(tmp_path)
    for name, value in given.items():
        monkeypatch.setenv(name, value.strip('"') or "a-value-of-the-user-as-long-as-a-secret-must-be")
    authenticator_of(config.load_console())


def test_the_image_has_the_console_and_not_duckdb() -> None:
    syncs = re.findall(r"uv sync .*", text("docker/Dockerfile"))
    assert len(syncs) == 2
    assert all("--extra console" in line for line in syncs)
    assert not any("history" in line for line in syncs), "docs/first-answer.md says that it is not in the image"
    assert container("kubernetes/console")["args"] == SERVICES["console"]["command"] == ["console"]
    assert container("kubernetes/bridge")["args"] == SERVICES["bridge"]["command"] == ["bridge"]


@pytest.mark.parametrize(("folder", "number"), [*zip(FOLDERS, (0, 1, 2), strict=True)])
def test_the_label_that_rules_need_is_set(folder: str, number: int) -> None:
    job = document("prometheus/prometheus.yml")["scrape_configs"][number]
    (relabel,) = [one for one in job["relabel_configs"] if one["target_label"] == "app_id"]
    service, monitor = document(f"{folder}/service.yaml"), document(f"{folder}/servicemonitor.yaml")
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
    assert found(r"^ARG KAFKA_VERSION=(.+)$", "docker/cdc/Dockerfile") == kafka_distribution.VERSION
    tested = found(r"<artifactId>debezium-connector-postgres</artifactId>\n +<version>(.+)</version>", _CONNECT_POM)
    assert found(r"^ARG DEBEZIUM_VERSION=(.+)$", "docker/cdc/Dockerfile") == tested
    assert SERVICES["connect"]["image"] == f"volteface-connect:{version}"
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


def test_make_install_has_all_extras() -> None:
    extras = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"]
    assert set(re.findall(r"--extra (\w+)", found(r"^\t\$\(UV\) sync (.*--extra.*)$", "Makefile"))) == extras.keys()


def test_no_other_event_loop_is_installed() -> None:
    """On uvloop an outage of Kafka can, rarely, stop aiokafka's reconnection for ever (aio-libs/aiokafka#1038)."""
    required = tomllib.loads(text("pyproject.toml"))["project"]["dependencies"]
    assert not [each for each in required if each.startswith(("uvloop", "winloop"))]
    assert "-L" not in found(r"^    faust = \[(.+)\]$", "stream/cli/worker.py")


def test_pre_commit_runs_the_commands_of_make_lint() -> None:
    recipe = found(r"^lint: install\n((?:\t.+\n)+)", "Makefile").replace("$(BIN)", ".venv/bin")
    (repository,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == [line.strip() for line in recipe.splitlines()]
