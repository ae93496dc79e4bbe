"""The metrics page: names, units, labels, exemplars; the number of series does not grow with the events."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from stream.contract.alerts import Alert
from stream.ops.case_samples import CaseCounts
from stream.ops.metrics import Metrics
from stream.ops.task_samples import _GAUGES, FamilyView, TaskView

_ALERTS = Path(__file__).parents[3] / "schemas" / "examples" / "alert.v1.jsonl"


def _view(evidence: list[float]) -> TaskView:
    return TaskView(
        cases=CaseCounts(
            {("open", "low"): 2},
            {("seller.flips", "low", "confirmed"): 1},
            {"campaign": 3},
            {"learned": 0.25, "odds": 0.5},
        ),
        counts=Counter({"applied": 10, "duplicate": 2, "late": 1, "upgraded": 3, "retracted": 1, "alerts": 1}),
        dead={"reviews.lifecycle.v1/undecodable": 4, "a/b/future": 1},
        foreign_messages=6,
        unknown_fields=5,
        records={"reviews.lifecycle.v1": 17},
        last_arrivals={"reviews.lifecycle.v1": 1.6e9},
        lag_records={"reviews.lifecycle.v1": 7},
        lag_seconds={"reviews.lifecycle.v1": 1.5},
        schema_wait_seconds={"reviews.lifecycle.v1": 2.5},
        families={"sellers": FamilyView(len(evidence), 1, 2.0, evidence), "staff": FamilyView(5, 0, 0.015, [0.5])},
        pattern_scores=[0, 90, 0, 10],
        gauges=dict.fromkeys(_GAUGES, 2.0),
    )


def _views(evidence: list[float]) -> dict[int, TaskView]:
    return {0: _view(evidence)}


def _samples(metrics: Metrics) -> dict[str, float]:
    found: dict[str, float] = {}
    page = metrics.exposition("application/openmetrics-text")[0].decode()
    for family in text_string_to_metric_families(page):  # type: ignore[no-untyped-call]  # untyped there
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()) if name != "task")
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_the_page_has_the_counts_of_the_tasks() -> None:
    metrics = Metrics(lambda: {0: _view([-3.0, 1.5, -1.0])}, lambda: {0: "running", 1: "restoring"}, bool, {})
    metrics.assigned(4)
    found = _samples(metrics)
    assert found["volteface_events_total{outcome=applied}"] == 10
    assert found["volteface_flips_total{kind=upgraded}"] == 3
    assert found["volteface_dead_letters_total{reason=undecodable,topic=reviews.lifecycle.v1}"] == 4
    assert found["volteface_dead_letters_total{reason=future,topic=a/b}"] == 1
    assert found["volteface_foreign_messages_total{}"] == 6
    assert found["volteface_unknown_field_events_total{}"] == 5
    assert found["volteface_lag_records{topic=reviews.lifecycle.v1}"] == 7
    assert found["volteface_lag_seconds{topic=reviews.lifecycle.v1}"] == 1.5
    assert found["volteface_schema_wait_seconds{topic=reviews.lifecycle.v1}"] == 2.5
    assert found["volteface_schema_registry_requests_total{outcome=failed}"] == 0
    assert [found[f"volteface_tasks{{state={state}}}"] for state in ("new", "restoring", "running")] == [0, 1, 1]
    assert found["volteface_partitions{}"] == 4
    assert found["volteface_pattern_score{quantile=0.9}"] == 0.5
    assert found["volteface_pattern_score{quantile=0.99}"] == 1.0
    assert found["volteface_evidence_log_odds{family=sellers,quantile=0.5}"] == -1.0
    assert found["volteface_evidence_log_odds{family=sellers,quantile=1.0}"] == 1.5
    assert found["volteface_evidence_log_odds{family=staff,quantile=1.0}"] == 0.5
    assert found["volteface_priority_log_loss{model=learned}"] == 0.25
    assert found["volteface_priority_log_loss{model=odds}"] == 0.5
    assert found["volteface_alerts_allowed_per_year{family=sellers}"] == 2
    assert found["volteface_subjects{family=staff}"] == 5
    assert any(name.startswith("volteface_build_info{model_version=") for name in found)


def test_a_task_that_does_not_run_has_its_lag() -> None:
    waiting = {0: {"reviews.lifecycle.v1": 99}, 1: {"reviews.lifecycle.v1": 5}}
    metrics = Metrics(lambda: {0: _view([])}, dict, bool, {}, lambda: waiting)
    page = metrics.exposition()[0].decode()
    assert 'volteface_lag_records{task="0",topic="reviews.lifecycle.v1"} 7.0' in page
    assert 'volteface_lag_records{task="1",topic="reviews.lifecycle.v1"} 5.0' in page
    metrics.foreign_tasks(2)
    assert _samples(metrics)["volteface_foreign_tasks{}"] == 2


def test_the_id_of_an_alert_is_an_exemplar() -> None:
    metrics = Metrics(dict, dict, bool, {})
    alert = msgspec.json.decode(_ALERTS.read_bytes().splitlines()[0], type=Alert)
    metrics.checkpointed(0, 0.01, rows=9, raised=[(alert, 0.0)], expected_flips=0.5)
    page = metrics.exposition("application/openmetrics-text")[0].decode()
    assert f'# {{alert_id="{alert.alert_id}"}}' in page
    assert _samples(metrics)["volteface_checkpoint_rows_total{}"] == 9


def test_the_number_of_series_does_not_depend_on_the_subjects() -> None:
    few, many = (_samples(Metrics(partial(_views, [0.1] * sellers), dict, bool, {})) for sellers in (3, 30_000))
    assert few.keys() == many.keys()
    assert not [name for name in many if not name.startswith(("volteface_", "process_", "python_"))]


def test_each_event_has_one_outcome() -> None:
    """The outcomes add up to the events; what else is known of an applied event is in other metrics."""
    counts = Counter(
        {"applied": 10, "duplicate": 2, "late": 3, "unseen_edit": 4, "retired": 5, "removed": 1, "bombed": 6}
    )
    found = _samples(Metrics(lambda: {0: _view([])._replace(counts=counts)}, dict, bool, {}))
    events = {name: value for name, value in found.items() if name.startswith("volteface_events_total")}
    assert sum(events.values()) == 12
    assert found["volteface_late_events_total{}"] == 3
    assert found["volteface_exceptional_events_total{kind=unseen_edit}"] == 4
    assert found["volteface_closed_reviews_total{reason=retired}"] == 5
    assert sum(name.startswith("volteface_exceptional") for name in found) == 1


def test_records_and_arrivals_are_known_by_topic() -> None:
    found = _samples(Metrics(lambda: {0: _view([])}, dict, bool, {}))
    assert found["volteface_records_total{topic=reviews.lifecycle.v1}"] == 17
    assert found["volteface_last_record_timestamp_seconds{topic=reviews.lifecycle.v1}"] == 1.6e9


@pytest.mark.parametrize(("sent_after_seconds", "kind"), [(-600, "live"), (3, "live"), (3601, "backfill")])
def test_an_alert_about_the_past_is_told_apart(sent_after_seconds: float, kind: str) -> None:
    """The delay of an alert about old events says how long the backlog was, and nothing about the service."""
    metrics = Metrics(dict, dict, bool, {})
    alert = msgspec.json.decode(_ALERTS.read_bytes().splitlines()[0], type=Alert)
    sent_at = alert.raised_at.timestamp() + sent_after_seconds
    metrics.checkpointed(0, 0.01, rows=9, raised=[(alert, sent_at)], expected_flips=0.0)
    found = _samples(metrics)
    counted = {name: found[f"volteface_event_to_alert_seconds_count{{input={name}}}"] for name in ("live", "backfill")}
    assert counted == {"live": 0, "backfill": 0} | {kind: 1}


def test_expected_flips_are_counted_from_zero_for_every_task() -> None:
    metrics = Metrics(dict, dict, bool, {})
    metrics.assigned(2)
    metrics.checkpointed(1, 0.01, rows=9, raised=[], expected_flips=0.25)
    metrics.checkpointed(1, 0.01, rows=9, raised=[], expected_flips=0.5)
    page = metrics.exposition()[0].decode()
    assert 'volteface_expected_flips_total{task="0"} 0.0' in page
    assert 'volteface_expected_flips_total{task="1"} 0.75' in page


def test_counters_start_at_zero() -> None:
    """Prometheus computes increases between samples: a series that starts with its first event hides that event."""
    found = _samples(Metrics(lambda: {0: _view([])._replace(counts=Counter())}, dict, bool, {}))
    assert found["volteface_events_total{outcome=duplicate}"] == 0
    assert found["volteface_flips_total{kind=retracted}"] == 0
    assert found["volteface_alerts_total{kind=seller.flips,severity=low}"] == 0
