"""Grafana dashboards: the JSON equals the output of the code, and queries use existing metrics and rules only."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.bridge.metrics import BridgeMetrics
from stream.bridge.task import Outcome
from stream.ops.metrics import Metrics
from stream.ops.task_samples import _BY_FAMILY, _GAUGES
from tests.unit.console.test_metrics import Parts
from tests.unit.docker.test_rules import TASK_TOTALS
from tests.unit.ops.test_metrics import _samples, _view

_DOCKER = Path(__file__).parents[3] / "docker"
_COMMITTED = _DOCKER / "grafana" / "dashboards"
_NAMES = ("operations", "integrity")
#: Quoted text may look like a metric's name.
_QUOTED = re.compile(r'"[^"]*"')
_METRIC = re.compile(r"[a-z_:]*volteface_[a-z0-9_:]+")

_TASK_GAUGES = {f"volteface_{name}" for name in (*_GAUGES, *_BY_FAMILY, "lag_records", "lag_seconds")}

Json = dict[str, Any]


def _board(name: str) -> Json:
    board: Json = json.loads((_COMMITTED / f"{name}.json").read_bytes())
    return board


def _panels(name: str) -> list[Json]:
    """All panels except rows."""
    return [panel for panel in _board(name)["panels"] if panel["type"] != "row"]


def _queries(name: str) -> Iterator[str]:
    """All PromQL expressions of a dashboard's panels and annotations."""
    for panel in _panels(name):
        yield from (target["expr"] for target in panel["targets"])
    yield from (annotation["target"]["expr"] for annotation in _board(name)["annotations"]["list"])


def _exposed(folder: Path) -> set[str]:
    metrics = Metrics(lambda: {0: _view([1.0])}, lambda: {0: "running"}, bool, {"sellers": 4.2})
    metrics.records_expired("topic", 0)
    metrics.assigned(1)
    return (
        {sample.partition("{")[0] for sample in _samples(metrics)}
        | _exposed_by_consoles(folder)
        | _exposed_by_bridges()
    )


def _exposed_by_consoles(folder: Path) -> set[str]:
    parts = Parts(folder)
    parts.metrics.requested("/", "GET", "2xx", 0.1)
    return {sample.name for family in parts.metrics.registry.collect() for sample in family.samples}


def _exposed_by_bridges() -> set[str]:
    each = Counter({("orders", "other"): 1})
    metrics = BridgeMetrics(["orders"], lambda: {("orders", 0): 1}, lambda: {0: True}, bool, lambda: {"orders": 1})
    metrics.committed(0, 1, 0.1, Outcome(each, Counter(), each, 1.0))
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}


def _recorded() -> set[str]:
    groups = yaml.safe_load((_DOCKER / "prometheus" / "recording.rules.yml").read_text())["groups"]
    return {rule["record"] for group in groups for rule in group["rules"]}


def test_the_json_equals_the_output_of_the_code(tmp_path: Path) -> None:
    subprocess.run([sys.executable, _DOCKER / "grafana" / "dashboards.py", tmp_path], check=True)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text() for path in _COMMITTED.iterdir()}
    assert written.keys() == {f"{name}.json" for name in _NAMES}
    assert all(text.endswith("}\n") for text in written.values())


@pytest.mark.parametrize("name", _NAMES)
def test_every_panel_has_a_description_a_unit_and_thresholds(name: str) -> None:
    assert _board(name)["uid"] == f"volteface-{name}"
    for panel in _panels(name):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"], panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("name", _NAMES)
