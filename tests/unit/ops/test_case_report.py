"""Measured precision: known quantiles, what counts, and what does not."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from scipy.stats import beta

from stream.core.cases import transitions
from stream.core.cases.alerts import with_alert
from stream.core.cases.book import CaseBook
from stream.core.cases.rules import CASE_RULES
from stream.core.model.encoding import encode
from stream.ops.case_report import PrecisionRow, interval, report
from stream.ops.case_samples import CaseCounts
from tests.analysts import verdict
from tests.sample_cases import HOUR, decided, seller_alert, seller_case, staff_case


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 0, 0.05, 0.95), (8, 10, 0.529913, 0.921180), (0, 10, 0.004652, 0.238404), (10, 10, 0.761596, 0.995348)],
)
def test_intervals_have_known_values(hits: int, count: int, low: float, high: float) -> None:
    assert interval(hits, count) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(("hits", "count"), [(1, 1), (3, 50), (49, 50), (400, 1000), (5000, 5000), (1, 3000)])
def test_intervals_are_those_of_the_beta_distribution(hits: int, count: int) -> None:
    expected = beta.ppf([0.05, 0.95], 1 + hits, 1 + count - hits)
    assert interval(hits, count) == pytest.approx(tuple(expected), rel=1e-9)


def test_a_verdict_in_force_counts_by_kind_and_severity() -> None:
    found = report(
        [
            *(decided(seller_case(f"c{number}")) for number in range(8)),
            decided(seller_case("e"), "explained", "product_fix"),
            decided(seller_case("d"), "dismissed"),
            decided(seller_case("low", severity="low"), "explained"),
            decided(staff_case()),
            decided(seller_case("i"), "inconclusive"),
            seller_case("open"),
        ]
    )
    contact = "seller.contact_flips"
    assert found.rows == [
        PrecisionRow(contact, "critical", 8, 1, 1, 0.8, *interval(8, 10)),
        PrecisionRow(contact, "low", 0, 1, 0, 0.0, *interval(0, 1)),
        PrecisionRow("staff.access_flips", "low", 1, 0, 0, 1.0, *interval(1, 1)),
        PrecisionRow(None, None, 9, 2, 1, 0.75, *interval(9, 12)),
    ]
    assert (found.inconclusive, found.undecided) == (1, 1)
    assert {name: count for name, count in found.stories.items() if count} == {"product_fix": 1, "none_given": 1}
    assert list(found.stories)[:3] == ["product_fix", "support_practice", "campaign"]


def test_a_contested_verdict_is_still_in_force_and_a_waiting_one_is_not() -> None:
    contested = decided(seller_case("a"), state="appealed")
    waiting = decided(seller_case("b"), state="open", waits_for_second=True)
    waiting.verdicts[0] = msgspec.structs.replace(waiting.verdicts[0], effect="waits_for_second")
    found = report([contested, waiting])
    assert (found.rows[-1].confirmed, found.undecided) == (1, 1)


def test_a_verdict_counts_under_what_was_judged() -> None:
    """A later alert, that nobody has judged yet, changes kind and severity of the case."""
    case = seller_case("a", severity="low")
    judged, _, _ = transitions.apply(
        case, verdict(case, case.opened_at + HOUR, "explained", story="campaign"), CASE_RULES
    )
    later = seller_alert("c" * 32, case.opened_at + 2 * HOUR, "a")
    again = with_alert(judged, msgspec.structs.replace(later, kind="seller.flips", severity="critical"), CASE_RULES)
    assert (again.state, again.kind, again.severity) == ("open", "seller.flips", "critical")
    first, _ = report([again]).rows
    assert (first.kind, first.severity, first.explained) == ("seller.contact_flips", "low", 1)
    book = CaseBook(CASE_RULES, Counter())
    book.load(again.case_id, encode(again))
    assert CaseCounts.of(book).verdicts == {("seller.contact_flips", "low", "explained"): 1}
    old = msgspec.structs.replace(again.verdicts[0], kind=None, severity=None)
    first, _ = report([msgspec.structs.replace(again, verdicts=[old])]).rows
    assert (first.kind, first.severity) == ("seller.flips", "critical")


def test_without_cases_the_precision_is_unknown() -> None:
    (row,) = report([]).rows
    assert row.precision is None
    assert (row.low, row.high) == pytest.approx((0.05, 0.95))
