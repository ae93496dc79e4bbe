"""The simulation passes, and it detects faults: for each faulty variant some seed fails.

Invariant: the seeds are fixed, so a result is always the same; `make simulate` runs many more.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from aiokafka import TopicPartition

from stream.contract.alerts import Alert
from stream.contract.cases import Case, Effect
from stream.offline.replay import replay
from tests.simulation.cluster import Variant
from tests.simulation.faulty_variants import FAULTY_VARIANTS, HARMLESS_VARIANT
from tests.simulation.input_markets import MARKET_SPECS, SETTINGS, input_market
from tests.simulation.kafka_log import FencedError, Log
from tests.simulation.kafka_troubles import TROUBLES
from tests.simulation.outcome import clean_outcome
from tests.simulation.seed_run import CORRECT_VARIANT, run
from tests.simulation.small_trees import small_trees

PARTITION = TopicPartition("t", 0)
#: Variants that only few seeds detect: ten seconds and more.
SLOW_VARIANTS = ("topics have no ids", "a refused write is repeated")


def _read(log: Log) -> list[bytes | None]:
    return [record.value for record in log.committed_records("t")]


def test_no_record_after_an_open_transaction_is_read() -> None:
    log = Log()
    log.append(PARTITION, None, b"first")
    first, second = log.start_producer("first"), log.start_producer("second")
    first.begin()
    first.send(PARTITION, None, b"open")
    second.begin()
    second.send(PARTITION, None, b"committed")
    second.commit()
    log.append(PARTITION, None, b"plain")
    assert _read(log) == [b"first"]
    first.abort()
    assert _read(log) == [b"first", b"committed", b"plain"]
    # The markers take offsets 3 and 5.
    assert [record.offset for record in log.committed_records("t")] == [0, 2, 4]
    assert log.partitions[PARTITION].last_stable_offset == 6


def test_a_new_producer_aborts_and_fences_the_former_one() -> None:
    log = Log()
    former = log.start_producer("one")
    former.begin()
    former.send(PARTITION, b"k", b"lost")
    former.send_offsets({PARTITION: 7})
    log.start_producer("one").begin()
    for act in (former.commit, former.abort, former.begin, lambda: former.send(PARTITION, None, None)):
        with pytest.raises(FencedError):
            act()
    assert _read(log) == []
    assert log.group_offsets == {}


def test_compaction_keeps_the_latest_of_each_key() -> None:
    log = Log()
    producer = log.start_producer("one")
    for key, value in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None)):
        producer.begin()
        producer.send(PARTITION, key, value)
        producer.commit()
    log.partitions[PARTITION].compact()
    assert [(record.offset, record.value) for record in log.committed_records("t")] == [(4, b"2")]


@pytest.mark.parametrize("scenario", sorted(MARKET_SPECS))
def test_a_clean_run_equals_a_replay_of_the_same_records(scenario: str, tmp_path: Path) -> None:
    market, source, found, cases = input_market(scenario, 1), tmp_path / "events.jsonl", list[Alert](), list[Case]()
    # A file has neither keys nor partitions, so a replay would accept garbage that intake refuses by these.
    source.write_bytes(b"\n".join(record.value for record in market.records if record.value and record.valid))
    with small_trees():
        result = replay(SETTINGS, str(source), market.partition_count, found.append, on_case=cases.append)
    expected = clean_outcome(scenario, 1)
    assert list(result.state_digest.values()) == expected.digests
    assert {case.case_id: case for case in cases} == expected.cases
    assert sorted(alert.alert_id for alert in found) == sorted(expected.alert_ids)


@pytest.mark.parametrize("scenario", ["access", "dirty", "removals"])
def test_scenarios_have_alerts_dead_letters_and_duplicates(scenario: str) -> None:
    outcome = clean_outcome(scenario, 2)
    assert outcome.alerts
    assert outcome.dead_letters
    assert any(duplicates for _, duplicates, _ in outcome.counts)


def test_the_markets_have_cases_with_every_kind_of_verdict() -> None:
    cases = [
        case for name, number in (("access", 4), ("accused", 2)) for case in clean_outcome(name, number).cases.values()
    ]
    assert {"seller", "staff"} == {case.subject.type for case in cases}
    assert {verdict.effect for case in cases for verdict in case.verdicts} == set(get_args(Effect))
    assert any(case.notes for case in cases)
    assert any(case.appeals for case in cases)


def _failures(seeds: range, scenario: str | None = None, variant: Variant = CORRECT_VARIANT) -> dict[int, list[str]]:
    return {seed: result.problems for seed in seeds if (result := run(seed, scenario, variant)).problems}


def test_seeds_end_as_a_clean_run() -> None:
    assert _failures(range(1, 5)) == {}


@pytest.mark.slow
@pytest.mark.long
def test_more_seeds_end_as_a_clean_run() -> None:
    assert _failures(range(5, 31)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_of_kafka_ends_as_a_clean_run(trouble: str) -> None:
    assert _failures(range(1, 4), None, Variant(trouble=trouble)) == {}


@pytest.mark.slow
def test_seeds_with_accused_staff_end_as_a_clean_run() -> None:
    assert _failures(range(1, 6), "accused") == {}


def test_the_same_seed_gives_the_same_result() -> None:
    assert run(7) == run(7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in SLOW_VARIANTS else ()) for name in FAULTY_VARIANTS]
)
def test_a_faulty_variant_is_detected(name: str) -> None:
    variant, scenario, within = FAULTY_VARIANTS[name]
    assert any(run(seed, scenario, variant).problems for seed in range(1, within + 1))


@pytest.mark.slow
def test_offsets_after_the_transaction_are_harmless() -> None:
    assert _failures(range(1, 10), None, HARMLESS_VARIANT) == {}
