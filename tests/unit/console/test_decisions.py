"""Decisions: what is written, what is refused and why, once each."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from stream.config import Settings
from stream.console import bulk
from stream.console.access.roles import User
from stream.console.bulk import BulkJobs
from stream.console.change_stream import ChangeStream
from stream.console.decisions import Decisions, Done, RefusedError
from stream.console.queue_filter import QueueFilter
from stream.console.source.rows import Changes, RecordedEvent
from stream.console.taking import Taking
from stream.contract.cases import Case
from stream.contract.events import CaseAssigned, CaseNoted, VerdictRecorded
from tests.sample_cases import decided, seller_case, staff_case
from tests.unit.console.running_console import Console, MemoryLog, served

ANA, BEN, LEA = User("ana", "analyst"), User("ben", "analyst"), User("lea", "lead")
_ID = "0" * 31


def _form(number: int = 1, **fields: str) -> dict[str, str]:
    return {"event_id": f"{number:032x}", **fields}


def _decisions(folder: Path, *cases: Case, **settings: Any) -> tuple[Decisions, MemoryLog]:
    console = Console(folder, list(cases))
    market = Settings.model_validate(settings)
    now = lambda: dt.datetime(2027, 1, 1, tzinfo=dt.UTC)  # noqa: E731
    return Decisions(market, console.read_model, console.log, now), console.log


def test_a_verdict_holds_the_answers_and_the_story(tmp_path: Path) -> None:
    case = seller_case()
    decisions, log = _decisions(tmp_path, case)
    answers = {"check-0": "yes", "check-1": "unknown", "note": " Tickets 811 to 823. "}
    form = _form(verdict="explained", story="product_fix", mute_days="10") | answers
    done = decisions.verdict(ANA, case.case_id, form)
    (event,) = log.events
    assert done == Done(event, "verdict_in_force")
    assert isinstance(event, VerdictRecorded)
    assert (event.verdict, event.story, event.analyst_id, event.second_analyst_id) == (
        "explained",
        "product_fix",
        "ana",
        None,
    )
    assert event.note == f"{case.checks[0]} yes.\n{case.checks[1]} not known.\nTickets 811 to 823."
    assert event.muted_until == event.occurred_at + dt.timedelta(days=10)


def test_a_form_that_is_sent_twice_is_written_once(tmp_path: Path) -> None:
    case = seller_case()
    decisions, log = _decisions(tmp_path, case)
    for _ in range(3):
        decisions.verdict(ANA, case.case_id, _form(verdict="dismissed"))
    assert len(log.events) == 1


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (_form(verdict="guilty"), "one of the four verdicts"),
        (_form(verdict="explained"), "innocent story"),
        (_form(verdict="explained", story="magic"), "innocent story"),
        (_form(verdict="dismissed", mute_days="3651"), "0 to 3,650 days"),
        (_form(verdict="dismissed", mute_days="-1"), "0 to 3,650 days"),
        (_form(verdict="dismissed", mute_days="٣"), "0 to 3,650 days"),
        (_form(verdict="dismissed", note="x" * 2_001), "2,001 characters"),
        ({"verdict": "dismissed", "event_id": "../../x"}, "load the page again"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_used_says_why(tmp_path: Path, form: dict[str, str], reason: str) -> None:
    case = seller_case()
    decisions, log = _decisions(tmp_path, case)
    with pytest.raises(RefusedError, match=reason):
        decisions.verdict(ANA, case.case_id, form)
    assert log.events == []


def test_evidence_that_came_while_somebody_read_is_looked_at_first(tmp_path: Path) -> None:
    case = seller_case()
    decisions, log = _decisions(tmp_path, case)
    form = _form(verdict="dismissed", alert_id="an earlier one")
    with pytest.raises(RefusedError, match="new alert"):
        decisions.verdict(ANA, case.case_id, form)
    assert log.events == []


def test_an_appeal_is_answered_by_another_analyst(tmp_path: Path) -> None:
    case = decided(seller_case())
    case = msgspec.structs.replace(
        case, state="appealed", verdicts=[msgspec.structs.replace(case.verdicts[0], analyst_id="ana")]
    )
    decisions, log = _decisions(tmp_path, case)
    with pytest.raises(RefusedError, match="another analyst does"):
        decisions.verdict(ANA, case.case_id, _form(verdict="confirmed"))
    assert decisions.verdict(BEN, case.case_id, _form(verdict="dismissed")).outcome == "verdict_in_force"
    assert len(log.events) == 1


def test_nobody_is_his_own_second_analyst(tmp_path: Path) -> None:
    case = staff_case()
    decisions, log = _decisions(tmp_path, case)
    form = _form(verdict="confirmed", second_analyst_id="ben", second="ben")
    assert decisions.verdict(ANA, case.case_id, form).outcome == "verdict_waits_for_second"
    event = log.events[0]
    assert isinstance(event, VerdictRecorded)
    assert event.second_analyst_id is None


def test_a_closed_case_takes_nothing(tmp_path: Path) -> None:
    case = seller_case(state="closed")
    decisions, log = _decisions(tmp_path, case)
    for act in (decisions.verdict, decisions.appeal, decisions.note, decisions.assign):
        with pytest.raises(RefusedError, match="closed"):
            act(LEA, case.case_id, _form(verdict="dismissed", note="x", assignee="lea"))
    with pytest.raises(RefusedError, match="no such case"):
        decisions.note(LEA, _ID, _form(note="x"))
    assert log.events == []


def test_only_a_lead_gives_a_case_to_somebody_else(tmp_path: Path) -> None:
    case = seller_case(assignee="ana")
    decisions, log = _decisions(tmp_path, case)
    for user, assignee in ((ANA, "ben"), (BEN, "")):
        with pytest.raises(RefusedError, match="Only a lead"):
            decisions.assign(user, case.case_id, _form(assignee=assignee))
    decisions.assign(ANA, case.case_id, _form(1, assignee=""))
    decisions.assign(BEN, case.case_id, _form(2, assignee="ben"))
    decisions.assign(LEA, case.case_id, _form(3, assignee="ana"))
    assert [event.assignee_id for event in log.events if isinstance(event, CaseAssigned)] == [None, "ben", "ana"]


def test_a_bulk_job_writes_nothing_before_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "UNDO_SECONDS", 0.2)
    written: list[int] = []

    def decide(number: int) -> Done:
        if number == 2:
            raise RefusedError("The case is closed.")
        written.append(number)
        return None  # type: ignore[return-value]

    async def run() -> None:
        jobs = BulkJobs()
        undone = jobs.begin(ANA, "explain", [lambda: decide(9)])
        with pytest.raises(RefusedError, match="undo it, or wait"):
            jobs.begin(ANA, "explain", [lambda: decide(8)])
        assert jobs.waiting(ANA) is undone
        assert jobs.job(BEN, undone.job_id) is None
        assert not jobs.undo(BEN, undone.job_id)
        assert jobs.undo(ANA, undone.job_id)
        job = jobs.begin(ANA, "explain", [lambda: decide(1), lambda: decide(2), lambda: decide(3)])
        assert written == []
        await asyncio.sleep(0.6)
        assert (job.state, job.recorded, job.refused) == ("done", 2, {"The case is closed.": 1})
        assert undone.state == "undone"
        assert jobs.shown(ANA) is job
        assert jobs.shown(BEN) is None
        monkeypatch.setattr(bulk, "_SHOWN_SECONDS", 0.0)
        assert jobs.shown(ANA) is None
        assert not jobs.undo(ANA, job.job_id)

    asyncio.run(run())
    assert written == [1, 3]


def _taking(folder: Path, *cases: Case) -> tuple[Taking, Console]:
    console = Console(folder, list(cases), console_lease_minutes=30)
    return Taking(console.services), console


def test_each_analyst_takes_another_case_in_the_order_of_the_list(tmp_path: Path) -> None:
    cases = [msgspec.structs.replace(seller_case(f"s{n}"), case_id=f"{n:032x}", priority=1 - n / 10) for n in range(3)]
    taking, _ = _taking(tmp_path, *cases)
    taken = [taking.take_next(user, QueueFilter()) for user in (ANA, BEN, LEA, ANA)]
    assert taken == [*(case.case_id for case in cases), None]


def test_a_case_that_was_taken_elsewhere_first_is_given_back(tmp_path: Path) -> None:
    """Another console's event stands before ours in the log, and comes to our read model only with ours."""
    cases = [msgspec.structs.replace(seller_case(f"s{n}"), case_id=f"{n:032x}", priority=1 - n / 10) for n in range(2)]
    taking, console = _taking(tmp_path, *cases)
    log = console.log
    record = log.record

    def late(event: Any) -> None:
        if event.case_id == cases[0].case_id and event.analyst_id == "ana" and event.assignee_id == "ana":
            first = msgspec.structs.replace(event, event_id="f" * 32, analyst_id="ben", assignee_id="ben")
            found = RecordedEvent(first, 0, len(log.events), dt.datetime.now(dt.UTC))
            console.read_model.write(Changes({}, [found], [], {}))
            log.events.append(first)
        record(event)

    log.record = late  # type: ignore[method-assign]
    assert taking.take_next(ANA, QueueFilter()) == cases[1].case_id
    assigned = [event for event in log.events if isinstance(event, CaseAssigned) and event.case_id == cases[0].case_id]
    assert [event.assignee_id for event in assigned] == ["ben", "ana", "ben"]


