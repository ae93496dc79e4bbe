"""The formats of the metrics page: the one that the Accept header asks for, valid for Prometheus's own checker."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from stream.contract.alerts import Alert
from stream.demo import figures
from stream.ops.metrics import Metrics
from tests.unit.ops.test_metrics import _ALERTS, _views

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
#: What Prometheus 2.42 sends.
PROMETHEUS: Final = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.fixture
def metrics() -> Metrics:
    """Metrics with a sample of every family."""
    metrics = Metrics(lambda: _views([-3.0, 1.5]), lambda: {0: "running"}, lambda: True, {"sellers": 4.2})
    alert = msgspec.json.decode(_ALERTS.read_bytes().splitlines()[0], type=Alert)
    metrics.assigned(1)
    metrics.restored(0, 5, 0.1)
    metrics.stepped(0.2)
    metrics.checkpointed(0, 0.01, rows=9, raised=[(alert, 0.0)], expected_flips=0.5)
    metrics.failed(0, ValueError())
    return metrics


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/plain", "text/html,*/*;q=0.8", "application/openmetrics-text;version=x"]
)
def test_the_page_is_text_unless_openmetrics_is_asked_for(metrics: Metrics, accept: str) -> None:
    page, content_type = metrics.exposition(accept)
    assert content_type == TEXT
    assert b"# EOF" not in page
    assert b"# {" not in page, "the text format has no exemplars"
    assert b"# TYPE volteface_events_total counter\n" in page


@pytest.mark.parametrize(
    "accept", [PROMETHEUS, "application/openmetrics-text", "application/openmetrics-text; version=1.0.0"]
)
def test_the_page_is_openmetrics_if_asked_for(metrics: Metrics, accept: str) -> None:
    page, content_type = metrics.exposition(accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert page.endswith(b"# EOF\n")
    assert b"# TYPE volteface_events counter\n" in page
    assert b"# {alert_id=" in page


def test_both_formats_have_the_same_samples(metrics: Metrics) -> None:
    (text, _), (open_page, _) = metrics.exposition(), metrics.exposition(PROMETHEUS)
    in_text = text_string_to_metric_families(text.decode())
    in_open = openmetrics.text_string_to_metric_families(open_page.decode())  # type: ignore[no-untyped-call]  # untyped
    names = [
        {(sample.name, *sorted(sample.labels.items())) for family in families for sample in family.samples}
        for families in (in_text, in_open)
    ]
    assert names[0] == names[1]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_accepts_the_text_page(metrics: Metrics) -> None:
    page, _ = metrics.exposition()
    check = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (check.returncode, check.stdout + check.stderr) == (0, b"")


def test_the_worker_serves_the_format_that_is_asked_for(tmp_path: Path) -> None:
    code = """
import asyncio, json, types
from stream.app import app, pages
page = pages["/metrics"](app, app.web)
for headers in json.loads(input()):
    response = asyncio.run(page.get(types.SimpleNamespace(headers=headers)))
    print(json.dumps([response.headers["Content-Type"], response.body.decode()[-6:]]))
"""
    asked = [{}, {"Accept": "text/plain"}, {"Accept": PROMETHEUS}]
    run = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(asked), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    types, ends = zip(*map(json.loads, run.stdout.splitlines()), strict=True)
    assert types[:2] == (TEXT, TEXT)
    assert types[2].startswith("application/openmetrics-text; version=1.0.0")
    assert [end == "# EOF\n" for end in ends] == [False, False, True]


def test_the_demonstration_reads_the_page_that_it_gets(metrics: Metrics, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(metrics.exposition()[0])
    found = figures.read((tmp_path / "page").as_uri())
    assert found is not None
    assert (found.applied, found.flips, found.lag) == (10, 4, 7)
