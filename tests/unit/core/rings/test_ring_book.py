"""Rings at the end of days: who is named, when a ring changes or ends, and that the order of reports has no effect."""

from __future__ import annotations

import math
import random

import msgspec
import pytest

from stream.contract.alerts import Alert
from stream.contract.events import Verdict
from stream.core.alerting import ring_alerts
from stream.core.alerting.policy import AlertPolicy
from stream.core.baseline.market_totals import MarketTotals
from stream.core.messages.conclusions import RingMembers
from stream.core.messages.reports import ClientReport, DayReport, LinkedReport, ReportedFlip, StaffReport
from stream.core.model.decisions import VerdictDecision
from stream.core.model.encoding import encode
from stream.core.model.flips import Flip
from stream.core.model.strata import DAY
from stream.core.rings.connector_book import ConnectorBook
from stream.core.rings.connectors import MAX_TIED, Connector, LookedUp
from stream.core.rings.ring_book import RingBook
from stream.core.rings.ring_view import MAX_MEMBERS, RingView

THRESHOLDS = {"staff": math.log(11), "link": math.log(333)}


class Book:
    """A ring book that records what it reports."""

    def __init__(self) -> None:
        self.reported: list[RingView] = []
        self.book = ConnectorBook(THRESHOLDS)  # type: ignore[arg-type]
        self.rings = RingBook(self.book, lambda ring, findings, day: self.reported.append(ring))

    def day(
        self, day: int, *reports: DayReport, flips: int = 0, expected: float = 0.0, accused: bool = False
    ) -> list[RingMembers]:
        """Add a day; staff have `flips` and `expected` in all."""
        connectors = self.book.add_day(day, reports)
        for connector in connectors:
            looked_up = LookedUp(1.0, flips, expected, self.book.sellers, accused)
            self.book.evaluate(connector, day, looked_up if connector.type == "staff" else None)
        return self.rings.update(connectors, day)


def finding(seller_id: str, day: float, number: int = 0) -> ReportedFlip:
    at = day * DAY
    flip = Flip(
        at, at - DAY, f"r{number}", "p", 3.0, False, False, None, 4, ("a",), False, 2, 5, None, None, None
    )  # fmt: skip
    return ReportedFlip(seller_id, f"{seller_id}/{day}/{number}", 0.5, flip)


def staff_day(reporter: int, day: int, clients: dict[str, tuple[int, float]], actor_id: str = "a") -> DayReport:
    """A day on which a staff member's look-ups bring flips and expected flips by seller."""
    reports = [
        ClientReport(name, flips, expected, expected, day * DAY if flips else 0, day * DAY if flips else 0)
        for name, (flips, expected) in clients.items()
    ]
    flips = sum(one[0] for one in clients.values())
    report = StaffReport(actor_id=actor_id, first_seen=0, flips=flips, clients=reports)
    return DayReport(reporter=reporter, day=day, through=day, staff=[report])


def linked(seller_id: str, log_factor: float, day: int, link_id: str = "k", flips: int = 5) -> LinkedReport:
    at = day * DAY if flips else 0.0
    latest = [finding(seller_id, day, number) for number in range(flips)]
    return LinkedReport(seller_id, {link_id: "owner"}, flips, 1.0, log_factor, at, at, latest)


def linked_day(day: int, *sellers: LinkedReport) -> DayReport:
    return DayReport(reporter=0, day=day, through=day, linked=list(sellers))


CLIENTS = {f"s{number}": (5, 0.3) for number in range(6)}


def test_an_insider_with_several_clients_is_a_ring_and_a_desk_is_none() -> None:
    insider, desk = Book(), Book()
    (ring,) = insider.day(3, staff_day(0, 3, CLIENTS), flips=30, expected=20.0)
    assert ring.members == sorted(CLIENTS)
    assert ring.moved == []  # accused staff move them by themselves
    (view,) = insider.reported
    assert [one.member.flips for one in view.members] == [5] * 6
    # As many flips, one or two at each of many sellers.
    assert desk.day(3, staff_day(0, 3, {f"s{n}": (1 + n % 2, 1.0) for n in range(20)}), flips=30, expected=20.0) == []
    assert desk.reported == []


