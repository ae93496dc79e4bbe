"""One constant, CONTACT_DAYS, feeds edges, timers, initial rates and wording: another value needs no other change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stream

PROGRAM = """
import msgspec
from stream.contract.events import AnyEvent
from stream.core.alerting import wording
from stream.core.detector import Detector
from stream.core.model import strata
from stream.market import simulate

DAYS = {days}
contacted, now, buckets = 100 * strata.DAY, 100 * strata.DAY, []
while now < contacted + DAYS * strata.DAY:
    cell, due = strata.cell_at(1, 0.0, contacted, None, now)
    assert strata.GROUP_OF[cell] == strata.CONTACTED, (now, cell)
    buckets.append(cell)
    now = due
assert now == contacted + DAYS * strata.DAY, now
assert len(set(buckets)) == len(buckets) == len(strata.CONTACT_EDGES)
assert strata.GROUP_OF[strata.cell_at(1, 0.0, contacted, None, now)[0]] == strata.AGED
detector, alerts = Detector(1000.0, "digest"), []
for line in simulate.simulate("bribes", 1, 25, 120).lines:
    event = msgspec.json.decode(line, type=AnyEvent)
    alerts += detector.apply(event, event.occurred_at.timestamp())
sentences = [alert.explanation for alert in alerts if alert.kind == "seller.contact_flips"]
assert sentences and all("within {days} days of a contact" in sentence for sentence in sentences), sentences
"""


@pytest.mark.slow
@pytest.mark.parametrize("days", [5, 20, 30, 45])
def test_another_contact_window_is_one_change(days: int, tmp_path: Path) -> None:
    source = Path(stream.__path__[0])
    shutil.copytree(source, tmp_path / "stream", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    strata = tmp_path / "stream/core/model/strata.py"
    text = strata.read_text()
    assert text.count("CONTACT_DAYS: Final = 30\n") == 1
    strata.write_text(text.replace("CONTACT_DAYS: Final = 30\n", f"CONTACT_DAYS: Final = {days}\n"))
    program = PROGRAM.replace("{days}", str(days))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
