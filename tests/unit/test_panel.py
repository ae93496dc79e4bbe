"""Staff evidence over tasks: what is judged depends on what was told, not on when, and no task runs ahead of it."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.config import Settings
from stream.core.accusations import DELAY_DAYS, Accusations
from stream.core.bands import DAY
from stream.core.detector import Detector
from stream.core.dossiers import Dossier, midnight
from stream.core.flips import Flip
from stream.core.panel import Market, Panel, Pending
from stream.core.reports import DayReport, Judgement, Report, StaffReport, Sums, Told, decode, encode, exact
from stream.events import AnyEvent
from stream.exchange import Exchange, Tasks
from stream.market import simulate
from stream.replay import replay

WRITERS = 3


def told(writer: int, day: int, number: int, seller_id: str) -> Told:
    at = (day + (number + 1) / 100 + writer / 1000) * DAY
    flip = Flip(at, at - DAY, f"r{writer}/{day}/{number}", 3.0, number % 2 == 0, False, None, 4, ("a",))
    return Told(seller_id, f"e{writer}/{day}/{number}", 0.5, flip)


def reports(writer: int, days: list[int], seller_id: str = "s") -> list[Pending]:
    """A writer's market in which so many looked-up reviews flip each day, and one is removed."""
    out: list[Pending] = []
    for day, flips in enumerate(days):
        latest = [told(writer, day, number, seller_id) for number in range(flips)]
        out.append(
            StaffReport(
                writer=writer, day=day, actor_id="a", first_seen=-5 * DAY, flips=flips,
                retracted=sum(one.flip.retracted for one in latest), expected=0.1 * (writer + 1), expected_long=0.1,
                latest=latest, removed=1, critical=1, latest_removed=[told(writer, day, 99, seller_id)],
            )
        )  # fmt: skip
        sums = Sums(flips=flips + 1, looked_up_flips=1.0, looked_up_expected=0.7, removed=2, critical=1)
        out.append(DayReport(writer=writer, day=day, through=day, sums=sums))
    return out