def test_support_that_solves_more_everywhere_is_no_ring() -> None:
    """Each seller has three times as many flips as expected, because this support is good."""
    book = Book()
    flips = {f"s{number}": (6, 2.0) for number in range(30)}
    assert book.day(3, staff_day(0, 3, flips), flips=180, expected=60.0) == []


def test_an_accused_insider_without_other_work_has_no_excuse() -> None:
    """All looked-up reviews are clients': without the accusation they show how good this support is."""
    report, book, accused = staff_day(0, 3, dict.fromkeys(CLIENTS, (5, 0.9))), Book(), Book()
    assert book.day(3, report, flips=30, expected=5.4) == []
    (ring,) = accused.day(3, report, flips=30, expected=5.4, accused=True)
    assert ring.members == sorted(CLIENTS)


def test_clients_are_no_excuse_of_each_other() -> None:
    """Their flips are most of the staff member's. The ring has the odds of its only connector."""
    clients = {f"s{number:02}": (6, 0.7) for number in range(12)}
    book = Book()
    (ring,) = book.day(3, staff_day(0, 3, clients), flips=80, expected=24.0)
    assert ring.members == sorted(clients)
    connector = book.book.connectors["staff/a"]
    assert connector.log_level < 0
    (view,) = book.reported
    assert view.evidence.log_odds == pytest.approx(connector.log_odds)
    assert view.evidence.log_odds_without == pytest.approx(connector.log_odds_without)


def test_a_seller_with_two_flips_is_no_member() -> None:
    """A coincidence: beside clients it would look like one more. Its third flip makes it a member."""
    book = Book()
    (ring,) = book.day(3, staff_day(0, 3, CLIENTS | {"two": (2, 0.05)}), flips=32, expected=20.0)
    assert ring.members == sorted(CLIENTS)
    (ring,) = book.day(4, staff_day(0, 4, {"two": (1, 0.01)}), flips=33, expected=20.1)
    assert ring.members == sorted([*CLIENTS, "two"])


def test_what_is_expected_has_a_floor() -> None:
    """A rare coincidence is no proof."""
    floor, nothing = Book(), Book()
    for book, expected in ((floor, 0.05), (nothing, 0.0)):
        book.day(3, staff_day(0, 3, {"s0": (2, expected)}), flips=2, expected=1.0)
    factors = [book.book.connectors["staff/a"].members["s0"].log_factor for book in (floor, nothing)]
    assert factors[0] == pytest.approx(factors[1], abs=0.05)


def test_flips_that_other_staff_see_at_a_seller_are_no_evidence() -> None:
    """Clients of one insider have flips of reviews that honest staff looked up, too."""
    book = Book()
    for other in range(4):
        clients = dict.fromkeys(CLIENTS, (12, 0.8))
        book.day(1, staff_day(0, 1, clients, f"other{other}"), flips=72, expected=400.0)
    assert book.day(3, staff_day(0, 3, CLIENTS), flips=30, expected=20.0) == []


def test_one_seller_alone_is_no_ring() -> None:
    book = Book()
    assert book.day(3, staff_day(0, 3, {"s0": (20, 0.3), "s1": (1, 0.3)}), flips=21, expected=15.0) == []


def test_the_order_of_reports_and_tasks_has_no_effect() -> None:
    parts = [
        staff_day(reporter, 3, {name: numbers})
        for reporter, (name, numbers) in enumerate(CLIENTS.items())
    ]  # fmt: skip
    whole = Book()
    expected = whole.day(3, staff_day(0, 3, CLIENTS), flips=30, expected=20.0)
    for seed in range(5):
        shuffled = Book()
        mixed = random.Random(seed).sample(parts, len(parts))
        assert shuffled.day(3, *mixed, flips=30, expected=20.0) == expected
        assert shuffled.book.connectors == whole.book.connectors


