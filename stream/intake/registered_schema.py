"""From a registry's answer to a schema that decodes values, or to the reason why none can be decoded.

Invariant: pure; every answer gives a schema.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream.intake.avro_schema import AvroSchema, UnusableSchemaError
from stream.intake.refusal import Refusal
from stream.intake.schema_cache import JsonSchema, RegisteredSchema, SchemaId, UnusableSchema


def registered_schema(schema_id: SchemaId, kind: str, text: str, references: Sequence[str]) -> RegisteredSchema:
    """Return a schema of a registry.

    Args:
        schema_id: Its id.
        kind: Its type, in the registry's words: AVRO, JSON, or PROTOBUF.
        text: Its text.
        references: The texts of the schemas that it refers to, in an order in which each comes after its own.
    """
    if kind == "JSON":
        return JsonSchema()
    if kind != "AVRO":
        why = f"Schema {schema_id} is of the type {kind[:40]}: Volteface reads AVRO and JSON."
        return UnusableSchema(Refusal.UNDECODABLE, why)
    try:
        return AvroSchema(text, references)
    except UnusableSchemaError as error:
        return _unusable(schema_id, str(error))
    except Exception as error:  # a text that fastavro parses although it is no schema: its records must not stop a task
        return _unusable(schema_id, f"{type(error).__name__} {error}")


def _unusable(schema_id: SchemaId, why: str) -> UnusableSchema:
    return UnusableSchema(Refusal.UNDECODABLE, f"Schema {schema_id} cannot be used: {why}.")
