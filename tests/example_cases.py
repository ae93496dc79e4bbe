"""Writes the examples of cases in `schemas/examples` from a simulated market: an open, a decided and an appealed one.

Run `python -m tests.example_cases` when the contract of cases, or the evidence, changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from stream.contract.cases import Case, Position
from stream.contract.events import AnyEvent
from stream.market import simulate
from stream.offline.local_bus import LocalTasks
from tests.analysts import appeal, verdict

FILE: Final = Path(__file__).parents[1] / "schemas" / "examples" / "case.v1.jsonl"


def examples() -> list[Case]:
    """Return the cases of a market: the first three that were opened, one of them decided and one appealed."""
    events, _ = simulate.market("access", 3, 100, 200)
    tasks = LocalTasks(3.0, "0123456789abcdef", 1)
    for event in events:
        typed: AnyEvent = msgspec.convert(event, AnyEvent)
        tasks.apply(typed, typed.occurred_at.timestamp())
    last = typed.occurred_at
    cases = tasks.tasks[0].state.cases.cases
    sellers = sorted((one for one in cases.values() if one.subject.type == "seller"), key=lambda one: one.opened_at)
    _, decided, appealed = sellers[:3]
    for action in (
        verdict(decided, last, "explained", story="product_fix"),
        verdict(appealed, last, "confirmed"),
        appeal(appealed, last),
    ):
        tasks.apply(action, last.timestamp())
    chosen = [cases[one.case_id] for one in sellers[:3]]
    return [msgspec.structs.replace(case, position=Position(0, 3)) for case in chosen]


def main() -> None:
    """Write the file."""
    FILE.write_bytes(b"".join(msgspec.json.encode(case) + b"\n" for case in examples()))


if __name__ == "__main__":
    main()