def test_days_add_up_for_staff() -> None:
    book = Book()
    for day in range(1, 6):
        found = book.day(day, staff_day(0, day, dict.fromkeys(CLIENTS, (1, 0.06))), flips=6 * day, expected=10.0)
        assert bool(found) == (day == 3)
    member = book.book.connectors["staff/a"].members["s0"]
    assert (member.flips, member.first_flip_at, member.last_flip_at) == (5, DAY, 5 * DAY)
    assert member.expected == pytest.approx(0.3)
    assert book.book.connectors["staff/a"].is_ring


def test_linked_sellers_are_a_ring_only_with_evidence_beside_the_strongest() -> None:
    cheat = Book()
    assert cheat.day(1, linked_day(1, linked("s0", 30.0, 1), linked("s1", -1.0, 1), linked("s2", 0.0, 1))) == []
    book = Book()
    (ring,) = book.day(1, linked_day(1, *(linked(f"s{number}", 5.0, 1) for number in range(4))))
    assert ring.members == ["s0", "s1", "s2", "s3"]
    assert ring.moved == ring.members  # without any of them it would still be a ring
    (two,) = Book().day(1, linked_day(1, linked("s0", 9.0, 1), linked("s1", 5.0, 1)))
    assert two.moved == ["s0", "s1"]


def test_sellers_without_flips_speak_against_a_link() -> None:
    many = [linked(f"t{number:03}", 0.0, 1, flips=0) for number in range(300)]
    book = Book()
    assert book.day(1, linked_day(1, *(linked(f"s{number}", 5.0, 1) for number in range(4)), *many)) == []
    connector = book.book.connectors["link/k"]
    assert len(connector.members) == 304
    assert connector.log_odds is not None
    assert connector.log_odds < 0


def test_each_seller_counts_once_however_often_it_is_reported() -> None:
    """Also of a connector with more sellers than a ring lists."""
    once, often, clients = Book(), Book(), {f"s{number}": (1, 0.6) for number in range(100)}
    once.day(3, staff_day(0, 3, clients), flips=100, expected=60.0)
    for day in (1, 2, 3):
        report = {name: (int(day == 3), 0.2) for name in clients}
        often.day(day, staff_day(0, day, report), flips=100, expected=60.0)
    log_odds = [one.book.connectors["staff/a"].log_odds for one in (once, often)]
    assert log_odds[0] == pytest.approx(log_odds[1])
    assert [len(one.book.connectors["staff/a"].members) for one in (once, often)] == [100, 100]


def test_the_sellers_of_a_connector_are_bounded_and_its_row_fits_a_message() -> None:
    book, links = Book(), Book()
    names = [f"{number:05}" + "\U0001f600" * 123 for number in range(MAX_TIED + 300)]  # 128 characters
    for start in range(0, len(names), 300):
        day = start // 300
        chunk = names[start : start + 300]
        book.day(day, staff_day(0, day, dict.fromkeys(chunk, (3, 0.1))), flips=3 * len(names), expected=100.0)
        links.day(day, linked_day(day, *(linked(name, 5.0, day, flips=1) for name in chunk)))
    for one, name in ((book, "staff/a"), (links, "link/k")):
        row = one.book.row(name)
        assert row is not None
        assert len(row) < 1_000_000
        assert len(one.book.connectors[name].members) == MAX_TIED
        assert all(len(view.members) <= MAX_MEMBERS for view in one.reported)
    restored = Book()
    restored.book.load("staff/a", book.book.row("staff/a") or b"")
    for seller_id in names[MAX_TIED - 1 : MAX_TIED + 1]:
        nothing = ClientReport(seller_id, 0, 0.0, 0.0, 0.0, 0.0)
        levels = [one.book.sellers.level_without(nothing, 1.0) for one in (book, restored)]
        assert levels[0] == levels[1]


