"""Marks of payment: against peers' shares, bounded below, and only asked of flips that could bear them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import pytest

from stream.core.evidence.payment import payment_parts
from stream.core.model.flips import Flip
from stream.core.model.marks import MARKS, add_marks, no_marks

_FLIP = Flip(
    at=0.0, created_at=0.0, review_id="r", product_id="p", stars=3.0, retracted=False, incentive=False,
    contact_hours=None, group=0, actor_ids=(), without_purpose=False, stars_before=1, stars_after=4, channel=None,
    incentive_value=None, currency=None,
)  # fmt: skip
_DELETED = msgspec.structs.replace(_FLIP, retracted=True, stars_after=None)
_FIVE = msgspec.structs.replace(_FLIP, stars_after=5)
_OFFERED = msgspec.structs.replace(_FLIP, contact_hours=5.0, incentive=True)
_CONTACTED = msgspec.structs.replace(_FLIP, contact_hours=500.0)
_LOOKED_UP = msgspec.structs.replace(_FLIP, actor_ids=("a",))
_WITHOUT_PURPOSE = msgspec.structs.replace(_LOOKED_UP, without_purpose=True)


def _peers(*flips: Flip) -> list[float]:
    sums = no_marks()
    for flip in flips:
        add_marks(sums, flip, 1.0)
    return sums


_PEERS = _peers(*[_DELETED, _FIVE, _FLIP, _FLIP, _FLIP] * 40, *[_OFFERED, *[_CONTACTED] * 9] * 20)


def _odds(flips: list[Flip], peers: list[float], products: Mapping[str, int] | None = None) -> dict[str, float]:
    return {part.name: part.log_odds for part in payment_parts(flips, peers, products or {})}


@pytest.mark.parametrize(
    ("name", "marked", "plain"),
    [
        ("deleted", _DELETED, _FLIP),
        ("five_stars", _FIVE, _FLIP),
        ("value_offered", _OFFERED, _CONTACTED),
        ("soon_after_contact", _OFFERED, _CONTACTED),
        ("no_purpose", _WITHOUT_PURPOSE, _LOOKED_UP),
    ],
)
def test_a_mark_speaks_for_payment_if_it_is_more_frequent_than_among_peers(
    name: str, marked: Flip, plain: Flip
) -> None:
    found = [_odds([marked] * count + [plain] * (20 - count), _PEERS)[name] for count in range(21)]
    assert found == sorted(found)
    assert found[20] > math.log(3)
    assert -math.log(2) <= found[0] < 0, "a mark that is missing counts against payment, but not every payer leaves it"


def test_marks_that_are_usual_in_the_market_say_little() -> None:
    usual = _odds([_DELETED] * 20, _peers(*[_DELETED] * 90, *[_FLIP] * 10))
    unusual = _odds([_DELETED] * 20, _peers(*[_DELETED] * 10, *[_FLIP] * 90))
    assert usual["deleted"] < math.log(2) < math.log(20) < unusual["deleted"]


def test_only_marks_that_the_flips_could_bear_are_asked() -> None:
    assert set(_odds([_DELETED], _PEERS)) == {"deleted"}
    assert set(_odds([_FLIP], _PEERS)) == {"deleted", "five_stars"}
    assert set(_odds([_OFFERED, _LOOKED_UP], _PEERS)) == set(MARKS)
    assert _odds([msgspec.structs.replace(_OFFERED, contact_hours=31 * 24.0)], _PEERS).keys() == {
        "deleted",
        "five_stars",
    }


def test_few_flips_of_peers_decide_less() -> None:
    few, many = (_odds([_DELETED] * 10, _peers(*[_DELETED, *[_FLIP] * 4] * count))["deleted"] for count in (1, 1000))
    assert few < 0.8 * many


def _on(*products: str) -> list[Flip]:
    return [msgspec.structs.replace(_FLIP, product_id=product) for product in products]


def test_flips_of_one_product_among_many_speak_for_a_repair() -> None:
    open_reviews = {"a": 10, "b": 10, "c": 10, "d": 10}
    repaired = _odds(_on(*"aaaaaaaaaa"), _PEERS, open_reviews)["spread"]
    even = _odds(_on(*"abcdabcdab"), _PEERS, open_reviews)["spread"]
    assert -math.log(2) <= repaired < -0.6
    assert 0.2 < even < math.log(2)


@pytest.mark.parametrize(("flips", "products"), [("aaaa", {"a": 5}), ("a", {"a": 5, "b": 5}), ("abab", {})])
def test_nothing_is_said_of_products_without_a_choice(flips: str, products: dict[str, int]) -> None:
    assert "spread" not in _odds(_on(*flips), _PEERS, products)
