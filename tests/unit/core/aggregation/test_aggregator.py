"""Staff evidence over tasks: conclusions depend on the reports and not on their order; no task runs ahead of them."""

from __future__ import annotations

import math
from itertools import chain
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.config import Settings
from stream.contract.events import AnyEvent
from stream.core.aggregation.aggregator import Aggregator, Books
from stream.core.aggregation.conclusions_in_force import ConclusionsInForce
from stream.core.baseline.day_sums import DaySums, quantize
from stream.core.baseline.market_totals import MarketTotals
from stream.core.detector import Detector
from stream.core.messages.conclusions import (
    CONCLUSION_DELAY_DAYS,
    Conclusion,
    NamedReviewer,
    RingMembers,
    conclusion_parts,
)
from stream.core.messages.reports import (
    ClientReport,
    DayReport,
    LinkedReport,
    ReportedFlip,
    ReviewerReport,
    StaffReport,
    report_parts,
)
from stream.core.messages.wire import DayRequest, Message, decode_message, encode_message
from stream.core.model.flips import Flip
from stream.core.model.strata import DAY, end_of_day
from stream.core.reviewers.reviewer_book import ReviewerBook
from stream.core.rings.connector_book import ConnectorBook
from stream.core.rings.ring_book import RingBook
from stream.core.staff.history import StaffHistory
from stream.core.staff.staff_book import StaffBook
from stream.core.staff.watches import STAFF_WATCHES
from stream.market import simulate
from stream.offline.local_bus import LocalBus, LocalTasks
from stream.offline.replay import replay

REPORTERS = 3


def finding(reporter: int, day: int, number: int, seller_id: str) -> ReportedFlip:
    at = (day + (number + 1) / 100 + reporter / 1000) * DAY
    flip = Flip(
        at,
        at - DAY,
        f"r{reporter}/{day}/{number}",
        "p",
        3.0,
        number % 2 == 0,
        False,
        None,
        4,
        ("a",),
        False,
        2,
        5,
        None,
        None,
        None,
    )
    return ReportedFlip(seller_id, f"e{reporter}/{day}/{number}", 0.5, flip)


def reports(reporter: int, days: list[int], seller_id: str = "s") -> list[DayReport]:
    """Return the reports of a task with this many flips of looked-up reviews on each day, and one removal a day."""
    out: list[DayReport] = []
    for day, flips in enumerate(days):
        latest = [finding(reporter, day, number, seller_id) for number in range(flips)]
        report = StaffReport(
            actor_id="a", first_seen=-5 * DAY, flips=flips, retracted=sum(flipped.flip.retracted for flipped in latest),
            expected=0.1 * (reporter + 1), expected_long_run=0.1,
            latest=latest, removed=1, critical=1, latest_removed=[finding(reporter, day, 99, seller_id)],
        )  # fmt: skip
        sums = DaySums(flips=flips + 1, looked_up_flips=1.0, looked_up_expected=0.7, removed=2, critical=1)
        out.append(DayReport(reporter=reporter, day=day, through=day, sums=sums, staff=[report]))
    return out


class Outcome:
    """An aggregator that records its evaluations and conclusions."""

    def __init__(self) -> None:
        self.evaluated: list[tuple[str, int, int, float]] = []
        self.conclusions: list[Conclusion] = []
        connectors = ConnectorBook({"staff": math.inf, "link": math.inf})
        rings = RingBook(connectors, lambda *_: None)
        reviewers = ReviewerBook(True, REPORTERS, lambda *_: None, math.inf)
        self.aggregator = Aggregator(
            REPORTERS, Books(StaffBook(self._evaluate), connectors, rings, reviewers), lambda _: None, lambda _: None
        )

    def _evaluate(self, history: StaffHistory, market: MarketTotals, day: int, watches: list[int]) -> None:
        assert [STAFF_WATCHES[number].kind for number in watches][-1] == "staff.removals"
        self.evaluated.append((history.actor_id, day, history.flips.count, market.looked_up_flips))
        if history.flips.count > 12:
            history.alerted_at["staff.access_flips"] = end_of_day(day)

    def take(self, report: DayReport) -> None:
        if (conclusion := self.aggregator.on_report(report)) is not None:
            self.conclusions.append(conclusion)

    def accused(self) -> list[tuple[int, str, str | None]]:
        return [entry for conclusion in self.conclusions for entry in conclusion.accused]


