"""The promise: river's models are river's own, and a worker's start does not load what nobody asks of river."""

from __future__ import annotations

import subprocess
import sys

import pytest

OURS = "from stream.core.online import ADWIN, HalfSpaceTrees"
ALL_OF_RIVER = "from river import anomaly, drift"
SAME = "assert drift.ADWIN is ADWIN; assert anomaly.HalfSpaceTrees is HalfSpaceTrees; assert anomaly.LODA"


@pytest.mark.parametrize("order", [(OURS, ALL_OF_RIVER), (ALL_OF_RIVER, OURS)], ids=["ours first", "river first"])
def test_the_models_are_those_of_the_whole_library(order: tuple[str, str]) -> None:
    subprocess.run([sys.executable, "-c", "; ".join((*order, SAME))], check=True)


def test_a_worker_starts_without_scipys_statistics() -> None:
    subprocess.run(
        [sys.executable, "-c", "import sys, stream.app; assert 'scipy.stats' not in sys.modules"], check=True
    )
