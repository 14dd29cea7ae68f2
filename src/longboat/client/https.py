"""The transport over HTTPS: kept-alive connections, watches line by line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import msgspec

from longboat.aio import sockets
from longboat.aio.clock import Clock, SystemClock
from longboat.client.kubeconfig import Access, load_chain
from longboat.machinery.errors import StatusError

log = logging.getLogger(__name__)

CONNECT, ANSWER = 10.0, 65.0  # seconds: to connect, and until a request that is no watch has its answer
CONNECTIONS = 64  # requests at a time, watches aside
QUIET = 90.0  # seconds without a byte after which a watch's connection is taken for dead (bookmarks come each minute)
TOKEN_KEPT = 60.0  # seconds after which a token's file is read again (client-go, cachingTokenSource)


class HttpsTransport:
    """Implements client.interface.Transport."""

    def __init__(self, access: Access, user_agent: str = "longboat", clock: Clock | None = None) -> None:
        self._access = access
        self._agent = user_agent
        self._clock = clock or SystemClock()
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._token = access.token
        self._read_at: float | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        headers = await self._headers(accept)
        if body is not None:
            headers["Content-Type"] = content_type
        timeout = aiohttp.ClientTimeout(total=ANSWER, sock_connect=CONNECT)
        try:
            async with self._slots, self._open().request(
                method, self._access.server + path, params=query, data=body, headers=headers, timeout=timeout,
                allow_redirects=False, server_hostname=self._access.server_name or None,
            ) as response:  # fmt: skip
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= 300:
            raise self._failure(content, response)
        return content

    async def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=QUIET)
        try:
            async with self._open().get(
                self._access.server + path, params=query, headers=await self._headers("application/json"),
                timeout=timeout, allow_redirects=False, server_hostname=self._access.server_name or None,
            ) as response:  # fmt: skip
                if response.status >= 300:
                    raise self._failure(await response.read(), response)
                async for line in lines(response.content.iter_any()):
                    yield line
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(f"GET {path}: {error or type(error).__name__}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # lets the transports say good-bye

    async def renew(self, certificate: bytes, key: bytes) -> None:
        """From now on be known by another certificate. Requests under way end over the connections they have."""
        load_chain(self._access.context, certificate, key)
        old, self._session = self._session, None
        if old is not None:
            await self._clock.sleep(ANSWER)
            await old.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self._access.context,
                limit=0,
                limit_per_host=0,
                keepalive_timeout=60,
                socket_factory=sockets.connecting,
            )
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self._session

    async def _headers(self, accept: str) -> dict[str, str]:
        # Components are near: compressing would cost the server more than it spares the network.
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": self._agent}
        if self._access.token_file is not None:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= TOKEN_KEPT:
                self._read_at = now
                self._token = await self._read_token(self._access.token_file)
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    async def _read_token(self, file: Path) -> str:
        """The file's content; the token we have where it cannot be read just now. Raises ConnectionError."""
        try:
            return (await asyncio.to_thread(file.read_text)).strip()
        except (OSError, ValueError) as error:
            if not self._token:
                raise ConnectionError(f"no token: {error}") from error
            log.warning("the token is not renewed: %s", error)
            return self._token

    def _failure(self, content: bytes, response: aiohttp.ClientResponse) -> StatusError:
        if response.status == 401:
            self._read_at = None  # the token in the file may be newer
        try:
            status = msgspec.json.decode(content)
        except msgspec.DecodeError:
            status = None
        if not isinstance(status, dict):
            status = {"message": content.decode("utf-8", "replace")[:1024]}
        error = StatusError.parse(status, response.status)
        wait = response.headers.get("Retry-After", "")
        if error.retry_after is None and wait.isascii() and wait.isdigit():
            error.retry_after = int(wait)
        return error


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of any length; each byte is copied once, however the chunks fall."""
    parts: list[bytes] = []
    async for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            parts.append(line)
            yield b"".join(parts)
            parts = []
        if rest:
            parts.append(rest)
    if parts:
        yield b"".join(parts)
