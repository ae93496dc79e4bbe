"""Tokens for SASL/OAUTHBEARER: the client credentials grant (RFC 6749, section 4.4).

Invariant: all clients of a process share one token, which is fetched again before it expires. No message has a token or
a secret.
"""

from __future__ import annotations

import base64
import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from stream.config import KafkaSettings, SettingsError

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS: Final = 5.0
_MAX_BYTES: Final = 1 << 20
#: The lifetime of a token whose answer does not say it.
_USUAL_SECONDS: Final = 300.0
#: A token is fetched again after this share of its lifetime.
_REFRESH_SHARE: Final = 0.8


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float = _USUAL_SECONDS


class _Refusal(msgspec.Struct):
    error: str = ""
    error_description: str = ""


class TokenError(OSError):
    """There is no token; the message is one line that names the setting.

    Attributes:
        is_refused: Whether the issuer refuses the client, so that only a person can mend it.
    """

    def __init__(self, text: str, is_refused: bool = False) -> None:
        super().__init__(text)
        self.is_refused = is_refused


class ClientCredentials:
    """Fetches tokens, and keeps the latest one.

    Args:
        kafka: How to reach Kafka, with all settings of OAUTHBEARER.

    Raises:
        SettingsError: The file of the certificate authority cannot be used.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        url, name, secret = kafka.sasl_oauth_token_url, kafka.sasl_oauth_client_id, kafka.sasl_oauth_client_secret
        assert url and name and secret  # see `config.load`
        try:
            self._tls = ssl.create_default_context(cafile=kafka.sasl_oauth_cafile)
        except OSError as error:
            raise SettingsError(
                f"KAFKA_SASL_OAUTH_CAFILE={kafka.sasl_oauth_cafile!r} cannot be used: {error}"
            ) from None
        self._url, self._name = url, name
        self._request = _request(url, name, secret.get_secret_value(), kafka.sasl_oauth_scope)
        self._lock = threading.Lock()
        self._token = ""
        self._refresh_at = self._expires_at = 0.0

    def token(self) -> str:
        """Return a token that is valid for some time; clients call this for each connection.

        Raises:
            TokenError: There is none.
        """
        with self._lock:
            now = time.monotonic()
            if now >= self._refresh_at:
                try:
                    self._renew(now)
                except TokenError as error:
                    if now >= self._expires_at:
                        raise
                    log.warning("The present token is used until it expires: %s", error)
            return self._token

    def _renew(self, now: float) -> None:
        answer = self._fetch()
        self._token = answer.access_token
        self._refresh_at, self._expires_at = now + _REFRESH_SHARE * answer.expires_in, now + answer.expires_in

    def _fetch(self) -> _Answer:
        where = f"KAFKA_SASL_OAUTH_TOKEN_URL={self._url!r}"
        try:
            with urllib.request.urlopen(self._request, timeout=_TIMEOUT_SECONDS, context=self._tls) as response:
                return msgspec.json.decode(response.read(_MAX_BYTES), type=_Answer)
        except urllib.error.HTTPError as error:
            is_refused = HTTPStatus.BAD_REQUEST <= error.code < HTTPStatus.INTERNAL_SERVER_ERROR
            is_refused = is_refused and error.code != HTTPStatus.TOO_MANY_REQUESTS
            what = f"KAFKA_SASL_OAUTH_CLIENT_ID={self._name!r} with this KAFKA_SASL_OAUTH_CLIENT_SECRET"
            verb = f"refuses {what}" if is_refused else "gives no token now"
            raise TokenError(f"{where} {verb}: {_reason(error)}", is_refused) from None
        except msgspec.MsgspecError:
            raise TokenError(f"{where} answers without an access_token: it is no token endpoint", True) from None
        except (OSError, ValueError) as error:
            raise TokenError(f"{where} does not answer: {getattr(error, 'reason', None) or error}") from None


@lru_cache(maxsize=8)
def client_credentials(kafka: KafkaSettings) -> ClientCredentials:
    """Return what fetches tokens with these settings, the same for all clients of the process."""
    return ClientCredentials(kafka)


def _request(url: str, name: str, secret: str, scope: str | None) -> urllib.request.Request:
    # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
    pair = f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()
    fields = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope})
    return urllib.request.Request(  # http and https only, see KafkaSettings
        url,
        data=urlencode(fields).encode(),
        headers={
            "Authorization": f"Basic {base64.b64encode(pair).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        },
    )


def _reason(error: urllib.error.HTTPError) -> str:
    """Return what the issuer says, in one line: an error code of RFC 6749, or the status."""
    try:
        found = msgspec.json.decode(error.read(_MAX_BYTES), type=_Refusal)
    except (msgspec.MsgspecError, OSError):
        found = _Refusal()
    texts = [text for text in (found.error, found.error_description) if text] or [f"status {error.code}"]
    return " ".join(", ".join(texts).split())[:200]
