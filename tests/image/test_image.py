"""The image, built from docker/Dockerfile and run as docker/compose.yaml runs it, beside a real Kafka.

Invariant: the test uses no image registry. debootstrap makes the base, Debian's bookworm, in place of the Dockerfile's
own; podman and runc replace Docker. So the test proves the build, the confinement (a read-only root, no capability,
seccomp, limits) and the worker in it; it does not prove the default base and Docker's engine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from stream.market import simulate
from stream.ops.broker import Broker, free_port
from tests.kafka.group import alert_ids, replay, wait

pytestmark = pytest.mark.image

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "docker" / "compose.yaml"
SERVICES: Final[dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
#: The cache of layers and tools; a second run takes a fraction of the first.
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "volteface" / "image"
SUITE: Final = "bookworm"
PACKAGES: Final = "python3,ca-certificates"
BASE: Final = f"localhost/base:{SUITE}-{PACKAGES.replace(',', '-')}"
IMAGE: Final = "localhost/volteface:test"
#: podman's default limit of open files may exceed the machine's limit.
LIMITS: Final = ("--network=host", "--ulimit=nofile=1024:1024")
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
COMPOSE_CLI: Final = "github.com/docker/compose/v2/cmd@v2.32.0"
AMTOOL: Final = f"github.com/prometheus/alertmanager/cmd/amtool@{SERVICES['alertmanager']['image'].partition(':')[2]}"


def run(*command: str | Path, **environment: str) -> str:
    """Run a command, which must succeed; return its standard output."""
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def podman(*arguments: str | Path) -> str:
    """Run podman with a store of its own, and with options that need no systemd."""
    store = (f"--root={CACHE}/store", f"--runroot={CACHE}/run")
    return run("podman", *store, "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=file", *arguments)


@cache
def tool(module: str) -> Path:
    """Return the path of a Go program; build it if it is missing."""
    folder = CACHE / module.replace("/", "-")
    path = folder / module.partition("@")[0].rpartition("/")[2]
    if not path.exists():
        run("go", "install", module, GOBIN=str(folder))
    return path


def compose() -> tuple[str, ...]:
    """Return the command of Docker Compose: Docker's plugin if installed, else the separate program."""
    docker = shutil.which("docker")
    if docker and not subprocess.run((docker, "compose", "version"), capture_output=True, check=False).returncode:
        return (docker, "compose")
    return (str(tool(COMPOSE_CLI)),)


def make_base() -> None:
    """Make a base of Debian and Python, with the certificates of the host: a network may have its own authority."""
    with tempfile.TemporaryDirectory() as scratch:
        root, packed = Path(scratch) / "root", Path(scratch) / "base.tar"
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root)
        shutil.copy(CERTIFICATES, f"{root}{CERTIFICATES}")
        run("tar", "-C", root, "--exclude=./dev/*", "--exclude=./var/cache/apt/archives/*", "-cf", packed, ".")
        trust = [f"--change=ENV {name}={CERTIFICATES}" for name in ("PIP_CERT", "SSL_CERT_FILE")]
        podman("import", *trust, packed, BASE)


@pytest.fixture(scope="session")
def image() -> str:
    missing = [name for name in ("podman", "runc", "debootstrap") if shutil.which(name) is None]
    assert not missing, f"install {missing} (Debian: apt-get install --no-install-recommends podman runc debootstrap)"
    if BASE not in podman("images", "--format={{.Repository}}:{{.Tag}}").split():
        make_base()
    arguments = (f"BASE={BASE}", "BUILD_PACKAGES=gcc libc6-dev python3-dev python3-venv")
    build = ("build", "--format=docker", *LIMITS, *(f"--build-arg={argument}" for argument in arguments))
    # The first stage has a tag too, so that `prune` keeps its layers for the next run.
    for tag in ("--target=build", "--tag=localhost/volteface-build"), (f"--tag={IMAGE}",):
        podman(*build, *tag, "--file", ROOT / "docker" / "Dockerfile", ROOT)
    podman("image", "prune", "--force")
    return IMAGE


