"""A small OpenID Connect issuer for tests: a real web server that checks what clients send, and signs real tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from joserfc import jws
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT: Final = "console"
CLIENT_SECRET: Final = "the client's secret"
Sign = Callable[["LocalIssuer", dict[str, Any]], str]


class LocalIssuer:
    """An issuer at which one person is logged in.

    Attributes:
        address: The issuer's own address.
        return_address: The only address that a browser may be sent back to.
        person: The claims about the person.
        change: Changes claims before they are signed.
        sign: Makes the ID token.
        description: What the issuer says of itself besides the usual.
        seen: Each request by its name, with its parameters.
    """

    def __init__(self, address: str, return_address: str) -> None:
        self.address, self.return_address = address, return_address
        self.person: dict[str, Any] = {"sub": "u-1", "preferred_username": "ana", "groups": ["analyst"]}
        self.change: Callable[[dict[str, Any]], None] = lambda claims: None
        self.sign: Sign = signed
        self.further: dict[str, Any] | None = None
        self.description: dict[str, Any] = {}
        self.sends_id_token = True
        self.key = new_key()
        self.seen: list[tuple[str, dict[str, str]]] = []
        self._logins: dict[str, dict[str, str]] = {}

    def app(self) -> Starlette:
        """Return the issuer."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
                Route("/userinfo", self._userinfo),
                Route("/end", self._end),
            ]
        )

    async def _describe(self, _: Request) -> Response:
        a = self.address
        found = {
            "issuer": a,
            "authorization_endpoint": f"{a}/authorize",
            "token_endpoint": f"{a}/token",
            "jwks_uri": f"{a}/keys",
            "userinfo_endpoint": f"{a}/userinfo",
            "end_session_endpoint": f"{a}/end",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "timeout": "an unknown field must not reach the client",
            **self.description,
        }
        return JSONResponse({name: value for name, value in found.items() if value is not None})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.seen.append(("authorize", asked))
        problems = [
            name
            for name, well in {
                "client_id": asked.get("client_id") == CLIENT,
                "redirect_uri": asked.get("redirect_uri") == self.return_address,
                "response_type": asked.get("response_type") == "code",
                "scope": "openid" in asked.get("scope", "").split(),
                "code_challenge_method": asked.get("code_challenge_method") == "S256",
                "code_challenge": len(asked.get("code_challenge", "")) == 43,
                "state": len(asked.get("state", "")) >= 20,
                "nonce": len(asked.get("nonce", "")) >= 20,
            }.items()
            if not well
        ]
        if problems:
            return PlainTextResponse(f"bad: {problems}", 400)
        code = secrets.token_urlsafe()
        self._logins[code] = asked
        answer = {"code": code, "state": asked["state"]}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}")

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.seen.append(("token", form))
        asked = self._logins.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if not self._knows_client(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or challenge.rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.address, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.person
        self.change(claims)
        token = {"access_token": "access", "token_type": "Bearer", "expires_in": 300}
        return JSONResponse(token | ({"id_token": self.sign(self, claims)} if self.sends_id_token else {}))

    def _knows_client(self, request: Request, form: dict[str, str]) -> bool:
        methods = self.description.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if methods == ["client_secret_post"]:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, CLIENT_SECRET)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme == "Basic" and base64.b64decode(given).decode() == f"{CLIENT}:{CLIENT_SECRET}"

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False) | {"use": "sig", "alg": "RS256"}]})

    async def _userinfo(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer access":
            return PlainTextResponse("", 401)
        return JSONResponse(self.person if self.further is None else self.further)

    async def _end(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.seen.append(("end", asked))
        if asked.get("client_id") != CLIENT:
            return PlainTextResponse("bad client", 400)
        return RedirectResponse(f"{asked['post_logout_redirect_uri']}?{urlencode({'state': asked['state']})}")


def new_key() -> RSAKey:
    """Return a key with an id of its own."""
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})


def signed(issuer: LocalIssuer, claims: dict[str, Any]) -> str:
    """Sign as an issuer should."""
    return _signed(issuer, claims, issuer.key)


def signed_by_another(issuer: LocalIssuer, claims: dict[str, Any]) -> str:
    """Sign with another key that pretends to be the issuer's."""
    return _signed(issuer, claims, new_key())


def unsigned(issuer: LocalIssuer, claims: dict[str, Any]) -> str:
    """Do not sign."""
    return f"{_part({'alg': 'none', 'kid': issuer.key.kid})}.{_part(claims)}."


def signed_with_public_key(issuer: LocalIssuer, claims: dict[str, Any]) -> str:
    """Sign with the public key as if it were a shared secret."""
    text = f"{_part({'alg': 'HS256', 'kid': issuer.key.kid})}.{_part(claims)}"
    signature = hmac.digest(issuer.key.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _signed(issuer: LocalIssuer, claims: dict[str, Any], key: RSAKey) -> str:
    return jws.serialize_compact({"alg": "RS256", "kid": issuer.key.kid}, json.dumps(claims), key)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
