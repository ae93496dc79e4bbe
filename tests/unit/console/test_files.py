"""A replay's files: the same cases as the replay's own, decisions on the disk first, errors of one line."""

from __future__ import annotations

import datetime as dt
import gzip
import sqlite3
from pathlib import Path

import msgspec
import pytest

from stream.config import Settings
from stream.console.source.files import FileCases, UnusableFileError, decisions_file
from stream.console.source.read_model import ReadModel
from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.contract.events import CaseSubject, VerdictRecorded
from stream.market import simulate
from stream.offline.replay import replay
from stream.ops.cases import UnusableEventError
from tests import example_rings
from tests.sample_cases import ring_alert


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Case]]:
    folder = tmp_path_factory.mktemp("market")
    events = folder / "market.jsonl"
    simulate.write("cheats", 11, 80, 200, events, folder / "truth.jsonl")
    return folder, _replayed(folder, events)


def _replayed(folder: Path, events: Path) -> list[Case]:
    alerts: list[Alert] = []
    cases: list[Case] = []
    replay(Settings(), str(events), 1, alerts.append, False, cases.append)
    (folder / "alerts.jsonl").write_bytes(b"".join(msgspec.json.encode(alert) + b"\n" for alert in alerts))
    return cases


def _opened(folder: Path, tmp_path: Path, events: Path | None = None) -> tuple[FileCases, ReadModel, list[str]]:
    model, changed = ReadModel(tmp_path / "cases.sqlite"), list[str]()
    found = FileCases(Settings(), model, folder / "alerts.jsonl", events or folder / "market.jsonl", changed.extend)
    found.load()
    return found, model, changed


def _verdict(case: Case, at: dt.datetime, **fields: object) -> VerdictRecorded:
    subject = CaseSubject(case.subject.type, case.subject.id)  # type: ignore[arg-type]
    common = {
        "occurred_at": at,
        "case_id": case.case_id,
        "subject": subject,
        "verdict": "dismissed",
        "analyst_id": "ana",
    }
    return VerdictRecorded(event_id="e1", **(common | fields))  # type: ignore[arg-type]


def _same(one: Case, other: Case) -> bool:
    return msgspec.structs.replace(one, priority=0, position=None) == msgspec.structs.replace(
        other, priority=0, position=None
    )


def test_the_cases_are_those_of_the_replay(market: tuple[Path, list[Case]], tmp_path: Path) -> None:
    folder, cases = market
    _, model, _ = _opened(folder, tmp_path)
    assert len(cases) >= 3
    for case in cases:
        found = model.case(case.case_id)
        assert found is not None
        assert _same(found, case)


def test_decisions_come_one_after_the_other(market: tuple[Path, list[Case]], tmp_path: Path) -> None:
    source, _, _ = _opened(market[0], tmp_path)
    times = [source.market_now() for _ in range(3)]
    assert times == sorted(set(times))


def test_a_damaged_read_model_is_filled_again(market: tuple[Path, list[Case]], tmp_path: Path) -> None:
    folder, cases = market
    _, model, _ = _opened(folder, tmp_path)
    while model._idle:  # a connection may hold the small file in memory
        model._idle.pop().close()
    path = tmp_path / "cases.sqlite"
    path.write_bytes(b"\xff" * path.stat().st_size)
    with pytest.raises(sqlite3.DatabaseError):
        for case in cases * 50:
            model.case(case.case_id)
    assert all(model.case(case.case_id) is not None for case in cases)


def test_a_file_without_events_is_refused(market: tuple[Path, list[Case]], tmp_path: Path) -> None:
    events = tmp_path / "text.jsonl"
    events.write_bytes(b"no event\n" * 3)
    with pytest.raises(UnusableFileError, match=r"text\.jsonl has no event"):
        _opened(market[0], tmp_path, events)


def test_a_decision_is_on_the_disk_and_a_replay_of_both_files_has_it(
    market: tuple[Path, list[Case]], tmp_path: Path
) -> None:
    folder, cases = market
    (tmp_path / "alerts.jsonl").symlink_to(folder / "alerts.jsonl")
    events = tmp_path / "market.jsonl.gz"
    events.write_bytes(gzip.compress((folder / "market.jsonl").read_bytes()))
    source, model, changed = _opened(folder, tmp_path, events)
    case = next(case for case in cases if case.subject.type == "seller")
    source.record(_verdict(case, source.market_now()))
    assert changed == [case.case_id]
    decisions = tmp_path / "market.decisions.jsonl"
    both = tmp_path / "both.jsonl"
    both.write_bytes((folder / "market.jsonl").read_bytes() + decisions.read_bytes())
    again_folder = tmp_path / "again"
    again_folder.mkdir()
    replayed = next(one for one in _replayed(again_folder, both) if one.case_id == case.case_id)
    shown = model.case(case.case_id)
    assert shown is not None
    assert shown.state == "decided"
    assert _same(replayed, shown)
    # A console that is started again has the decision, too.
    _, second, _ = _opened(folder, again_folder, events)
    found = second.case(case.case_id)
    assert found is not None
    assert found.state == "decided"


def test_an_event_that_a_worker_would_refuse_is_not_written(market: tuple[Path, list[Case]], tmp_path: Path) -> None:
    folder, cases = market
    events = tmp_path / "market.jsonl"
    events.symlink_to(folder / "market.jsonl")
    source, _, _ = _opened(folder, tmp_path, events)
    with pytest.raises(UnusableEventError):
        source.record(_verdict(cases[0], source.market_now(), analyst_id="ana@shop.example"))
    assert not source.decisions.exists()


@pytest.mark.parametrize("name", ["market.jsonl", "market.jsonl.gz", "market"])
def test_decisions_stand_beside_the_events(name: str) -> None:
    assert decisions_file(Path("/data") / name) == Path("/data/market.decisions.jsonl")


def test_a_file_that_holds_no_alerts_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_text('{"alert_id": "x"}\n')
    (tmp_path / "market.jsonl").write_text("")
    with pytest.raises(UnusableFileError, match=r"alerts.jsonl, line 1, is no alert .*replay --alerts"):
        _opened(tmp_path, tmp_path)


def test_a_broken_line_of_decisions_is_named(market: tuple[Path, list[Case]], tmp_path: Path) -> None:
    folder, _ = market
    (tmp_path / "market.jsonl").symlink_to(folder / "market.jsonl")
    (tmp_path / "market.decisions.jsonl").write_text('{"type": "verdict.rec')
    with pytest.raises(UnusableFileError, match=r"market.decisions.jsonl, line 1, .*repair or remove the line"):
        _opened(folder, tmp_path, tmp_path / "market.jsonl")


def test_a_ring_from_files_is_that_of_its_alert_and_takes_a_verdict(tmp_path: Path) -> None:
    alert = ring_alert()
    (tmp_path / "alerts.jsonl").write_bytes(gzip.decompress(example_rings.ALERTS.read_bytes()))
    event = {"type": "review.deleted", "occurred_at": (alert.raised_at + dt.timedelta(days=30)).isoformat()}
    (tmp_path / "market.jsonl").write_bytes(msgspec.json.encode(event))
    source, model, _ = _opened(tmp_path, tmp_path)
    (case,) = model.select("subject_id = ?", "case_id", (alert.subject.id,), 2)
    assert (case.ring, case.evidence.ring) == (None, alert.evidence.ring)
    source.record(_verdict(case, source.market_now(), second_analyst_id="ben"))
    (decided,) = model.select("subject_id = ?", "case_id", (alert.subject.id,), 2)
    assert decided.state == "decided"
