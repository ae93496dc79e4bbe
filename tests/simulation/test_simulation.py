"""The simulation runs, and sees what it is there to see: with one part broken, some seed goes wrong.

Rule of this room: seeds are named here, so what is shown once is shown always; `make simulate` runs many more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.alerts import Alert
from stream.replay import replay
from tests.simulation.broken import BROKEN, HARMLESS
from tests.simulation.log import FencedError, Log, Place
from tests.simulation.markets import SIZES, market
from tests.simulation.run import SOUND, run
from tests.simulation.trees import low_trees
from tests.simulation.verdict import clean
from tests.simulation.world import SETTINGS, Parts

PLACE = Place("t", 0)


def _read(log: Log) -> list[bytes | None]:
    return [entry.value for entry in log.all_of("t")]


def test_nothing_behind_an_open_transaction_is_read() -> None:
    log = Log()
    log.append(PLACE, None, b"first")
    one, other = log.open("one"), log.open("other")
    one.begin()
    one.send(PLACE, None, b"open")
    other.begin()
    other.send(PLACE, None, b"committed")
    other.commit()
    log.append(PLACE, None, b"plain")
    assert _read(log) == [b"first"]
    one.abort()
    assert _read(log) == [b"first", b"committed", b"plain"]
    assert [entry.offset for entry in log.all_of("t")] == [0, 2, 4]  # the markers take 3 and 5
    assert log.partitions[PLACE].stable == 6


def test_a_new_producer_aborts_and_fences_the_former_one() -> None:
    log = Log()
    former = log.open("one")
    former.begin()
    former.send(PLACE, b"k", b"lost")
    former.send_offsets({PLACE: 7})
    log.open("one").begin()
    for act in (former.commit, former.abort, former.begin, lambda: former.send(PLACE, None, None)):
        with pytest.raises(FencedError):
            act()
    assert _read(log) == []
    assert log.group == {}


def test_compaction_keeps_the_latest_of_each_key() -> None:
    log = Log()
    producer = log.open("one")
    for key, value in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None)):
        producer.begin()
        producer.send(PLACE, key, value)
        producer.commit()
    log.partitions[PLACE].compact()
    assert [(entry.offset, entry.value) for entry in log.all_of("t")] == [(4, b"2")]


@pytest.mark.parametrize("scenario", sorted(SIZES.keys() - {"accused"}))
def test_a_clean_run_is_what_replay_makes_of_the_same_records(scenario: str, tmp_path: Path) -> None:
    fed, source, found = market(scenario, 1), tmp_path / "events.jsonl", list[Alert]()
    # A file has neither keys nor partitions: what is dead by these would be alive there.
    source.write_bytes(b"\n".join(one.value for one in fed.sent if one.value and one.good))
    with low_trees():
        result = replay(SETTINGS, str(source), fed.partitions, found.append)
    wanted = clean(scenario, 1)
    assert list(result.state_digest.values()) == wanted.digests
    assert sorted(alert.alert_id for alert in found) == sorted(wanted.alert_ids)


@pytest.mark.parametrize("scenario", ["access", "dirty", "removals"])
def test_scenarios_have_something_to_lose(scenario: str) -> None:
    outcome = clean(scenario, 2)
    assert outcome.alerts
    assert outcome.dead
    assert any(duplicates for _, duplicates, _ in outcome.counts)


def _wrong(seeds: range, scenario: str | None = None, parts: Parts = SOUND) -> dict[int, list[str]]:
    return {seed: ran.wrong for seed in seeds if (ran := run(seed, scenario, parts)).wrong}


def test_seeds_end_as_if_nothing_had_happened() -> None:
    assert _wrong(range(1, 5)) == {}


@pytest.mark.slow
def test_more_seeds_end_as_if_nothing_had_happened() -> None:
    assert _wrong(range(5, 31)) == {}


@pytest.mark.slow
def test_seeds_of_a_market_in_which_accusations_count_end_so_too() -> None:
    assert _wrong(range(1, 6), "accused") == {}


def test_a_seed_says_everything() -> None:
    assert run(7) == run(7)


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_seen(name: str) -> None:
    parts, scenario, within = BROKEN[name]
    assert any(run(seed, scenario, parts).wrong for seed in range(1, within + 1))


@pytest.mark.slow
def test_offsets_that_are_committed_late_do_no_harm() -> None:
    assert _wrong(range(1, 10), None, HARMLESS) == {}
