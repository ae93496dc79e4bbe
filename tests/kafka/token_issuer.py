"""A small token endpoint for tests: it checks the client, and signs tokens that a real Kafka checks with its keys.

Invariant: the keys are made for each issuer, and kept nowhere.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT: Final = "volteface worker"
#: With characters that have to be encoded.
SECRET: Final = "s3cret:with/percent%and+plus"


class TokenIssuer(ThreadingHTTPServer):
    """Gives tokens of a short life.

    Attributes:
        lifetime_seconds: Of the tokens.
        is_away: Whether it answers with status 503.
        count: How many tokens it has given.
    """

    daemon_threads = True

    def __init__(self, lifetime_seconds: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lifetime_seconds = lifetime_seconds
        self.is_away = False
        self.count = 0
        self.key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: TokenIssuer

    def do_GET(self) -> None:
        """The public keys."""
        self._answer(200, {"keys": [self.server.key.as_dict(private=False, use="sig", alg="RS256")]})

    def do_POST(self) -> None:
        """A token."""
        fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        name, _, secret = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
        if self.path != "/token":
            self._answer(404, {})
        elif self.server.is_away:
            self._answer(503, {})
        elif (unquote(name), unquote(secret)) != (CLIENT, SECRET):
            self._answer(401, {"error": "invalid_client", "error_description": "no such\nclient"})
        elif fields.get("grant_type") != ["client_credentials"] or fields.get("scope") != ["kafka"]:
            self._answer(400, {"error": "invalid_scope"})
        else:
            self.server.count += 1
            now, life = int(time.time()), self.server.lifetime_seconds
            claims = {"sub": "volteface", "aud": "kafka", "scope": "kafka", "iat": now, "exp": now + life}
            token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.server.key)
            self._answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": life})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Write nothing."""
