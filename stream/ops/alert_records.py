"""From the bytes of a record or a line to an alert.

Invariant: whatever the bytes are, the outcome is an Alert or a NotAnAlertError, whose text does not quote them.
"""

from __future__ import annotations

import re

import msgspec

from stream.contract.alerts import Alert

_alert = msgspec.json.Decoder(Alert)
_field_of = re.compile(r"`\$\.(\w+)|field `(\w+)`").search


class NotAnAlertError(Exception):
    """Bytes that are no alert; the text says why, without a full stop."""


def decode_alert(value: bytes | None) -> Alert:
    """Return the alert in a value.

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
