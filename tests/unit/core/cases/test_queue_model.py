"""The order of the queue is learned from verdicts, used only while it predicts them better, and hard to turn."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from random import Random

import msgspec
import pytest

from stream.contract.alerts import Alert, Subject
from stream.contract.cases import Case
from stream.contract.events import CaseNoted, Verdict
from stream.core.cases.book import CaseBook
from stream.core.cases.features import features_of
from stream.core.cases.priority import priority_of
from stream.core.cases.queue_model import COMPARED_VERDICTS, QueueModel, QueueModelRow
from stream.core.cases.rules import CaseRules
from stream.core.model.encoding import StateError, decode
from tests.analysts import subject_of, verdict
from tests.sample_cases import HOUR, decided, seller_alert, seller_case, staff_case

_START = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)


def _alert(number: int, log_odds: float, bribed: bool) -> Alert:
    """Return an alert whose flips came after an offer, or did not."""
    alert = seller_alert(f"{number:032x}", _START + number * HOUR, f"seller-{number:04}")
    evidence = msgspec.structs.replace(
        alert.evidence, odds=math.exp(log_odds), incentives=alert.evidence.flips if bribed else 0, also=[]
    )
    return msgspec.structs.replace(alert, evidence=evidence)


def _case(number: int, log_odds: float, bribed: bool) -> Case:
    alert = _alert(number, log_odds, bribed)
    return seller_case(alert.subject.id, evidence=alert.evidence)


def _taught(count: int, *, wrong: bool = False, model: QueueModel | None = None, seed: int = 7) -> QueueModel:
    """Return a model after verdicts that confirm those who bribe, whatever the odds; wrong ones dismiss them."""
    model, chance = model or QueueModel(), Random(seed)
    for number in range(count):
        bribed = chance.random() < 0.5
        model.learn(_case(number, chance.uniform(0, 12), bribed), "confirmed" if bribed != wrong else "dismissed")
    return model


def test_features_are_finite_numbers_with_the_same_names_for_every_case() -> None:
    of_seller, of_staff = features_of(seller_case()), features_of(staff_case())
    assert list(of_seller) == list(of_staff)
    assert all(math.isfinite(value) for value in (*of_seller.values(), *of_staff.values()))
    case = seller_case()
    extreme = msgspec.structs.replace(case.evidence, odds=1e308, flips=0, reviews=[], median_hours_from_contact=None)
    assert all(abs(value) <= 30 for value in features_of(msgspec.structs.replace(case, evidence=extreme)).values())


def test_features_are_those_of_the_evidence() -> None:
    case = seller_case()
    found, evidence = features_of(case), case.evidence
    assert found["log_odds"] == pytest.approx(math.log(evidence.odds))
    assert found["retracted"] == evidence.retracted / evidence.flips
    assert found["five_stars"] == sum(review.stars_after == 5 for review in evidence.reviews) / len(evidence.reviews)
    assert found["days"] == len({review.at.date() for review in evidence.reviews}) / len(evidence.reviews)
    assert found["pattern"] == case.patterns["half_space_trees"]
    for other in evidence.also:
        assert found[f"also/{other.kind}"] == pytest.approx(math.log(other.odds))


def test_the_learned_order_is_used_once_it_predicts_better() -> None:
    model = _taught(100)
    losses = model.log_losses()
    assert losses["learned"] < losses["odds"] - 0.1
    bribed, honest = model.probability(_case(200, 1.0, True)), model.probability(_case(201, 10.0, False))
    assert bribed is not None
    assert honest is not None
    assert bribed > 0.7
    assert honest < 0.3
    assert priority_of(_case(200, 1.0, True)) < priority_of(_case(201, 10.0, False))


def test_the_odds_order_the_queue_before_there_are_enough_verdicts() -> None:
    assert _taught(COMPARED_VERDICTS - 1).log_losses() == {}
    assert _taught(COMPARED_VERDICTS - 1).probability(_case(200, 1.0, True)) is None
    assert _taught(COMPARED_VERDICTS).log_losses() != {}


def test_verdicts_of_one_answer_are_not_enough() -> None:
    model = QueueModel()
    for number in range(2 * COMPARED_VERDICTS):
        model.learn(_case(number, 3.0, number % 2 == 0), "confirmed")
    assert model.log_losses() == {}


def test_the_odds_order_the_queue_again_if_the_learned_probability_predicts_worse() -> None:
    model = _taught(100)
    losses = []
    for number in range(COMPARED_VERDICTS):
        _taught(1, wrong=True, model=model, seed=number)
        losses.append(model.log_losses())
        assert (model.probability(_case(200, 1.0, True)) is None) == (losses[-1]["learned"] >= losses[-1]["odds"])
    assert any(loss["learned"] > loss["odds"] for loss in losses)


def _wrong_ten() -> list[tuple[Case, Verdict]]:
    """Return ten verdicts that contradict the odds and the offers as much as ten can."""
    cases = [_case(1000 + number, *extreme) for number, extreme in enumerate([(12.0, True), (0.0, False)] * 5)]
    return [(case, "dismissed" if case.evidence.incentives else "confirmed") for case in cases]


def _note(case: Case) -> CaseNoted:
    """Return an event that changes a case, so that its priority is computed again."""
    return CaseNoted(
        event_id=f"note-{case.case_id}",
        occurred_at=case.opened_at + HOUR,
        case_id=case.case_id,
        subject=subject_of(case),
        analyst_id="ana",
        note="Seen.",
    )


@pytest.mark.parametrize("honest", [0, 10, 20, 30, 39])
def test_ten_adversarial_verdicts_change_no_order(honest: int) -> None:
    """Not alone, and not after as many others as leave them a part of the first verdicts that are compared."""
    chance, counts = Random(honest), Counter[str]()
    book = CaseBook(CaseRules("off"), counts)
    book.queue.load("", _taught(honest or 1).row(""))
    for number in range(30):
        book.on_alert(_alert(number, chance.uniform(0, 12), chance.random() < 0.5))
    before = sorted(book.cases.values(), key=lambda case: case.priority)
    for case, answer in _wrong_ten():
        book.on_alert(_alert(int(case.subject.id[-4:]), math.log(case.evidence.odds), bool(case.evidence.incentives)))
        attacked = book.latest(case.subject)
        assert attacked is not None
        book.on_event(verdict(attacked, attacked.opened_at + HOUR, answer))
    for case in before:
        book.on_event(_note(case))
    after = [book.cases[case.case_id] for case in before]
    assert counts == {"verdict_in_force": 10, "case_noted": 30}
    assert [case.priority for case in after] == [case.priority for case in before]
    assert all(lower.evidence.odds < higher.evidence.odds for lower, higher in pairwise(after))


@pytest.mark.parametrize("honest", [40, 50, 100])
@pytest.mark.parametrize("seed", range(3))
def test_ten_adversarial_verdicts_do_not_turn_a_learned_order(honest: int, seed: int) -> None:
    """Of all pairs of one who bribes and one who does not, at least three quarters stay in their order."""
    model = _taught(honest, seed=seed)
    for case, answer in _wrong_ten():
        model.learn(case, answer)
    grid = [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    bribed, others = ([model.probability(_case(200, odds, each)) for odds in grid] for each in (True, False))
    pairs = [(one, other) for one in bribed for other in others if one is not None and other is not None]
    assert len(pairs) in {0, len(grid) ** 2}  # none if the odds' order is back
    assert len([one for one, other in pairs if one > other]) >= 0.75 * len(pairs)


def test_an_inconclusive_verdict_teaches_nothing() -> None:
    model = QueueModel()
    model.learn(seller_case(), "inconclusive")
    assert (model.names(), model.changed) == ([], set())


def test_staff_teach_nothing_and_keep_the_odds_order() -> None:
    """Verdicts on staff reach the aggregator's task between other events than in a replay."""
    model = _taught(100)
    before = model.row("")
    model.learn(staff_case(), "confirmed")
    assert model.row("") == before
    assert model.probability(seller_case()) is not None
    assert model.probability(staff_case()) is None


