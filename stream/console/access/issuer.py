"""The OpenID Connect issuer: the authorization code flow with PKCE, state and nonce.

Invariant: claims are returned only from an ID token that this issuer has signed, for this console, in answer to this
browser's login. Nothing is asked of the issuer before somebody logs in.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping
from typing import Any, Final

import authlib.deprecate  # it sets a filter of warnings when it is imported
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from stream.config import ConsoleSettings
from stream.console.access.addresses import origin_of, public_url

with warnings.catch_warnings():  # the successor of httpx is not needed here
    warnings.simplefilter("ignore", authlib.deprecate.AuthlibDeprecationWarning)
    from authlib.integrations.starlette_client import OAuth, OAuthError, StarletteOAuth2App

log = logging.getLogger(__name__)

RETURN_PATH: Final = "/login/return"
_TIMEOUT_SECONDS: Final = 10.0
#: The issuer's addresses and keys are read again after this time.
_METADATA_SECONDS: Final = 3600.0
_LEEWAY_SECONDS: Final = 60
#: Algorithms with a public key.
_ALGORITHMS: Final = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
)
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_FURTHER_ENDPOINTS: Final = ("userinfo_endpoint", "end_session_endpoint")
_LISTS: Final = ("id_token_signing_alg_values_supported", "token_endpoint_auth_methods_supported")


class IssuerUnreachableError(Exception):
    """The issuer does not answer, or not as an issuer does; the message is a sentence for a person."""


class NotLoggedInError(Exception):
    """The issuer's answer proves nobody's identity; the message is a sentence for a person."""


class Issuer:
    """Where people log in.

    Args:
        console: The settings; those of the issuer are set.
    """

    def __init__(self, console: ConsoleSettings) -> None:
        assert console.console_oidc_issuer and console.console_oidc_client_id and console.console_oidc_client_secret
        self.name = console.console_oidc_issuer
        self._console, self._client_id = console, console.console_oidc_client_id
        self._public = public_url(console)
        scopes = dict.fromkeys(("openid", *console.console_oidc_scopes.split()))
        oauth = OAuth()
        self._client = oauth.register(
            "issuer",
            client_cls=_Client,
            client_id=self._client_id,
            client_secret=console.console_oidc_client_secret.get_secret_value(),
            server_metadata_url=f"{self.name.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": " ".join(scopes),
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_SECONDS,
                "headers": {"Accept": "application/json"},
            },
        )
        self._client.expected_issuer = self.name

    async def begin(self, request: Request, again: bool) -> Response:
        """Send a browser to the issuer.

        Args:
            request: The browser's request; its session keeps what the answer is compared with.
            again: Whether the issuer should ask who it is even if it knows the browser.

        Raises:
            IssuerUnreachableError: The issuer does not answer.
        """
        more = {"prompt": "login"} if again else {}
        try:
            answer: Response = await self._client.authorize_redirect(request, f"{self._public}{RETURN_PATH}", **more)
        except Exception as error:
            raise self._unreachable(error) from error
        return answer

    async def claims(self, request: Request) -> Mapping[str, Any]:
        """Return the claims about the user whose browser comes back from the issuer.

        Raises:
            NotLoggedInError: The answer proves nothing.
            IssuerUnreachableError: The issuer does not answer.
        """
        try:
            metadata = await self._client.load_server_metadata()
            token = await self._client.authorize_access_token(
                request,
                claims_options={
                    "iss": {"essential": True, "value": metadata["issuer"]},
                    "aud": {"essential": True, "value": self._client_id},
                },
                leeway=_LEEWAY_SECONDS,
            )
            claims = token.get("userinfo")
            if claims is None:
                raise NotLoggedInError("The issuer has sent no ID token.")
            return await self._completed(claims, token, metadata)
        except NotLoggedInError:
            raise
        except (OAuthError, JoseError) as error:
            log.warning("a login was refused: %r", error)
            raise NotLoggedInError(_reason(error)) from error
        except Exception as error:
            raise self._unreachable(error) from error

    async def _completed(
        self, claims: Mapping[str, Any], token: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return claims with those that the issuer tells only when it is asked for them."""
        wanted = (self._console.console_oidc_user_claim, self._console.console_oidc_roles_claim)
        if "userinfo_endpoint" not in metadata or all(claim(claims, name) is not None for name in wanted):
            return claims
        further = await self._client.userinfo(token=token)
        if further.get("sub") != claims["sub"]:
            raise NotLoggedInError("The issuer's answers are about two users.")
        return {**further, **claims}

    async def logout_address(self) -> str | None:
        """Return where the user logs out of the issuer; None if the issuer has no such page, or does not answer."""
        try:
            if "end_session_endpoint" not in await self._client.load_server_metadata():
                return None
            made = await self._client.create_logout_url(
                post_logout_redirect_uri=f"{self._public}/logged-out", client_id=self._client_id
            )
        except Exception:
            log.warning("the issuer %s cannot be asked where to log out", self.name, exc_info=True)
            return None
        return str(made["url"])

    def _unreachable(self, error: Exception) -> IssuerUnreachableError:
        log.warning("the issuer %s cannot be used: %r", self.name, error)
        return IssuerUnreachableError(
            f"The issuer {self.name} does not answer as expected, so nobody can log in at present. Try again in a "
            "minute; the console's log has the details."
        )