@pytest.mark.parametrize(("minutes", "worked", "is_free"), [(29, False, False), (31, False, True), (31, True, False)])
def test_a_lease_ends_unless_somebody_works(tmp_path: Path, minutes: int, worked: bool, is_free: bool) -> None:
    case = seller_case(assignee="ben")
    taking, console = _taking(tmp_path, case)
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
    subject = {"subject": {"type": "seller", "id": case.subject.id}, "case_id": case.case_id, "occurred_at": at}
    events = [msgspec.convert({"event_id": "e1", **subject, "analyst_id": "ben", "assignee_id": "ben"}, CaseAssigned)]
    found = [RecordedEvent(events[0], 0, 1, at)]
    if worked:
        note = msgspec.convert({"event_id": "e2", **subject, "analyst_id": "ben", "note": "looking"}, CaseNoted)
        found.append(RecordedEvent(note, 0, 2, at))
    console.read_model.write(Changes({}, found, [], {}))
    assert taking.is_free(ANA, case) is is_free


def test_the_first_analyst_is_not_offered_the_case_that_waits_for_the_second(tmp_path: Path) -> None:
    case = decided(staff_case(), "confirmed")
    waiting = msgspec.structs.replace(case.verdicts[0], effect="waits_for_second", analyst_id="ana")
    case = msgspec.structs.replace(case, state="open", verdicts=[waiting], waits_for_second=True, assignee="ana")
    taking, console = _taking(tmp_path, case, seller_case())
    assert not taking.is_free(ANA, case)
    assert taking.is_free(BEN, case)
    where, order, values = QueueFilter(state="second_analyst").sql()
    assert [found.case_id for found in console.read_model.select(where, order, values, 9)] == [case.case_id]