def closing(by_reporter: list[list[DayReport]]) -> list[DayReport]:
    """Return the messages by which all tasks have reported everything."""
    last = max(report.day for own in by_reporter for report in own)
    return [
        DayReport(reporter=reporter, day=last, through=last, sums=DaySums()) for reporter in range(len(by_reporter))
    ]


@given(order=st.permutations([reporter for reporter in range(REPORTERS) for _ in range(4)]), data=st.data())
@settings(max_examples=100, deadline=None)
def test_conclusions_do_not_depend_on_the_order_of_reports(order: list[int], data: st.DataObject) -> None:
    four_days = st.lists(st.integers(0, 3), min_size=4, max_size=4)
    days = data.draw(st.lists(four_days, min_size=REPORTERS, max_size=REPORTERS))
    by_reporter = [reports(reporter, days[reporter]) for reporter in range(REPORTERS)]
    in_sequence, permuted = Outcome(), Outcome()
    for report in [*chain.from_iterable(by_reporter), *closing(by_reporter)]:
        in_sequence.take(report)
    remaining = [iter(own) for own in by_reporter]
    for report in [*(next(remaining[reporter]) for reporter in order), *closing(by_reporter)]:
        permuted.take(report)
    assert in_sequence.evaluated == permuted.evaluated
    assert in_sequence.aggregator.staff.histories == permuted.aggregator.staff.histories
    assert in_sequence.aggregator.progress == permuted.aggregator.progress
    assert in_sequence.accused() == permuted.accused()
    assert not in_sequence.aggregator.unconcluded
    flips = in_sequence.aggregator.staff.histories["a"].flips
    assert flips.count == sum(map(sum, days))
    assert flips.expected == pytest.approx(4 * (0.1 + 0.2 + 0.3))
    times = [flipped.flip.at for flipped in flips.latest]
    assert times == sorted(times)


def test_day_waits_for_all_reports_or_idle_announcements() -> None:
    outcome = Outcome()
    for reporter in (0, 1):
        for report in reports(reporter, [1, 1, 1]):
            outcome.take(report)
    assert not outcome.evaluated  # the third task has not reported
    outcome.take(DayReport(reporter=2, day=0, through=0, sums=DaySums()))
    assert [day for _, day, *_ in outcome.evaluated] == [0]
    outcome.take(DayReport(reporter=2, day=2, through=2, sums=DaySums()))  # the task is idle
    assert [day for _, day, *_ in outcome.evaluated] == [0, 1, 2]
    assert [conclusion.day for conclusion in outcome.conclusions] == [0, 2]
    outcome.take(DayReport(reporter=2, day=0, through=0, sums=DaySums()))  # the task withdraws that
    late = reports(2, [0, 2])[1]
    outcome.take(late)  # its day is concluded already: it counts in the next conclusion
    for reporter in range(REPORTERS):
        outcome.take(DayReport(reporter=reporter, day=3, through=3, sums=DaySums(flips=1)))
    assert outcome.aggregator.staff.histories["a"].flips.count == 8
    assert outcome.evaluated[-1][1] == 2


