"""Calibration: labels are permuted only among comparable reviews; the core's own alerts and evidence are counted."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from stream.config import Settings
from stream.contract.events import (
    Access,
    AnyEvent,
    ContactAccessed,
    Lifecycle,
    Outreach,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
    SellerEvent,
    SellerLinked,
)
from stream.core.evidence.watches import SELLER_SLACK
from stream.core.model.flip_windows import YEAR_SECONDS
from stream.market import simulate
from stream.offline.calibration import calibrate as calibration
from stream.offline.calibration.as_it_was import AsItWas, as_it_was
from stream.offline.calibration.calibrate import Calibration, calibrate
from stream.offline.calibration.confirmed import without_confirmed
from stream.offline.calibration.family import Family, FamilyResult, Peak
from stream.offline.calibration.history import History, ReviewStratum, read
from stream.offline.calibration.summary import summary
from stream.offline.calibration.trial import Trial
from stream.offline.local_bus import LocalTasks

DATA = Path(__file__).parents[3] / "data" / "app_store.jsonl.gz"
SETTINGS = Settings()
START = dt.datetime(2025, 1, 31, 23, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market without cheats."""
    folder = tmp_path_factory.mktemp("honest")
    simulate.write("honest", 1, 60, 120, folder / "events.jsonl", folder / "truth.jsonl")
    return folder / "events.jsonl"


def measured(source: Path, permutations: int = 4, seed: int = 1, partitions: int = 1) -> Calibration:
    return calibrate(SETTINGS, str(source), partitions, permutations, seed, lambda done: None)


def event(kind: str, hours: float, review: str = "r", seller: str = "s", **fields: Any) -> tuple[float, SellerEvent]:
    about_review = {"review_id": review, "reviewer_id": "u"} | (
        {"product_id": "p"} if kind.startswith("review.") else {}
    )
    when = START + dt.timedelta(hours=hours)
    common = {
        "type": kind,
        "event_id": f"{kind}-{review}-{hours}",
        "seller_id": seller,
        "occurred_at": when.isoformat(),
    }
    typed: SellerEvent = msgspec.convert({**common, **about_review, **fields}, Lifecycle | Outreach | Access)
    return when.timestamp(), typed


def link(hours: float, seller: str = "s") -> tuple[float, SellerEvent]:
    when = START + dt.timedelta(hours=hours)
    linked = SellerLinked(event_id=f"l{hours}", occurred_at=when, seller_id=seller, link_id="l", relation="owner")
    return when.timestamp(), linked


def owners(events: list[tuple[float, SellerEvent]]) -> dict[str, tuple[str, ReviewStratum]]:
    """Return the seller and the stratum of each review by its first event."""
    found: dict[str, tuple[str, ReviewStratum]] = {}
    for _, event in events:
        if isinstance(event, ReviewCreated | ReviewEdited):
            when = event.occurred_at
            found.setdefault(event.review_id, (event.seller_id, ReviewStratum(event.rating, when.year, when.month)))
    return found


def _history(source: Path) -> History:
    return History(without_confirmed(read(SETTINGS, str(source))[0], "staff").events)


