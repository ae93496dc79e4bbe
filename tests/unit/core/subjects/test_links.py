"""Links of a seller: the latest ones are kept, they survive a restore, and by themselves they move no number."""

from __future__ import annotations

import datetime as dt
from typing import Final, get_args

import msgspec

from stream.contract.events import AnyEvent, Event, Relation, ReviewCreated, SellerLinked
from stream.core.detector import Detector
from stream.core.messages.reports import DayReport
from stream.core.model.strata import DAY, FOLLOW_UP_SECONDS
from stream.core.state import codec
from stream.core.subjects.seller import MAX_LINKS_PER_SELLER
from stream.market import simulate
from stream.ops.trust import TaskSize
from stream.task_views import _families
from tests.analysts import verdict
from tests.sample_cases import seller_alert

START: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
_BUDGET: Final = 1000.0  # many alerts


def link(link_id: str, days: float = 0.0, seller: str = "s", relation: Relation = "owner", event_id: str = "") -> Event:
    at = START + dt.timedelta(days=days)
    return SellerLinked(
        event_id=event_id or f"{seller}-{link_id}", occurred_at=at, seller_id=seller, link_id=link_id, relation=relation
    )


def created(days: float, rating: int = 1, seller: str = "s") -> Event:
    ids = {"event_id": f"c{days}", "seller_id": seller, "review_id": f"r{days}", "product_id": "p", "reviewer_id": "u"}
    fields = ids | {"occurred_at": START + dt.timedelta(days=days), "rating": rating}
    return msgspec.convert(fields, ReviewCreated)


def applied(*events: Event, to: Detector | None = None) -> Detector:
    detector = to or Detector(_BUDGET, "digest")
    for event in events:
        detector.apply(event, event.occurred_at.timestamp())
    return detector


def restored(detector: Detector) -> Detector:
    other = Detector(_BUDGET, "digest")
    other.rows.restore((key, value) for key, value in detector.rows.changed() if value is not None)
    return other


def links_of(detector: Detector, seller: str = "s") -> list[tuple[str, str]]:
    return list(detector.state.sellers[seller].links.items())


def test_a_report_holds_the_links_of_its_day_also_if_it_is_sent_later() -> None:
    """In a backlog a task applies many days before it sends its messages."""
    detector = applied(created(0), link("l1", 1), created(3), link("l2", 4), created(5))
    reports = [
        report for message in detector.take_outbox() if isinstance(message, DayReport) for report in message.linked
    ]
    assert [sorted(report.links) for report in reports] == [["l1"], ["l1", "l2"]]


def test_each_relation_is_kept() -> None:
    relations: tuple[Relation, ...] = get_args(Relation)
    detector = applied(*(link(f"l-{relation}", relation=relation) for relation in relations))
    assert links_of(detector) == [(f"l-{relation}", relation) for relation in relations]


def test_the_latest_links_are_kept() -> None:
    detector = applied(*(link(f"l{number}", number) for number in range(MAX_LINKS_PER_SELLER)))
    assert len(links_of(detector)) == MAX_LINKS_PER_SELLER == 16
    assert detector.state.counts["dropped_link"] == 0
    applied(link("l0", 20, event_id="again"), link("new", 21), to=detector)
    assert detector.state.counts["dropped_link"] == 1
    assert [name for name, _ in links_of(detector)] == [*(f"l{number}" for number in range(2, 16)), "l0", "new"]


def test_links_of_one_relation_do_not_drive_out_those_of_another() -> None:
    """A login from a new device each week must not make the platform's bank accounts unknown."""
    detector = applied(
        link("account", relation="bank_account"),
        link("home", 1, relation="address"),
        *(link(f"d{number}", 2 + number, relation="device") for number in range(40)),
    )
    names = [name for name, _ in links_of(detector)]
    assert names == ["account", "home", *(f"d{number}" for number in range(26, 40))]
    assert detector.state.counts["dropped_link"] == 26


def test_a_later_relation_replaces_an_earlier_one() -> None:
    detector = applied(link("l1"), link("l1", 1, relation="device", event_id="again"))
    assert links_of(detector) == [("l1", "device")]


def test_a_second_delivery_is_dropped_and_one_id_may_serve_all_links_of_a_seller() -> None:
    batch = [link("l1", event_id="batch"), link("l2", event_id="batch"), link("l1", seller="t", event_id="batch")]
    detector = applied(*batch, *batch)
    assert (detector.state.counts["applied"], detector.state.counts["duplicate"]) == (3, 3)
    assert detector.state.counts["event_id_used_again"] == 0
    assert [name for name, _ in links_of(detector)] == ["l1", "l2"]
    assert links_of(detector, "t") == [("l1", "owner")]


