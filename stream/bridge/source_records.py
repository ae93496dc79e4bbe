"""From the bytes of a record of any topic to a document: JSON, JSON in an envelope of Kafka Connect, or Avro.

Invariant: pure and bounded. Whatever the bytes are, the outcome is a document, a Refused, or that the record's schema
must be fetched first (`SchemaNeeded`).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any, Final, NamedTuple

import msgspec

from stream.intake.avro_schema import BodyError
from stream.intake.column_types import Types, connect_types
from stream.intake.confluent_format import SCHEMA_HEADER, unframed
from stream.intake.decoder import Headers, last_header
from stream.intake.foreign_formats import not_json, too_large
from stream.intake.refusal import Refusal, Refused
from stream.intake.schema_cache import JsonSchema, SchemaCache, UnusableSchema

#: A change of a wide row, its schema included.
MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
#: The most envelopes' schemas whose types are kept; a table usually has one.
_MAX_SCHEMAS: Final = 256
_ENVELOPE: Final = b'{"schema"'
_NO_TYPES: Final[Types] = {}


class Source(NamedTuple):
    """A record of a topic that the bridge reads, as it was fetched.

    Attributes:
        timestamp: Of the record, in milliseconds since 1970.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Document(NamedTuple):
    """A decoded value, and the types of its columns that are known."""

    value: Any
    types: Types


class _Envelope(msgspec.Struct):
    """What Kafka Connect's JSON converter writes with schemas.enable=true."""

    payload: Any
    schema: msgspec.Raw = msgspec.Raw()


_document = msgspec.json.Decoder().decode
_envelope = msgspec.json.Decoder(_Envelope).decode


class DocumentReader:
    """Reads the documents of records.

    Args:
        schemas: The schemas of a registry that were fetched; None without a registry.
    """

    def __init__(self, schemas: SchemaCache | None) -> None:
        self._schemas = schemas
        #: By the digest of an envelope's schema.
        self._types: OrderedDict[bytes, Types] = OrderedDict()

    def value(self, source: Source) -> Document | None:
        """Return the document in a record's value, None if the value is null; raise Refused or SchemaNeeded."""
        return None if source.value is None else self._read(source.value, source.headers)

    def key(self, source: Source) -> Any:
        """Return the document in a record's key; None if it has none that can be read."""
        try:
            found = None if source.key is None else self._read(source.key, ())
        except Refused:
            return None
        return None if found is None else found.value

    def _read(self, value: bytes, headers: Headers) -> Document:
        if len(value) > MAX_RECORD_BYTES:
            raise Refused(Refusal.TOO_LARGE, too_large(value, MAX_RECORD_BYTES))
        if value[:1] in {b"\0", b"\1"} or (headers and last_header(headers, SCHEMA_HEADER) is not None):
            return self._framed(value, headers)
        if value[:1] == b"{":
            return self._json(value)
        try:
            return Document(_document(value), _NO_TYPES)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Refused(Refusal.UNDECODABLE, not_json(value, error)) from None

    def _json(self, value: bytes) -> Document:
        try:
            if value.startswith(_ENVELOPE):
                envelope = _envelope(value)
                return Document(envelope.payload, self._types_of(bytes(envelope.schema)))
            found = _document(value)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Refused(Refusal.UNDECODABLE, not_json(value, error)) from None
        return Document(found, _NO_TYPES)

    def _types_of(self, schema: bytes) -> Types:
        digest = hashlib.blake2b(schema, digest_size=16).digest()
        found = self._types.get(digest)
        if found is None:
            found = self._types[digest] = connect_types(_document(schema))
            if len(self._types) > _MAX_SCHEMAS:
                self._types.popitem(last=False)
        else:
            self._types.move_to_end(digest)
        return found

    def _framed(self, value: bytes, headers: Headers) -> Document:
        schema_id, body = unframed(value, headers)
        if self._schemas is None:
            raise Refused(
                Refusal.UNDECODABLE,
                f"The value names schema {schema_id} of a schema registry: set VOLTEFACE_SCHEMA_REGISTRY_URL.",
            )
        schema = self._schemas.get(schema_id)
        if isinstance(schema, UnusableSchema):
            raise Refused(schema.reason, schema.text)
        if isinstance(schema, JsonSchema):
            return self._json(body)
        try:
            record, fields = schema.read(body)
        except BodyError as error:
            text = f"The value is no Avro record of schema {schema_id} ({error}): was it written with another schema?"
            raise Refused(Refusal.UNDECODABLE, text) from None
        return Document(fields, record.column_types)