class Outcome:
    """A panel with what it was asked to judge."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int, float]] = []
        self.judgements: list[Judgement] = []
        self.panel = Panel(0, WRITERS, self._judge)

    def _judge(self, dossier: Dossier, market: Market, day: int, flips: bool, removals: bool) -> None:
        assert removals
        self.asked.append((dossier.actor_id, day, dossier.flips.count, market.looked_up_flips))
        if dossier.flips.count > 12:
            dossier.alerted_at["staff.access_flips"] = midnight(day)

    def hear(self, report: Pending) -> None:
        if (judgement := self.panel.hear(report)) is not None:
            self.judgements.append(judgement)

    def accused(self) -> list[tuple[int, str, str | None]]:
        return [one for judgement in self.judgements for one in judgement.accused]


def ending(writers: list[list[Pending]]) -> list[Pending]:
    """Then all have told what they had."""
    last = max(report.day for told in writers for report in told)
    return [DayReport(writer=writer, day=last, through=last, sums=Sums()) for writer in range(len(writers))]


@given(order=st.permutations([writer for writer in range(WRITERS) for _ in range(8)]), data=st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_judged_does_not_depend_on_the_order_of_news(order: list[int], data: st.DataObject) -> None:
    days = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=WRITERS, max_size=WRITERS))
    writers = [reports(writer, days[writer]) for writer in range(WRITERS)]
    one, other = Outcome(), Outcome()
    for report in [*(report for told in writers for report in told), *ending(writers)]:
        one.hear(report)
    waiting = [iter(told) for told in writers]
    for report in [*(next(waiting[writer]) for writer in order), *ending(writers)]:
        other.hear(report)
    assert one.asked == other.asked
    assert one.panel.dossiers == other.panel.dossiers
    assert one.panel.progress == other.panel.progress
    assert one.accused() == other.accused()
    assert not one.panel.pending
    account = one.panel.dossiers["a"].flips
    assert account.count == sum(map(sum, days))
    assert account.expected == pytest.approx(4 * (0.1 + 0.2 + 0.3))
    assert [each.flip.at for each in account.latest] == sorted(each.flip.at for each in account.latest)


def test_a_day_waits_for_all_or_for_their_answer() -> None:
    outcome = Outcome()
    for writer in (0, 1):
        for report in reports(writer, [1, 1, 1]):
            outcome.hear(report)
    assert not outcome.asked  # of the third nothing is known
    outcome.hear(DayReport(writer=2, day=0, through=0, sums=Sums()))
    assert [day for _, day, *_ in outcome.asked] == [0]
    outcome.hear(DayReport(writer=2, day=2, through=2, sums=Sums()))  # it has nothing to read
    assert [day for _, day, *_ in outcome.asked] == [0, 1, 2]
    assert [judgement.day for judgement in outcome.judgements] == [0, 2]
    outcome.hear(DayReport(writer=2, day=0, through=0, sums=Sums()))  # it takes that back
    late = reports(2, [0, 2])[2]
    outcome.hear(late)  # of a day that was judged already: it counts from the next judgement on
    for writer in range(WRITERS):
        outcome.hear(DayReport(writer=writer, day=3, through=3, sums=Sums(flips=1)))
    assert outcome.panel.dossiers["a"].flips.count == 8
    assert outcome.asked[-1][1] == 2


@given(expected=st.lists(st.floats(0, 3), min_size=12, max_size=12))
def test_days_that_are_told_after_they_were_judged_add_up_to_the_same(expected: list[float]) -> None:
    """A task that slept answers through days of which it has still to tell what was expected."""
    writers: list[list[Pending]] = []
    for writer in range(WRITERS):
        own = reports(writer, [writer == 0] * 4)[::2]
        for report in own:
            assert isinstance(report, StaffReport)
            report.expected = report.expected_long = report.looked_up_expected = exact(expected.pop())
        writers.append(own)
    in_time, late = Outcome(), Outcome()
    for report in [*(report for told in writers for report in told), *ending(writers)]:
        in_time.hear(report)
    for report in [*writers[0], *writers[1], *ending(writers), *writers[2]]:
        late.hear(report)
    for writer in range(WRITERS):
        late.hear(DayReport(writer=writer, day=4, through=4, sums=Sums()))
    one, other = in_time.panel.dossiers["a"], late.panel.dossiers["a"]
    assert (one.flips.expected, one.flips.expected_long) == (other.flips.expected, other.flips.expected_long)
    assert one.looked_up_expected == other.looked_up_expected


def test_what_tasks_tell_is_exact() -> None:
    told: list[Report] = []
    tasks = [Detector(3, "digest", number, 2) for number in range(2)]
    exchange = Exchange(tasks)
    for each in simulate.market("access", 1, 10, 60)[0]:
        event = msgspec.convert(each, AnyEvent)
        exchange.task_of(event.seller_id).apply(event, event.occurred_at.timestamp())
        told += [report for task in tasks for report in task.outbox]
        exchange.carry()
    sums = [each.expected for each in told if isinstance(each, StaffReport)]
    sums += [each.sums.looked_up_expected for each in told if isinstance(each, DayReport)]
    assert sum(map(bool, sums)) > 20
    assert sums == [exact(each) for each in sums]


@pytest.mark.parametrize("at_once", [True, False])
def test_who_is_forgotten_does_not_depend_on_how_many_days_are_judged_at_once(at_once: bool) -> None:
    outcome = Outcome()
    for day in (15, 25):  # of the month that begins 730 days after day 20 the first is forgotten, the second not
        own = StaffReport(writer=0, day=day, actor_id=f"of day {day}", first_seen=day * DAY, removed=1, critical=1)
        own.latest_removed = [told(0, day, 0, "s")]
        outcome.hear(own)
    for through in [25, 765] if at_once else range(25, 766):
        for writer in range(WRITERS):
            outcome.hear(DayReport(writer=writer, day=through, through=through, sums=Sums()))
    assert outcome.panel.dossiers.keys() == {"of day 25"}
    assert outcome.panel.progress.judged == 765


def test_the_day_of_a_flip_was_expected_before_it() -> None:
    """All that a day makes expected stands against its flips, whenever in the day it came."""
    outcome = Outcome()
    for report in [*reports(0, [2, 1]), *ending([reports(0, [2, 1])] * WRITERS)]:
        outcome.hear(report)
    history = outcome.panel.dossiers["a"].flips.history
    assert [row[4] for row in history] == pytest.approx([0.0, 0.0, 0.1])
    assert [row[3] for row in history] == [0, 1, 2]


def test_an_accusation_names_the_seller_to_whom_most_of_the_flips_belong() -> None:
    for second, mostly in (("s", "s"), ("t", None)):
        outcome = Outcome()
        writers = [reports(0, [5, 5]), reports(1, [5, 5], second), reports(2, [0, 0])]
        for report in [*(report for told in writers for report in told), *ending(writers)]:
            outcome.hear(report)
        assert outcome.accused() == [(1, "a", mostly)]


def test_news_of_an_accusation_takes_its_time_and_nobody_runs_ahead_of_it() -> None:
    heard = Accusations(version=1)
    assert heard.until(2) == math.inf
    heard.begin(100)
    assert heard.until(2) == (100 + DELAY_DAYS + 1) * DAY  # before that nothing could count
    heard.hear(Judgement(reader=0, day=105, accused=[(103, "b", "s"), (90, "a", None)]))
    assert heard.until(2) == (100 + DELAY_DAYS + 1) * DAY
    heard.hear(Judgement(reader=1, day=102, accused=[]))
    assert heard.until(2) == (102 + DELAY_DAYS + 1) * DAY
    assert heard.by(100 + DELAY_DAYS - 1) == {}
    assert heard.by(100 + DELAY_DAYS) == {"a": None}
    assert heard.by(200) == {"a": None, "b": "s"}


def test_reports_come_back_as_they_were() -> None:
    all_of_them: list[Report] = [*reports(0, [2]), Judgement(reader=1, day=4, accused=[(3, "a", None), (4, "b", "s")])]
    assert [decode(encode(report)) for report in all_of_them] == all_of_them


def typed(market: simulate.Market) -> list[AnyEvent]:
    decoder = msgspec.json.Decoder(AnyEvent)
    return [decoder.decode(line) for line in market.lines]


@pytest.mark.slow
@pytest.mark.parametrize("partitions", [1, 4])
def test_a_replay_which_waits_equals_tasks_that_are_fed_in_time_order(tmp_path: Path, partitions: int) -> None:
    market = simulate.simulate("access", 3, 120, 120)
    source = tmp_path / "events.jsonl"
    source.write_bytes(b"\n".join(market.lines))
    chosen = Settings()
    found: list[str] = []
    result = replay(chosen, str(source), partitions, lambda alert: found.append(alert.alert_id))
    tasks = Tasks(chosen.alert_budget, chosen.config_digest, partitions)
    raised = [alert.alert_id for event in typed(market) for alert in tasks.apply(event, event.occurred_at.timestamp())]
    for task in tasks.tasks:
        task.answer()
    raised += [alert.alert_id for alert in tasks.carry()]
    assert sorted(raised) == sorted(found)
    assert raised
    assert result.state_digest == {str(number): task.digest() for number, task in enumerate(tasks.tasks)}


@pytest.mark.slow
def test_what_is_known_of_staff_survives_a_restore_at_any_time() -> None:
    market = typed(simulate.simulate("access", 3, 80, 100))
    whole, cut = Tasks(3, "digest", 2), Tasks(3, "digest", 2)
    rows: list[dict[bytes, bytes | None]] = [{}, {}]
    for number, event in enumerate(market):
        for tasks in (whole, cut):
            tasks.apply(event, event.occurred_at.timestamp())
        if number % 5000 == 4999:
            for held, task in zip(rows, cut.tasks, strict=True):
                held.update(task.changed())
            again = [Detector(3, "digest", number, 2) for number in range(2)]
            for held, task in zip(rows, again, strict=True):
                task.restore((key, value) for key, value in held.items() if value is not None)
            cut.tasks = again
    assert [task.digest() for task in whole.tasks] == [task.digest() for task in cut.tasks]
    assert any(task.panel.dossiers for task in whole.tasks)
    assert any(task.accusations.accused for task in whole.tasks)


def test_a_task_that_is_held_back_says_how_far_it_has_come() -> None:
    """Two tasks whose sellers are busy in turn, months apart: each waits for the other's news, and both go on."""
    tasks = [Detector(3, "digest", number, 2) for number in range(2)]
    exchange = Exchange(tasks)
    clocks = [0.0, 400 * DAY]
    for task, clock in zip(tasks, clocks, strict=True):
        task._advance(clock)
    exchange.carry()
    assert tasks[0].until() == tasks[1].until() - 400 * DAY
    while tasks[1].until() < 900 * DAY:
        before = [task.until() for task in tasks]
        for task in tasks:
            task.wake(1000 * DAY if task.until() > 1000 * DAY else task.until())
        exchange.carry()
        assert [task.until() for task in tasks] != before


def test_a_task_with_nothing_to_read_answers_each_day_and_takes_it_back_when_something_comes() -> None:
    """After an outage the first to wake up must not be judged without those who have as much to read."""
    tasks = [Detector(3, "digest", number, 2) for number in range(2)]
    exchange = Exchange(tasks)
    for task in tasks:
        task._advance(100.5 * DAY)
    tasks[0]._advance(110.5 * DAY)
    exchange.carry()
    assert tasks[0].panel.progress.judged == 99
    tasks[1].answer()
    exchange.carry()
    assert [task.panel.progress.judged for task in tasks] == [109, 109]
    tasks[1].answer()
    assert not tasks[1].outbox
    tasks[0]._advance(120.5 * DAY)
    exchange.carry()
    assert tasks[0].panel.progress.judged == 109
    tasks[1].wake(115.5 * DAY)
    exchange.carry()
    assert tasks[0].panel.progress.through == {0: 119, 1: 114}
    assert tasks[0].panel.progress.judged == 114