def test_a_later_report_takes_the_place_of_an_earlier_one_and_a_ring_falls_apart() -> None:
    book = Book()
    book.day(1, linked_day(1, *(linked(f"s{number}", 5.0, 1) for number in range(4))))
    assert book.day(2, linked_day(2, linked("s0", 5.5, 2))) == []  # the same members
    (more,) = book.day(3, linked_day(3, linked("s4", 6.0, 3)))
    assert more.members == ["s4", "s0", "s1", "s2", "s3"]
    first = book.book.connectors["link/k"]
    assert first.joined_at["s4"] == 4 * DAY
    assert first.joined_at["s0"] == 2 * DAY
    (ended,) = book.day(9, linked_day(9, *(linked(f"s{number}", -4.0, 9) for number in range(5))))
    assert (ended.members, ended.moved) == ([], [])
    assert first.fell_apart_at == 10 * DAY
    assert book.reported[-1].members == []
    (again,) = book.day(12, linked_day(12, *(linked(f"s{number}", 5.0, 12) for number in range(4))))
    assert again.ring_id == ended.ring_id
    assert first.fell_apart_at is None
    assert first.named_at == 13 * DAY  # named anew


def test_a_ring_of_several_connectors_is_reported_once_a_day() -> None:
    book = Book()
    others = linked_day(1, *(linked(f"t{number}", 0.0, 1, "other", flips=0) for number in range(60)))
    book.day(1, others)
    links = linked_day(2, *(linked(f"s{number}", 5.0, 2) for number in range(6)))
    (ring,) = book.day(2, links, staff_day(1, 2, CLIENTS), flips=30, expected=20.0)
    (view,) = book.reported
    assert {one.name for one in view.connectors} == {"link/k", "staff/a"}
    assert ring.members == [one.seller_id for one in view.members]
    assert book.day(3, linked_day(3, linked("s0", 6.0, 3)), staff_day(1, 3, {"s1": (1, 0.1)}), flips=31) == []
    assert len(book.reported) == 2


def test_a_confirmed_ring_stays_so_until_it_ends() -> None:
    book = Book()
    (ring,) = book.day(1, linked_day(1, *(linked(f"s{number}", 5.0, 1) for number in range(4))))
    connector = book.book.connectors["link/k"]
    book.rings.decide(VerdictDecision(2 * DAY, ring.ring_id, "confirmed", 0.0), 2)
    assert connector.confirmed
    book.rings.decide(VerdictDecision(3 * DAY, ring.ring_id, "inconclusive", 0.0), 3)
    assert not connector.confirmed
    book.rings.decide(VerdictDecision(4 * DAY, ring.ring_id, "confirmed", 0.0), 4)
    book.day(9, linked_day(9, *(linked(f"s{number}", -4.0, 9) for number in range(4))))
    assert connector.fell_apart_at is not None
    assert not connector.confirmed


@pytest.mark.parametrize(("verdict", "ends"), [("explained", True), ("dismissed", True), ("confirmed", False)])
def test_a_verdict_on_a_ring(verdict: Verdict, ends: bool) -> None:
    book = Book()
    (ring,) = book.day(1, linked_day(1, *(linked(f"s{number}", 5.0, 1) for number in range(4))))
    decision = VerdictDecision(5 * DAY, ring.ring_id, verdict, 40 * DAY)
    assert [one.members for one in book.rings.decide(decision, 5)] == ([[]] if ends else [])
    earlier = [msgspec.structs.replace(linked(f"s{number}", 9.0, 8), first_flip_at=DAY) for number in range(4)]
    book.day(8, linked_day(8, *earlier))  # the windows began before the verdict
    assert book.book.connectors["link/k"].is_ring != ends
    later = linked_day(9, *(linked(f"s{number}", 5.0, 9) for number in range(4)))
    book.day(9, later)
    assert book.book.connectors["link/k"].is_ring != ends  # muted
    book.day(50, linked_day(50, linked("s0", 5.0, 50)))
    assert book.book.connectors["link/k"].is_ring