def test_panels_have_unique_titles_and_fill_the_grid_without_overlap(name: str) -> None:
    panels = _board(name)["panels"]
    ids, titles = ([panel[key] for panel in panels] for key in ("id", "title"))
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    cells = [
        (x, y)
        for position in (panel["gridPos"] for panel in panels)
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert {x for x, _ in cells} == set(range(24))


@pytest.mark.parametrize("name", _NAMES)
def test_every_metric_exists(name: str, tmp_path: Path) -> None:
    variables = [variable["query"] for variable in _board(name)["templating"]["list"]]
    used = {metric for text in (*_queries(name), *variables) for metric in _METRIC.findall(_QUOTED.sub("", text))}
    assert used
    assert used <= _exposed(tmp_path) | _recorded()


@pytest.mark.parametrize("name", _NAMES)
def test_every_query_selects_the_chosen_app(name: str) -> None:
    for query in _queries(name):
        selectors = re.findall(r"\{[^}]*\}", query)
        assert selectors
        assert all('app_id="$app_id"' in selector for selector in selectors), query
        bare = _QUOTED.sub("", query)
        assert len(_METRIC.findall(bare)) == len(re.findall(_METRIC.pattern + r"\{", bare)), query


@pytest.mark.parametrize("name", _NAMES)
def test_every_linked_runbook_exists(name: str) -> None:
    headings = re.findall(r"^## (\w+)$", (_DOCKER / "runbooks.md").read_text(), flags=re.MULTILINE)
    anchors = {f"${{runbooks}}#{heading.lower()}" for heading in headings}
    linked = {link["url"] for panel in _panels(name) for link in panel["links"] if link["title"].startswith("Runbook")}
    assert linked
    assert linked <= anchors


def test_the_data_source_has_the_scrape_interval_of_prometheus() -> None:
    sources = yaml.safe_load((_DOCKER / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    scraped = yaml.safe_load((_DOCKER / "prometheus" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert [(source["uid"], source["jsonData"]["timeInterval"]) for source in sources] == [("prometheus", scraped)]


def test_operations_has_a_panel_for_every_alert() -> None:
    rules = yaml.safe_load((_DOCKER / "prometheus" / "alerting.rules.yml").read_text())["groups"]
    runbooks = {rule["annotations"]["runbook_url"].partition("#")[2] for group in rules for rule in group["rules"]}
    links = [link["url"] for panel in _panels("operations") for link in panel["links"]]
    assert runbooks == {url.partition("#")[2] for url in links if "#" in url}


def test_the_address_of_the_runbooks_is_a_setting(tmp_path: Path) -> None:
    """A path of the repository is no address in Grafana."""
    environment = os.environ | {"RUNBOOKS_URL": "https://wiki.example/runbooks"}
    subprocess.run([sys.executable, _DOCKER / "grafana" / "dashboards.py", tmp_path], check=True, env=environment)
    for name in _NAMES:
        board = json.loads((tmp_path / f"{name}.json").read_bytes())
        (variable,) = (found for found in board["templating"]["list"] if found["name"] == "runbooks")
        assert variable["query"] == "https://wiki.example/runbooks"


@pytest.mark.parametrize("name", _NAMES)
def test_no_panel_adds_up_what_two_workers_show_of_one_task(name: str) -> None:
    """A task's totals and gauges appear on two workers around a move: each panel takes the task once."""
    for query in _queries(name):
        for metric in TASK_TOTALS:
            assert metric not in query, f"a total of a task belongs to the recorded series: {query}"
        for match in re.finditer(r"(volteface_\w+)\{[^}]*task=~", query):
            if match[1] in _TASK_GAUGES:
                before = query[: match.start()]
                assert before.endswith(("last_over_time(", "max by (quantile) (", "max(")), query


def test_an_exemplar_links_the_alert() -> None:
    (source,) = yaml.safe_load((_DOCKER / "grafana/provisioning/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    (link,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert (link["name"], link["url"]) == ("alert_id", "${ALERT_URL}$${__value.raw}")
    shown = [panel["title"] for panel in (*_panels("integrity"), *_panels("operations")) if _shows_exemplars(panel)]
    assert shown == ["Alerts an hour, by kind", "Event to alert"]


def _shows_exemplars(panel: Json) -> bool:
    return any(target.get("exemplar") for target in panel["targets"])
