"""Commands as processes, without Kafka unless a test gives one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from stream.contract.alerts import Alert, Subject

_ROOT = Path(__file__).parent.parent.parent.parent
#: A program that reads alerts from a file named by ALERTS instead of Kafka; with `--follow` it then waits.
_WITHOUT_KAFKA = """
import os, pathlib, sys, time, msgspec
from stream.cli import main
from stream.contract.alerts import Alert
from stream.engine import preflight
from stream.ops import access_rights, topic_reader
def alerts(settings, kafka, follow, on_foreign):
    for line in pathlib.Path(os.environ["ALERTS"]).read_bytes().splitlines():
        yield msgspec.json.decode(line, type=Alert)
    while follow:
        time.sleep(0.05)
async def first_connection(kafka, on_wait):
    pass
preflight.first_connection = first_connection
access_rights.check = lambda settings, kafka, command: None
topic_reader.alerts = alerts
main.main()
"""


def example() -> Alert:
    """Return the first alert of the examples."""
    lines = (_ROOT / "schemas" / "examples" / "alert.v1.jsonl").read_bytes().splitlines()
    return msgspec.json.decode(lines[0], type=Alert)


def about(seller_id: str, **fields: object) -> Alert:
    """Return an alert about a seller."""
    alert = example()
    text = alert.explanation.replace("seller-0011", seller_id)
    return msgspec.structs.replace(alert, subject=Subject("seller", seller_id), explanation=text, **fields)


def environment(**variables: str) -> dict[str, str]:
    """Return this environment for a terminal of 80 columns, with these variables; an empty one is removed."""
    # COLUMNS: a test may itself run in a wide terminal. PYTHONUNBUFFERED would hide a missing flush.
    own = {"COLUMNS": "80", "PYTHONUNBUFFERED": "", "PYTHONPATH": os.pathsep.join((str(_ROOT), *sys.path))} | variables
    return {name: value for name, value in (os.environ | own).items() if value}


def command_line(*arguments: str) -> list[str]:
    """Return the command line of a `volteface` command."""
    return [sys.executable, "-m", "stream.cli", *arguments]


def alerts_command(*arguments: str) -> list[str]:
    """Return the command line of `volteface alerts` that reads the file ALERTS."""
    return [sys.executable, "-c", _WITHOUT_KAFKA, "alerts", *arguments]


def run(command: list[str], variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(command, env=environment(**(variables or {})), capture_output=True, timeout=60, check=False)