def test_a_muted_ring_and_a_confirmed_one_raise_no_alert() -> None:
    book, policy, market = Book(), AlertPolicy(3.0, "digest"), MarketTotals()
    book.day(1, linked_day(1, *(linked(f"s{number}", 5.0, 1) for number in range(4))))
    (view,), connector = book.reported, book.book.connectors["link/k"]

    def alerts(day: int) -> list[Alert]:
        connector.alerted_at.clear()
        connector.finding = None
        return ring_alerts.evaluate(policy, view, connector.latest, market, day)

    (alert,) = alerts(1)
    assert (alert.kind, alert.subject.id) == ("ring.linked", connector.ring_id)
    connector.muted_until = 40 * DAY
    assert alerts(38) == []
    assert len(alerts(39)) == 1
    connector.confirmed = True
    assert alerts(40) == []


def test_a_verdict_that_clears_a_staff_member_ends_the_ring() -> None:
    book = Book()
    book.day(3, staff_day(0, 3, CLIENTS), flips=30, expected=20.0)
    (ended,) = book.rings.clear_staff(VerdictDecision(4 * DAY, "a", "dismissed", 0.0), 4)
    assert ended.members == []
    assert book.book.connectors["staff/a"].members == {}


def test_two_insiders_with_common_clients_are_one_ring() -> None:
    book = Book()
    others = {f"t{number}": (1, 0.2) for number in range(60)}
    book.day(1, staff_day(0, 1, others, "desk"), flips=60, expected=60.0)  # other sellers of the market
    (first,) = book.day(2, staff_day(0, 2, CLIENTS), flips=30, expected=20.0)
    successor = {**dict(list(CLIENTS.items())[2:]), "s9": (6, 0.2)}
    (ring,) = book.day(30, staff_day(0, 30, successor, "b"), flips=26, expected=20.0)
    assert ring.ring_id == first.ring_id
    assert set(ring.members) == {*CLIENTS, "s9"}
    view = book.reported[-1]
    assert [one.connector_id for one in view.connectors] == ["a", "b"]
    assert {one.seller_id: one.member.flips for one in view.members}["s5"] == 10


def test_a_ring_with_parts_may_become_a_part_itself() -> None:
    """Two rings of two connectors each turn out to be one broker's: every connector belongs to the one that is left."""
    book = Book()
    others = {f"t{number}": (1, 0.2) for number in range(80)}
    book.day(1, staff_day(0, 1, others, "desk"), flips=80, expected=80.0)
    one, two = ({f"{letter}{number}": (5, 0.3) for number in range(5)} for letter in "xy")
    (first,) = book.day(2, staff_day(0, 2, one, "a"), flips=25, expected=20.0)
    book.day(3, staff_day(0, 3, two, "b"), flips=25, expected=20.0)
    book.day(4, staff_day(0, 4, two, "c"), flips=25, expected=20.0)
    changed = book.day(5, staff_day(0, 5, one, "b"), flips=50, expected=40.0)
    assert [bool(ring.members) for ring in changed] == [False, True]
    assert changed[1].ring_id == first.ring_id
    assert set(changed[1].members) == {*one, *two}
    assert {name: each.part_of for name, each in book.book.connectors.items() if each.ties_clients} == {
        "staff/a": "",
        "staff/b": "staff/a",
        "staff/c": "staff/a",
    }
    restored = Book()
    for name, connector in book.book.connectors.items():
        restored.book.load(name, encode(connector))
    assert [one.name for one in restored.book.connectors_of(first.ring_id)] == ["staff/a", "staff/b", "staff/c"]


def test_two_insiders_without_common_clients_are_two_rings() -> None:
    book = Book()
    (first,) = book.day(2, staff_day(0, 2, CLIENTS), flips=30, expected=20.0)
    others = {f"t{number}": (5, 0.3) for number in range(6)}
    (second,) = book.day(3, staff_day(0, 3, others, "b"), flips=30, expected=20.0)
    assert first.ring_id != second.ring_id


