"""Innocent explanations: what befalls honest sellers is told from cheating, and cheats are still found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from librt.vecs import vec

from stream.alerts import Alert
from stream.core.bands import ARMS, CONTACTED, DAY, OLD, RIPE
from stream.core.births import Births
from stream.core.detector import Detector
from stream.core.evidence import Known
from stream.core.excuses import crowds, surges
from stream.core.past import COLUMNS, LEAD, log_prior
from stream.core.watches import SCALES, SELLER_PRIOR
from stream.events import AnyEvent
from stream.market import simulate

_DECODER = msgspec.json.Decoder(AnyEvent)


def alerts(detector: Detector, market: simulate.Market) -> Iterator[Alert]:
    for line in market.lines:
        event = _DECODER.decode(line)
        yield from detector.apply(event, event.occurred_at.timestamp())


def days(births: Births, counts: list[int], first: int = 0) -> list[bool]:
    """Whether each birth was one too many, so many on each day."""
    return [births.count((first + day) * DAY + at) for day, count in enumerate(counts) for at in range(count)]


def test_a_bomb_is_more_than_chance_within_two_days() -> None:
    births = Births(0)
    assert not any(days(births, [3] * 30))
    bombed = days(births, [60], first=30)
    # Two usual days are 6: 6 + 5 sqrt(6) + 5 is 23.2, and 3 had come yesterday.
    assert bombed.index(True) == 20
    assert all(bombed[20:])
    assert not any(days(births, [3] * 10, first=32))


def test_who_has_not_been_seen_for_a_week_has_no_usual() -> None:
    assert not any(days(Births(0), [50, 80, 20]))


def test_a_bomb_does_not_become_what_is_usual() -> None:
    births = Births(0)
    days(births, [3] * 30 + [500])
    days(births, [3] * 5, first=31)
    assert any(days(births, [60], first=36))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(0, 59))
def test_births_are_what_their_numbers_are(counts: list[int], cut: int) -> None:
    whole, first = Births(0), Births(0)
    told = days(whole, counts)
    head = days(first, counts[:cut])
    second = Births(first.day, first.today, first.yesterday, first.bombed, first.usual, first.seen_days)
    assert head + days(second, counts[cut:], first=min(cut, len(counts))) == told


def window(at_days: list[float], arm: int, born_days: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """A history of flips in one arm on those days, a tenth of a flip expected a day; and the totals after them."""
    rows = np.zeros((len(at_days) + 1, COLUMNS))
    for number, day in enumerate([*at_days, at_days[-1]]):
        rows[number, :LEAD] = day * DAY, log_prior(DAY), born_days[number % len(at_days)] * DAY
        rows[number, LEAD + arm] = number
        rows[number, [LEAD + ARMS + arm, LEAD + 2 * ARMS + arm]] = day / 10
    return rows[:-1], rows[-1, LEAD:]


def weighed(history: np.ndarray, totals: np.ndarray) -> list[float]:
    """What the watches say, after a past in which all was as expected."""
    for row in (history[:, LEAD:], totals):
        row[..., [OLD, ARMS + OLD, 2 * ARMS + OLD]] = 20
    return SCALES.weigh(vec[float](history.ravel()), totals.tolist(), Known(*SELLER_PRIOR, 0.2)).log_odds


def by_window(excuse: Any, times: np.ndarray, history: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """What an excuse takes out of each window."""
    sums = np.vstack((history[:, LEAD:], totals)).ravel()
    return np.asarray(excuse(vec[float](times), vec[float](sums), ARMS)).reshape(len(history), -1)


def test_a_surge_is_the_busiest_ten_days_of_what_follows() -> None:
    at_days = [0.0, 1, 2, 3, 40, 41, 90]
    history, totals = window(at_days, RIPE, at_days)
    found = by_window(surges, history[:, 0], history, totals)
    assert found[:, RIPE].tolist() == [4, 3, 2, 2, 2, 1, 1]
    assert found[0, ARMS + RIPE] == pytest.approx(0.3)  # three days' worth: not what came until the next flip


def test_a_surge_is_no_evidence_and_what_goes_on_is() -> None:
    def log_odds(step_days: float) -> list[float]:
        at_days = [step_days * number for number in range(20)]
        history, totals = window(at_days, CONTACTED, [10 * day for day in at_days])
        return weighed(history, totals)

    at_once, for_a_month = log_odds(0.5), log_odds(1.5)
    assert at_once[0] < 0 < for_a_month[0]
    assert at_once[1] > 10  # who compares arms needs no such excuse


def test_a_crowd_is_those_who_were_born_together() -> None:
    history, totals = window([5.0, 6, 7, 8, 9], RIPE, [0.0, 1, -9, 2.5, 4])
    found = by_window(crowds, history[:, 2], history, totals)
    assert found[:, RIPE].tolist() == [3, 3, 2, 2, 1]
    assert not found[:, ARMS : 3 * ARMS].any()


def test_the_flips_of_a_crowd_are_no_evidence() -> None:
    def log_odds(apart_days: float) -> float:
        at_days = [1.5 * number for number in range(20)]
        history, totals = window(at_days, CONTACTED, [apart_days * number for number in range(20)])
        return weighed(history, totals)[1]

    assert log_odds(0.1) < 0 < log_odds(1.0)


#: What befalls a fifth of the sellers, or all. Of 120 one may be accused by chance; without their excuse bombs have
#: raised alerts about seven of 150.
TRAPS = ("bomb", "fix", "mass_reply", "superb", "season", "desk")


@pytest.mark.slow
@pytest.mark.parametrize("trap", TRAPS)
def test_what_befalls_honest_sellers_is_not_held_against_them(trap: str) -> None:
    detector = Detector(3, "digest")
    market = simulate.simulate(trap, 20, 120, 200)
    accused = {alert.subject.id for alert in alerts(detector, market) if alert.subject.type != "product"}
    assert len(accused) <= 1
    assert (detector.counts["bombed"] > 0) == (trap == "bomb")
    assert (detector.norm.lift(0.0, 0.0) > 1.2) == (trap == "desk")
