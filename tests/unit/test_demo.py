"""`make run` without Kafka: what it writes on a terminal and to a pipe, and what it compares its alerts with."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Final

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from stream.contract.alerts import Alert, Subject
from stream.demo.children import ChildFailedError, Children, usable_port
from stream.demo.figures import Figures, Rate, accused_sellers, cheating_sellers, parse
from stream.demo.screen import View, table

_ROOT: Final = Path(__file__).parents[2]
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x9b]")
#: Shows one view as `make run` does, with a hostile id in its alert.
_SHOW: Final = """
import msgspec
from stream.contract.alerts import Alert
from stream.demo.figures import Figures
from stream.demo.screen import Screen, View
from tests.unit.test_demo import hostile_alert
screen = Screen()
screen.say("here is \\u2026 it")
with screen:
    for count in (1, 2):
        screen.show(View(Figures(count, 2, 3, 4, 5), 6.0, [hostile_alert()], 7.0, ["Next: open http://127.0.0.1:8080/"]))
"""


def _alert() -> Alert:
    line = (_ROOT / "schemas" / "examples" / "alert.v1.jsonl").read_bytes().splitlines()[0]
    return msgspec.json.decode(line, type=Alert)


def hostile_alert() -> Alert:
    """Return an alert about a seller whose id moves the cursor, changes colours and is wide."""
    subject = Subject("seller", "\x1b[2J\x1b[31m[red]\u202e" + "\u5546" * 80)
    return msgspec.structs.replace(_alert(), subject=subject, explanation=f"Seller {subject.id}: 3 reviews turned")


def _rows(view: View, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=False)
    with console.capture() as captured:
        console.print(table(view, width, height))
    return captured.get().splitlines()


def test_staff_who_sell_look_ups_are_no_sellers() -> None:
    common = b'"kind":"leaked","started_at":"2025-01-01T00:00:00Z","paid_flips":0,"paid_review_ids":[],"run":{'
    common += b'"scenario":"cheats","seed":1,"sellers":1,"days":1}}'
    truth = b'{"seller_id":"s1",' + common + b'\n{"actor_id":"a1",' + common + b"\n"
    assert cheating_sellers(truth) == {"s1"}
    staff = msgspec.structs.replace(_alert(), subject=Subject("staff", "a1"))
    assert accused_sellers([_alert(), staff]) == {_alert().subject.id}


def test_figures_are_sums_over_tasks_and_of_cases_by_what_waits() -> None:
    page = """\
volteface_flips_total{task="0"} 3
volteface_flips_total{task="1"} 4
volteface_lag_records{topic="a"} 5
volteface_events_total{outcome="applied"} 6
volteface_events_total{outcome="duplicate"} 100
volteface_cases{state="open",severity="low"} 1
volteface_cases{state="appealed",severity="low"} 2
volteface_cases{state="decided",severity="low"} 4
volteface_cases{state="closed",severity="low"} 8
"""
    assert parse(page) == Figures(applied=6, lag=5, flips=7, open_cases=3, decided_cases=12)


def test_the_rate_is_that_of_the_latest_seconds() -> None:
    rate = Rate()
    assert [rate.add(at, applied) for at, applied in ((0, 0), (1, 1000), (5, 9000), (20, 9000))] == [0, 1000, 1800, 0]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 24), (40, 12), (12, 8)])
def test_no_row_is_wider_and_no_table_higher_than_the_terminal(width: int, height: int) -> None:
    view = View(Figures(41_688, 100, 1_341, 4, 1), 8_000.0, [_alert(), hostile_alert()] * 20, 3.0, ())
    rows = _rows(view, width, height)
    assert max(cell_len(row) for row in rows) <= width
    assert len(rows) <= height
    assert not _CONTROL.search("\n".join(rows))


def test_the_end_says_what_to_do_next_and_the_latest_alert_stays() -> None:
    end = ["3 of 4 cheating sellers accused.", "Next: open http://127.0.0.1:8080/ and press n."]
    rows = _rows(View(Figures(), 0.0, [hostile_alert(), _alert()], 3.0, end), 80, 24)
    assert rows[-2:] == end
    assert any(row.startswith(f"critical {_alert().subject.id}: {_alert().evidence.flips} reviews") for row in rows)


def test_a_pipe_gets_plain_lines() -> None:
    """An alert and the end are written once, and the figures only every ten seconds."""
    shown = subprocess.run(
        [sys.executable, "-c", _SHOW], cwd=_ROOT, capture_output=True, check=True, text=True,
        env=os.environ | {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "LC_ALL": "C", "PYTHONUTF8": "0",
                          "PYTHONCOERCECLOCALE": "0"},
    ).stdout  # fmt: skip
    assert not _CONTROL.search(shown)
    lines = shown.splitlines()
    assert lines[:2] == ["here is \\u2026 it", "the first alert, 7.0 s after the feed began:"]
    assert lines[2].startswith("ALERT critical: Seller \\x1b[2J\\x1b[31m[red]\\u202e\\u5546")
    assert lines[3:] == [
        "events 1 (6 a second), lag 2, flips 3, alerts 1, cases 4 open, 5 decided",
        "Next: open http://127.0.0.1:8080/",
    ]


@pytest.mark.parametrize(
    ("more", "is_coloured", "is_table"),
    [({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
)
def test_a_terminal_gets_a_table(more: dict[str, str], is_coloured: bool, is_table: bool) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
    locale = {"TERM": "xterm", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with subprocess.Popen(
        [sys.executable, "-c", _SHOW], cwd=_ROOT, env=environment | locale | more, stdout=theirs, stderr=theirs
    ) as child:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    assert child.returncode == 0, shown
    text = shown.decode("ascii")
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", text)) is is_coloured
    assert ("\x1b[2K" in text) is is_table
    assert "\x1b[2J" not in text


def test_a_port_in_use_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert usable_port("127.0.0.1", taken) != taken
    assert usable_port("127.0.0.1", taken) == taken


def test_a_child_that_fails_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("replay", "--input", "no such file")
        child.process.wait(60)
        with pytest.raises(ChildFailedError, match=r"the replay ended with exit code [12]; [\s\S]*no such file"):
            children.check()