@given(expected=st.lists(st.floats(0, 3), min_size=12, max_size=12))
def test_late_days_add_up_to_the_same(expected: list[float]) -> None:
    """An idle task announces days whose expected flips it still has to report."""
    by_reporter: list[list[DayReport]] = []
    for reporter in range(REPORTERS):
        own = reports(reporter, [reporter == 0] * 4)
        for staff in (staff for report in own for staff in report.staff):
            staff.expected = staff.expected_long_run = staff.looked_up_expected = quantize(expected.pop())
        by_reporter.append(own)
    in_time, late = Outcome(), Outcome()
    for report in [*chain.from_iterable(by_reporter), *closing(by_reporter)]:
        in_time.take(report)
    for report in [*by_reporter[0], *by_reporter[1], *closing(by_reporter), *by_reporter[2]]:
        late.take(report)
    for reporter in range(REPORTERS):
        late.take(DayReport(reporter=reporter, day=4, through=4, sums=DaySums()))
    expected_history, history = in_time.aggregator.staff.histories["a"], late.aggregator.staff.histories["a"]
    assert history.flips.expected == expected_history.flips.expected
    assert history.flips.expected_long_run == expected_history.flips.expected_long_run
    assert history.looked_up_expected == expected_history.looked_up_expected


def test_reported_sums_are_quantized() -> None:
    messages: list[Message] = []
    tasks = [Detector(3, "digest", number, 2) for number in range(2)]
    bus = LocalBus(tasks)
    for fields in simulate.market("access", 1, 10, 60)[0]:
        event = msgspec.convert(fields, AnyEvent)
        bus.task_of(event.seller_id).apply(event, event.occurred_at.timestamp())
        messages += [message for task in tasks for message in task.outbox]
        bus.deliver()
    days = [message for message in messages if isinstance(message, DayReport)]
    sums = [report.expected for day in days for report in day.staff]
    sums += [message.sums.looked_up_expected for message in days]
    assert sum(map(bool, sums)) > 20
    assert sums == [quantize(value) for value in sums]


@pytest.mark.parametrize("at_once", [True, False])
def test_dropped_staff_do_not_depend_on_how_many_days_are_concluded_at_once(at_once: bool) -> None:
    outcome = Outcome()
    for day in (15, 25):  # in the month that begins 730 days after day 20 only the first is dropped
        report = StaffReport(actor_id=f"of day {day}", first_seen=day * DAY, removed=1, critical=1)
        report.latest_removed = [finding(0, day, 0, "s")]
        outcome.take(DayReport(reporter=0, day=day, through=day - 1, staff=[report]))
    for through in [25, 765] if at_once else range(25, 766):
        for reporter in range(REPORTERS):
            outcome.take(DayReport(reporter=reporter, day=through, through=through, sums=DaySums()))
    assert outcome.aggregator.staff.histories.keys() == {"of day 25"}
    assert outcome.aggregator.progress.concluded_through == 765


def test_expectation_of_a_day_counts_before_its_flips() -> None:
    """The whole expectation of a day is compared with its flips, at whatever time of the day they occurred."""
    outcome = Outcome()
    for report in [*reports(0, [2, 1]), *closing([reports(0, [2, 1])] * REPORTERS)]:
        outcome.take(report)
    history = outcome.aggregator.staff.histories["a"].flips.history
    assert [row[4] for row in history] == pytest.approx([0.0, 0.0, 0.1])
    assert [row[3] for row in history] == [0, 1, 2]


def test_accusation_names_the_main_seller_of_the_flips() -> None:
    for second_seller, main_seller in (("s", "s"), ("t", None)):
        outcome = Outcome()
        by_reporter = [reports(0, [5, 5]), reports(1, [5, 5], second_seller), reports(2, [0, 0])]
        for report in [*chain.from_iterable(by_reporter), *closing(by_reporter)]:
            outcome.take(report)
        assert outcome.accused() == [(1, "a", main_seller)]


def test_accusation_counts_after_the_delay_and_no_task_runs_ahead_of_it() -> None:
    accused = ConclusionsInForce(version=1)
    assert accused.events_before() == math.inf
    accused.start(100)
    assert accused.events_before() == (100 + CONCLUSION_DELAY_DAYS + 1) * DAY  # no accusation counts earlier
    accused.on_conclusion(Conclusion(day=102, accused=[(90, "a", None)]))
    assert accused.events_before() == (102 + CONCLUSION_DELAY_DAYS + 1) * DAY
    accused.on_conclusion(Conclusion(day=105, accused=[(103, "b", "s")]))
    assert accused.events_before() == (105 + CONCLUSION_DELAY_DAYS + 1) * DAY
    assert accused.in_force(100 + CONCLUSION_DELAY_DAYS - 1) == {}
    assert accused.in_force(100 + CONCLUSION_DELAY_DAYS) == {"a": None}
    assert accused.in_force(200) == {"a": None, "b": "s"}


