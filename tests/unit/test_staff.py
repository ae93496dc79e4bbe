"""Staff: who sells look-ups or removals is found, who sweeps is not, and clients of the accused are looked at twice."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from librt.vecs import vec

from stream.alerts import Alert
from stream.core.bands import ARMS, CONTACTED, DAY, LOOKED_UP
from stream.core.clients import CLIENT_ODDS, as_client
from stream.core.dossiers import Dossier
from stream.core.evidence import Known
from stream.core.flips import Flip
from stream.core.panel import Market
from stream.core.past import COLUMNS, LEAD, STAFF_COLUMNS, log_prior
from stream.core.reports import Told
from stream.core.watches import (
    CLIENT_SCALES,
    REMOVALS_PRIOR,
    SELLER_PRIOR,
    STAFF_SCALES,
    STAFF_SLACK,
    log_threshold,
    staff_prior,
)
from stream.events import AnyEvent
from stream.exchange import Tasks
from stream.market import simulate

_DECODER = msgspec.json.Decoder(AnyEvent)


def alerts(tasks: Tasks, market: simulate.Market) -> Iterator[Alert]:
    for line in market.lines:
        event = _DECODER.decode(line)
        yield from tasks.apply(event, event.occurred_at.timestamp())


def removed(at: float) -> Told:
    flip = Flip(at, at - 9 * DAY, f"r{at}", 1.0, False, False, None, 0, ())
    return Told("s", f"e{at}", None, flip)


def log_odds(critical: list[bool], others_critical: float) -> float:
    """ln R of a member of staff who removes three reviews a day, critical or not."""
    market = Market(removed=1000.0, critical=1000 * others_critical)
    dossier = Dossier(version=1, actor_id="a", first_seen=-30 * DAY)
    for day in range(len(critical) // 3):
        bad = critical[3 * day : 3 * day + 3]
        dossier.removals.add([removed((day + n / 3) * DAY) for n, one in enumerate(bad) if one], -30 * DAY, once=True)
        dossier.removals.expected += len(bad) * market.critical_share(dossier, 1.0)
        dossier.removals.expected_long = dossier.removals.expected
    account = dossier.removals
    return STAFF_SCALES.weigh(account.rows(), account.totals(), Known(*REMOVALS_PRIOR, 0.0)).log_odds[0]


def test_it_is_not_how_much_is_removed_but_what() -> None:
    only_bad, as_others = [True] * 90, [True, False, False, False] * 60
    assert log_odds(only_bad, 0.25) > log_threshold(3, STAFF_SLACK)
    assert log_odds(as_others, 0.25) < 0
    assert log_odds(only_bad, 0.95) < 0  # where moderators are only asked about bad reviews


def test_a_busy_remover_has_a_past_and_what_is_said_of_it_is_counted() -> None:
    dossier = Dossier(version=1, actor_id="a", first_seen=0.0)
    account = dossier.removals
    for day in range(50):
        account.add([removed((day + n / 10) * DAY) for n in range(10)], 0.0, once=True)
    assert len(account.history) == 50
    assert len(account.latest) == 60
    count, kept = account.since(0)
    assert (count, len(kept)) == (500, 60)


def test_what_somebody_removed_is_compared_with_others_removals() -> None:
    market = Market(removed=500.0, critical=500.0)
    own = Dossier(version=1, actor_id="a", first_seen=0.0, removed=500.0, critical=500.0)
    assert market.critical_share(own, 1.0) == 0.5  # nobody else has removed any
    assert market.critical_share(Dossier(version=1, actor_id="b", first_seen=0.0), 1.0) > 0.99


def test_staff_differ_little_in_what_flips_of_what_they_looked_up() -> None:
    """Three times as much as is usual accuses, if it is known what is usual; half as much again does not."""
    rows = np.zeros((61, STAFF_COLUMNS))
    rows[:, 0], rows[:, 1], rows[:, 2] = np.arange(61) * 2 * DAY, log_prior(2 * DAY), np.arange(61) * 5 * DAY
    rows[:, LEAD] = np.arange(61)

    def accused(times: float, known_flips: float) -> bool:
        rows[:, LEAD + 1] = rows[:, LEAD + 2] = np.arange(61) / times
        weights = STAFF_SCALES.weigh(
            vec[float](rows[:-1].ravel()), rows[-1, LEAD:].tolist(), Known(*staff_prior(known_flips), 0.2)
        )
        return weights.log_odds[0] > log_threshold(3, STAFF_SLACK)

    assert accused(3.0, known_flips=1000.0)
    assert not accused(3.0, known_flips=3.0)
    assert not accused(1.5, known_flips=1000.0)


def test_only_what_may_have_been_sold_counts_against_a_client() -> None:
    rows = np.zeros((5, COLUMNS))
    rows[:, 0], rows[:, 1] = np.arange(5) * DAY, log_prior(DAY)
    rows[:, LEAD + LOOKED_UP] = [0, 1, 1, 2, 3]
    rows[:, LEAD + CONTACTED] = [0, 0, 1, 1, 1]
    rows[:, LEAD + 3 * ARMS + LOOKED_UP] = [0, 1, 1, 1, 2]
    rows[:, [LEAD + ARMS + LOOKED_UP, LEAD + 2 * ARMS + LOOKED_UP]] = np.arange(5)[:, None]
    history, totals = rows[:-1], rows[-1, LEAD:]
    client = as_client(vec[float](history.ravel()), totals.tolist(), [True, True, False, True])
    left = totals - np.array(client).reshape(-1, COLUMNS)[:, LEAD:]
    assert left[:, LOOKED_UP].tolist() == [2, 1, 1, 1]
    assert left[:, 3 * ARMS + LOOKED_UP].tolist() == [2, 1, 1, 1]
    assert left[:, ARMS + LOOKED_UP].tolist() == [4, 3, 2, 1]
    assert (left[:, CONTACTED] == totals[CONTACTED] - history[:, LEAD + CONTACTED]).all()


def test_a_client_of_accused_staff_is_accused_with_less() -> None:
    """Eight sold flips where one was expected: too few of themselves, enough for a client."""
    rows = np.zeros((9, COLUMNS))
    rows[:, 0], rows[:, 1], rows[:, 2] = np.arange(9) * 5 * DAY, log_prior(5 * DAY), np.arange(9) * 5 * DAY
    rows[:, LEAD + LOOKED_UP] = np.arange(9)
    rows[:, [LEAD + ARMS + LOOKED_UP, LEAD + 2 * ARMS + LOOKED_UP]] = np.arange(9)[:, None] / 4

    def weighed(sold: bool) -> float:
        totals = rows[-1, LEAD:].tolist()
        history = as_client(vec[float](rows[:-1].ravel()), totals, [sold] * 8)
        return CLIENT_SCALES.weigh(history, totals, Known(*SELLER_PRIOR, 0.2)).log_odds[0] + CLIENT_ODDS

    assert weighed(sold=False) < weighed(sold=True)


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [1, 8])
@pytest.mark.parametrize(("scenario", "kind"), [("access", "staff.access_flips"), ("removals", "staff.removals")])
def test_staff_who_sell_are_accused(scenario: str, kind: str, tasks: int) -> None:
    market = simulate.simulate(scenario, 3, 120, 200)
    rogues = {cheat.actor_id for cheat in market.truth if cheat.actor_id and cheat.paid_flips >= 20}
    raised = list(alerts(Tasks(3, "digest", tasks), market))
    found = {alert.subject.id: alert for alert in raised if alert.subject.type == "staff"}
    assert rogues <= found.keys()
    assert len(found.keys() - rogues) <= 1  # of 40, by chance: in one market of ten, or so
    clients = [alert for alert in raised if "stand accused over other sellers" in alert.explanation]
    assert bool(clients) == (scenario == "access")
    assert {alert.subject.id for alert in clients} <= {cheat.seller_id for cheat in market.truth}
    alert = next(iter(found.values()))
    assert alert.kind == kind
    assert ("look-up" if kind == "staff.access_flips" else "removed") in alert.explanation
    assert alert.evidence.flips > alert.evidence.expected
    assert alert.recommended_action in {"watch", "investigate", "revoke_access", "refer_to_legal"}


@pytest.mark.slow
def test_a_sweep_accuses_nobody() -> None:
    market = simulate.simulate("sweep", 20, 120, 200)
    assert not [alert for alert in alerts(Tasks(3, "digest", 1), market) if alert.subject.type == "staff"]
