"""Settings that decide outcomes belong to the state: a worker with others refuses, and `state adopt` changes them."""

from __future__ import annotations

import asyncio
import json
import subprocess

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from kafka import KafkaProducer

from stream.adopt import AdoptedSetting, adopt
from stream.config import Settings
from stream.core.model.encoding import decode
from stream.engine.checkpoint import POSITION, PositionRow
from stream.engine.checkpoint_store import KafkaCheckpointStore
from stream.engine.deciding_settings import DifferentMemberError, deciding_settings
from stream.engine.group_members import assignor_of
from stream.engine.kafka_auth import connection
from stream.engine.record_limits import RecordLimits
from stream.ops import topic_reader
from stream.ops.taken_over import TakenOverError
from tests.kafka.group import PARTITIONS, Group, Worker, argv, fatal_errors, no_topic_ids, wait

pytestmark = pytest.mark.kafka


class Changed:
    """The same group with other settings."""

    def __init__(self, group: Group, **variables: str) -> None:
        self.folder, self.workers = group.folder, group.workers
        self.environment = group.environment | variables


def _refusal(group: Changed) -> str:
    """Start a worker, which must end by itself with exit code 1; return its error."""
    worker = Worker(group)  # type: ignore[arg-type]  # it needs the environment and the folder only
    assert worker.process.wait(60) == 1
    return fatal_errors((group.folder / "worker.log").read_text())[-1]


def _run(group: Changed, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv(*arguments), env=group.environment, capture_output=True, text=True, check=False)


def _budgets(group: Group) -> set[str]:
    rows = topic_reader.committed_state(group.settings, group.kafka).values()
    found = [decode(row[POSITION], PositionRow).settings for row in rows if POSITION in row]
    if len(found) < PARTITIONS:  # tasks commit one by one
        return set()
    return {each["VOLTEFACE_ALERT_BUDGET"] for each in found}


def test_a_worker_with_another_budget_refuses_until_it_is_adopted(group: Group) -> None:
    first = Worker(group)
    wait(lambda: _budgets(group) == {"3"}, 60, "a worker without input did not record its settings")
    changed = Changed(group, VOLTEFACE_ALERT_BUDGET="5")
    for command in (("watchlist",), ("state", "digest")):
        told = _run(changed, *command)
        assert told.returncode == 0
        assert told.stderr.startswith("the state was built with VOLTEFACE_ALERT_BUDGET=3; this command uses 5")
    refusal = _refusal(changed)
    assert refusal.startswith("DifferentSettingsError: the state was built with VOLTEFACE_ALERT_BUDGET=3, and now")
    wait(first.ready, 30, "the first worker did not take its partitions back")

    running = _run(changed, "state", "adopt")
    assert running.returncode == 1
    assert "1 worker of group" in running.stderr
    assert first.stop() == 0
    adopted = _run(changed, "state", "adopt")
    assert (adopted.returncode, adopted.stderr.strip()) == (0, "VOLTEFACE_ALERT_BUDGET: 3 -> 5")
    assert _budgets(group) == {"5"}
    third = Worker(changed)  # type: ignore[arg-type]
    wait(third.ready, 60, "the adopted settings are refused")
    assert third.stop() == 0
    assert "already" in _run(changed, "state", "adopt").stderr


@pytest.mark.long
def test_a_worker_with_another_topic_refuses_and_its_settings_cannot_be_adopted(group: Group) -> None:
    first = Worker(group)
    wait(lambda: _budgets(group) == {"3"}, 60, "the settings are not recorded")
    assert first.stop() == 0
    changed = Changed(group, VOLTEFACE_OUTREACH_TOPIC=group.settings.access_topic + ".new")
    assert _run(changed, "topics", "create", "--partitions", str(PARTITIONS)).returncode == 0
    refusal = _refusal(changed)
    assert refusal.startswith("DifferentTopicsError: the state was built with VOLTEFACE_OUTREACH_TOPIC=")
    refused = _run(changed, "state", "adopt")
    assert refused.returncode == 1
    assert "volteface state rebuild" in refused.stderr
    assert json.loads(_run(changed, "state", "rebuild").stdout)["rows"] == PARTITIONS
    third = Worker(changed)  # type: ignore[arg-type]
    wait(third.ready, 60, "the worker is not ready after the rebuild")
    assert third.stop() == 0


@pytest.mark.parametrize(
    ("member", "refused"),
    [(Settings(alert_budget=5), True), (Settings(), False), (None, False)],
    ids=["other", "same", "earlier version"],
)
def test_another_member_is_compared_before_there_is_a_state(
    group: Group, member: Settings | None, refused: bool
) -> None:
    """Workers that start at the same time each have partitions of their own, and no state to compare with."""
    assignor = RangePartitionAssignor
    if member is not None:
        own = group.settings.model_dump(exclude={"alert_budget"}) | {"alert_budget": member.alert_budget}
        assignor = assignor_of(deciding_settings(Settings.model_validate(own)))

    async def check() -> None:
        store = KafkaCheckpointStore(0, group.settings, group.kafka, RecordLimits(), no_topic_ids)
        async with AIOKafkaConsumer(
            group.settings.lifecycle_topic, **connection(group.kafka), group_id=group.settings.app_id,
            partition_assignment_strategy=[assignor], enable_auto_commit=False,
        ) as consumer:  # fmt: skip
            while not consumer.assignment():
                await asyncio.sleep(0.1)
            await store.check_logs(None, at_checkpoint=True)

    if not refused:
        asyncio.run(check())
        return
    with pytest.raises(DifferentMemberError, match="another worker of the group has VOLTEFACE_ALERT_BUDGET=5,"):
        asyncio.run(check())


def test_an_adoption_that_another_one_takes_over_says_so(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(group)
    wait(lambda: _budgets(group) == {"3"}, 60, "a worker without input did not record its settings")
    assert worker.stop() == 0
    changed = group.settings.model_copy(update={"alert_budget": 5.0})
    begin = KafkaProducer.begin_transaction
    others: list[list[AdoptedSetting]] = []

    def taken_over(producer: KafkaProducer) -> None:
        monkeypatch.setattr(KafkaProducer, "begin_transaction", begin)
        others.append(adopt(changed, group.kafka))
        begin(producer)

    monkeypatch.setattr(KafkaProducer, "begin_transaction", taken_over)
    with pytest.raises(TakenOverError, match=r"another `volteface state adopt` .*nothing of this one was written"):
        adopt(changed, group.kafka)
    assert others == [[AdoptedSetting("VOLTEFACE_ALERT_BUDGET", "3", "5")]]
    assert _budgets(group) == {"5"}