def test_messages_survive_encoding() -> None:
    messages: list[Message] = [
        *reports(0, [2]),
        DayRequest(reporter=2, day=4),
        Conclusion(day=4, accused=[(3, "a", None), (4, "b", "s")]),
    ]
    assert [decode_message(encode_message(message)) for message in messages] == messages


def events_of(market: simulate.Market) -> list[AnyEvent]:
    decoder = msgspec.json.Decoder(AnyEvent)
    return [decoder.decode(line) for line in market.lines]


@pytest.mark.slow
@pytest.mark.parametrize("partitions", [pytest.param(1, marks=pytest.mark.long), 4])
def test_replay_equals_tasks_that_are_fed_in_time_order(tmp_path: Path, partitions: int) -> None:
    market = simulate.simulate("access", 3, 120, 120)
    source = tmp_path / "events.jsonl"
    source.write_bytes(b"\n".join(market.lines))
    defaults = Settings()
    found: list[str] = []
    result = replay(defaults, str(source), partitions, lambda alert: found.append(alert.alert_id))
    tasks = LocalTasks(defaults.alert_budget, defaults.config_digest, partitions)
    raised = [
        alert.alert_id for event in events_of(market) for alert in tasks.apply(event, event.occurred_at.timestamp())
    ]
    for _ in range(2):  # the aggregator asks, the other tasks answer
        for task in tasks.tasks:
            task.on_idle()
        raised += [alert.alert_id for alert in tasks.deliver()]
    assert sorted(raised) == sorted(found)
    assert raised
    assert result.state_digest == {str(number): task.rows.digest() for number, task in enumerate(tasks.tasks)}


@pytest.mark.slow
def test_staff_evidence_survives_a_restore_at_any_time() -> None:
    events = events_of(simulate.simulate("access", 3, 80, 100))
    continuous, restored = LocalTasks(3, "digest", 2), LocalTasks(3, "digest", 2)
    rows: list[dict[bytes, bytes | None]] = [{}, {}]
    for number, event in enumerate(events):
        for tasks in (continuous, restored):
            tasks.apply(event, event.occurred_at.timestamp())
        if number % 5000 == 4999:
            for kept, task in zip(rows, restored.tasks, strict=True):
                kept.update(task.rows.changed())
            new_tasks = [Detector(3, "digest", number, 2) for number in range(2)]
            for kept, task in zip(rows, new_tasks, strict=True):
                task.rows.restore((key, value) for key, value in kept.items() if value is not None)
            restored.tasks = new_tasks
    assert [task.rows.digest() for task in continuous.tasks] == [task.rows.digest() for task in restored.tasks]
    assert any(task.state.aggregator.staff.histories for task in continuous.tasks)
    assert any(task.state.conclusions.accused for task in continuous.tasks)


def test_task_that_waits_announces_its_days() -> None:
    """Two tasks whose sellers are active in turn, months apart: each waits for the other, and both continue."""
    tasks = [Detector(3, "digest", number, 2) for number in range(2)]
    bus = LocalBus(tasks)
    clocks = [0.0, 400 * DAY]
    for task, clock in zip(tasks, clocks, strict=True):
        task._clock.advance(clock)
    bus.deliver()
    assert tasks[0].events_before() == tasks[1].events_before() - 400 * DAY
    while tasks[1].events_before() < 900 * DAY:
        before = [task.events_before() for task in tasks]
        for task in tasks:
            task.on_blocked(1000 * DAY if task.events_before() > 1000 * DAY else task.events_before())
        bus.deliver()
        assert [task.events_before() for task in tasks] != before


