"""The fields of alerts agree with each other: the evidence series, the linked subjects, the checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import msgspec
import pytest

from stream.contract.alerts import Alert
from stream.contract.events import AnyEvent, ContactAccessed
from stream.market import simulate
from stream.offline.local_bus import LocalTasks
from tests import reference

SCENARIOS = ("bribes", "access", "removals")


@cache
def events(scenario: str) -> list[AnyEvent]:
    decode = msgspec.json.Decoder(AnyEvent).decode
    return [decode(line) for line in simulate.simulate(scenario, 3, 120, 150).lines]


@cache
def alerts(scenario: str) -> list[Alert]:
    tasks = LocalTasks(3, "digest", 2)
    found = [alert for event in events(scenario) for alert in tasks.apply(event, event.occurred_at.timestamp())]
    return [alert for alert in found if alert.subject.type != "product"]


def all_alerts() -> Iterator[Alert]:
    for scenario in SCENARIOS:
        yield from alerts(scenario)


@pytest.mark.slow
def test_series_ends_at_the_totals_of_the_alert() -> None:
    kinds = set()
    for alert in all_alerts():
        evidence, series = alert.evidence, alert.evidence.series
        if evidence.ring is not None:  # each member's flips begin at another time
            assert series == []
            continue
        kinds.add(alert.kind)
        assert 1 <= len(series) <= 60
        assert [point.at for point in series] == sorted(point.at for point in series)
        assert [point.flips for point in series] == sorted({point.flips for point in series})
        assert [point.expected for point in series] == sorted(point.expected for point in series)
        assert 0 <= series[0].expected <= series[-1].expected <= evidence.expected
        sold_only = "accused over other sellers" in alert.explanation
        assert series[-1].flips == evidence.flips or (sold_only and series[-1].flips < evidence.flips)
        assert evidence.since <= series[0].at <= series[-1].at <= alert.raised_at
        assert alert.checks
        assert all(check.endswith(("?", ".")) for check in alert.checks)
    assert {"seller.contact_flips", "staff.access_flips", "staff.removals"} <= kinds


@pytest.mark.slow
def test_explanation_names_no_more_reviews_of_accused_staff_than_flips() -> None:
    found = [
        (int(match[1]), alert.evidence.flips)
        for alert in replayed_access_alerts()
        if (match := re.search(r"Staff accused over other sellers looked up (\d+) of these", alert.explanation))
    ]
    assert found
    assert all(1 <= named <= flips for named, flips in found)


def replayed_access_alerts() -> list[Alert]:
    """Alerts of the reference output in which sellers are insider clients of accused staff."""
    _, *lines = reference.replayed("access", 1).splitlines()
    return [msgspec.json.decode(line, type=Alert) for line in lines]


@pytest.mark.slow
def test_links_name_staff_and_sellers_of_the_look_ups() -> None:
    looked_up = {(event.actor_id, event.seller_id) for event in events("access") if isinstance(event, ContactAccessed)}
    staff = [alert for alert in alerts("access") if alert.kind == "staff.access_flips"]
    assert staff
    for alert in staff:
        counts = [link.flips for link in alert.evidence.linked]
        assert counts == sorted(counts, reverse=True)
        assert {link.type for link in alert.evidence.linked} == {"seller"}
        assert all((alert.subject.id, link.id) in looked_up for link in alert.evidence.linked)
        assert sum(counts) == alert.evidence.flips or len(counts) == 20
    sellers = [alert for alert in alerts("access") if alert.kind == "seller.access_flips"]
    assert sellers
    for alert in sellers:
        assert alert.evidence.linked
        staff_links = [link for link in alert.evidence.linked if link.type == "staff"]
        assert {link.type for link in alert.evidence.linked} <= {"staff", "ring"}
        assert all((link.id, alert.subject.id) in looked_up for link in staff_links)
