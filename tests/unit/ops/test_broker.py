"""The choice of the development broker, and the error messages without one."""

from __future__ import annotations

import socket
import sys
import tempfile
from pathlib import Path

import pytest

from stream.config import KafkaSettings, Settings, SettingsError
from stream.feed import feed
from stream.ops import kafka_distribution, topic_reader, topics
from stream.ops.broker import Broker
from stream.ops.kafka_distribution import BrokerError, check_tools
from stream.ops.mock_broker import LIMITS, MockBroker, first_there

_EVENT = (Path(__file__).parents[3] / "schemas" / "examples" / "review.created.v1.jsonl").read_bytes().splitlines()[0]
_JAVA_17 = 'openjdk version "17.0.15" 2025-04-15'


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the only one on PATH, and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return folder


def _install(tools: Path, name: str, output: str = "") -> None:
    script = tools / name
    script.write_text(f"#!/bin/sh\necho '{output}' >&2\n", encoding="utf-8")
    script.chmod(0o755)


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.22", "16"])
def test_an_old_java_is_named(tools: Path, version: str) -> None:
    _install(tools, "java", f'openjdk version "{version}" 2021-04-20')
    with pytest.raises(BrokerError, match=rf'too old.*version "{version}".*openjdk-17-jre-headless maven'):
        check_tools()


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.1", "25-ea"])
def test_a_recent_java_is_accepted(tools: Path, version: str) -> None:
    _install(tools, "java", f'openjdk version "{version}"')
    _install(tools, "mvn")
    check_tools()


def test_a_java_without_a_version_is_refused(tools: Path) -> None:
    _install(tools, "java", "The operation could not be completed.")
    with pytest.raises(BrokerError, match=r"prints no version.*could not be completed"):
        check_tools()


def test_maven_is_only_needed_once(tools: Path) -> None:
    _install(tools, "java", _JAVA_17)
    with pytest.raises(BrokerError, match="Maven is missing: install Java 17 and Maven"):
        check_tools()
    kafka_distribution.cached().mkdir(parents=True)
    check_tools()


def test_another_pom_has_another_folder(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, changed = kafka_distribution.cached(), tmp_path / "pom.xml"
    changed.write_bytes(kafka_distribution.POM.read_bytes() + b"\n")
    monkeypatch.setattr(kafka_distribution, "POM", changed)
    assert kafka_distribution.cached() != before


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} is taken"):
            Broker(port, tmp_path / "data").start()


def test_a_real_kafka_is_used_if_it_can_run(tools: Path) -> None:
    _install(tools, "java", _JAVA_17)
    _install(tools, "mvn")
    messages: list[str] = []
    assert isinstance(first_there(messages.append, 9099), Broker)
    assert messages == ["starting a development Kafka (the first time, Maven fetches it)..."]


def test_otherwise_the_mock_is_used_and_announced(tools: Path) -> None:
    messages: list[str] = []
    assert isinstance(first_there(messages.append), MockBroker)
    (line,) = messages
    assert line.startswith("Java is missing: ")
    assert line.endswith(LIMITS)


def test_without_either_both_remedies_are_named(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)  # an import then fails as if it were not installed
    with pytest.raises(BrokerError, match=r"Java is missing: .*maven\); .*uv sync --inexact --group mock-broker"):
        first_there(lambda line: None)


def test_topics_and_feed_work_on_the_mock(tmp_path: Path) -> None:
    source = tmp_path / "events.jsonl"
    source.write_bytes(_EVENT + b"\n")
    settings = Settings()
    with MockBroker() as mock:
        kafka = KafkaSettings(bootstrap_servers=mock.bootstrap_servers, mock=True)
        with pytest.raises(SettingsError, match="--partitions 8"):
            topics.create(settings, kafka, 8, 1)
        assert len(topics.create(settings, kafka, topics.MOCK_PARTITIONS, 1).made) == 14
        assert topics.check(settings, kafka) == []
        fed = feed(settings, kafka, str(source), None, lambda count: None)
        assert (fed.events, fed.failed) == (1, 0)
        assert [record.value for record in topic_reader.read(kafka, settings.lifecycle_topic)] == [_EVENT]
