"""The read model: what a batch changes, what it can be asked, and that it can be thrown away."""

from __future__ import annotations

import datetime as dt
import gc
import sqlite3
from pathlib import Path

import msgspec
import pytest

from stream.console.queue_filter import QueueFilter
from stream.console.source.read_model import ReadModel
from stream.console.source.rows import Changes, RecordedEvent
from stream.contract.alerts import Subject
from stream.contract.cases import Case
from stream.contract.events import CaseNoted, CaseSubject
from tests.sample_cases import decided, fallen_ring_case, ring_case, seller_alert, seller_case, staff_case

_AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def _numbered(number: int, **fields: object) -> Case:
    return msgspec.structs.replace(seller_case(f"seller-{number}"), case_id=f"{number:032x}", **fields)


def _written(model: ReadModel, *cases: Case, topic: str = "cases", end: int = 1) -> None:
    model.write(Changes({case.case_id: (case, 1.0) for case in cases}, [], [], {(topic, 0): end}))


def _found(model: ReadModel, **narrowed: object) -> list[str]:
    where, order, values = QueueFilter(**narrowed).sql()  # type: ignore[arg-type]
    found = [case.case_id for case in model.select(where, order, values, 50)]
    assert len(found) == model.count(where, values)
    return found


@pytest.fixture
def model(tmp_path: Path) -> ReadModel:
    return ReadModel(tmp_path / "cases.sqlite")


def test_cases_and_positions_change_together_or_not_at_all(model: ReadModel) -> None:
    _written(model, _numbered(1), end=5)
    broken = Changes({"x": (_numbered(2), 1.0)}, [], [], {("cases", 0): None})  # type: ignore[dict-item]
    with pytest.raises(sqlite3.IntegrityError):
        model.write(broken)
    assert model.positions() == {("cases", 0): 5}
    assert model.case(_numbered(2).case_id) is None


def test_another_process_goes_on_with_the_same_file(model: ReadModel, tmp_path: Path) -> None:
    model.begin_from({"cases": "id-1"})
    _written(model, _numbered(1))
    again = ReadModel(tmp_path / "cases.sqlite")
    again.begin_from({"cases": "id-1"})
    assert again.case(_numbered(1).case_id) == _numbered(1)


def test_a_topic_that_was_created_again_throws_the_rows_away(model: ReadModel) -> None:
    model.begin_from({"cases": "id-1"})
    _written(model, _numbered(1))
    model.begin_from({"cases": "id-2"})
    assert model.case(_numbered(1).case_id) is None
    assert model.positions() == {}
    assert _found(model, state="all") == []


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\0" + bytes(500)])
def test_a_damaged_file_is_built_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cases.sqlite").write_bytes(content)
    model = ReadModel(tmp_path / "cases.sqlite")
    _written(model, _numbered(1))
    assert model.case(_numbered(1).case_id) is not None


def test_a_tombstone_takes_a_case_its_events_and_its_ids(model: ReadModel) -> None:
    case = _numbered(1)
    note = CaseNoted(
        event_id="e1", occurred_at=_AT, case_id=case.case_id, subject=CaseSubject("seller", "seller-1"),
        analyst_id="ana", note="text",
    )  # fmt: skip
    model.write(Changes({case.case_id: (case, 1.0)}, [RecordedEvent(note, 0, 3, _AT)], [], {}))
    assert [found.event for found in model.events_of(case.case_id)] == [note]
    model.write(Changes({case.case_id: None}, [], [], {}))
    assert model.case(case.case_id) is None
    assert model.events_of(case.case_id) == []
    assert _found(model, state="all", text="seller-1") == []


def test_the_queue_is_in_order_and_narrowed(model: ReadModel) -> None:
    due = [_AT + dt.timedelta(days=days) for days in range(4)]
    cases = [
        _numbered(1, priority=0.2, due_at=due[0], severity="low", assignee="ana"),
        _numbered(2, priority=0.9, due_at=due[3], severity="critical", kind="seller.flips"),
        _numbered(3, priority=0.2, due_at=due[1], severity="critical", state="appealed"),
        decided(_numbered(4, priority=0.5)),
        msgspec.structs.replace(staff_case(), case_id=f"{5:032x}", priority=0.1, due_at=due[2]),
    ]
    _written(model, *cases)
    order = [case.case_id for case in cases]

    def numbers(**narrowed: object) -> list[int]:
        return [1 + order.index(name) for name in _found(model, **narrowed)]

    assert numbers() == [2, 1, 3, 5]
    assert numbers(order="due") == [1, 3, 5, 2]
    assert numbers(severity="critical") == [2, 3]
    assert numbers(state="appealed") == [3]
    assert numbers(state="decided") == [4]
    assert numbers(subject_type="staff") == [5]
    assert numbers(assignee="ana") == [1]
    assert numbers(assignee="nobody") == [2, 3, 5]
    assert numbers(kind="seller.flips") == [2]
    assert numbers(state="all", text=f"{3:032x}") == [3]
    assert sorted(numbers(state="all", text="0" * 20)) == [1, 2, 3, 4, 5]


