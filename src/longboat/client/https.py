"""The transport over HTTPS: kept-alive connections, watches line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp
import msgspec

from longboat.client.kubeconfig import Access
from longboat.machinery.errors import StatusError

CONNECT, ANSWER = 10.0, 65.0  # seconds: to connect, and until a request that is no watch has its answer
CONNECTIONS = 64
QUIET = 90.0  # seconds without a byte after which a watch's connection is taken for dead (bookmarks come each minute)


class HttpsTransport:
    """Implements client.interface.Transport."""

    def __init__(self, access: Access, user_agent: str = "longboat") -> None:
        self._access = access
        self._agent = user_agent
        self._session: aiohttp.ClientSession | None = None

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
        headers = self._headers(accept)
        if body is not None:
            headers["Content-Type"] = content_type
        timeout = aiohttp.ClientTimeout(total=ANSWER, sock_connect=CONNECT)
        try:
            async with self._open().request(
                method, self._access.server + path, params=query, data=body, headers=headers, timeout=timeout,
                allow_redirects=False,
            ) as response:  # fmt: skip
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= 300:
            raise _failure(content, response.status)
        return content

    async def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=QUIET)
        try:
            async with self._open().get(
                self._access.server + path, params=query, headers=self._headers("application/json"), timeout=timeout,
                allow_redirects=False,
            ) as response:  # fmt: skip
                if response.status >= 300:
                    raise _failure(await response.read(), response.status)
                async for line in _lines(response.content):
                    yield line
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(f"GET {path}: {error or type(error).__name__}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # lets the transports say good-bye

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._access.context, limit=0, limit_per_host=0, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self._session

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "User-Agent": self._agent}
        token = self._access.token_file.read_text().strip() if self._access.token_file else self._access.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length; each byte is copied once, however the chunks fall."""
    parts: list[bytes] = []
    async for chunk in content.iter_any():
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            parts.append(line)
            yield b"".join(parts)
            parts = []
        if rest:
            parts.append(rest)
    if parts:
        yield b"".join(parts)


def _failure(content: bytes, code: int) -> StatusError:
    try:
        status = msgspec.json.decode(content)
    except msgspec.DecodeError:
        status = None
    if not isinstance(status, dict):
        status = {"message": content.decode("utf-8", "replace")[:1024]}
    return StatusError.parse(status, code)
