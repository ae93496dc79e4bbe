"""From the bytes of a record or a line to an alert or a case.

Invariant: whatever the bytes are, the outcome is an alert or a case, an error whose text does not quote them, or that
the schema registry gives no answer. A topic may hold both formats: the first byte of a record tells them apart.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.intake.contract_avro import ContractReader
from stream.intake.refusal import Refused
from stream.ops.fetched_schemas import FetchedSchemas

_alert = msgspec.json.Decoder(Alert)
_case = msgspec.json.Decoder(Case)
_field_of = re.compile(r"`\$\.(\w+)|field `(\w+)`").search
#: No JSON begins with it.
_FRAME: Final = b"\x00"


class NotAnAlertError(Exception):
    """Bytes that are no alert; the text says why, without a full stop."""


class NotACaseError(Exception):
    """A record that is no case; the text says why, without a full stop."""


def decode_alert(value: bytes | None) -> Alert:
    """Return the alert in a JSON value.

    Raises:
        NotAnAlertError: The value is no alert.
    """
    if not value:
        raise NotAnAlertError("it has no value")
    try:
        return _alert.decode(value)
    except msgspec.ValidationError as error:
        found = _field_of(str(error))
        field = f" (look at {found[1] or found[2]})" if found else ""
        text = (
            f"it is JSON, but not as schemas/alert.v1.json says{field}; another program or version may have written it"
        )
        raise NotAnAlertError(text) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotAnAlertError("it is not JSON in UTF-8") from None


class OutputRecords:
    """Decodes the records of the topics of alerts and cases, in JSON or in Avro.

    Args:
        settings: How to reach the schema registry, which only records in Avro need.
    """

    def __init__(self, settings: Settings) -> None:
        self._schemas = FetchedSchemas(settings)
        self._alerts = ContractReader(Alert, self._schemas.cache)
        self._cases = ContractReader(Case, self._schemas.cache)

    def alert(self, value: bytes | None) -> Alert:
        """Return the alert of a record.

        Raises:
            NotAnAlertError: The record is no alert.
            RegistryError: The registry gives no answer about the record's schema.
        """
        if not value or not value.startswith(_FRAME):
            return decode_alert(value)
        try:
            return self._schemas.during(lambda: self._alerts.decode(value))
        except Refused as refused:
            raise NotAnAlertError(_clause(refused)) from None

    def case(self, key: str, value: bytes) -> Case:
        """Return the case of a record that is no tombstone.

        Raises:
            NotACaseError: The record is no case.
            RegistryError: The registry gives no answer about the record's schema.
        """
        case = self._framed_case(value) if value.startswith(_FRAME) else _json_case(value)
        if case.case_id != key:
            raise NotACaseError("its key is not the id of its case")
        return case

    def _framed_case(self, value: bytes) -> Case:
        try:
            return self._schemas.during(lambda: self._cases.decode(value))
        except Refused as refused:
            raise NotACaseError(_clause(refused)) from None


def _json_case(value: bytes) -> Case:
    try:
        return _case.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotACaseError("its value is not as a case is; another program or version may have written it") from None


def _clause(refused: Refused) -> str:
    """Return the text of a refusal as a clause."""
    return (refused.detail[:1].lower() + refused.detail[1:]).removesuffix(".")
