"""Bearer tokens: static ones from a file, and those of ServiceAccounts."""

from __future__ import annotations

import csv
import hashlib
import hmac
from pathlib import Path

from longboat.apiserver.authn.identity import Authenticator, Rejected, known
from longboat.apiserver.request import Request
from longboat.machinery.user import User

WEBSOCKET_BEARER = "base64url.bearer.authorization.k8s.io."


def bearer(request: Request) -> str:
    """The token of the Authorization header, or of a WebSocket's subprotocols; empty if there is none.

    Raises Rejected for two headers: which of them counts depends on who looks.
    """
    if len(request.header_values("authorization")) > 1:
        raise Rejected("there are several Authorization headers")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for offered in request.headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith(WEBSOCKET_BEARER):
            return _from_websocket(offered.strip().removeprefix(WEBSOCKET_BEARER))
    return ""


def _from_websocket(encoded: str) -> str:
    import base64
    import binascii

    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Rejected("the token in the WebSocket protocols is not base64url") from None


def static_tokens(file: Path) -> Authenticator:
    """Tokens of a CSV file, `token,user,uid,"group1,group2"` (kube-apiserver's --token-auth-file). Raises OSError."""
    users: dict[bytes, User] = {}
    with file.open(newline="") as lines:
        for row in csv.reader(lines):
            if len(row) >= 3:
                groups = [g.strip() for g in row[3].split(",") if g.strip()] if len(row) > 3 else []
                users[_digest(row[0])] = known(row[1], groups, row[2])

    async def identify(request: Request) -> User | None:
        token = bearer(request)
        if not token:
            return None
        digest, found = _digest(token), None
        for candidate, user in users.items():  # every one, always: the time tells nothing (security lesson 21)
            if hmac.compare_digest(candidate, digest):
                found = user
        if found is None:
            raise Rejected("no such token")
        return found

    return identify


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
