"""Staff watches: insiders are found, sweeps are not accused, and insider clients are accused with less evidence."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from librt.vecs import vec

from stream.contract.alerts import Alert
from stream.contract.events import AnyEvent
from stream.core.baseline.market_totals import MarketTotals
from stream.core.evidence.insider_clients import LOG_CLIENT_ODDS, only_linked_flips
from stream.core.evidence.watches import CLIENT_MODEL, SELLER_PRIOR, STAFF_SLACK, log_threshold
from stream.core.evidence.window_factors import Prior
from stream.core.messages.reports import ReportedFlip
from stream.core.model.flip_windows import N_COLUMNS, N_META_COLUMNS, N_STAFF_COLUMNS, log_start_prior
from stream.core.model.flips import Flip
from stream.core.model.strata import CONTACTED, DAY, LOOKED_UP, N_GROUPS
from stream.core.staff.history import StaffHistory
from stream.core.staff.watches import STAFF_MODEL, STAFF_WATCHES, lookup_level_flips
from stream.market import simulate
from stream.offline.local_bus import LocalTasks

_DECODER = msgspec.json.Decoder(AnyEvent)


def alerts(tasks: LocalTasks, market: simulate.Market) -> Iterator[Alert]:
    for line in market.lines:
        event = _DECODER.decode(line)
        yield from tasks.apply(event, event.occurred_at.timestamp())


def removed(at: float) -> ReportedFlip:
    flip = Flip(at, at - 9 * DAY, f"r{at}", "p", 1.0, False, False, None, 0, (), False, 3, 4, None, None, None)
    return ReportedFlip("s", f"e{at}", None, flip)


def log_odds(critical: list[bool], others_critical: float) -> float:
    """Return ln R of a staff member who removes three reviews a day, critical or not."""
    market = MarketTotals(removed=1000.0, critical=1000 * others_critical)
    history = StaffHistory(version=1, actor_id="a", first_seen=-30 * DAY)
    for day in range(len(critical) // 3):
        of_day = critical[3 * day : 3 * day + 3]
        findings = [removed((day + n / 3) * DAY) for n, is_critical in enumerate(of_day) if is_critical]
        history.removals.add(findings, -30 * DAY, one_window=True)
        history.removals.expected += len(of_day) * market.critical_share(history.critical, history.removed, 1.0)
        history.removals.expected_long_run = history.removals.expected
    removals = history.removals
    return STAFF_MODEL.evaluate(
        removals.packed_rows(), removals.totals(), STAFF_WATCHES[1].prior(history, market, 0)
    ).log_odds[0]


def test_share_of_critical_removals_accuses_and_not_their_number() -> None:
    only_critical, as_others = [True] * 90, [True, False, False, False] * 60
    assert log_odds(only_critical, 0.25) > log_threshold(3, STAFF_SLACK)
    assert log_odds(as_others, 0.25) < 0
    assert log_odds(only_critical, 0.95) < 0  # all moderators remove mostly critical reviews


def test_busy_moderator_has_a_window_a_day_and_all_removals_count() -> None:
    removals = StaffHistory(version=1, actor_id="a", first_seen=0.0).removals
    for day in range(50):
        removals.add([removed((day + n / 10) * DAY) for n in range(10)], 0.0, one_window=True)
    assert len(removals.history) == 50
    assert len(removals.latest) == 60
    count, kept = removals.since_window(0)
    assert (count, len(kept)) == (500, 60)


def test_removals_are_compared_with_removals_of_others() -> None:
    market = MarketTotals(removed=500.0, critical=500.0)
    own = StaffHistory(version=1, actor_id="a", first_seen=0.0, removed=500.0, critical=500.0)
    assert market.critical_share(own.critical, own.removed, 1.0) == 0.5  # no removals by others
    assert market.critical_share(0.0, 0.0, 1.0) > 0.99


def test_staff_levels_differ_little() -> None:
    """Three times as many flips as expected accuse if the expectation is well known; one and a half times does not."""
    rows = np.zeros((61, N_STAFF_COLUMNS))
    rows[:, 0], rows[:, 1], rows[:, 2] = np.arange(61) * 2 * DAY, log_start_prior(2 * DAY), np.arange(61) * 5 * DAY
    rows[:, N_META_COLUMNS] = np.arange(61)

    def accused(times: float, flips_of_others: float) -> bool:
        rows[:, N_META_COLUMNS + 1] = rows[:, N_META_COLUMNS + 2] = np.arange(61) / times
        level_flips = lookup_level_flips(flips_of_others)
        result = STAFF_MODEL.evaluate(
            vec[float](rows[:-1].ravel()), rows[-1, N_META_COLUMNS:].tolist(), Prior(level_flips, level_flips, 0.2)
        )
        return result.log_odds[0] > log_threshold(3, STAFF_SLACK)

    assert accused(3.0, flips_of_others=1000.0)
    assert not accused(3.0, flips_of_others=3.0)
    assert not accused(1.5, flips_of_others=1000.0)


def test_only_flips_linked_to_accused_staff_count_against_a_client() -> None:
    rows = np.zeros((5, N_COLUMNS))
    rows[:, 0], rows[:, 1] = np.arange(5) * DAY, log_start_prior(DAY)
    rows[:, N_META_COLUMNS + LOOKED_UP] = [0, 1, 1, 2, 3]
    rows[:, N_META_COLUMNS + CONTACTED] = [0, 0, 1, 1, 1]
    rows[:, N_META_COLUMNS + 3 * N_GROUPS + LOOKED_UP] = [0, 1, 1, 1, 2]
    rows[:, [N_META_COLUMNS + N_GROUPS + LOOKED_UP, N_META_COLUMNS + 2 * N_GROUPS + LOOKED_UP]] = np.arange(5)[:, None]
    history, totals = rows[:-1], rows[-1, N_META_COLUMNS:]
    linked_only = only_linked_flips(vec[float](history.ravel()), totals.tolist(), [True, True, False, True])
    in_window = totals - np.array(linked_only).reshape(-1, N_COLUMNS)[:, N_META_COLUMNS:]
    assert in_window[:, LOOKED_UP].tolist() == [2, 1, 1, 1]
    assert in_window[:, 3 * N_GROUPS + LOOKED_UP].tolist() == [2, 1, 1, 1]
    assert in_window[:, N_GROUPS + LOOKED_UP].tolist() == [4, 3, 2, 1]
    assert (in_window[:, CONTACTED] == totals[CONTACTED] - history[:, N_META_COLUMNS + CONTACTED]).all()


def test_client_of_accused_staff_is_accused_with_less() -> None:
    """Eight flips where two are expected: more evidence if accused staff are linked to them."""
    rows = np.zeros((9, N_COLUMNS))
    rows[:, 0], rows[:, 1], rows[:, 2] = np.arange(9) * 5 * DAY, log_start_prior(5 * DAY), np.arange(9) * 5 * DAY
    rows[:, N_META_COLUMNS + LOOKED_UP] = np.arange(9)
    rows[:, [N_META_COLUMNS + N_GROUPS + LOOKED_UP, N_META_COLUMNS + 2 * N_GROUPS + LOOKED_UP]] = (
        np.arange(9)[:, None] / 4
    )

    def log_odds_if(linked: bool) -> float:
        totals = rows[-1, N_META_COLUMNS:].tolist()
        history = only_linked_flips(vec[float](rows[:-1].ravel()), totals, [linked] * 8)
        return CLIENT_MODEL.evaluate(history, totals, Prior(*SELLER_PRIOR, 0.2)).log_odds[0] + LOG_CLIENT_ODDS

    assert log_odds_if(linked=False) < log_odds_if(linked=True)


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [pytest.param(1, marks=pytest.mark.long), 8])
@pytest.mark.parametrize(("scenario", "kind"), [("access", "staff.access_flips"), ("removals", "staff.removals")])
def test_insiders_are_accused(scenario: str, kind: str, tasks: int) -> None:
    market = simulate.simulate(scenario, 3, 120, 200)
    insiders = {cheat.actor_id for cheat in market.truth if cheat.actor_id and cheat.paid_flips >= 20}
    raised = list(alerts(LocalTasks(3, "digest", tasks), market))
    found = {alert.subject.id: alert for alert in raised if alert.subject.type == "staff"}
    assert insiders <= found.keys()
    assert len(found.keys() - insiders) <= 1  # by chance: of 40 staff members one, in about one market of ten
    clients = [alert for alert in raised if "accused over other sellers" in alert.explanation]
    assert bool(clients) == (scenario == "access")
    assert {alert.subject.id for alert in clients} <= {cheat.seller_id for cheat in market.truth}
    alert = next(iter(found.values()))
    assert alert.kind == kind
    assert ("look-up" if kind == "staff.access_flips" else "removed") in alert.explanation
    assert alert.evidence.flips > alert.evidence.expected
    assert alert.recommended_action in {"watch", "investigate", "revoke_access", "refer_to_legal"}


@pytest.mark.slow
def test_sweep_accuses_no_staff() -> None:
    market = simulate.simulate("sweep", 20, 120, 200)
    assert not [alert for alert in alerts(LocalTasks(3, "digest", 1), market) if alert.subject.type == "staff"]