def test_idle_task_announces_each_day_and_withdraws_when_input_arrives() -> None:
    """After an outage the first task to resume must not be concluded without tasks that have as much to read."""
    tasks = [Detector(3, "digest", number, 2) for number in range(2)]
    bus = LocalBus(tasks)
    for task in tasks:
        task._clock.advance(100.5 * DAY)
    tasks[0]._clock.advance(110.5 * DAY)
    bus.deliver()
    assert tasks[0].state.aggregator.progress.concluded_through == 99
    for task in tasks:  # the aggregator asks, the other task answers
        task.on_idle()
        bus.deliver()
    assert tasks[0].state.aggregator.progress.concluded_through == 109
    tasks[1].on_idle()
    assert not tasks[1].outbox
    tasks[0]._clock.advance(120.5 * DAY)
    bus.deliver()
    assert tasks[0].state.aggregator.progress.concluded_through == 109
    tasks[1].on_blocked(115.5 * DAY)
    bus.deliver()
    assert tasks[0].state.aggregator.progress.reported_through == {0: 119, 1: 114}
    assert tasks[0].state.aggregator.progress.concluded_through == 114


def test_tasks_exchange_a_few_messages_a_day_however_many_they_are() -> None:
    days, tasks = 40, [Detector(3, "digest", number, 16) for number in range(16)]
    bus, sent = LocalBus(tasks), 0
    for fields in simulate.market("access", 1, 100, days)[0]:
        event = msgspec.convert(fields, AnyEvent)
        bus.task_of(event.seller_id).apply(event, event.occurred_at.timestamp())
        outgoing = [message for task in tasks for message in task.outbox]
        sent += sum(len(tasks) if message.recipient is None else 1 for message in outgoing)
        bus.deliver()
    assert len(tasks) * days < sent < 3.5 * len(tasks) * days
    assert tasks[0].state.aggregator.staff.histories
    assert not any(task.state.aggregator.staff.histories for task in tasks[1:])


@given(findings=st.lists(st.integers(0, 120), max_size=30))
def test_parts_of_a_report_are_bounded_and_complete(findings: list[int]) -> None:
    staff = [
        StaffReport(actor_id=str(number), first_seen=0, latest=[finding(0, 1, 0, "s")] * count)
        for number, count in enumerate(findings)
    ]
    linked = [
        LinkedReport(str(number), {"k": "owner"}, latest=[finding(0, 1, 0, "s")] * count)
        for number, count in enumerate(findings)
    ]
    reviewers = [
        ReviewerReport(str(number), 1, [finding(0, 1, 0, "s")] * count) for number, count in enumerate(findings)
    ]
    parts = list(report_parts(staff, linked, reviewers))
    assert list(chain.from_iterable(part[0] for part in parts)) == staff
    assert list(chain.from_iterable(part.linked for part in parts)) == linked
    assert list(chain.from_iterable(part.reviewers for part in parts)) == reviewers
    for part in parts:
        staff_size = sum(1 + one.finding_count for one in part.staff)
        linked_size = sum(1 + one.finding_count for one in part.linked)
        assert staff_size + linked_size + sum(1 + one.finding_count for one in part.reviewers) <= 500
    assert all(any(part) for part in parts) or not staff


@given(count=st.integers(0, 1500))
@settings(max_examples=30, deadline=None)
def test_a_report_with_many_sellers_is_divided_and_complete(count: int) -> None:
    clients = [ClientReport(f"s{number}", 1, 0.1, 0.1, 0.0, 0.0) for number in range(count)]
    report = StaffReport(actor_id="a", first_seen=1.0, flips=7, latest=[finding(0, 1, 0, "s")] * 60, clients=clients)
    found = list(chain.from_iterable(part[0] for part in report_parts([report], [], [])))
    assert list(chain.from_iterable(one.clients for one in found)) == clients
    assert [one.flips for one in found] == [7, *[0] * (len(found) - 1)]
    assert all(1 + one.finding_count <= 500 for one in found)
    assert {(one.actor_id, one.first_seen) for one in found} == {("a", 1.0)}


