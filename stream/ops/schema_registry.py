"""The client of a schema registry with Confluent's API.

Invariant: what the registry answers about an id is a schema, or that it knows no such id. Everything else (no answer,
a refusal, an answer that is not a registry's) is a `RegistryError`, because the records of this id may be good. Only
that a schema is not taken is an error of its own: asking again does not help.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from stream.config import Settings, SettingsError
from stream.intake.registered_schema import registered_schema
from stream.intake.schema_cache import RegisteredSchema, RegistryError, SchemaId

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10, connect=5)
_MAX_ANSWER_BYTES: Final = 1024 * 1024
_MAX_REFERENCES: Final = 100
_OK: Final = 200
_NOT_FOUND: Final = 404
#: The error codes of Confluent's API that say that a schema does not exist; 404 alone may be a wrong address.
_UNKNOWN_CODES: Final = frozenset({40401, 40402, 40403})
_CONTENT: Final = "application/vnd.schemaregistry.v1+json, application/json"
_SENT: Final = "application/vnd.schemaregistry.v1+json"
#: Answers to a schema that a repetition would not change: no right, read-only, incompatible, invalid.
_NOT_TAKEN: Final = frozenset({400, 403, 405, 409, 422})
_MAX_MESSAGE: Final = 300

_T = TypeVar("_T")


class _Reference(msgspec.Struct):
    """Another schema that a schema refers to."""

    subject: str
    version: int


class _Answer(msgspec.Struct, rename="camel"):
    """A schema as the registry returns it. Avro is the type that is not named."""

    schema: str
    schema_type: str | None = None
    references: list[_Reference] | None = None


class _Error(msgspec.Struct):
    """Why the registry gives or takes no schema."""

    error_code: int = 0
    message: str = ""


class _Registered(msgspec.Struct):
    """Where a schema is in the registry."""

    id: int


class SchemaNotTakenError(Exception):
    """The registry does not take a schema; the message is one clause about why."""


class SchemaRegistry:
    """A client; it connects at the first request.

    Args:
        settings: Address, user and certificate authority of the registry.

    Raises:
        SettingsError: The certificate authority's file cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = (settings.schema_registry_url or "").rstrip("/")
        user, password = settings.schema_registry_user, settings.schema_registry_password
        self._headers = {"Accept": _CONTENT}
        if user is not None and password is not None:
            self._headers["Authorization"] = aiohttp.encode_basic_auth(user, password.get_secret_value(), "utf-8")
        self._tls = _tls(settings.schema_registry_cafile)
        self._session: aiohttp.ClientSession | None = None

    async def schema(self, schema_id: SchemaId) -> RegisteredSchema | None:
        """Return a schema, or None if the registry lacks it or one that it refers to; raise RegistryError."""
        path = f"schemas/ids/{schema_id}" if isinstance(schema_id, int) else f"schemas/guids/{schema_id}"
        answer = await self._get(path)
        if answer is None:
            return None
        references: dict[tuple[str, int], str] = {}
        if not await self._add_references(answer, references):
            return None
        return registered_schema(schema_id, answer.schema_type or "AVRO", answer.schema, list(references.values()))

    async def id_of(self, subject: str, schema: str) -> int | None:
        """Return the id of an Avro schema under a subject, or None if it is not there; raise RegistryError."""
        path = f"subjects/{quote(subject, safe='')}"
        status, body = await self._request(path, {"schema": schema})
        if status == _NOT_FOUND and await self._says_unknown(body):
            return None
        return _registered(path, status, body)

    async def register(self, subject: str, schema: str) -> int:
        """Register an Avro schema under a subject, and return its id.

        Raises:
            RegistryError: The registry gives no usable answer.
            SchemaNotTakenError: The registry does not take the schema.
        """
        path = f"subjects/{quote(subject, safe='')}/versions"
        status, body = await self._request(path, {"schema": schema})
        if status in _NOT_TAKEN:
            raise SchemaNotTakenError(f"status {status}: {_error(body).message[:_MAX_MESSAGE] or 'it gives no reason'}")
        return _registered(path, status, body)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _add_references(self, answer: _Answer, found: dict[tuple[str, int], str]) -> bool:
        """Fetch what a schema refers to; each schema is added after those that it refers to itself.

        Returns:
            False if the registry lacks one of them.
        """
        for each in answer.references or ():
            place = each.subject, each.version
            if place in found:
                continue
            if len(found) >= _MAX_REFERENCES:
                raise RegistryError(f"a schema refers to more than {_MAX_REFERENCES} others")
            found[place] = ""  # a circle of references ends here
            inner = await self._get(f"subjects/{quote(each.subject, safe='')}/versions/{each.version}")
            if inner is None or not await self._add_references(inner, found):
                return False
            del found[place]
            found[place] = inner.schema
        return True

    async def _get(self, path: str) -> _Answer | None:
        """Return the answer to a request, or None if it is that there is no such schema."""
        status, body = await self._request(path)
        if status == _OK:
            return _typed(body, path, _Answer)
        if status == _NOT_FOUND and await self._says_unknown(body):
            return None
        raise _unusable(path, status)

    async def _says_unknown(self, body: bytes) -> bool:
        """Return whether the answer 404 is a registry's: otherwise a wrong path would make each id unknown."""
        if _error(body).error_code in _UNKNOWN_CODES:
            return True
        status, body = await self._request("schemas/types")
        return status == _OK and body.lstrip().startswith(b"[")

    async def _request(self, path: str, document: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Return status and body of the answer to a GET, or to a POST of a document."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=4, ssl=self._tls)
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, headers=self._headers)
        try:
            async with self._session.request(
                "GET" if document is None else "POST",
                f"{self._url}/{path}",
                data=None if document is None else msgspec.json.encode(document),
                headers=None if document is None else {"Content-Type": _SENT},
                allow_redirects=False,
            ) as response:
                body = await _bounded(response)
                return response.status, body
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise RegistryError(f"it does not answer ({type(error).__name__}: {error})".replace(": )", ")")) from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(65536):
        body += part
        if len(body) > _MAX_ANSWER_BYTES:
            raise RegistryError(f"its answer has more than {_MAX_ANSWER_BYTES:,} bytes")
    return bytes(body)


def _unusable(path: str, status: int) -> RegistryError:
    return RegistryError(f"it answers {path} with status {status}{_hint(status)}")


def _registered(path: str, status: int, body: bytes) -> int:
    if status != _OK:
        raise _unusable(path, status)
    return _typed(body, path, _Registered).id


def _typed(body: bytes, path: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise RegistryError(f"its answer to {path} is not that of a schema registry ({error})") from None


def _error(body: bytes) -> _Error:
    try:
        return msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, ValueError):
        return _Error()


def _hint(status: int) -> str:
    hints: Mapping[int, str] = {
        401: ": check VOLTEFACE_SCHEMA_REGISTRY_USER and VOLTEFACE_SCHEMA_REGISTRY_PASSWORD",
        403: ": its user may not read schemas",
        404: ": the path of VOLTEFACE_SCHEMA_REGISTRY_URL may be wrong (Apicurio: /apis/ccompat/v7)",
    }
    return hints.get(status, "")


def _tls(cafile: str | None) -> Any:
    """Return what aiohttp takes as `ssl`: True is the system's certificate authorities."""
    if cafile is None:
        return True
    try:
        return ssl.create_default_context(cafile=cafile)
    except OSError as error:
        why = error.strerror or error
        raise SettingsError(f"VOLTEFACE_SCHEMA_REGISTRY_CAFILE={cafile!r} cannot be used: {why}") from None
