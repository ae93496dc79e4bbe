"""Confluent's formats: values with the id of a schema in a registry, in a frame or in a header; Avro or JSON bodies.

Invariant: pure. The schema decides how the body is read. If it is not in the cache, the record is neither an event nor
refused: `SchemaNeeded` says which schema must be fetched first.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from stream.contract.events import Event
from stream.intake.avro_format import AvroDecoder
from stream.intake.decoder import Headers, last_header
from stream.intake.foreign_formats import not_framed, too_large
from stream.intake.json_format import JsonDecoder
from stream.intake.refusal import Refusal, Refused
from stream.intake.schema_cache import JsonSchema, SchemaCache, SchemaId, UnusableSchema

#: The header of Confluent's newer serializers; its content is the frame without a body.
SCHEMA_HEADER: Final = "__value_schema_id"
#: A frame: 0x00 and the id in 4 bytes, or 0x01 and the GUID in 16 bytes.
_ID_FRAME: Final = 5
_GUID_FRAME: Final = 17


class ConfluentDecoder:
    """Decodes values that name their schema.

    Args:
        max_bytes: The largest value that is accepted.
        schemas: The schemas that were fetched.
        json, avro: Decode the bodies.
        plain_json: Whether values without a frame are JSON, and not refused.
    """

    def __init__(
        self, max_bytes: int, schemas: SchemaCache, json: JsonDecoder, avro: AvroDecoder, plain_json: bool = False
    ) -> None:
        self._max_bytes = max_bytes
        self._schemas = schemas
        self._json = json
        self._avro = avro
        self._plain_json = plain_json

    def decode(self, stream: int, value: bytes | None, headers: Headers) -> Event:
        """Return the event in a record; see `Decoder.decode`."""
        if value is None:
            raise Refused(Refusal.UNDECODABLE, "The record has no value.")
        if len(value) > self._max_bytes:
            raise Refused(Refusal.TOO_LARGE, too_large(value, self._max_bytes))
        if self._plain_json and not _names_schema(value, headers):
            return self._json.decode(stream, value, headers)
        schema_id, body = unframed(value, headers)
        schema = self._schemas.get(schema_id)
        if isinstance(schema, UnusableSchema):
            raise Refused(schema.reason, schema.text)
        if isinstance(schema, JsonSchema):
            return self._json.decode(stream, body, headers)
        return self._avro.decode(stream, schema, body, f"schema {schema_id}")


def framed(schema_id: int, body: bytes) -> bytes:
    """Return a body in the frame of its schema."""
    return b"\x00" + schema_id.to_bytes(_ID_FRAME - 1, "big") + body


def unframed(value: bytes, headers: Headers) -> tuple[SchemaId, bytes]:
    """Return a record's schema id and body, like Confluent's deserializers from the header first; raise Refused."""
    header = last_header(headers, SCHEMA_HEADER) if headers else None
    if header is not None:
        schema_id = _schema_id(header)
        if schema_id is None:
            text = f"The header {SCHEMA_HEADER} is neither 0x00 with 4 bytes of an id nor 0x01 with 16 of a GUID."
            raise Refused(Refusal.UNDECODABLE, text)
        return schema_id, value
    if len(value) < _ID_FRAME or value[0]:
        raise Refused(Refusal.UNDECODABLE, not_framed(value))
    schema_id = int.from_bytes(value[1:_ID_FRAME], "big")
    if not schema_id:
        text = "The value's frame has an id of 8 bytes (Apicurio's own): set its serializer to ids of 4 bytes."
        raise Refused(Refusal.UNDECODABLE, text)
    return schema_id, value[_ID_FRAME:]


def _names_schema(value: bytes, headers: Headers) -> bool:
    """Return whether a record has a frame or the header: no JSON begins with 0x00."""
    return value.startswith(b"\x00") or (bool(headers) and last_header(headers, SCHEMA_HEADER) is not None)


def _schema_id(frame: bytes) -> SchemaId | None:
    if len(frame) == _ID_FRAME and frame[0] == 0:
        return int.from_bytes(frame[1:], "big")
    return UUID(bytes=frame[1:]) if len(frame) == _GUID_FRAME and frame[0] == 1 else None