def test_rows_are_restored_and_inactive_connectors_are_dropped() -> None:
    book, other = Book(), Book()
    book.day(1, linked_day(1, *(linked(f"s{number}", 5.0, 1) for number in range(4))))
    book.day(3, staff_day(0, 3, CLIENTS), flips=30, expected=20.0)
    for name in book.book.changed:
        row = book.book.row(name)
        assert row is not None
        other.book.load(name, row)
    assert other.book.connectors == book.book.connectors
    book.book.changed.clear()
    (ended,) = book.rings.drop_inactive(3 * DAY, 700)
    assert (ended.day, ended.members) == (700, [])
    assert set(book.book.connectors) == {"staff/a"}
    assert book.book.changed == {"link/k"}
    assert book.book.row("link/k") is None


def test_flips_of_a_link_are_kept_once_and_bounded() -> None:
    connector = Connector(version=1, type="link", connector_id="k")
    for day in range(100):
        connector.add_latest([finding("s", day), finding("s", day)])
    assert [one.flip.at for one in connector.latest] == [day * DAY for day in range(40, 100)]


def test_a_seller_leaves_the_links_that_its_report_names_no_more() -> None:
    book = Book()
    strong = [linked(f"s{number}", 5.0, 1) for number in range(4)]
    book.day(1, linked_day(1, *strong))
    assert book.book.connectors["link/k"].is_ring
    restored = ConnectorBook(THRESHOLDS)  # type: ignore[arg-type]
    restored.load("link/k", book.book.row("link/k") or b"")
    moved = [msgspec.structs.replace(one, links={"other": "device"}) for one in strong[:3]]
    fallen = book.day(2, linked_day(2, *moved))
    assert [one.members for one in fallen] == [[], ["s0", "s1", "s2"]]
    assert not book.book.connectors["link/k"].is_ring
    assert set(book.book.connectors["link/k"].members) == {"s3"}
    restored.add_day(2, [linked_day(2, *moved)])  # what is derived is the same after a restart
    assert set(restored.connectors["link/k"].members) == {"s3"}


def test_a_ring_that_no_longer_stands_without_its_strongest_raises_no_alert() -> None:
    book, policy, market = Book(), AlertPolicy(3.0, "digest"), MarketTotals()
    book.day(1, linked_day(1, *(linked(f"s{number}", 5.0, 1) for number in range(4))))
    view, connector = book.reported[-1], book.book.connectors["link/k"]
    assert ring_alerts.evaluate(policy, view, connector.latest, market, 1)
    connector.alerted_at, connector.finding = {}, None
    weak = [linked("s0", 9.0, 2), linked("s1", 2.3, 2), linked("s2", -5.0, 2), linked("s3", -5.0, 2)]
    book.day(2, linked_day(2, *weak))
    assert connector.is_ring  # its odds are more than even
    assert ring_alerts.evaluate(policy, book.reported[-1], connector.latest, market, 2) == []


def test_a_ring_that_fell_apart_is_not_named_after_cleared_staff() -> None:
    book = Book()
    others = {f"t{number}": (1, 0.2) for number in range(60)}
    book.day(1, staff_day(0, 1, others, "desk"), flips=60, expected=60.0)  # other sellers of the market
    book.day(1, staff_day(0, 1, CLIENTS), flips=30, expected=20.0)
    book.day(2, linked_day(2, *(linked(name, 5.0, 2) for name in CLIENTS)))
    first = book.book.connectors["staff/a"]
    assert book.book.connectors["link/k"].part_of == first.name
    book.rings.clear_staff(VerdictDecision(3 * DAY, "a", "dismissed", 0.0), 3)
    assert [one.name for one in book.reported[-1].connectors] == ["link/k"]
    book.day(4, linked_day(4, *(linked(name, -3.0, 4) for name in CLIENTS)))
    assert not first.is_ring
    assert [one.id for one in ring_alerts.fields_of(book.reported[-1]).connectors] == ["k"]
