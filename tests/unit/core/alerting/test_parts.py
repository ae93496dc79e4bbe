"""The parts of every alert add up to its odds, and each follows from its numbers by the program of docs/evidence.md."""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from stream.contract.alerts import Alert
from stream.core.detector import Detector
from stream.core.evidence.parts import PartName
from stream.core.model.marks import MARKS
from stream.market import simulate
from tests.example_alerts import FILE, PAGE, section
from tests.unit.core.evidence.test_alternatives import alerts

_PAGE = PAGE.read_text()
#: Alerts of a market with rings, see `tests.example_rings`.
RINGS = Path(__file__).parents[3] / "data" / "rings" / "alerts.jsonl.gz"
#: So large that the threshold is at even odds and many alerts are raised.
_BUDGET = 1000.0


def _documented() -> dict[str, Any]:
    """Return the documented functions."""
    (program,) = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # the page is part of the project
    return names


def check(alert: Alert) -> None:
    """Check the parts of an alert."""
    evidence, documented = alert.evidence, _documented()
    recomputed = documented["recomputed"](msgspec.to_builtins(evidence.parts))
    assert [part.log_odds for part in evidence.parts] == pytest.approx(recomputed, abs=1e-6)
    assert sum(part.log_odds for part in evidence.parts) == pytest.approx(math.log(evidence.odds), abs=1e-6)
    for part in evidence.parts:
        assert part.text.endswith(".")
        if part.name == "count":
            assert part.numbers["flips"] == evidence.flips
            assert part.numbers["expected"] == pytest.approx(evidence.expected, abs=1e-9)
            assert (evidence.series[-1].flips, evidence.series[-1].expected) == (evidence.flips, evidence.expected)
    assert (evidence.payment is None) == (alert.kind in {"staff.removals", "product.rating_shift"})
    if evidence.payment is not None:
        marks = evidence.payment.parts
        recomputed = [documented["mark_of_payment"](part) for part in msgspec.to_builtins(marks)]
        assert [part.log_odds for part in marks] == pytest.approx(recomputed, abs=1e-6)
        assert sum(part.log_odds for part in marks) == pytest.approx(math.log(evidence.payment.odds), abs=1e-6)
        assert marks[0].numbers["flips"] == min(evidence.flips, len(evidence.reviews))


@pytest.mark.parametrize(("scenario", "seed"), [("cheats", 3), ("access", 5), ("moving_cheats", 4), ("removals", 6)])
def test_the_parts_of_every_alert_add_up_and_follow_from_their_numbers(scenario: str, seed: int) -> None:
    found = list(alerts(Detector(_BUDGET, "digest"), simulate.simulate(scenario, seed, 60, 140, seed % 3)))
    assert len(found) >= 3
    for alert in found:
        check(alert)


def test_the_parts_of_rings_add_up_and_follow_from_their_numbers() -> None:
    found = [msgspec.json.decode(line, type=Alert) for line in gzip.decompress(RINGS.read_bytes()).splitlines()]
    rings = [alert for alert in found if alert.subject.type == "ring"]
    assert rings
    for alert in rings:
        check(alert)


def test_the_page_names_every_part() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", _PAGE, re.MULTILINE))
    assert named == {*get_args(PartName), *MARKS, "spread"}


def test_the_example_of_the_page_is_the_example_of_the_schema() -> None:
    alert = msgspec.json.decode(FILE.read_text().splitlines()[0], type=Alert)
    check(alert)
    assert section(alert) in _PAGE