class Container(NamedTuple):
    """A worker in its container."""

    name: str
    port: int

    def inspect(self, field: str) -> str:
        return podman("inspect", f"--format={{{{{field}}}}}", self.name).strip()

    def proc_file(self, file: str) -> str:
        """Return a file of /proc about the container's first process."""
        return Path("/proc", self.inspect(".State.Pid"), file).read_text(encoding="utf-8")

    def page(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return json.load(response)

    def ready(self) -> bool:
        try:
            return bool(self.page("/health/ready")["ready"])
        except OSError:
            return False

    def python(self, code: str) -> Any:
        """Evaluate an expression in the container; return its value."""
        return json.loads(podman("exec", self.name, "python", "-c", f"import json; print(json.dumps({code}))"))


def confined(service: dict[str, Any]) -> list[str]:
    """Return the options of `podman run` for a service of compose.yaml; /dev/shm is writable in addition."""
    limits = service["deploy"]["resources"]["limits"]
    options = {"tmpfs": service["tmpfs"], "cap-drop": service["cap_drop"], "security-opt": service["security_opt"]}
    return [
        *(f"--{option}={value}" for option, values in options.items() for value in values),
        *(f"--read-only={str(service['read_only']).lower()}", "--read-only-tmpfs=false"),
        *(f"--cpus={limits['cpus']}", f"--memory={limits['memory']}"),
        *(*LIMITS, "--ulimit=nproc=512:512"),
    ]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    simulate.write("dirty", 1, 80, 200, folder / "market.jsonl", folder / "truth.jsonl")
    return folder / "market.jsonl"


@pytest.fixture(scope="module")
def worker(image: str, market: Path) -> Iterator[Container]:
    """A worker whose topics already hold a market, so that the order between the topics is fixed."""
    container = Container(f"volteface-test-{os.getpid()}", free_port())
    with Broker() as broker:
        settings = [
            f"--env=KAFKA_BOOTSTRAP_SERVERS={broker.bootstrap_servers}",
            f"--env=VOLTEFACE_WEB_PORT={container.port}",
        ]
        run_once = (
            "run",
            "--rm",
            *confined(SERVICES["topics"]),
            *settings,
            f"--volume={market}:/market.jsonl:ro",
            image,
        )
        podman(*run_once, *SERVICES["topics"]["command"])
        podman(*run_once, "feed", "--input", "/market.jsonl")
        # podman runs health checks through systemd; the test runs the check itself.
        name = (f"--name={container.name}", "--detach", "--health-interval=disable")
        podman("run", *name, *confined(SERVICES["worker"]), *settings, image)
        try:
            yield container
        finally:
            podman("rm", "--force", container.name)


def test_the_worker_is_ready_with_every_task(worker: Container) -> None:
    wait(worker.ready, 60, "the worker is not ready after a minute")
    assert worker.page("/health/ready")["tasks"] == dict.fromkeys("0123", "running")
    podman("healthcheck", "run", worker.name)


def test_the_container_is_confined(worker: Container) -> None:
    status = dict(line.split(":", 1) for line in worker.proc_file("status").splitlines())
    assert set(status["Uid"].split() + status["Gid"].split()) == {"10001"}
    assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert (int(status["NoNewPrivs"]), int(status["Seccomp"])) == (1, 2)  # 2: a filter


@pytest.mark.parametrize("path", ["/x", "/opt/volteface/x", "/var/tmp/x", "/run/x"])
def test_the_root_is_read_only(worker: Container, path: str) -> None:
    with pytest.raises(AssertionError, match="Read-only file system"):
        worker.python(f"open({path!r}, 'w').close()")


def test_tmp_is_writable(worker: Container) -> None:
    assert worker.python("open('/tmp/x', 'w').write('x')") == 1


def test_installed_files_are_not_writable(worker: Container) -> None:
    found = podman(
        "exec", worker.name, "find", "/opt/volteface", "!", "-user", "root", "-o", "-perm", "/022", "!", "-type", "l"
    )
    assert found == ""


def test_the_core_is_compiled(worker: Container) -> None:
    assert "/stream/core/compiled__mypyc.cpython-" in worker.proc_file("maps")
    hook = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    modules = [
        path.removesuffix(".py").replace("/", ".") for path in hook["targets"]["wheel"]["hooks"]["mypyc"]["include"]
    ]
    files = worker.python(f"[__import__('importlib').import_module(name).__file__ for name in {modules}]")
    assert all(file.startswith("/opt/volteface/") and file.endswith(".so") for file in files)


def test_no_build_tool_is_installed(worker: Container) -> None:
    tools = ["cc", "gcc", "g++", "cpp", "as", "ld", "make", "uv", "pip", "pip3"]
    assert worker.python(f"[name for name in {tools} if __import__('shutil').which(name)]") == []
    # Build tools and libraries of the tests, as Python modules.
    modules = ["pip", "setuptools", "mypy", "hatchling", "pytest", "confluent_kafka"]
    assert worker.python(f"[name for name in {modules} if __import__('importlib.util').util.find_spec(name)]") == []


def test_the_console_is_installed(worker: Container) -> None:
    assert worker.python("__import__('stream.console.server', fromlist=['serve']).serve.__name__") == "serve"


def test_the_state_equals_a_replay_of_this_checkout(worker: Container, market: Path, tmp_path: Path) -> None:
    expected, ids = replay(market, tmp_path)

    def digest() -> Any:
        return json.loads(podman("exec", worker.name, "volteface", "state", "digest"))

    wait(lambda: digest() == expected["state_digest"], 60, "the state does not become that of a replay")
    assert alert_ids(podman("exec", worker.name, "volteface", "alerts", "--json")) == ids != []


def test_the_container_stops_on_request(worker: Container) -> None:
    started = time.monotonic()
    podman("stop", "--time=40", worker.name)
    assert time.monotonic() - started < 30
    assert worker.inspect(".State.ExitCode") == "0"


@pytest.mark.parametrize("settings", [(), ("--env-file", str(ROOT / "docker" / ".env.example"))])
def test_the_compose_file_is_valid(settings: tuple[str, ...]) -> None:
    arguments = ("--file", str(COMPOSE), "--profile=demo", "config", "--format=json")
    services = json.loads(run(*compose(), *settings, *arguments))["services"]
    assert set(services) == set(SERVICES)
    assert services["worker"]["environment"]["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:19092"
    assert services["worker"]["build"]["context"] == str(ROOT)


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_alerts_are_routed_by_severity(severity: str) -> None:
    config = ROOT / "docker" / "alertmanager" / "alertmanager.yml"
    run(tool(AMTOOL), "check-config", config)
    route = (tool(AMTOOL), "config", "routes", "test", f"--config.file={config}")
    assert run(*route, f"severity={severity}", "app_id=volteface").strip() == severity
