"""The table of staff watches is the only list of them: no index and no kind is written anywhere else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.arena.patched_core import Patch, detector
from stream.contract.alerts import Alert
from stream.contract.events import AnyEvent
from stream.core.detector import Detector
from stream.core.staff.watches import STAFF_WATCHES
from stream.market import simulate
from stream.offline.local_bus import LocalTasks


def alerts_on_staff(kind: Any, scenario: str) -> tuple[list[Alert], list[list[float | None]]]:
    """The alerts on staff of a market in two tasks, and ln R of each staff member."""
    tasks, alerts = LocalTasks(3, "digest", 2, kind), list[Alert]()
    for line in simulate.simulate(scenario, 3, 120, 150).lines:
        event = msgspec.json.decode(line, type=AnyEvent)
        alerts += tasks.apply(event, event.occurred_at.timestamp())
    histories = {name: one for task in tasks.tasks for name, one in task.state.aggregator.staff.histories.items()}
    on_staff = [msgspec.structs.replace(one, state_digest="") for one in alerts if one.subject.type == "staff"]
    return on_staff, [histories[name].log_odds for name in sorted(histories)]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["access", "removals"])
@pytest.mark.long
def test_the_order_of_the_table_does_not_matter(scenario: str) -> None:
    reversed_table = Patch("staff.watches", "STAFF_WATCHES", lambda table: table[::-1])
    alerts, log_odds = alerts_on_staff(Detector, scenario)
    other_alerts, other_log_odds = alerts_on_staff(detector((reversed_table,)), scenario)
    assert alerts
    assert other_alerts == alerts
    assert [values[::-1] for values in other_log_odds] == log_odds


@pytest.mark.slow
def test_a_further_watch_is_one_more_row() -> None:
    """A copy of the watch on removals: it evaluates the same evidence, and its ln R is the last one."""
    further = Patch("staff.watches", "STAFF_WATCHES", lambda table: (*table, table[1]._replace(kind="product.x")))
    no_wording = Patch("alerting.wording", "render", lambda _: lambda *_: "")
    no_checks = Patch("alerting.wording", "checks", lambda _: lambda _: [])
    alerts, log_odds = alerts_on_staff(detector((further, no_wording, no_checks)), "removals")
    assert all(len(values) == len(STAFF_WATCHES) + 1 for values in log_odds)
    assert any(values[1] is not None for values in log_odds)
    assert all(values[1] == values[-1] for values in log_odds)
    on_removals = [alert for alert in alerts if alert.kind == "staff.removals"]
    assert on_removals
    # Of equal evidence the first watch gives the alert its kind.
    assert all([other.kind for other in alert.evidence.also][-1:] == ["product.x"] for alert in on_removals)
