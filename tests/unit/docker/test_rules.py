"""Guarantee: each alerting rule fires when it should and not before, and each has a runbook.

The tests need `promtool` (Debian: `apt-get install prometheus`) and fail with that hint if it is missing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parents[3] / "docker"
FOLDER = DOCKER / "prometheus"
RULES = yaml.safe_load((FOLDER / "alerting.rules.yml").read_text())
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}


RECORDED: list[dict[str, str]] = [
    rule for group in yaml.safe_load((FOLDER / "recording.rules.yml").read_text())["groups"] for rule in group["rules"]
]
#: Counters that are totals of a task, whichever worker shows them (stream/ops/task_samples.py).
TASK_TOTALS = [
    f"volteface_{name}_total"
    for name in (
        "events", "flips", "late_events", "exceptional_events", "closed_reviews", "records", "dead_letters",
        "foreign_messages",
    )
]  # fmt: skip


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("promtool")
    assert tool, "promtool is missing: install Debian's package `prometheus`"
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)


def test_the_configuration_and_the_rules_are_valid() -> None:
    checked = promtool("check", "config", FOLDER / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(FOLDER.glob("tests/*.yml")), ids=lambda file: file.name)
def test_the_rules_pass_their_tests(file: Path) -> None:
    result = promtool("test", "rules", file)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expression", "failure"),
    [("vector(0) < 0", r"exp: (\{.+)\n +got: nil"), ("vector(1)", r"exp: nil\n +got: (\{.+)")],
    ids=["never", "always"],
)
@pytest.mark.long
def test_rules_that_fire_never_or_always_fail_their_tests(expression: str, failure: str, tmp_path: Path) -> None:
    """For each rule the rule tests have a case in which it fires, and a case in which it does not."""
    folder = tmp_path / "prometheus"
    shutil.copytree(FOLDER, folder)
    for file in folder.glob("*.rules.yml"):
        rules = yaml.safe_load(file.read_text())
        for rule in (rule for group in rules["groups"] for rule in group["rules"]):
            rule["expr"] = expression if "alert" in rule else "vector(0)"  # no alert reads recorded values here
            rule.pop("for", None)
            rule.pop("annotations", None)  # each evaluation would render them
        file.write_text(yaml.safe_dump(rules))
    errors = promtool("test", "rules", *folder.glob("tests/*.yml")).stderr
    failed = {name for line in re.findall(failure, errors) for name in re.findall(r'alertname="(\w+)"', line)}
    assert failed == ALERTS.keys()


def test_the_totals_of_tasks_are_read_by_the_rules_of_their_maximum_only() -> None:
    """`increase` of the workers' own series would count a task's move twice."""
    by_task = {rule["expr"] for rule in RECORDED if re.fullmatch(r"max by \(app_id, task[^)]*\) \(\w+\)", rule["expr"])}
    assert {expression.rpartition("(")[2].rstrip(")") for expression in by_task} == set(TASK_TOTALS)
    for rule in (*RECORDED, *ALERTS.values()):
        if rule["expr"] not in by_task:
            assert not [name for name in TASK_TOTALS if name in rule["expr"]], rule


def test_every_alert_has_a_runbook_and_a_severity() -> None:
    headings = {heading.lower() for heading in re.findall(r"(?m)^## (\w+)$", (DOCKER / "runbooks.md").read_text())}
    for rule in ALERTS.values():
        file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert file == '{{ or $externalLabels.runbooks_url "docker/runbooks.md" }}'
        assert anchor in headings
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description"} <= rule["annotations"].keys()
    linked = {rule["annotations"]["runbook_url"].partition("#")[2] for rule in ALERTS.values()}
    assert headings == linked, "a runbook without an alert"
