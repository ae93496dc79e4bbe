"""All metrics of the dashboards and rules have data, and alerts reach a webhook and are resolved.

A real Prometheus scrapes real workers under load, with the rules of `docker/`, and a real Alertmanager forwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaProducer

from tests.kafka.group import Worker, wait
from tests.stack.panels import expressions
from tests.stack.stack import APP_ID, RUNBOOKS, Stack

pytestmark = pytest.mark.stack
GARBAGE = 3000
#: Recorded only while nothing waits, or after days.
_LEARNED = re.compile(r"app_id_topic:volteface_(silen|usual)")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        alerted = 'sum(volteface_alerts_total{app_id="volteface"}) > 0'
        wait(lambda: bool(stack.query(alerted)), 300, "no alert about a cheat yet")
        yield stack


def test_every_target_is_up_and_every_rule_is_evaluated(stack: Stack) -> None:
    targets = stack.get("targets")["activeTargets"]
    assert [target["health"] for target in targets] == ["up", "up", "up"], targets
    rules = [rule for group in stack.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}, [rule for rule in rules if rule["health"] != "ok"]
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    assert not [name for name in recorded if not _LEARNED.match(name) and not stack.query(name)], "rules without data"


def test_the_metrics_of_the_alerting_rules_exist(stack: Stack) -> None:
    """A rule that does not fire has no result, so the test queries the metrics of the rules."""
    names = {row["__name__"] for row in stack.get("series", **{"match[]": f'{{app_id="{APP_ID}"}}'})}
    rules = [rule for group in stack.get("rules")["groups"] for rule in group["rules"] if rule["type"] == "alerting"]
    assert len(rules) > 10
    for rule in rules:
        metrics = set(re.findall(r"\b(?:app_id\w*:)?volteface_[\w:]+|\bup\b|\bscrape_samples_scraped\b", rule["query"]))
        assert metrics, rule["name"]
        metrics = {name for name in metrics if not _LEARNED.match(name)}
        assert metrics <= names, f"{rule['name']} uses {metrics - names}, which no target exposes"


@pytest.mark.parametrize(("title", "expression"), [each for each in expressions() if not _LEARNED.match(each[1])])
def test_every_panel_shows_data(stack: Stack, title: str, expression: str) -> None:
    # The first alert may precede the two samples that a rate over a minute needs.
    wait(lambda: bool(stack.query(expression)), 60, f"{title}: {expression}")


def test_the_number_of_series_is_bounded(stack: Stack) -> None:
    """After many events of hundreds of sellers a task has only some hundred series."""
    applied = f'sum(volteface_events_total{{app_id="{APP_ID}", outcome="applied"}}) > 150000'
    wait(lambda: bool(stack.query(applied)), 120, "fewer events than a bound on series needs")
    assert not stack.query('scrape_samples_scraped{job="volteface"} > 800')


def test_an_exemplar_names_the_alert(stack: Stack) -> None:
    found: list[Any] = stack.get(
        "query_exemplars", query="volteface_event_to_alert_seconds_bucket", start="0", end="99999999999"
    )
    ids = {exemplar["labels"]["alert_id"] for series in found for exemplar in series["exemplars"]}
    alerts = {json.loads(line)["alert_id"] for line in stack.group.command("alerts", "--json").splitlines()}
    assert ids
    assert ids <= alerts


def test_garbage_is_counted_and_alerted(stack: Stack) -> None:
    producer = KafkaProducer(bootstrap_servers=stack.group.kafka.bootstrap_servers)
    for number in range(GARBAGE):
        producer.send(stack.group.settings.lifecycle_topic, b"garbage", key=str(number).encode())
    producer.close()
    refused = f'sum(volteface_dead_letters_total{{app_id="{APP_ID}", reason="undecodable"}}) == {GARBAGE}'
    wait(lambda: bool(stack.query(refused)), 60, "not all the garbage was counted")
    wait(lambda: stack.webhook.has("VoltefaceDeadLetterBurst", "firing"), 180, "no alert about the burst")


def test_a_killed_worker_is_alerted_and_its_return_resolves_the_alert(stack: Stack) -> None:
    killed = stack.workers[0]
    killed.kill()
    wait(lambda: stack.webhook.has("VoltefaceWorkerDown", "firing"), 180, "no alert about the killed worker")
    running = f'sum(volteface_tasks{{app_id="{APP_ID}", state="running"}}) == 4'
    wait(lambda: bool(stack.query(running)), 90, "the other worker has not taken over the tasks")
    assert not stack.webhook.has("VoltefaceNotReady", "firing"), "an alert although the tasks were taken over in time"
    stack.workers[0] = Worker(stack.group, killed.port)
    wait(lambda: stack.webhook.has("VoltefaceWorkerDown", "resolved"), 180, "the alert was not resolved")
    for name, _, labels, runbook in stack.webhook.received:
        assert runbook.partition("#") == (RUNBOOKS, "#", name.lower())
        assert "runbooks_url" not in labels


def test_moves_of_tasks_do_not_change_what_was_counted(stack: Stack) -> None:
    """Two moves have happened: from the killed worker, and to the new one."""
    selector = f'app_id_task_outcome:volteface_events:max{{app_id="{APP_ID}", outcome="applied"}}'
    (tasks,) = stack.query(f'max_over_time(app_id:volteface_tasks_running:sum{{app_id="{APP_ID}"}}[15m])')
    assert float(tasks["value"][1]) == 4
    assert not stack.query(f"resets({selector}[15m]) > 0")
    (sums,) = stack.query(f"sum(increase({selector}[15m])) / sum({selector})")
    assert float(sums["value"][1]) < 1.01
