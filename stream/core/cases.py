"""From evidence to an alert: the watches are asked, and what passes the budgeted threshold is put into words.

Rule of this room: one alert a subject, kind and 30 days.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from stream import MODEL_VERSION
from stream.alerts import Alert, Evidence, Kind, Link, Severity, Subject, SubjectType, alert_id
from stream.core import explain
from stream.core.bands import DAY
from stream.core.clients import CLIENT_ODDS, as_client
from stream.core.display import Tape
from stream.core.dossiers import Account, Dossier, midnight
from stream.core.evidence import E, Known, Verdict
from stream.core.flips import Flip
from stream.core.norm import Norm, lift, retracted_share
from stream.core.panel import Market
from stream.core.patterns import features
from stream.core.reports import weight_of
from stream.core.subjects import Seller
from stream.core.telling import LOG_ODDS_CAP, REVIEWS_NAMED, Story, evidence_of, instant, links
from stream.core.watches import (
    ACCESS_WATCH,
    CLIENT_SCALES,
    REMOVALS_PRIOR,
    SCALES,
    SELLER_PRIOR,
    SELLER_SLACK,
    SELLER_WATCHES,
    STAFF_SCALES,
    STAFF_SLACK,
    STAFF_WATCHES,
    log_threshold,
    staff_prior,
)

#: A watch keeps still about a subject for so long after an alert.
PAUSE_SECONDS: Final = 30 * DAY


class Accuser:
    """Judges a subject after each of its flips."""

    def __init__(self, budget: float, config_digest: str) -> None:
        self._thresholds: dict[SubjectType, float] = {
            "seller": log_threshold(budget, SELLER_SLACK),
            "staff": log_threshold(budget, STAFF_SLACK),
        }
        self._config_digest = config_digest

    def features(self, seller: Seller, flip: Flip, age_seconds: float) -> dict[str, float]:
        """What the pattern model sees of a seller's latest flip."""
        week, since = 0, flip.at - 7 * DAY
        for one in seller.flips[::-1]:
            if one.at <= since:
                break
            week += 1
        weeks = max((flip.at - seller.flips[0].at) / (7 * DAY), 1.0)
        burst = week * weeks / len(seller.flips)
        return features(flip.contact_hours, flip.stars, age_seconds / DAY, burst, flip.retracted, flip.incentive)

    def judge(
        self, seller: Seller, norm: Norm, sold: list[bool], event_id: str, now: float, percentile: float
    ) -> list[Alert]:
        """Weigh the evidence after the seller's latest flip, set its voice, and accuse where it must be.

        sold: of each kept flip, whether staff answer for it who are accused over other sellers' reviews.
        """
        log_odds, verdict_of = _weighed(seller, norm, sold)
        seller.speak(log_odds, norm, now)
        subject, alerts = Subject("seller", seller.seller_id), list[Alert]()
        for number, watch in enumerate(SELLER_WATCHES):
            if log_odds[number] < self._thresholds["seller"]:
                continue
            verdict = verdict_of(number)
            told = [flip for flip in seller.flips[verdict.window :] if flip.arm in watch.question.accused]
            if told and _may_speak(seller, watch.kind, now):
                linked = links("staff", (actor_id for flip in told for actor_id in flip.actors))
                times = [flip.at for flip in seller.flips[verdict.window :]]
                patterns = {"half_space_trees": percentile}
                story = Story(watch.kind, subject, len(told), told, linked, times, verdict, event_id, now, patterns)
                by_accused = sum(sold[verdict.window :]) if number == ACCESS_WATCH else 0
                alerts.append(explain.with_accused_staff(self._accuse(story), by_accused))
        return alerts

    def judge_staff(self, dossier: Dossier, market: Market, day: int) -> list[Alert]:
        """The same of a member of staff, at the end of a day on which reviews flipped that he or she answers for."""
        account, weight = dossier.flips, weight_of(day)
        others = max(market.looked_up_flips - dossier.looked_up_flips, 0.0)
        factor = lift(others, market.looked_up_expected - dossier.looked_up_expected, weight)
        gone = retracted_share(market.flips - account.count, market.retracted - account.retracted)
        known = Known(*staff_prior(others / weight), gone, factor)
        verdict = STAFF_SCALES.weigh(account.rows(), account.totals(), known).verdict(0)
        if not self._of_staff(dossier, 0, verdict, midnight(day)):
            return []
        patterns = {"half_space_trees": account.latest[-1].percentile or 0.0}
        return [self._accuse(_of_account(STAFF_WATCHES[0], dossier, account, verdict, midnight(day), patterns))]

    def judge_removals(self, dossier: Dossier, day: int) -> list[Alert]:
        """The same after a day on which the member of staff removed critical reviews."""
        account = dossier.removals
        verdict = STAFF_SCALES.weigh(account.rows(), account.totals(), Known(*REMOVALS_PRIOR, 0.0)).verdict(0)
        if not self._of_staff(dossier, 1, verdict, midnight(day)):
            return []
        return [self._accuse(_of_account(STAFF_WATCHES[1], dossier, account, verdict, midnight(day), {}))]

    def _of_staff(self, dossier: Dossier, watch: int, verdict: Verdict, now: float) -> bool:
        """Note what a watch says of a member of staff, and tell whether it is to be said aloud."""
        dossier.log_odds[watch] = verdict.log_odds
        return verdict.log_odds >= self._thresholds["staff"] and _may_speak(dossier, STAFF_WATCHES[watch], now)

    def _accuse(self, story: Story) -> Alert:
        """The alert about a subject."""
        threshold = self._thresholds[story.subject.type]
        evidence = evidence_of(story, threshold)
        sentence = explain.sentence(story.kind, story.subject.id, evidence)
        grave = explain.severity(story.verdict.log_odds - threshold)
        return self._alert(story.kind, story.subject, story.now, grave, evidence, story.patterns, sentence)

    def _alert(
        self,
        kind: Kind,
        subject: Subject,
        now: float,
        grave: Severity,
        evidence: Evidence,
        patterns: dict[str, float],
        sentence: str,
    ) -> Alert:
        """An alert but for what is known only when it goes out: when it was detected, and the state's digest."""
        return Alert(
            alert_id=alert_id(kind, subject, evidence.event_ids[0]),
            kind=kind,
            subject=subject,
            raised_at=instant(now),
            detected_at=None,
            severity=grave,
            evidence=evidence,
            patterns=patterns,
            explanation=sentence,
            checks=explain.checks(kind),
            recommended_action=explain.action(subject.type, grave, evidence.incentives, evidence.flips),
            model_version=MODEL_VERSION,
            config_digest=self._config_digest,
            state_digest="",
        )

    def shift(self, seller: Seller, product_id: str, tape: Tape, event_id: str, now: float) -> list[Alert]:
        """A product's turned reviews lift it more than before: told where its seller's evidence leans that way."""
        log_odds = max(seller.log_odds, default=-math.inf)
        if log_odds < 0 or not _may_speak(seller, f"product.rating_shift/{product_id}", now):
            return []
        recent = tape.latest_half()
        turns = [lift for _, _, lift in recent.turns if lift > 0]
        earlier = sum(lift > 0 for _, _, lift in tape.turns) - len(turns) + E
        since = recent.turns[0][1] if recent.turns else now
        told = [flip for flip in seller.flips if flip.at >= since]
        retracted = sum(flip.retracted for flip in told)
        evidence = Evidence(
            flips=len(turns),
            expected=earlier,
            ratio=len(turns) / earlier,
            odds=math.exp(min(log_odds, LOG_ODDS_CAP)),
            threshold=1.0,
            since=instant(since),
            stars_moved=sum(turns),
            upgraded=len(told) - retracted,
            retracted=retracted,
            median_hours_from_contact=None,
            incentives=sum(flip.incentive for flip in told),
            review_ids=[flip.review_id for flip in told[-REVIEWS_NAMED:]],
            event_ids=[event_id],
            series=[],
            linked=[Link("seller", seller.seller_id, len(told))],
        )
        lift = sum(turns) / max(len(turns), 1)
        sentence = explain.product_sentence(product_id, seller.seller_id, len(turns), recent.length, lift)
        subject = Subject("product", product_id)
        patterns = {"adwin_width": float(tape.length)}
        return [self._alert("product.rating_shift", subject, now, "low", evidence, patterns, sentence)]