def test_confirmed_cheats_leave_the_history(tmp_path: Path) -> None:
    source = tmp_path / "cheats.jsonl"
    simulated = simulate.simulate("bribes", 2, 60, 120)
    source.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in simulated.lines))
    cheat = next(cheat.seller_id for cheat in simulated.truth if cheat.seller_id)
    last = max(at for at, _ in read(SETTINGS, str(source))[0])
    subjects = (("confirmed", "seller", cheat, None), ("confirmed", "seller", "seller-0040", None),
                ("dismissed", "seller", "seller-0040", None), ("confirmed", "staff", "staff-1", None))  # fmt: skip
    with source.open("ab") as out:
        for number, (answer, kind, name, second) in enumerate(subjects):
            when = dt.datetime.fromtimestamp(last + number, dt.UTC).isoformat()
            event: dict[str, object] = {
                "type": "verdict.recorded",
                "event_id": f"v{number}",
                "occurred_at": when,
                "case_id": "c",
            }
            event |= {"subject": {"type": kind, "id": name}, "verdict": answer, "analyst_id": "ana"}
            out.write(msgspec.json.encode(event | {"second_analyst_id": second}) + b"\n")
    events = read(SETTINGS, str(source))[0]
    honest = without_confirmed(events, "staff")
    assert honest.sellers == {cheat}
    assert not honest.staff
    assert cheat not in {event.seller_id for _, event in honest.events}
    assert len(honest.events) == len(
        [one for _, one in events if isinstance(one, SellerEvent) and one.seller_id != cheat]
    )
    assert without_confirmed(events, "off").staff == {"staff-1"}
    found = measured(source, permutations=1)
    assert (found.confirmed_sellers, found.confirmed_staff) == (1, 0)
    assert "Left out: 1 sellers and 0 staff members" in " ".join(summary(found))


def test_a_permutation_keeps_each_sellers_strata_and_moves_whole_reviews(honest: Path) -> None:
    history = _history(honest)
    before = owners([(review_event.at, review_event.event) for review_event in history.review_events])
    permuted = list(history.permuted(np.random.default_rng(1)))
    after = owners(permuted)
    assert Counter(before.values()) == Counter(after.values())
    moved = sum(before[name][0] != after[name][0] for name in before)
    assert moved > 0.9 * len(before) > 100
    assert [at for at, _ in permuted] == [review_event.at for review_event in history.review_events]
    for _, one in permuted:
        assert isinstance(one, ReviewCreated | ReviewEdited | ReviewDeleted | OutreachSent | ContactAccessed)
        assert one.review_id is not None
        if one.review_id in after:  # removals of uncritical reviews have no first event
            assert one.seller_id == after[one.review_id][0]


def test_staff_are_permuted_among_look_ups_and_keep_their_number() -> None:
    events = [event("review.created", n, f"r{n}", f"s{n % 3}", rating=1 + n % 3) for n in range(60)]
    look_ups = [event("contact.accessed", 100 + n, f"r{n}", f"s{n % 3}", actor_id=f"a{n % 2}") for n in range(60)]
    history = History(events + look_ups)
    actors = [one.actor_id for _, one in history.permuted(np.random.default_rng(1)) if isinstance(one, ContactAccessed)]
    assert Counter(actors) == {"a0": 30, "a1": 30}
    assert actors != [f"a{n % 2}" for n in range(60)]


def test_removers_are_permuted_among_all_removals_of_a_month() -> None:
    events = [event("review.created", n, f"r{n}", rating=1 + 4 * (n % 2)) for n in range(40)]
    platform = {"deleted_by": "platform"}
    removals = [
        event("review.deleted", 100 + n, f"r{n}", rating=1 + 4 * (n % 2), actor_id=f"a{n % 2}", **platform)
        for n in range(40)
    ]
    history = History(events + removals)
    permuted = [one for _, one in history.permuted(np.random.default_rng(1)) if isinstance(one, ReviewDeleted)]
    assert Counter(one.actor_id for one in permuted) == {"a0": 20, "a1": 20}
    critical = sum(one.actor_id == "a0" and one.rating == 1 for one in permuted)
    assert 3 < critical < 17  # before the permutation a0 removes only critical reviews
    staff = Family(1)
    Trial(SETTINGS, 1, Family(1), staff).run(history.permuted(np.random.default_rng(1)))
    assert staff.names == {"a0", "a1"}


