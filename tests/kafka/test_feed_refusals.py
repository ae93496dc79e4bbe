"""What Kafka does not take from a feed, and what a signal leaves of it, is said in one line."""

from __future__ import annotations

import signal
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from stream.feed import feed
from stream.market import simulate
from stream.ops import topic_reader, topics
from stream.ops.client import connection
from tests.kafka.group import PARTITIONS, Group, argv, configure, wait

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of more than one batch."""
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.write_bytes(b"".join(simulate.simulate("bribes", 1, 25, 120).lines))
    return path


@pytest.mark.parametrize(
    ("config", "value"), [("min_insync_replicas", "2"), ("retention_ms", "1000"), ("cleanup_policy", "compact")]
)
def test_a_feed_sends_nothing_to_a_topic_that_loses_or_refuses_it(
    config: str, value: str, group: Group, events: Path
) -> None:
    topic = group.settings.outreach_topic
    configure(group.kafka, topic, **{config: value})
    (problem,) = topics.check(group.settings, group.kafka)
    assert problem.is_error
    done = subprocess.run(
        argv("feed", "--input", str(events)), env=group.environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()) == (1, [f"TopicsError: {problem.text}"])
    assert f"topic {topic} has {config.replace('_', '.')}={value}" in problem.text


def test_a_feed_fits_its_batches_to_the_smallest_topic(group: Group, events: Path) -> None:
    configure(group.kafka, group.settings.lifecycle_topic, max_message_bytes="30000")
    fed = feed(group.settings, group.kafka, str(events), None, lambda count: None)
    assert (fed.failed, fed.events) == (0, len(events.read_bytes().splitlines()))


def _sent(group: Group) -> int:
    return sum(1 for topic in group.settings.input_topics for _ in topic_reader.read(group.kafka, topic))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("source", ["file", "pipe"])
def test_an_interrupted_feed_says_what_was_acknowledged_and_that_it_can_be_repeated(
    number: signal.Signals, source: str, group: Group, events: Path
) -> None:
    """The file takes minutes at this speed; the pipe brings nothing after its first lines."""
    options = ("--speed", "100000x", "--input", str(events)) if source == "file" else ("--input", "-")
    with subprocess.Popen(
        argv("feed", *options), env=group.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stderr is not None
        if source == "pipe":
            process.stdin.write("".join(events.read_text().splitlines(keepends=True)[:50]))
            process.stdin.flush()
        wait(lambda: _sent(group) >= 20, 60, "nothing was sent")
        process.send_signal(number)
        assert process.wait(20) == 130
        (line,) = process.stderr.read().splitlines()
    assert line == (
        f"interrupted: Kafka has acknowledged {_sent(group):,} events. Feed the same input again from its beginning: "
        "no event counts twice (docs/operations.md, Duplicates)"
    )


def test_a_feed_that_waits_names_what_kafka_answers(
    group: Group, events: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topic = group.settings.lifecycle_topic
    reason = f"Kafka takes no records for topic {topic}: UNKNOWN_TOPIC_OR_PARTITION, it was deleted. Run `volteface top"

    def create() -> None:
        wait(lambda: reason in caplog.text, 30, "no reason was written")
        topics.create(group.settings, group.kafka, PARTITIONS, 1)

    created = threading.Thread(target=create)

    def progress(sent: int) -> None:
        if not created.ident:
            with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
                admin.delete_topics([topic])
                wait(lambda: topic not in admin.list_topics(), 30, "the topic was not deleted")
            created.start()

    fed = feed(group.settings, group.kafka, str(events), None, progress)
    created.join()
    assert fed.failed == 0
    assert caplog.text.count(reason) == 1