def test_links_survive_a_restore() -> None:
    detector = applied(*(link(f"l{number}", number) for number in range(20)), created(21), link("t1", 22, "t"))
    again = restored(detector)
    assert again.rows.digest() == detector.rows.digest()
    assert links_of(again) == links_of(detector)
    more = [link("l30", 30), created(31, seller="t")]
    assert applied(*more, to=again).rows.digest() == applied(*more, to=detector).rows.digest()


def test_sellers_of_rows_do_not_share_their_links() -> None:
    seller = applied(created(0)).state.sellers["s"]
    first, second = (codec.seller_of("s", codec.seller_row(seller)) for _ in range(2))
    first.add_link("l1", "owner")
    assert second.links == {}


def test_a_new_link_changes_the_sellers_row() -> None:
    detector = applied(created(0))
    detector.rows.changed()
    applied(link("l1", 1), to=detector)
    assert b"s/s" in dict(detector.rows.changed())


def test_a_seller_with_links_alone_is_dropped_after_two_years() -> None:
    years = FOLLOW_UP_SECONDS / DAY
    detector = applied(link("l1"), link("l2", years - 1), link("l1", 100, "t"), created(101, seller="t"))
    assert set(detector.state.sellers) == {"s", "t"}
    applied(link("l3", years + 31, "other"), to=detector)
    assert set(detector.state.sellers) == {"t", "other"}
    assert dict(detector.rows.changed())[b"s/s"] is None


def test_a_seller_with_links_alone_is_nothing_to_compare() -> None:
    detector = applied(link("l1", seller="only"), created(10), created(20, rating=5, seller="happy"))
    assert TaskSize.of(detector) == TaskSize(sellers=1, flips=0, days=10.0)
    assert _families(detector, _BUDGET)["sellers"].subjects == 1


def test_a_seller_begins_with_its_first_critical_review() -> None:
    linked = applied(created(0, seller="t"), link("l1", 1), created(100))
    plain = applied(created(0, seller="t"), created(100))
    linked.state.sellers["s"].links.clear()
    linked.state.sellers["s"].linked_report = None
    assert codec.seller_row(linked.state.sellers["s"]) == codec.seller_row(plain.state.sellers["s"])


def test_a_verdict_changes_nothing_of_a_seller_that_has_links_alone() -> None:
    """A case outlives its seller, which is dropped after two years; a later link makes the seller again."""
    detector = applied(link("l1"), created(1, seller="t"))
    for seller in ("s", "t"):
        detector.state.cases.on_alert(seller_alert("a" * 32, START, seller))
    for case in list(detector.state.cases.cases.values()):
        applied(verdict(case, START + dt.timedelta(days=2), "confirmed", second="ben"), to=detector)
    assert [case.state for case in detector.state.cases.cases.values()] == ["decided", "decided"]
    assert detector.state.sellers["s"].verdict is None
    assert detector.state.sellers["t"].verdict is not None


def test_links_move_no_number() -> None:
    """Every seller gets a link at the first event of the market, most of them before their first critical review."""
    lines, _ = simulate.market("bribes", 3, 30, 120)
    first, *later = [msgspec.convert(line, AnyEvent) for line in lines]
    linked, plain = Detector(_BUDGET, "digest"), Detector(_BUDGET, "digest")
    applied(first, to=linked)
    applied(first, to=plain)
    for seller_id in {event.key for event in later}:
        applied(msgspec.structs.replace(link("l1", seller=seller_id), occurred_at=first.occurred_at), to=linked)
    alerts = 0
    for event in later:
        at = event.occurred_at.timestamp()
        found = [msgspec.structs.replace(alert, state_digest="") for alert in linked.apply(event, at)]
        assert found == [msgspec.structs.replace(alert, state_digest="") for alert in plain.apply(event, at)]
        alerts += len(found)
    assert alerts > 0
    assert codec.baseline_row(linked.state.baseline) == codec.baseline_row(plain.state.baseline)
    for seller_id, seller in plain.state.sellers.items():
        assert linked.state.sellers[seller_id].links == {"l1": "owner"}
        linked.state.sellers[seller_id].links.clear()
        linked.state.sellers[seller_id].linked_report = None
        assert codec.seller_row(linked.state.sellers[seller_id]) == codec.seller_row(seller)
