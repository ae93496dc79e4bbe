"""The parts of every alert add up to its odds, and each follows from its numbers by the program of docs/evidence.md."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from stream.contract.alerts import Alert
from stream.core.detector import Detector
from stream.core.evidence.parts import PartName
from stream.market import simulate
from tests.unit.core.evidence.test_alternatives import alerts

_ROOT = Path(__file__).parents[4]
_PAGE = (_ROOT / "docs" / "evidence.md").read_text()
#: So large that the threshold is at even odds and many alerts are raised.
_BUDGET = 1000.0


def _documented() -> Callable[[list[dict[str, Any]]], list[float]]:
    """Return the documented function that recomputes parts."""
    (program,) = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # the page is part of the project
    return names["recomputed"]  # type: ignore[no-any-return]


def _check(alert: Alert) -> None:
    evidence, recomputed = alert.evidence, _documented()
    parts = msgspec.to_builtins(evidence.parts)
    assert [part.log_odds for part in evidence.parts] == pytest.approx(recomputed(parts), abs=1e-6)
    assert sum(part.log_odds for part in evidence.parts) == pytest.approx(math.log(evidence.odds), abs=1e-6)
    for part in evidence.parts:
        assert part.text.endswith(".")
        if part.name == "count":
            assert part.numbers["flips"] == evidence.flips
            assert part.numbers["expected"] == pytest.approx(evidence.expected, abs=1e-9)
            assert (evidence.series[-1].flips, evidence.series[-1].expected) == (evidence.flips, evidence.expected)


@pytest.mark.parametrize(("scenario", "seed"), [("cheats", 3), ("access", 5), ("moving_cheats", 4), ("removals", 6)])
def test_the_parts_of_every_alert_add_up_and_follow_from_their_numbers(scenario: str, seed: int) -> None:
    found = list(alerts(Detector(_BUDGET, "digest"), simulate.simulate(scenario, seed, 60, 140, seed % 3)))
    assert len(found) >= 3
    for alert in found:
        _check(alert)


def test_the_page_names_every_part() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", _PAGE, re.MULTILINE))
    assert named == set(get_args(PartName))


def test_the_example_of_the_page_is_the_example_of_the_schema() -> None:
    line = (_ROOT / "schemas" / "examples" / "alert.v1.jsonl").read_text().splitlines()[0]
    alert = msgspec.json.decode(line, type=Alert)
    _check(alert)
    rows = re.findall(r"^\| (\w+) \| ([+-][\d.]+) \| (.*) \|$", _PAGE, re.MULTILINE)
    assert rows == [(part.name, f"{part.log_odds:+.2f}", part.text) for part in alert.evidence.parts]
    total = math.log(alert.evidence.odds)
    assert f"Together {total:.2f}: odds of {alert.evidence.odds:,.0f} to 1." in _PAGE
    assert json.loads(line)["explanation"] in _PAGE.replace("\n> ", " ")