def test_a_day_in_parts_is_concluded_as_a_whole() -> None:
    whole, divided = Outcome(), Outcome()
    staff = [StaffReport(actor_id=name, first_seen=0, removed=1, critical=1) for name in "ab"]
    for one in staff:
        one.latest_removed = [finding(0, 1, 0, "s")]
    others = [DayReport(reporter=reporter, day=1, through=1) for reporter in (1, 2)]
    for report in [*others, DayReport(reporter=0, day=1, through=1, staff=staff)]:
        whole.take(report)
    for number, part in enumerate(staff):
        divided.take(DayReport(reporter=0, day=1, through=number, staff=[part], part=number))
        for report in others:
            divided.take(report)
    assert divided.evaluated == whole.evaluated
    assert len(whole.evaluated) == 2
    assert divided.aggregator.staff.histories == whole.aggregator.staff.histories


def test_large_message_stays_below_the_default_limit_of_a_topic() -> None:
    """Ids of the longest form; the parts of a report are bounded by their number of findings."""
    longest = "x" * 128
    flip = Flip(
        1e9 / 3,
        1e9 / 3,
        longest,
        longest,
        1 / 3,
        True,
        True,
        1 / 3,
        4,
        (longest,) * 4,
        True,
        1,
        None,
        "replacement",
        1 / 3,
        "USD",
    )
    latest = [ReportedFlip(longest, longest[:64], 1 / 3, flip)] * 60
    staff = [StaffReport(actor_id=longest, first_seen=1 / 3, latest=latest, latest_removed=latest)] * 20
    assert (
        max(
            len(encode_message(DayReport(reporter=1, day=2, through=2, staff=part.staff)))
            for part in report_parts(staff, [], [])
        )
        < 1_000_000
    )


@given(sizes=st.lists(st.integers(0, 64), max_size=60), reviews=st.lists(st.integers(0, 60), max_size=40))
@settings(max_examples=30, deadline=None)
def test_parts_of_a_conclusion_are_bounded_and_complete(sizes: list[int], reviews: list[int]) -> None:
    longest = "\U0001f600" * 128
    rings = [RingMembers(2, f"{n:032}", [longest] * size, [longest] * (size // 2)) for n, size in enumerate(sizes)]
    named = [NamedReviewer(2, longest, True, [(longest, longest)] * size) for size in reviews]
    whole = Conclusion(day=2, accused=[(1, "a", None)], withdrawn=[(2, "b")], rings=rings, reviewers=named)
    parts = list(conclusion_parts(whole, 1))
    assert [part.day for part in parts] == [*[1] * (len(parts) - 1), 2]
    assert list(chain.from_iterable(part.rings for part in parts)) == rings
    assert list(chain.from_iterable(part.reviewers for part in parts)) == named
    assert all(len(encode_message(part)) < 1_000_000 for part in parts)
    assert (parts[-1].accused, parts[-1].withdrawn) == (whole.accused, whole.withdrawn)


def test_idle_tasks_are_asked_for_days_and_report_them_in_the_end() -> None:
    """Also a task without any event, and the aggregator's own."""
    tasks = [Detector(3, "digest", number, 3) for number in range(3)]
    bus = LocalBus(tasks)
    tasks[1]._clock.advance(100.5 * DAY)
    tasks[1]._clock.advance(104.5 * DAY)
    for _ in range(3):
        for task in tasks:
            task.on_idle()
        bus.deliver()
    assert tasks[0].state.aggregator.progress.reported_through == {0: 103, 1: 103, 2: 103}
    assert [task.state.conclusions.concluded_through for task in tasks] == [103, 103, 103]
    assert [task.state.requested_through for task in tasks] == [-1, -1, -1]


def test_a_request_survives_a_restart() -> None:
    task = Detector(3, "digest", 1, 2)
    task.on_message(DayRequest(reporter=1, day=7))
    restored = Detector(3, "digest", 1, 2)
    restored.rows.restore((key, value) for key, value in task.rows.changed() if value is not None)
    restored.on_idle()
    assert [message.through for message in restored.outbox if isinstance(message, DayReport)] == [7]
