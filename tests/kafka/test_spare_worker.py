"""A worker without partitions stays ready to take over, and no idle worker loses its place in the group.

aiokafka's limit for a consumer that fetches nothing is 300 s; here it is a few seconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from stream.config import KafkaSettings
from stream.feed import feed
from stream.ops.broker import Broker
from tests.kafka.group import Group, Worker, wait

pytestmark = pytest.mark.kafka

_IDLE_SECONDS: Final = 3
#: `volteface worker` with a shorter limit.
_PROGRAM: Final = [
    sys.executable,
    "-c",
    f"""
import sys
from stream.app import app
app.conf.broker_max_poll_interval = {_IDLE_SECONDS}
sys.argv = ["faust", "--quiet", "worker", "--loglevel", "info"]
app.main()
""",
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(data=tmp_path / "kafka") as broker:
        yield broker


def _group(name: str, broker: Broker, folder: Path, partitions: int) -> Group:
    return Group(name, KafkaSettings(bootstrap_servers=broker.bootstrap_servers), folder, partitions=partitions)


def _role(worker: Worker) -> str:
    """Return `spare` or `owner`, or `not ready`: from one answer, because the group may change between two."""
    try:
        page = json.loads(worker.page("/health/ready"))
    except OSError:
        return "not ready"
    return "spare" if page.get("spare") else "owner"


@pytest.mark.long
def test_a_spare_worker_takes_over_after_a_long_idle_time(broker: Broker, tmp_path: Path) -> None:
    group = _group("spare", broker, tmp_path, partitions=1)
    source = tmp_path / "events.jsonl"
    examples = Path(__file__).parents[2] / "schemas" / "examples"
    source.write_bytes((examples / "review.created.v1.jsonl").read_bytes().splitlines(keepends=True)[0] * 3)
    try:
        first = Worker(group, program=_PROGRAM)
        wait(first.ready, 60, "the first worker did not start")
        assert _role(first) == "owner"
        second = Worker(group, program=_PROGRAM)
        both = (first, second)
        wait(lambda: first.ready() and second.ready(), 60, "the second worker is not ready")
        time.sleep(3 * _IDLE_SECONDS)
        assert [each.process.poll() for each in both] == [None, None]
        assert all(each.ready() for each in both)
        owner, spare = sorted(both, key=_role)
        assert [_role(owner), _role(spare)] == ["owner", "spare"]
        owner.kill()
        # The session of the killed worker ends after 10 s.
        wait(lambda: _role(spare) == "owner", 40, "the spare worker did not take over")
        feed(group.settings, group.kafka, str(source), None, lambda count: None)
        spare.wait_for(3)
        assert spare.stop() == 0
    finally:
        for worker in group.workers:
            worker.kill()


@pytest.mark.long
def test_a_worker_joins_again_after_an_outage_longer_than_the_limit(broker: Broker, tmp_path: Path) -> None:
    """The outage comes while the worker asks for a new assignment, as it does after the failure of a task."""
    group = _group("outage", broker, tmp_path, partitions=1)
    rejoin = tmp_path / "rejoin"
    ask = f"""
import pathlib
from stream import app as worker
@worker.app.timer(0.5)
async def ask():
    if pathlib.Path({str(rejoin)!r}).exists():
        await worker.app.consumer.rejoin()
"""
    worker = Worker(group, program=[*_PROGRAM[:2], ask + _PROGRAM[2]])
    try:
        wait(worker.ready, 60, "the worker did not start")
        # Frozen first: with a coordinator that it knows to be away, the client would not begin to join.
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        rejoin.touch()
        wait(lambda: not worker.ready(), 30, "the worker did not ask for a new assignment")
        rejoin.unlink()
        broker.kill()
        time.sleep(2 * _IDLE_SECONDS)
        broker.start()
        wait(worker.ready, 60, "the worker did not join the group again")
        assert worker.stop() == 0
    finally:
        worker.kill()
