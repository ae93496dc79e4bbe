"""The analyst's commands on a real Kafka: the queue, one case, events with their keys, refusals, acknowledgement."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from rich.cells import cell_len

from stream.config import KafkaSettings
from stream.contract.cases import Case
from stream.contract.events import STREAMS, CaseNoted, CaseSubject
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.ops import cases, topic_reader
from stream.ops.broker import Broker
from stream.ops.client import connection
from tests.kafka.group import PARTITIONS, Group, argv, configure
from tests.sample_cases import HOUR, decided, seller_case, staff_case

pytestmark = pytest.mark.kafka
_VERDICTS = list(STREAMS).index("verdicts")


def _run(group: Group, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = group.environment | {"COLUMNS": "80", "VOLTEFACE_FOUR_EYES": "staff"} | variables
    return subprocess.run(argv(*arguments), env=environment, capture_output=True, text=True, timeout=60, check=False)


def _live(case: Case, ago: dt.timedelta = HOUR) -> Case:
    """Return a case whose latest event is of today, as in a market that is not replayed."""
    return msgspec.structs.replace(case, updated_at=dt.datetime.now(dt.UTC) - ago)


def _put(group: Group, *records: Case | tuple[str, bytes | None]) -> None:
    """Write cases, or records with a key and a value, to the cases topic."""
    with KafkaProducer(**connection(group.kafka)) as producer:
        for each in records:
            key, value = (each.case_id, msgspec.json.encode(each)) if isinstance(each, Case) else each
            producer.send(group.settings.cases_topic, key=key.encode(), value=value).get(30)


def _events(group: Group) -> list[tuple[Any, dict[str, Any]]]:
    """Return the records on the verdicts topic, and their values; each is one that a worker accepts."""
    found = []
    intake = Intake(group.settings, PARTITIONS)
    for record in topic_reader.read(group.kafka, group.settings.verdicts_topic):
        intake.decode(_VERDICTS, record.partition, record.key, record.value, dt.datetime.now(dt.UTC).timestamp())
        found.append((record, json.loads(record.value)))
    return found


def _only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


def _ids(lines: str) -> list[str]:
    return [json.loads(line)["subject"]["id"] for line in lines.splitlines()]


def test_the_queue_is_in_order_without_tombstones_and_foreign_records(group: Group) -> None:
    low, high = seller_case("low", priority=0.2), seller_case("high", priority=0.9)
    gone, closed = seller_case("gone"), decided(seller_case("closed"), state="closed")
    _put(
        group, gone, low, high, closed, decided(seller_case("decided")),
        (gone.case_id, None), (low.case_id, b"no case"), ("other key", msgspec.json.encode(low)), ("", b"\xff"),
        seller_case("high", priority=0.95),
    )  # fmt: skip
    done = _run(group, "cases", "--json")
    assert (done.returncode, _ids(done.stdout)) == (0, ["high", "low"])
    assert json.loads(done.stdout.splitlines()[0])["priority"] == 0.95
    assert done.stderr.count("is passed over: The record is no case: ") == 3
    assert len(done.stderr.splitlines()) == 3
    for options, expected in (
        (["--state", "decided", "--state", "closed"], {"decided", "closed"}),
        (["--subject", "low", "--subject", "closed"], {"low"}),
        (["--subject", "gone", "--state", "open"], set()),
    ):
        assert set(_ids(_run(group, "cases", "--json", *options).stdout)) == expected
    none = _run(group, "cases", "--subject", "gone")
    assert none.stdout == ""
    assert none.stderr.splitlines()[-1] == (
        f"no open or appealed cases about these subjects among the 4 in {group.settings.cases_topic}"
    )


def test_an_empty_queue_is_said(group: Group) -> None:
    done = _run(group, "cases")
    topic = group.settings.cases_topic
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"no open or appealed cases among the 0 in {topic}\n")


@pytest.mark.long
def test_hostile_ids_fit_80_columns_and_the_shown_id_can_be_used(group: Group) -> None:
    hostile = ["x" * 128, "店" * 128, "[/acme]", "[red]" + "y" * 123, '"><script>alert(1)</script>']
    _put(group, *(_live(seller_case(one, assignee=one)) for one in hostile))
    done = _run(group, "cases")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(cell_len, done.stdout.splitlines())) <= 80
    shown = [line.split()[0] for line in done.stdout.splitlines()[1:] if not line.startswith(" ")]
    assert len(set(shown)) == len(hostile)
    found = set()
    for one in shown:
        page = _run(group, "case", one)
        assert (page.returncode, page.stderr) == (0, "")
        assert max(map(cell_len, page.stdout.splitlines())) <= 80
        found.add(json.loads(_run(group, "case", one, "--json").stdout)["subject"]["id"])
    assert found == set(hostile)


def test_a_verdict_is_one_event_with_the_key_of_its_subject(group: Group) -> None:
    case = _live(seller_case("shop-7"))
    _put(group, case)
    before = dt.datetime.now(dt.UTC)
    done = _run(
        group, "verdict", case.case_id[:7], "explained", "--story", "product_fix", "--note", "Ünlaut.\nTwo lines.",
        "--mute", "90d", "--analyst", "ana", "--second", "ben",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    ((record, event),) = _events(group)
    assert (record.key, record.partition) == (b"shop-7", partition_of("shop-7", PARTITIONS))
    occurred_at = dt.datetime.fromisoformat(event.pop("occurred_at"))
    assert before <= occurred_at <= dt.datetime.now(dt.UTC)
    assert dt.datetime.fromisoformat(event.pop("muted_until")) == occurred_at + dt.timedelta(days=90)
    until = occurred_at + dt.timedelta(days=90)
    assert len(event.pop("event_id")) == 32
    assert event == {
        "type": "verdict.recorded", "case_id": case.case_id, "subject": {"type": "seller", "id": "shop-7"},
        "verdict": "explained", "story": "product_fix", "analyst_id": "ana", "second_analyst_id": "ben",
        "note": "Ünlaut.\nTwo lines.", "alert_id": case.alerts[-1].alert_id,
    }  # fmt: skip
    assert _only_line(done.stderr) == (
        f"case {case.case_id[:8]}: recorded; the worker applies it within seconds: the case is decided, and what "
        f"happened so far becomes the subject's own past; no alerts until {until:%Y-%m-%d}"
    )


def test_the_other_events(group: Group) -> None:
    case = _live(decided(seller_case("shop")))
    _put(group, case)
    for arguments, expected, message in (
        (["appeal", case.case_id, "--note", "No."], {"type": "case.appealed", "appellant": "seller", "note": "No."},
         "another analyst answers the appeal"),
        (["assign", case.case_id], {"type": "case.assigned", "analyst_id": getpass.getuser(),
         "assignee_id": getpass.getuser()}, f"{getpass.getuser()} has the case"),
        (["assign", case.case_id, "--to", "ben", "--analyst", "ana"],
         {"type": "case.assigned", "analyst_id": "ana", "assignee_id": "ben"}, "ben has the case"),
        (["assign", case.case_id, "--nobody", "--analyst", "ana"],
         {"type": "case.assigned", "analyst_id": "ana", "assignee_id": None}, "nobody has the case"),
        (["note", case.case_id, "a note", "--analyst", "ana"],
         {"type": "case.noted", "analyst_id": "ana", "note": "a note"}, "the note is in the case"),
    ):  # fmt: skip
        done = _run(group, *arguments)
        assert (done.returncode, done.stdout) == (0, "")
        assert message in _only_line(done.stderr)
        event = max(_events(group), key=lambda one: one[0].offset)[1]
        assert {name: event[name] for name in expected} == expected
        assert event["case_id"] == case.case_id
    assert len(_events(group)) == 5


@pytest.mark.parametrize(
    ("four_eyes", "second", "message"),
    [
        ("staff", (), "recorded, but not in force: VOLTEFACE_FOUR_EYES=staff needs a second analyst"),
        ("staff", ("--second", "ben"), "recorded; the worker applies it within seconds: the case is decided"),
        ("off", (), "recorded; the worker applies it within seconds: the case is decided"),
    ],
    ids=["alone", "both", "off"],
)
def test_a_verdict_on_staff_may_need_a_second_analyst(
    four_eyes: str, second: tuple[str, ...], message: str, group: Group
) -> None:
    case = _live(staff_case())
    _put(group, case)
    arguments = ("verdict", case.case_id, "confirmed", "--analyst", "ana", *second)
    done = _run(group, *arguments, VOLTEFACE_FOUR_EYES=four_eyes)
    assert done.returncode == 0
    assert message in _only_line(done.stderr)
    assert [event["verdict"] for _, event in _events(group)] == ["confirmed"]


def _refused(group: Group, *arguments: str) -> str:
    done = _run(group, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    return _only_line(done.stderr)


def test_what_a_worker_would_not_apply_is_not_written(group: Group) -> None:
    open_case, closed = _live(seller_case("open")), _live(decided(seller_case("closed"), state="closed"))
    appealed = _live(decided(seller_case("appealed"), state="appealed"))
    _put(group, open_case, closed, appealed)
    nothing = "nothing was recorded: "
    for arguments in (["verdict", closed.case_id, "dismissed"], ["appeal", closed.case_id], ["assign", closed.case_id],
                      ["note", closed.case_id, "text"]):  # fmt: skip
        assert _refused(group, *arguments) == (
            f"{nothing}the case is closed; a new alert on the subject opens a new case"
        )
    assert _refused(group, "appeal", open_case.case_id) == f"{nothing}the case has no verdict that can be contested"
    assert _refused(group, "verdict", appealed.case_id, "dismissed", "--analyst", "ana-lyst") == (
        f"{nothing}ana-lyst gave the verdict that is contested: another analyst answers the appeal"
    )
    assert "nothing was recorded: --at is before the latest event of the case" in _refused(
        group, "note", open_case.case_id, "text", "--at", "2020-01-01"
    )
    assert _refused(group, "note", open_case.case_id, "text", "--analyst", "ana@example.com") == (
        "nothing was recorded, because a worker would refuse it: analyst_id looks like an e-mail address."
    )
    assert _events(group) == []


def test_a_wrong_id_is_one_line_with_the_nearest_ids(group: Group) -> None:
    case = _live(seller_case("shop"), HOUR)
    _put(group, case)
    wrong = f"{case.case_id[:9]}{'0' if case.case_id[9] != '0' else '1'}"
    for arguments in (["case", wrong], ["verdict", wrong, "confirmed"], ["note", wrong, "text"]):
        line = _refused(group, *arguments)
        assert line == f"UnknownCaseError: there is no case {wrong!r}: the nearest ids are {case.case_id[:11]}"
    assert "is a subject and no case" in _refused(group, "case", "shop")
    assert "at least the first 6 digits" in _refused(group, "case", case.case_id[:5])
    assert _events(group) == []


def _at(event: dict[str, Any]) -> dt.datetime:
    return dt.datetime.fromisoformat(event["occurred_at"])


def test_without_input_a_replayed_market_has_reached_its_newest_case(group: Group) -> None:
    older, newest = seller_case("older"), seller_case("newest")
    older = msgspec.structs.replace(older, updated_at=newest.updated_at - dt.timedelta(days=40))
    _put(group, newest, older)
    done = _run(group, "verdict", older.case_id, "dismissed", "--analyst", "ana")
    ((_, event),) = _events(group)
    assert newest.updated_at < _at(event) < newest.updated_at + dt.timedelta(minutes=2)
    assert f"(dated {_at(event):%Y-%m-%d %H:%M} UTC, where the cases' market is now)" in _only_line(done.stderr)


def test_a_verdict_names_the_alert_that_its_analyst_saw(group: Group) -> None:
    case = _live(seller_case("shop"))
    first = case.alerts[-1]
    case = msgspec.structs.replace(
        case, alerts=[first, msgspec.structs.replace(first, alert_id="c" * 32, raised_at=first.raised_at + HOUR)]
    )
    _put(group, case)
    line = _refused(group, "verdict", case.case_id, "confirmed", "--alert", first.alert_id[:8])
    assert line == (
        "nothing was recorded: the case has a newer alert, so the verdict would have no effect: see `volteface case "
        f"{case.case_id[:8]}`"
    )
    line = _refused(group, "verdict", case.case_id, "confirmed", "--alert", "f" * 5000)
    assert line.startswith("nothing was recorded: --alert 'ffff")
    assert line.endswith(f"is no alert of the case, whose latest are {first.alert_id[:8]}, cccccccc")
    assert len(line) < 250
    for options in ([], ["--alert", "cccc"]):
        assert _run(group, "verdict", case.case_id, "confirmed", *options).returncode == 0
    assert [event["alert_id"] for _, event in _events(group)] == ["c" * 32] * 2


def test_nothing_is_muted_for_no_days(group: Group) -> None:
    case = _live(seller_case("shop"))
    _put(group, case)
    line = _only_line(_run(group, "verdict", case.case_id, "dismissed", "--mute", "0d").stderr)
    assert line.endswith("the subject's own past; nothing is muted: alerts on the subject go on")


def test_neither_of_the_two_people_of_a_verdict_answers_its_appeal(group: Group) -> None:
    case = decided(seller_case("shop"), state="appealed")
    given = msgspec.structs.replace(case.verdicts[0], second_analyst_id="ben")
    case = _live(msgspec.structs.replace(case, verdicts=[given]))
    _put(group, case)
    for people in (["--analyst", "ben"], ["--analyst", "cim", "--second", "ben"]):
        line = _refused(group, "verdict", case.case_id, "dismissed", *people)
        assert line.endswith("ana-lyst and ben gave the verdict that is contested: another analyst answers the appeal")


def test_precision_is_measured(group: Group) -> None:
    confirmed = (decided(seller_case(f"c{number}")) for number in range(8))
    others: Iterable[Case] = (
        decided(seller_case("e"), "explained", "campaign"),
        decided(seller_case("d"), "dismissed"),
    )
    _put(group, *confirmed, *others, seller_case("open"))
    done = _run(group, "cases", "--report")
    assert (done.returncode, done.stderr) == (0, "")
    assert "seller.contact_flips  critical  8          1          1          80 % (53–92)" in done.stdout
    assert "campaign 1" in done.stdout
    assert json.loads(_run(group, "cases", "--report", "--json").stdout)["rows"][-1]["precision"] == 0.8


@pytest.mark.parametrize("name", [pytest.param("out.md", marks=pytest.mark.long), "out.html"])
def test_a_statement_is_written_for_a_confirmed_seller_only(name: str, group: Group, tmp_path: Path) -> None:
    confirmed, open_case = decided(seller_case("<b>shop")), seller_case("open")
    _put(group, confirmed, open_case)
    out = tmp_path / name
    done = _run(group, "case", confirmed.case_id, "--statement", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    assert _only_line(done.stderr).endswith(
        f"{name}: statement of reasons of case {confirmed.case_id}; fill in what stands in brackets"
    )
    assert ("&lt;b&gt;shop" if name == "out.html" else r"\<b\>shop") in out.read_text(encoding="utf-8")
    out.unlink()
    line = _refused(group, "case", open_case.case_id, "--statement", str(out))
    assert line == "no statement of reasons: no verdict is in force, and only a confirmed case can be a reason"
    assert not out.exists()


def test_an_event_that_kafka_refuses_is_not_recorded(group: Group) -> None:
    case = _live(seller_case("shop"))
    _put(group, case)
    configure(group.kafka, group.settings.verdicts_topic, max_message_bytes="100")
    topic = group.settings.verdicts_topic
    line = _refused(group, "note", case.case_id, "text")
    assert line.startswith(f"NotAcknowledgedError: nothing was recorded: topic {topic} refused the event (")
    assert _events(group) == []


def test_an_event_that_kafka_does_not_acknowledge_is_not_said_to_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka stops to answer just before the event is sent."""
    case = _live(seller_case("shop"))
    event = CaseNoted(
        event_id="e", occurred_at=case.updated_at, case_id=case.case_id, subject=CaseSubject("seller", "shop"),
        analyst_id="ana", note="text",
    )  # fmt: skip
    with Broker() as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        group = Group("frozen", kafka, tmp_path)
        assert broker.pid is not None
        pid, send = broker.pid, KafkaProducer.send

        def freeze_and_send(*arguments: Any, **options: Any) -> Any:
            os.kill(pid, signal.SIGSTOP)
            return send(*arguments, **options)

        monkeypatch.setattr(KafkaProducer, "send", freeze_and_send)
        try:
            begun = time.monotonic()
            with pytest.raises(cases.NotAcknowledgedError, match="before you repeat it") as caught:
                cases.record(group.settings, kafka, event)
            assert time.monotonic() - begun < 20
            assert f"look at `volteface case {case.case_id}`" in str(caught.value)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_missing_topic_is_one_line_and_is_not_made(group: Group) -> None:
    case = _live(seller_case("shop"))
    _put(group, case)
    missing = f"{group.settings.app_id}.absent"
    done = _run(group, "note", case.case_id, "text", VOLTEFACE_VERDICTS_TOPIC=missing)
    assert done.returncode == 1
    assert _only_line(done.stderr).startswith(
        f"LookupError: nothing was recorded: topic {missing} does not exist: run "
    )
    done = _run(group, "cases", VOLTEFACE_CASES_TOPIC=missing)
    assert done.returncode == 1
    assert f"topic {missing} does not exist" in _only_line(done.stderr)
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        assert missing not in admin.list_topics()
