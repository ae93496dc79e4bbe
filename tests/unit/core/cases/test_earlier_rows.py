"""Rows and messages of before verdicts named what was seen and judged are read."""

from __future__ import annotations

from typing import Any

import msgspec

from stream.contract.cases import Case
from stream.core.aggregation.aggregator import Progress
from stream.core.messages.wire import ForwardedCaseEvent, decode_message, encode_message
from stream.core.model.decisions import HeldCaseEvent
from stream.core.model.encoding import ROW_VERSION, decode, encode
from tests.analysts import verdict
from tests.sample_cases import decided, staff_case


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, names) for key, each in value.items() if key not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


def test_a_case_without_what_was_judged() -> None:
    case = decided(staff_case())
    row = msgspec.msgpack.decode(encode(case))
    row["verdicts"] = _without(row["verdicts"], {"kind", "severity"})
    assert decode(encode(row), Case) == case


def test_a_verdict_that_waits_for_its_day_without_what_was_seen() -> None:
    case = staff_case()
    event = verdict(case, case.opened_at, "confirmed")
    progress = Progress(version=ROW_VERSION, held=[HeldCaseEvent(3, event)])
    row = _without(msgspec.msgpack.decode(encode(progress)), {"alert_id"})
    assert decode(encode(row), Progress).held == progress.held
    message = ForwardedCaseEvent(event=event, day=3)
    sent = _without(msgspec.json.decode(encode_message(message)), {"alert_id"})
    assert decode_message(msgspec.json.encode(sent)) == message
