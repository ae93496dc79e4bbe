"""No event is lost or counted twice: after kills and rebalances, state and alerts equal those of a clean replay."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from stream.market import simulate
from stream.ops import topic_reader
from tests.kafka.group import Group, Market, Worker, replay, wait

pytestmark = pytest.mark.kafka

#: Kinds of bad input.
KINDS = 10


def _spoil(clean: Path, dirty: Path) -> int:
    """Insert one bad line of each kind for every hundred valid lines; return the number of all lines."""
    chance = random.Random(1)
    count = 0
    with clean.open() as lines, dirty.open("w") as out:
        for number, line in enumerate(lines):
            kinds = [kind for kind in range(KINDS) if chance.random() < 0.01]
            bad = _bad(json.loads(line), number) if kinds else []
            assert len(bad) in {0, KINDS}
            written = [*(bad[kind] + "\n" for kind in kinds), line]
            out.writelines(written)
            count += len(written)
    return count


def _bad(event: dict[str, object], number: int) -> list[str]:
    own = event | {"event_id": f"bad-{number}"}
    incomplete = {name: value for name, value in own.items() if name != "reviewer_id"}
    return [
        "\x00garbage{",
        json.dumps(own | {"type": "review.vanished"}),
        json.dumps(incomplete),
        json.dumps(own | {"review_id": 7}),
        json.dumps(own | {"reviewer_id": "jane.doe@example.com"}),
        json.dumps(own | {"occurred_at": "2099-01-01T00:00:00Z"}),
        json.dumps(own | {"padding": "x" * 70_000}),
        json.dumps(event),  # a second delivery
        json.dumps(
            own | {"type": "review.edited", "review_id": f"never-seen-{number}", "product_id": "p", "rating": 5}
        ),
        json.dumps(
            own
            | {
                "type": "review.deleted",
                "review_id": f"not-yet-{number}",
                "product_id": "p",
                "deleted_by": "author",
            }
        ),
    ]


def test_a_worker_killed_three_times_equals_a_replay(group: Group, market: Market, tmp_path: Path) -> None:
    dirty = tmp_path / "dirty.jsonl"
    total = _spoil(market.events, dirty)
    group.command("feed", "--input", str(dirty))
    for share in (0.2, 0.4, 0.6):
        worker = Worker(group)
        worker.wait_for(int(total * share))
        worker.kill()
    worker = Worker(group)
    worker.wait_for(total)
    expected, ids = replay(dirty, tmp_path)
    group.wait_for_state(expected)
    assert worker.events() == total  # events = applied + duplicates + dead
    assert json.loads(worker.page("/health/ready"))["ready"]
    assert worker.stop() == 0
    group.assert_equals(expected, ids)
    found = {
        alert.subject.id for alert in topic_reader.alerts(group.settings, group.kafka) if alert.subject.type == "seller"
    }
    large = {seller for seller, paid in market.cheats.items() if paid >= 20}
    assert 2 * len(found & large) >= len(large) > 0
    assert len(found - market.cheats.keys()) <= 1
    dead = [
        stored.letter
        for topic in group.settings.input_topics
        for stored in topic_reader.dead_letters(group.settings, group.kafka, topic, pytest.fail)
    ]
    assert len(dead) == expected["dead"] > 0
    assert expected["late"] > 0
    assert expected["duplicates"] > 0
    reasons = {letter.reason for letter in dead}
    assert reasons >= {
        "undecodable",
        "unknown_type",
        "missing_field",
        "bad_value",
        "personal_data",
        "future",
        "too_large",
    }


def test_a_worker_does_not_start_on_wrong_topics(group: Group) -> None:
    group.settings = group.settings.model_copy(update={"outreach_topic": group.settings.dead_letter_topic("reviews")})
    with pytest.raises(
        AssertionError, match=r"topic dlq\.reviews is missing: run `volteface topics create --partitions 4`"
    ):
        group.command("worker")


def _write_new_sellers(path: Path, name: str, streams: int) -> int:
    """Write events of 40 new sellers, in all partitions, for the first `streams` streams; return their number."""
    kinds = (
        {"type": "review.created", "product_id": "p", "rating": 1},
        {"type": "outreach.sent", "channel": "message"},
        {"type": "contact.accessed", "actor_id": "a"},
    )
    events = [
        {**kind, "event_id": f"{name}-{n}-{k}", "occurred_at": "2025-09-01T00:00:00Z", "seller_id": f"{name}-{n}"}
        | {"review_id": f"{name}-{n}", "reviewer_id": "u"}
        for n in range(40)
        for k, kind in enumerate(kinds[:streams])
    ]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return len(events)


@pytest.mark.long
def test_workers_that_join_and_leave_equal_a_replay(group: Group, market: Market, tmp_path: Path) -> None:
    """One worker, then two, then only the second: the partitions move together with their state."""
    group.command("feed", "--input", str(market.events))
    first = Worker(group)
    first.wait_for(market.total // 4)
    second = Worker(group)
    wait(lambda: second.events() > 0, 60, "the second worker received no partitions")
    assert first.stop() == 0
    second.wait_for(market.total)
    group.wait_for_state(market.expected)
    assert second.stop() == 0
    group.assert_equals(market.expected, market.alert_ids)
    assert '"event": "assigned"' in (tmp_path / "worker.log").read_text()


def test_staff_and_rings_are_accused_once_from_the_evidence_of_all_tasks(group: Group, tmp_path: Path) -> None:
    """Two workers, one of them killed; the evidence about a staff member lies in all partitions, one task evaluates it.

    So does that about a link. The last part of the events arrives after an idle time, in all topics at once.
    """
    events, truth = tmp_path / "market.jsonl", tmp_path / "truth.jsonl"
    total = simulate.write("brokers", 3, 60, 150, events, truth)
    cheats = [json.loads(line) for line in truth.read_text().splitlines()]
    insiders = {cheat.get("actor_id") for cheat in cheats} - {None}
    expected, ids = replay(events, tmp_path)
    lines, backlog, rest = events.read_text().splitlines(True), tmp_path / "backlog.jsonl", tmp_path / "rest.jsonl"
    backlog.write_text("".join(lines[: total // 4 * 3]))
    rest.write_text("".join(lines[total // 4 * 3 :]))
    group.command("feed", "--input", str(backlog))
    first, second = Worker(group), Worker(group)
    wait(lambda: first.events() + second.events() > total // 4, 60, "no event was done")
    first.kill()
    second.wait_for(total // 2)
    wait(lambda: second.lag() == 0, 60, "the backlog was not done")
    time.sleep(2)  # all streams are idle
    # The worker is frozen during the feed: the order of a feed much faster than real time is undefined.
    second.process.send_signal(signal.SIGSTOP)
    group.command("feed", "--input", str(rest))
    second.process.send_signal(signal.SIGCONT)
    group.wait_for_state(expected)
    assert second.stop() == 0
    group.assert_equals(expected, ids)
    alerts = list(topic_reader.alerts(group.settings, group.kafka))
    assert insiders & {alert.subject.id for alert in alerts if alert.subject.type == "staff"}
    assert {alert.kind for alert in alerts if alert.subject.type == "ring"} == {"ring.insider", "ring.linked"}
    clients = [alert for alert in alerts if "accused over other sellers" in alert.explanation]
    assert {alert.subject.id for alert in clients} <= {cheat.get("seller_id") for cheat in cheats}


@pytest.mark.long
def test_a_worker_does_not_wait_for_idle_streams_after_a_rebalance(group: Group, tmp_path: Path) -> None:
    """Positions from before a rebalance must not make a stream look unread after it."""
    first, second = Worker(group), Worker(group)
    wait(lambda: all(worker.ready() for worker in (first, second)), 60, "the workers do not share the partitions")
    time.sleep(3)  # until the rebalance of the second join is over
    wait(lambda: all(worker.ready() for worker in (first, second)), 60, "the workers do not share the partitions")
    some = _write_new_sellers(tmp_path / "some.jsonl", "some", streams=3)
    group.command("feed", "--input", str(tmp_path / "some.jsonl"))
    wait(lambda: first.events() + second.events() >= some, 60, "the first events were not applied")
    assert first.stop() == 0
    second.wait_for(some)
    more = _write_new_sellers(tmp_path / "more.jsonl", "more", streams=1)
    group.command("feed", "--input", str(tmp_path / "more.jsonl"))
    second.wait_for(some + more, seconds=12)