class _Client(StarletteOAuth2App):  # type: ignore[misc]  # the library has no types
    """The library's client, which takes the issuer's description of itself only as far as it is checked."""

    expected_issuer = ""
    server_metadata: dict[str, Any]

    async def load_server_metadata(self) -> dict[str, Any]:
        """Return the issuer's description of itself."""
        if self.server_metadata.get("_loaded_at", time.time()) < time.time() - _METADATA_SECONDS:
            self.server_metadata = {}
        if "_loaded_at" not in self.server_metadata:
            found = await super().load_server_metadata()
            self.server_metadata = {}
            self.server_metadata = checked(found, self.expected_issuer)
            methods = self.server_metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            if "client_secret_basic" not in methods and "client_secret_post" in methods:
                self.client_kwargs["token_endpoint_auth_method"] = "client_secret_post"
        return self.server_metadata


def checked(metadata: Mapping[str, Any], expected_issuer: str) -> dict[str, Any]:
    """Return the part of an issuer's description of itself that the login needs.

    Raises:
        ValueError: It is of another issuer, or its addresses are not as safe as the issuer's own.
    """
    if str(metadata.get("issuer")).rstrip("/") != expected_issuer.rstrip("/"):
        raise ValueError(f"the issuer calls itself {metadata.get('issuer')!r}")
    kept = {name: metadata[name] for name in ("issuer", "_loaded_at")}
    for name in (*_ENDPOINTS, *_FURTHER_ENDPOINTS):
        address = metadata.get(name)
        if address is None and name in _FURTHER_ENDPOINTS:
            continue
        origin = origin_of(str(address))
        if origin is None or (origin.scheme == "http" and expected_issuer.startswith("https:")):
            raise ValueError(f"the issuer's {name} is {address!r}")
        kept[name] = address
    kept |= {name: metadata[name] for name in _LISTS if isinstance(metadata.get(name), list)}
    algorithms = kept.get("id_token_signing_alg_values_supported", [])
    kept["id_token_signing_alg_values_supported"] = [one for one in algorithms if one in _ALGORITHMS] or ["RS256"]
    return kept


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or by a path with dots through objects; None if it is not there."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _reason(error: Exception) -> str:
    code = str(getattr(error, "error", ""))
    if code == "mismatching_state":
        return "This login is too old, or was begun in another window."
    if code == "access_denied":
        return "The issuer has refused the login."
    return "The issuer's answer could not be verified."
