"""Lines of libraries are not repeated endlessly; Volteface's own are all written."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

_PROGRAM = """
import json, logging, logging.config, structlog
from stream.ops import logs
logging.config.dictConfig(logs.configure("INFO"))
for number in range(50):
    logging.getLogger("aiokafka.cluster").error("Topic %s not found in cluster metadata", "alerts")
    logging.getLogger("aiokafka.cluster").error("Topic %s not found in cluster metadata", f"t{number % 2}")
    structlog.get_logger("stream.app").info("assigned")
"""


def test_a_library_repeats_no_line_within_a_minute() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    found = Counter(line.split('"event": ')[1].split('"')[1] for line in done.stderr.splitlines())
    topics = {f"Topic {name} not found in cluster metadata": 1 for name in ("alerts", "t0", "t1")}
    assert found == {**topics, "assigned": 50}
