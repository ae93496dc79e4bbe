"""The schemas of a registry that records were written with, by their ids.

Invariant: pure and bounded. A schema never changes under its id, so it is kept until it is the one that was not used
for the longest time. That an id is unknown may change, so this is forgotten after a while.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final
from uuid import UUID

from stream.intake.avro_schema import AvroSchema
from stream.intake.refusal import Refusal

#: A number, or the GUID that Confluent's newer registries give a schema.
SchemaId = int | UUID

#: The most schemas that are kept. A topic usually has a handful.
MAX_SCHEMAS: Final = 1000
#: For how long an id stays unknown. Each distinct unknown id costs one request in this time.
UNKNOWN_SECONDS: Final = 10.0


class JsonSchema:
    """A JSON Schema: its values are JSON documents. They are checked against the contract alone."""


class UnusableSchema:
    """No value of this schema can be decoded.

    Args:
        reason, text: Why; one sentence.
    """

    def __init__(self, reason: Refusal, text: str) -> None:
        self.reason = reason
        self.text = text


RegisteredSchema = AvroSchema | JsonSchema | UnusableSchema


class SchemaNeeded(Exception):  # noqa: N818  # an outcome, not an error of the program
    """A record cannot be decoded before its schema is fetched.

    Attributes:
        schema_id: The schema's id.
    """

    def __init__(self, schema_id: SchemaId) -> None:
        self.schema_id = schema_id
        super().__init__(schema_id)


class RegistryError(LookupError):
    """The registry gave no usable answer; the message is one clause about why, without credentials."""


class SchemaCache:
    """The schemas that were fetched, and the ids that the registry does not know."""

    def __init__(self) -> None:
        self._schemas: OrderedDict[SchemaId, RegisteredSchema] = OrderedDict()
        #: When an unknown id is forgotten (seconds of the caller's clock), the earliest first.
        self._unknown_until: OrderedDict[SchemaId, float] = OrderedDict()

    def __contains__(self, schema_id: SchemaId) -> bool:
        return schema_id in self._schemas

    def __len__(self) -> int:
        return len(self._schemas)

    def get(self, schema_id: SchemaId) -> RegisteredSchema:
        """Return a schema; raise SchemaNeeded if it must be fetched first."""
        try:
            self._schemas.move_to_end(schema_id)
        except KeyError:
            raise SchemaNeeded(schema_id) from None
        return self._schemas[schema_id]

    def put(self, schema_id: SchemaId, schema: RegisteredSchema) -> None:
        """Keep a schema, in place of the one that was not used for the longest time if there are too many."""
        self._schemas[schema_id] = schema
        self._schemas.move_to_end(schema_id)
        self._unknown_until.pop(schema_id, None)
        while len(self._schemas) > MAX_SCHEMAS:
            dropped, _ = self._schemas.popitem(last=False)
            self._unknown_until.pop(dropped, None)

    def put_unknown(self, schema_id: SchemaId, now: float) -> None:
        """Note that the registry does not know an id, for `UNKNOWN_SECONDS` from `now` on."""
        text = f"The schema registry has no schema {schema_id}: does the producer use another registry?"
        self.put(schema_id, UnusableSchema(Refusal.UNKNOWN_SCHEMA, text))
        self._unknown_until[schema_id] = now + UNKNOWN_SECONDS

    def expire(self, now: float) -> None:
        """Forget the ids that were unknown long enough: the registry is asked again when a record needs them."""
        while self._unknown_until:
            schema_id, until = next(iter(self._unknown_until.items()))
            if until > now:
                return
            del self._unknown_until[schema_id]
            del self._schemas[schema_id]