def test_a_case_is_found_by_every_id_of_its_evidence(model: ReadModel) -> None:
    case = _numbered(7)
    _written(model, case, _numbered(8, evidence=msgspec.structs.replace(case.evidence, reviews=[], linked=[])))
    review = case.evidence.reviews[0]
    for name in (case.subject.id, review.review_id, review.product_id, case.alerts[0].alert_id):
        assert case.case_id in _found(model, state="all", text=name), name
    assert _found(model, state="all", text=review.review_id) == [case.case_id]
    assert _found(model, state="all", text="seller-") == []
    assert _found(model, state="all", text="' OR 1=1 --") == []


def test_ids_of_an_earlier_evidence_lead_nowhere(model: ReadModel) -> None:
    case = _numbered(7)
    _written(model, case)
    _written(model, _numbered(7, evidence=msgspec.structs.replace(case.evidence, reviews=[])))
    assert _found(model, state="all", text=case.evidence.reviews[0].review_id) == []


def test_a_page_with_damage_inside_is_built_again(tmp_path: Path) -> None:
    model = ReadModel(tmp_path / "cases.sqlite")
    _written(model, *map(_numbered, range(50)))
    del model
    gc.collect()
    content = bytearray((tmp_path / "cases.sqlite").read_bytes())
    content[3 * 4096 : 20 * 4096] = bytes(17 * 4096)
    (tmp_path / "cases.sqlite").write_bytes(content)
    for end in ("-wal", "-shm"):
        (tmp_path / f"cases.sqlite{end}").unlink(missing_ok=True)
    assert _found(ReadModel(tmp_path / "cases.sqlite"), state="all") == []


def test_a_file_that_is_damaged_while_it_is_used_is_noticed_and_replaced(model: ReadModel, tmp_path: Path) -> None:
    _written(model, *(_numbered(number) for number in range(200)))
    noticed: list[bool] = []
    model.on_damage = lambda: noticed.append(model.damaged)
    for name in ("cases.sqlite", "cases.sqlite-wal"):
        path = tmp_path / name
        path.write_bytes(b"\xff" * path.stat().st_size)
    for _ in range(2):
        with pytest.raises(sqlite3.DatabaseError):
            _written(model, *(_numbered(number) for number in range(300)))
    assert noticed == [True]
    model.renew()
    assert not model.damaged
    assert _found(model) == []
    _written(model, _numbered(1))
    assert _found(model) == [_numbered(1).case_id]


def test_a_finding_counts_once_however_many_alerts_update_it(model: ReadModel) -> None:
    first = seller_alert("a" * 32, _AT)
    second = msgspec.structs.replace(first, alert_id="b" * 32, supersedes="a" * 32)
    other = msgspec.structs.replace(first, alert_id="c" * 32, finding_id="another")
    model.write(Changes({}, [], [first, second, other], {}))
    assert model.findings_since(_AT) == 2
    assert model.findings_since(_AT + dt.timedelta(seconds=1)) == 0


def test_a_ring_is_found_by_its_members_and_its_insider(model: ReadModel) -> None:
    case = ring_case()
    _written(model, case, _numbered(1))
    assert case.ring is not None
    members = [Subject("seller", member.seller_id) for member in case.ring.members]
    for subject in (*members, Subject("staff", case.ring.connectors[0].id)):
        assert [found.case_id for found in model.rings_of(subject)] == [case.case_id]
        assert case.case_id in _found(model, state="all", text=subject.id)
    assert model.rings_of(Subject("staff", members[0].id)) == [], "an id of a seller is none of staff"
    assert model.rings_of(Subject("seller", "seller-1")) == []
    assert _found(model, state="all", subject_type="ring") == [case.case_id]


def test_the_subjects_of_a_ring_change_with_its_case_and_go_with_it(model: ReadModel) -> None:
    case, fallen = ring_case(), fallen_ring_case()
    assert case.ring is not None
    assert case.evidence.ring is not None
    late = msgspec.structs.replace(case.ring.members[0], seller_id="late")
    ring = msgspec.structs.replace(case.ring, members=[*case.ring.members, late])
    _written(model, msgspec.structs.replace(case, ring=ring))
    assert len(model.rings_of(Subject("seller", "late"))) == 1
    _written(model, fallen)
    assert model.rings_of(Subject("seller", "late")) == []
    member = Subject("seller", case.evidence.ring.members[0].seller_id)
    assert [found.ring for found in model.rings_of(member)] == [fallen.ring], "a member of the latest alert is kept"
    model.write(Changes({case.case_id: None}, [], [], {}))
    assert model.rings_of(member) == []
