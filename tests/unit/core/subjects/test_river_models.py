"""The models are river's own classes, and a worker's start loads only what it needs of river."""

from __future__ import annotations

import subprocess
import sys

import pytest

OURS = "from stream.core.subjects.river_models import ADWIN, HalfSpaceTrees"
ALL_OF_RIVER = "from river import anomaly, drift"
SAME = "assert drift.ADWIN is ADWIN; assert anomaly.HalfSpaceTrees is HalfSpaceTrees; assert anomaly.LODA"


@pytest.mark.parametrize("order", [(OURS, ALL_OF_RIVER), (ALL_OF_RIVER, OURS)], ids=["ours first", "river first"])
def test_models_are_the_classes_of_the_full_library(order: tuple[str, str]) -> None:
    subprocess.run([sys.executable, "-c", "; ".join((*order, SAME))], check=True)


def test_worker_starts_without_scipy_stats() -> None:
    subprocess.run(
        [sys.executable, "-c", "import sys, stream.app; assert 'scipy.stats' not in sys.modules"], check=True
    )
