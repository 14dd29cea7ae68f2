"""An issuer of OpenID Connect: HTTPS on loopback, in the test's own loop. Its keys change when it is told to."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from oracle.webhook import _identity

Behave = Callable[[asyncio.StreamWriter, str], Awaitable[None]]
MAKE: dict[str, Callable[[], Key]] = {
    "RS": lambda: RSAKey.generate_key(2048, {"kid": f"k{time.monotonic_ns()}"}),
    "PS": lambda: RSAKey.generate_key(2048, {"kid": f"k{time.monotonic_ns()}"}),
    "ES": lambda: ECKey.generate_key("P-256", {"kid": f"k{time.monotonic_ns()}"}),
    "Ed": lambda: OKPKey.generate_key("Ed25519", {"kid": f"k{time.monotonic_ns()}"}),
}


class IssuerServer:
    """`asked`: how often for which path. `behave`: instead of an answer."""

    def __init__(self) -> None:
        self.keys: list[Key] = [MAKE["ES"]()]
        self.asked: Counter[str] = Counter()
        self.behave: Behave | None = None
        self.says = ""  # it is, if not what it is
        self.open = 0
        self._context, ca = _identity()
        self.ca = base64.b64decode(ca).decode()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def issuer(self, **also: Any) -> dict[str, Any]:
        """As a JWTAuthenticator has it."""
        return {"url": self.url, "audiences": ["here"], "certificateAuthority": self.ca, **also}

    def token(self, key: Key | None = None, algorithm: str = "ES256", *, kid: bool = True, **claims: Any) -> str:
        key, now = key or self.keys[-1], int(time.time())
        said = {"iss": self.url, "aud": "here", "sub": "jane", "iat": now, "exp": now + 600, **claims}
        header = {"alg": algorithm, **({"kid": key.get("kid")} if kid else {})}
        return jws.serialize_compact(header, json.dumps(said).encode(), key, algorithms=[algorithm])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            self.asked[path] += 1
            if self.behave is not None:
                await self.behave(writer, path)
            else:
                self._answer(writer, path)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass  # who asks goes when they like
        finally:
            self.open -= 1
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, path: str) -> None:
        if path == "/keys":
            found: Any = {"keys": [key.as_dict(private=False) for key in self.keys]}
        else:
            found = {"issuer": self.says or self.url, "jwks_uri": f"{self.url}/keys"}
        body = json.dumps(found).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )


@asynccontextmanager
async def issuing() -> AsyncIterator[IssuerServer]:
    found = IssuerServer()
    await found.start()
    try:
        yield found
    finally:
        await found.stop()
        while found.open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
