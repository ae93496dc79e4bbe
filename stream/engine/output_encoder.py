"""Encodes alerts and cases for their topics: as JSON, or in Avro with the frame of a schema registry.

Invariant: the format decides the bytes and nothing else. State, ids and digests are the same in both.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.intake.contract_avro import ContractWriter, OutputSchemaIds

_json: Final = msgspec.json.Encoder().encode


class OutputEncoder:
    """Encodes in JSON until `use_avro`, which a worker calls before its first task starts."""

    def __init__(self) -> None:
        self._alerts: ContractWriter[Alert] | None = None
        self._cases: ContractWriter[Case] | None = None

    def use_avro(self, ids: OutputSchemaIds) -> None:
        """Encode in Avro from now on."""
        self._alerts = ContractWriter(Alert, ids.alert)
        self._cases = ContractWriter(Case, ids.case)

    def alert(self, alert: Alert) -> bytes:
        """Return the value of an alert's record."""
        return _json(alert) if self._alerts is None else self._alerts.encode(alert)

    def case(self, case: Case) -> bytes:
        """Return the value of a case's record."""
        return _json(case) if self._cases is None else self._cases.encode(case)
