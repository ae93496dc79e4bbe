"""Decodes records of the input topics outside a worker; schemas are fetched as records need them.

Invariant: a record is decoded as a worker decodes it. A registry that gives no answer ends the command.
"""

from __future__ import annotations

from stream.config import Settings
from stream.contract.events import Event
from stream.intake.decoder import Headers
from stream.intake.intake import Intake
from stream.intake.refusal import Refused
from stream.ops.fetched_schemas import FetchedSchemas


class InputRecords:
    """Decodes records.

    Args:
        settings: The formats, and how to reach the schema registry.
        partitions: The number of partitions of the input topics, for `decode`.
    """

    def __init__(self, settings: Settings, partitions: int = 1) -> None:
        self._schemas = FetchedSchemas(settings)
        self._intake = Intake(settings, partitions, self._schemas.cache)

    @property
    def unknown_fields(self) -> int:
        """The number of decoded events that had fields unknown to the contract."""
        return self._intake.unknown_fields

    def decode(
        self, stream: int, partition: int, key: bytes | None, value: bytes | None, now: float, headers: Headers
    ) -> tuple[float, Event]:
        """Return the time (epoch seconds) and the event of a record, with all checks of `Intake.decode`.

        Raises:
            Refused: A worker refuses the record.
            RegistryError: The registry gives no answer about the record's schema.
        """
        return self._schemas.during(lambda: self._intake.decode(stream, partition, key, value, now, headers))

    def event(self, stream: int, value: bytes | None, headers: Headers) -> Event | None:
        """Return the event in a record, or None if a worker refuses it; its key, partition and time are not checked.

        Raises:
            RegistryError: The registry gives no answer about the record's schema.
        """
        try:
            return self.decode_value(stream, value, headers)
        except Refused:
            return None

    def decode_value(self, stream: int, value: bytes | None, headers: Headers) -> Event:
        """Return the event in a record; its key, partition and time are not checked.

        Raises:
            Refused: A worker refuses the record.
            RegistryError: The registry gives no answer about the record's schema.
        """
        return self._schemas.during(lambda: self._intake.decode_value(stream, value, headers))