def test_stars_and_months_are_not_mixed() -> None:
    history = History([event("review.created", n, f"r{n}", f"s{n}", rating=1 + n // 4) for n in range(8)])
    strata = [ReviewStratum(1, 2025, 1)] + 3 * [ReviewStratum(1, 2025, 2)] + 4 * [ReviewStratum(2, 2025, 2)]
    assert history.strata == strata  # the first review was created an hour before the month's end
    assert history.comparable() == pytest.approx(7 / 8)
    for seed in range(20):
        sellers = [one.seller_id for _, one in history.permuted(np.random.default_rng(seed))]
        assert sellers[0] == "s0"
        assert {*sellers[1:4]} == {"s1", "s2", "s3"}


def test_only_reviews_that_are_or_become_critical_are_kept() -> None:
    events = [
        event("review.created", 0, "good", rating=5),
        event("review.created", 1, "falls", rating=4),
        event("review.edited", 2, "good", rating=4),
        event("review.edited", 3, "falls", rating=2),
        event("review.deleted", 4, "never seen", deleted_by="author", rating=1),
    ]
    history = History(events)
    assert [review_event.at for review_event in history.review_events] == [events[1][0], events[3][0]]
    assert [stratum.stars for stratum in history.strata] == [4]


def test_outreach_without_a_review_goes_to_the_reviews_created_before() -> None:
    events = [
        event("review.created", 0, "r1", rating=1),
        event("review.created", 1, "other", seller="s2", rating=1),
        event("review.created", 2, "r2", rating=2),
        event("outreach.sent", 3, channel="refund", review_id=None),
        event("review.created", 4, "r3", rating=3),
    ]
    outreach = [one for _, one in History(events).permuted(np.random.default_rng(1)) if isinstance(one, OutreachSent)]
    assert [one.review_id for one in outreach] == ["r1", "r2"]
    assert len({one.event_id for one in outreach}) == 2


def test_events_that_name_another_seller_are_left_out() -> None:
    valid = [event("review.created", 0, rating=1), event("review.edited", 1, rating=2)]
    foreign = [
        event("review.deleted", 2, seller="s2", deleted_by="author"),
        event("contact.accessed", 3, seller="s2", actor_id="a"),
        event("review.edited", 4, seller="s2", rating=1),
    ]
    assert [review_event.event for review_event in History(valid + foreign).review_events] == [one for _, one in valid]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_result_and_another_seed_another(honest: Path) -> None:
    first = measured(honest, 2, seed=1, partitions=2)
    assert measured(honest, 2, seed=1, partitions=2) == first
    assert measured(honest, 2, seed=2, partitions=2) != first


@pytest.mark.slow
def test_an_honest_market_alarms_rarely_and_a_wrong_slack_often(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = measured(honest).sellers
    assert right
    assert right.subjects == 60
    assert right.subject_years == pytest.approx(4 * 60 * 120 / 365, rel=0.1)
    assert right.alarms == right.alerts == 0
    monkeypatch.setattr("stream.offline.calibration.calibrate.SELLER_SLACK", 1000 * SELLER_SLACK)
    wrong = measured(honest).sellers
    assert wrong
    assert wrong.alarms > 5
    assert wrong.slack
    assert wrong.slack < wrong.slack_assumed / 10


def test_refused_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    source = tmp_path / "events.jsonl"
    source.write_bytes(msgspec.json.encode(event("review.created", 0, rating=1)[1]) + b'\n{"type":"nonsense"}\n\n')
    found = measured(source, permutations=1)
    assert (found.refused, found.reviews, found.comparable) == (1, 1, 0)
    assert found.staff is None
    assert found.alert_budget is None


def family(years: float, *peaks: float, slack: float = 10) -> FamilyResult:
    """Return the result of a family with these subject-years and peaks, at a budget of 3."""
    measured_family = Family(slack)
    measured_family.years, measured_family.peaks = years, [Peak("s", peak) for peak in peaks]
    found = measured_family.result(3, 1)
    assert found
    return found


def test_without_an_alarm_the_rule_of_three_applies() -> None:
    none = family(500)
    assert none.alarms == 0
    assert none.slack is None
    assert none.rate_at_most == pytest.approx(6, rel=0.01)
    assert none.alert_budget is None  # up to six are possible, and three are allowed
    assert none.slack_at_least == pytest.approx(500 / 3 / (1000 / 30), rel=0.01)


def test_the_setting_gives_a_threshold_within_the_budget() -> None:
    found = family(5000, *np.linspace(0, 5, 1001))
    assert found.log_threshold_needed is not None
    assert found.alert_budget is not None
    passing = sum(peak > found.log_threshold_needed for peak in np.linspace(0, 5, 1001))
    assert passing == 8  # 15 are allowed; the upper limit is 14.4 for 8 observed alarms and 15.7 for 9
    set_to = np.log(1000 / (10 * found.alert_budget))
    assert found.log_threshold_needed <= set_to < found.log_threshold_needed + 0.01
    assert found.slack == pytest.approx(5000 / found.alarms / (1000 / 30))


def test_the_threshold_is_never_negative() -> None:
    assert family(5000, -3, -2).log_threshold_needed == 0
    assert family(5000, -3, -2).alert_budget == pytest.approx(100)


def test_each_subject_year_has_its_own_peak() -> None:
    one_subject = Family(10)
    for at in (0, 2 * YEAR_SECONDS):
        one_subject.add_subject("s", at)
    for at, log_odds in ((1.0, 4.0), (2.0, 5.0), (YEAR_SECONDS + 1, 6.0)):
        one_subject.add_evidence("s", at, [-1.0, log_odds])
    one_subject.end_permutation()
    assert one_subject.peaks == [Peak("s", 5.0), Peak("s", 6.0)]
    assert one_subject.years == 2


def test_the_summary_names_the_setting_or_the_lack_of_history() -> None:
    def text(sellers: FamilyResult, staff: FamilyResult | None, setting: float | None) -> str:
        found = Calibration(
            permutations=1, partitions=1, refused=0, confirmed_sellers=0, confirmed_staff=0, reviews=9,
            tasks={}, reasons=[], comparable=1, sellers=sellers,
            staff=staff, alert_budget=setting, as_it_was=AsItWas(None, None),
        )  # fmt: skip
        return " ".join(summary(found))

    assert "Too little history" in text(family(500), None, None)
    assert "VOLTEFACE_ALERT_BUDGET=100 " in text(family(5000), None, 100.0) + " "
    assert (
        calibration._advised_budget([family(500), family(5000)]) == 3
    )  # the staff's result would allow more; the sellers have too little history
    assert calibration._advised_budget([family(5000), None]) == pytest.approx(100)
    assert calibration._advised_budget([family(500), None]) is None


def test_the_summary_says_what_a_task_of_a_small_market_has(tmp_path: Path) -> None:
    source = tmp_path / "small.jsonl"
    source.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in simulate.simulate("bribes", 1, 40, 120).lines))
    one, many = measured(source, permutations=1), measured(source, permutations=1, partitions=16)
    assert one.tasks["0"].sellers == sum(task.sellers for task in many.tasks.values()) == 40
    assert "1,000 subject-years" not in " ".join(summary(one))
    assert "Too little history to advise a setting: 999 subject-years are needed." in " ".join(summary(many))
    assert "16 tasks, with 1 to " in " ".join(summary(many))
    assert "too few sellers with critical reviews to compare" in summary(many)[-2]
    assert "too few" not in " ".join(summary(one))


#: Number of tasks and of permutations; 200 permutations of each would take ten minutes.
_PERMUTATIONS = [(1, 14), (4, 10)]


@pytest.mark.slow
@pytest.mark.parametrize(("partitions", "count"), _PERMUTATIONS)
@pytest.mark.long
def test_permuted_app_store_events_alarm_within_the_budget(partitions: int, count: int) -> None:
    """Real reviews. A rare alarm is possible: there was one in 189 permutations, 5,089 seller-years."""
    history, sellers, staff = _history(DATA), Family(SELLER_SLACK), Family(1)
    for number in range(count):
        trial = Trial(SETTINGS, partitions, sellers, staff)
        trial.run(history.permuted(np.random.default_rng([1, number])))
    assert len(sellers.names) == 9
    assert sellers.years > 25 * count
    assert sellers.alerts <= SETTINGS.alert_budget * sellers.years / 1000, sorted(sellers.peaks)[-5:]


@pytest.fixture(scope="module")
def cheats() -> list[tuple[float, SellerEvent]]:
    """A market with cheats, in the order of time."""
    decode = msgspec.json.Decoder(AnyEvent).decode
    events = [decode(line) for line in simulate.simulate("bribes", 2, 120, 150).lines]
    return sorted(((one.occurred_at.timestamp(), one) for one in events), key=lambda item: item[0])


@pytest.mark.slow
def test_the_history_as_it_was_alarms_as_its_replay_does(cheats: list[tuple[float, SellerEvent]]) -> None:
    found = as_it_was(SETTINGS, cheats, 1).sellers
    assert found
    tasks = LocalTasks(SETTINGS.alert_budget, SETTINGS.config_digest, 1)
    accused = {
        alert.subject.id for at, one in cheats for alert in tasks.apply(one, at) if alert.subject.type == "seller"
    }
    assert {one.id for one in found.accused} == accused
    assert accused
    assert found.alarms >= len(accused)
    assert found.subjects == 120
    assert found.flips == sum(seller.flip_count for seller in tasks.tasks[0].state.sellers.values())
    assert [size.flips_from for size in found.by_size] == [0, 10, 30, 100, 300]
    assert sum(size.subjects for size in found.by_size) == found.subjects
    assert sum(size.subject_years for size in found.by_size) == pytest.approx(found.subject_years)
    assert sum(size.alarms for size in found.by_size) == found.alarms
    assert found.alarms_at_least < found.alarms < found.alarms_at_most
    assert found.alert_budget is None, "120 sellers for five months: less than one alarm is allowed"


@pytest.mark.slow
def test_links_make_no_presence_of_a_seller() -> None:
    reviews = [event("review.created", 10, rating=1), event("review.edited", 40, rating=5)]
    linked = [link(0), *reviews, link(9000), link(9001, "other")]
    assert as_it_was(SETTINGS, linked, 1) == as_it_was(SETTINGS, reviews, 1)
    assert [each.event for each in History(linked).review_events] == [one for _, one in reviews]


def test_the_setting_keeps_the_budget_in_the_history_as_it_was(cheats: list[tuple[float, SellerEvent]]) -> None:
    """At a budget of 50 three alarms are allowed in these fifty seller-years."""
    wanted = SETTINGS.model_copy(update={"alert_budget": 50.0})
    found = as_it_was(wanted, cheats, 1).sellers
    assert found
    assert 1 < found.allowed < found.alarms
    assert found.alert_budget is not None
    assert found.alert_budget_at_most is not None
    assert (found.alert_budget_at_least or 0) <= found.alert_budget <= found.alert_budget_at_most
    again = as_it_was(SETTINGS.model_copy(update={"alert_budget": found.alert_budget}), cheats, 1).sellers
    assert again
    assert again.alarms <= found.allowed


def test_the_summary_says_what_alarmed_as_it_was(cheats: list[tuple[float, SellerEvent]], tmp_path: Path) -> None:
    source = tmp_path / "events.jsonl"
    source.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for _, one in cheats))
    text = " ".join(summary(measured(source, permutations=1)))
    assert re.search(
        r"As it was: \d+ alarms? on sellers, where the budget allows 0\.\d\d, in \d+ subject-years with", text
    )
    assert "By size: " in text
    assert "Look at these first: seller-" in text
    assert "As it was, the history is too short to advise a setting from it: 333 subject-years are needed." in text