def test_a_verdict_that_another_one_replaced_is_not_called_applied(tmp_path: Path) -> None:
    case = decided(seller_case(), "confirmed")
    mine = msgspec.structs.replace(case.verdicts[0], event_id="mine", verdict="dismissed", effect="superseded")
    console = Console(tmp_path, [msgspec.structs.replace(case, verdicts=[mine, *case.verdicts])])
    with served(console.app()) as address:
        page = httpx.get(f"{address}/cases/{case.case_id}?done=mine").text
    assert "Recorded, but it is not in force" in page
    assert "Recorded and applied" not in page


def test_an_assignee_with_a_space_is_refused_in_plain_words(tmp_path: Path) -> None:
    case = seller_case()
    decisions, log = _decisions(tmp_path, case)
    with pytest.raises(RefusedError, match=r"^An assignee is an id without spaces"):
        decisions.assign(LEA, case.case_id, _form(1, assignee="ana b"))
    assert log.events == []


def test_pages_hear_of_changes_and_a_slow_one_reads_everything_again() -> None:
    async def run() -> None:
        stream = ChangeStream()
        stream.begin()
        page = stream.stream()
        assert await anext(page) == "retry: 2000\n\n"
        stream.changed(["a", "b"])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await anext(page) == "event: case-a\ndata: \n\nevent: case-b\ndata: \n\n"
        assert await anext(page) == "event: cases\ndata: \n\n"
        for number in range(200):
            stream.changed([str(number)])
        rest = await anext(page)
        assert "case-all" in rest
        assert rest.count("event:") <= 65
        stream.end()

    asyncio.run(run())
