"""The profile `cdc` of docker/compose.yaml without containers: its SQL, its connector and its mapping give events.

Invariant: the files are those of docker/cdc, but for addresses, the folder of plugins and the file of positions.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from stream.config import BridgeSettings, KafkaSettings
from stream.ops import topics
from stream.ops.bridge_topics import bridge_topics
from stream.ops.broker import Broker, free_port
from stream.ops.kafka_distribution import _java
from tests.kafka.bridge import BridgeProcess, written_events
from tests.kafka.cdc.connect import connect_jars
from tests.kafka.cdc.postgres import Postgres
from tests.kafka.group import PARTITIONS, Group, wait

# Not in `make test`, which has the same way with tables of another shop: `make stack-test` runs it.
pytestmark = [pytest.mark.kafka, pytest.mark.stack]

_DOCKER: Final = Path(__file__).parents[2] / "docker"
_COMPOSE: Final[dict[str, Any]] = yaml.safe_load((_DOCKER / "compose.yaml").read_text())
_MAPPING: Final = (_DOCKER / _COMPOSE["configs"]["mapping"]["file"]).resolve()
_PASSWORD: Final = {"SHOP_DEBEZIUM_PASSWORD": "debezium"}


class StandaloneConnect:
    """Kafka Connect as the image of docker/cdc starts it."""

    def __init__(self, group: Group, postgres: Postgres) -> None:
        self.port = free_port()
        folder = group.folder
        replaced = {
            "bootstrap.servers": group.kafka.bootstrap_servers,
            "listeners": f"http://127.0.0.1:{self.port}",
            "plugin.path": str(connect_jars()),
            "offset.storage.file.filename": str(folder / "offsets"),
        }
        properties = (_DOCKER / "cdc" / "connect.properties").read_text()
        for name, value in replaced.items():
            properties, count = re.subn(rf"(?m)^{re.escape(name)}=.*$", f"{name}={value}", properties)
            assert count == 1, name
        (folder / "connect.properties").write_text(properties)
        connector = json.loads((_DOCKER / "cdc" / "connector.json").read_text())
        connector["config"] |= {"database.hostname": "127.0.0.1", "database.port": str(postgres.port)}
        (folder / "connector.json").write_text(json.dumps(connector))
        options = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN"]
        main = "org.apache.kafka.connect.cli.ConnectStandalone"
        with (folder / "connect.log").open("ab") as log:
            self.process = subprocess.Popen(
                [_java(), *options, "-cp", f"{connect_jars()}/*", main, "connect.properties", "connector.json"],
                cwd=folder, env=os.environ | _PASSWORD, stdout=log, stderr=log,
            )  # fmt: skip

    def is_healthy(self) -> bool:
        """Return what the health check of the service finds."""
        _, command = _COMPOSE["services"]["connect"]["healthcheck"]["test"]
        found = re.search(r"http://127.0.0.1:8083(\S+) \| grep -q '(.+)'$", command)
        assert found
        assert self.process.poll() is None, "Kafka Connect ended by itself"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{found[1]}", timeout=5) as answer:
                status = answer.read()
        except OSError:
            return False
        return subprocess.run(["grep", "-q", found[2]], input=status, check=False).returncode == 0


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    """On a Kafka of its own: the topics are called as in the files."""
    with Broker(data=tmp_path / "kafka") as broker:
        yield Group("shop", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path)


def _types(group: Group) -> Counter[str]:
    return Counter(json.loads(value)["type"] for _, _, value in written_events(group).elements())


def test_rows_of_the_shop_become_events(group: Group) -> None:
    with Postgres() as postgres:
        postgres.execute("CREATE DATABASE shop")
        psql = [
            "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(postgres.port),
            "-U",
            "shop",
            "-d",
            "shop",
            "-v",
            "ON_ERROR_STOP=1",
        ]
        script = str(_DOCKER / "cdc" / "shop.sql")
        subprocess.run([*psql, "-q", "-f", script], env=os.environ | _PASSWORD, check=True)
        connect = StandaloneConnect(group, postgres)
        topics.create(group.settings, group.kafka, PARTITIONS, 1, bridge_topics(BridgeSettings(mapping=str(_MAPPING))))
        bridge = BridgeProcess(group, _MAPPING)
        try:
            wait(connect.is_healthy, 90, "the connector does not run")
            snapshot = {"review.created": 3, "outreach.sent": 1, "contact.accessed": 1}
            wait(lambda: _types(group) == snapshot, 90, "the snapshot does not become events")
            changes = (
                "UPDATE reviews SET stars = 5, updated_at = now() WHERE id = 1",
                "UPDATE reviews SET deleted_at = now(), deleted_by = 'author' WHERE id = 2",
                "DELETE FROM reviews WHERE id = 3",
            )
            for each in changes:
                subprocess.run([*psql, "-q", "-c", each], check=True)
            edited = {"review.edited": 1, "review.deleted": 2}
            wait(lambda: _types(group) == snapshot | edited, 60, "the changes do not become events")
            assert bridge.metric("volteface_bridge_refused_total") == 0
            assert bridge.stop() == 0
        finally:
            bridge.kill()
            connect.process.kill()
            connect.process.wait()