def test_the_same_case_answered_to_and_fro_is_not_a_number_of_verdicts() -> None:
    model, case = QueueModel(), _case(0, 5.0, True)
    model.learn(case, "confirmed")
    for number in range(2 * COMPARED_VERDICTS):
        first: Verdict = "confirmed" if number % 2 == 0 else "dismissed"
        model.learn(decided(case, first), "dismissed" if first == "confirmed" else "confirmed")
    row = decode(model.row(""), QueueModelRow)
    assert (len(row.answers), row.count) == (1, 2 * COMPARED_VERDICTS + 1)


def test_a_repeated_verdict_teaches_nothing_and_one_after_new_evidence_does() -> None:
    model, case = QueueModel(), _case(0, 5.0, True)
    model.learn(case, "explained")
    before = model.row("")
    model.learn(decided(case, "explained"), "dismissed")
    assert model.row("") == before
    model.learn(decided(case, "explained", state="open"), "dismissed")
    assert len(decode(model.row(""), QueueModelRow).answers) == 2


def test_a_restored_model_goes_on_as_the_other() -> None:
    model, restored = _taught(80), QueueModel()
    assert model.changed == {""}
    restored.load("", model.row(""))
    for each in (model, restored):
        _taught(40, model=each, seed=9)
    assert restored.row("") == model.row("")
    assert restored.probability(_case(200, 1.0, True)) == model.probability(_case(200, 1.0, True))


def test_a_damaged_row_is_refused() -> None:
    with pytest.raises(StateError, match="a QueueModelRow of the state topic cannot be read"):
        QueueModel().load("", b"\xc1")


def test_a_decided_case_keeps_the_place_at_which_it_was_decided() -> None:
    book = CaseBook(CaseRules("off"), Counter())
    book.queue.load("", _taught(100).row(""))
    book.on_alert(_alert(1, 9.0, False))
    case = book.latest(Subject("seller", "seller-0001"))
    assert case is not None
    assert case.priority == book.queue.probability(case) != priority_of(case)
    book.on_event(verdict(case, case.opened_at + HOUR, "dismissed"))
    assert book.cases[case.case_id].priority == case.priority != book.queue.probability(case)


@pytest.mark.parametrize("first", ["ours", "river"])
def test_the_models_are_those_of_the_full_library(first: str) -> None:
    ours = "from stream.core.cases.linear_models import LogisticRegression, StandardScaler"
    full = "from river import linear_model, preprocessing"
    same = "assert linear_model.LogisticRegression is LogisticRegression; assert linear_model.SoftmaxRegression; "
    same += "assert preprocessing.StandardScaler is StandardScaler; assert preprocessing.MinMaxScaler"
    order = (ours, full) if first == "ours" else (full, ours)
    subprocess.run([sys.executable, "-c", "; ".join((*order, same))], check=True)


def test_a_worker_starts_without_the_models() -> None:
    subprocess.run(
        [sys.executable, "-c", "import sys, stream.app; assert 'scipy.special' not in sys.modules"], check=True
    )
