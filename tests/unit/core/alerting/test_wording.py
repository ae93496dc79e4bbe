"""Explanations in words: lists, numbers of one, what is kept, payment without evidence, ids with hidden characters."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pytest

from stream.contract.alerts import Alert, ConnectorRef, Payment, Subject
from stream.core.alerting import part_texts, wording
from stream.core.evidence.parts import Part
from tests import example_alerts, example_rings
from tests.unit.test_texts import HIDDEN


def _alerts() -> list[Alert]:
    lines = [
        *example_alerts.FILE.read_bytes().splitlines()[:2],
        *gzip.decompress(example_rings.ALERTS.read_bytes()).splitlines(),
    ]
    return [msgspec.json.decode(line, type=Alert) for line in lines]


SELLER, STAFF = _alerts()[:2]
RING = next(alert for alert in _alerts() if alert.subject.type == "ring")


def _rendered(alert: Alert, subject: Subject | None = None, **evidence: Any) -> str:
    found = msgspec.structs.replace(alert.evidence, **evidence)
    return wording.render(alert.kind, subject or alert.subject, found, by_authors=True)


def _payment(odds: float) -> str:
    return _rendered(SELLER, payment=Payment(odds, []))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_no_explanation_has_a_hidden_character(hidden: str) -> None:
    name = f"a{hidden}b"
    ring = RING.evidence.ring
    assert ring is not None
    ring = msgspec.structs.replace(ring, connectors=[ConnectorRef("staff", name), ConnectorRef("address", name)])
    texts = [
        _rendered(RING, Subject("ring", name), ring=ring),
        _rendered(SELLER, Subject("seller", name)),
        _rendered(STAFF, Subject("staff", name)),
        _rendered(STAFF, Subject("reviewer", name), flips=STAFF.evidence.flips + 1),
        wording.render_rating_shift(name, name, SELLER.evidence, 40),
    ]
    shown = f"a\\u{ord(hidden):04x}b" if hidden > "\xff" else f"a\\x{ord(hidden):02x}b"
    assert all(hidden not in text and shown in text for text in texts)


def test_what_ties_a_ring_is_a_list_with_one_and() -> None:
    ring = RING.evidence.ring
    assert ring is not None
    ties = [
        ConnectorRef("staff", "A"),
        ConnectorRef("address", "B"),
        ConnectorRef("bank_account", "C"),
        ConnectorRef("other", "D"),
    ]
    text = _rendered(RING, ring=msgspec.structs.replace(ring, connectors=ties))
    assert " tied by look-ups by staff member A, the address B, the bank account C and the link D; " in text


def test_an_explanation_says_of_how_many_reviews_details_are_kept() -> None:
    kept = SELLER.evidence.upgraded + SELLER.evidence.retracted
    text = _rendered(SELLER, flips=kept + 9)
    assert f"etails of {kept} of the turned reviews are kept; of these, authors deleted " in text
    assert "are kept" not in _rendered(SELLER, flips=kept)
    deletions = Part("deletions", 99.0, {"deleted": 1.0, "flips": 1.0, "peers_share": 0.2})
    first = _rendered(
        SELLER,
        flips=kept + 9,
        parts=[
            msgspec.convert(
                {
                    "name": "deletions",
                    "log_odds": 99.0,
                    "text": part_texts.render(deletions, True),
                    "numbers": deletions.numbers,
                },
                type(SELLER.evidence.parts[0]),
            )
        ],
    )
    assert first.startswith(f"Seller {SELLER.subject.id}: details of {kept} of the turned reviews are kept; of these, ")


@pytest.mark.parametrize("odds", [1.0, 1.049, 1 / 1.049])
def test_even_odds_of_payment_say_nothing(odds: float) -> None:
    assert "The marks of payment say nothing for or against it." in _payment(odds)
    assert "1.0 to 1" not in _payment(odds)


@pytest.mark.parametrize(
    ("odds", "sentence"),
    [
        (1.06, "Nothing clearly shows that they were bought (1.1 to 1)."),
        (1 / 1.06, "The marks of payment speak rather against it (1.1 to 1)."),
        (9.9, "Nothing clearly shows that they were bought (9.9 to 1)."),
        (10.0, "The changes look bought, 10.0 to 1"),
        (0.1, "The changes do not look bought, 10.0 to 1"),
    ],
)
def test_other_odds_of_payment_say_for_what(odds: float, sentence: str) -> None:
    assert sentence in _payment(odds)


def test_one_review_is_singular() -> None:
    assert ": 1 critical review turned within " in _rendered(SELLER, flips=1, parts=[])
    removed = msgspec.structs.replace(STAFF, kind="staff.removals")
    assert ": 1 critical review was removed by this staff member since " in _rendered(removed, flips=1, parts=[])
    assert ": 2 critical reviews were removed by this staff member since " in _rendered(removed, flips=2, parts=[])
    one = Part("count", 1.0, {"flips": 1.0, "expected": 0.2})
    assert part_texts.render(one, by_authors=True) == "1 review turned where peers have 0.2."
    assert part_texts.render(one, by_authors=False) == "1 review was removed where peers have 0.2."
    two = Part("count", 1.0, {"flips": 2.0, "expected": 0.2})
    assert part_texts.render(two, by_authors=False) == "2 reviews were removed where peers have 0.2."