def _weighed(seller: Seller, norm: Norm, sold: list[bool]) -> tuple[list[float], Callable[[int], Verdict]]:
    """What each watch says of a seller after its latest flip: ln R, and its verdict on demand, for few are wanted."""
    gone = norm.retracted_share(sum(seller.flips_by_arm), sum(seller.retracted_by_arm))
    totals = seller.totals()
    factor = norm.lift(seller.looked_up_flips, seller.looked_up_expected)
    known = Known(*SELLER_PRIOR, gone, factor, seller.per_peer_flip(norm))
    weights = SCALES.weigh(seller.history, totals, known)
    if not any(sold):
        return weights.log_odds, weights.verdict
    history = as_client(seller.history, totals, sold)
    verdict = CLIENT_SCALES.weigh(history, totals, known._replace(lift=1.0)).verdict(0)
    as_one = verdict._replace(log_odds=verdict.log_odds + CLIENT_ODDS)
    if as_one.log_odds <= weights.log_odds[ACCESS_WATCH]:
        return weights.log_odds, weights.verdict
    log_odds = list(weights.log_odds)
    log_odds[ACCESS_WATCH] = as_one.log_odds
    return log_odds, lambda watch: as_one if watch == ACCESS_WATCH else weights.verdict(watch)


def _of_account(
    kind: Kind, dossier: Dossier, account: Account, verdict: Verdict, now: float, patterns: dict[str, float]
) -> Story:
    """What is told of a member of staff."""
    count, told = account.since(verdict.window)
    linked = links("seller", (one.seller_id for one in told))
    times = [row[0] for row in account.history[verdict.window :]]
    flips, subject = [one.flip for one in told], Subject("staff", dossier.actor_id)
    return Story(kind, subject, count, flips, linked, times, verdict, told[-1].event_id, now, patterns)


def _may_speak(about: Seller | Dossier, name: str, now: float) -> bool:
    last = about.alerted_at.get(name)
    if last is not None and now < last + PAUSE_SECONDS:
        return False
    about.alerted_at[name] = now
    return True
