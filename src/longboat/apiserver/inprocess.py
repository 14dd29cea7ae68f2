"""A client's transport that needs no socket: the same chain, called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from urllib.parse import unquote

import msgspec

from longboat.apiserver.request import Handler, Request
from longboat.machinery.errors import StatusError
from longboat.machinery.user import User

LARGEST = 16 << 20  # bytes of a streamed answer


class InProcessTransport:
    """Implements client.interface.Transport. Requests are the given user's; authorization is as for anybody."""

    def __init__(self, handle: Handler, user: User, agent: str = "") -> None:
        """`agent`: its User-Agent; the user's name where it has none."""
        self._handle = handle
        self._user = user
        self._agent = agent or user.name

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
        headers = {"accept": accept, "content-type": content_type, "user-agent": self._agent}
        response = await self._handle(self._request(method, path, query, body or b"", headers))
        try:
            content = response.whole() if response.stream is None else await _gathered(response.stream)
        finally:
            response.end()
        if response.status >= 300:
            raise StatusError.parse(_status(content), response.status)
        return content

    async def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        headers = {"accept": "application/json", "user-agent": self._agent}
        response = await self._handle(self._request("GET", path, query, b"", headers))
        if response.status >= 300:
            response.end()
            raise StatusError.parse(_status(response.whole()), response.status)
        if response.stream is None:
            yield response.whole()
            return
        chunks = response.stream
        try:
            async for chunk in chunks:
                for line in chunk.splitlines():
                    yield line
        finally:
            response.end()
            if hasattr(chunks, "aclose"):
                await chunks.aclose()

    async def close(self) -> None:
        return None

    def _request(
        self, method: str, path: str, query: Mapping[str, str] | None, body: bytes, headers: Mapping[str, str]
    ) -> Request:
        async def read_body(limit: int) -> bytes:
            return body

        values = {name: [value] for name, value in query.items()} if query else {}
        path = unquote(path) if "%" in path else path  # as of what comes over the network
        return Request(method, path, values, headers, read_body, remote="127.0.0.1", user=self._user)


async def _gathered(stream: AsyncIterator[bytes]) -> bytes:
    """A body that is streamed even to one who wants it whole: what a proxied backend answers. Raises StatusError."""
    content = bytearray()
    async for chunk in stream:
        content += chunk
        if len(content) > LARGEST:
            raise StatusError(502, "InternalError", f"the answer has more than {LARGEST} bytes")
    return bytes(content)


def _status(content: bytes) -> dict[str, object]:
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {"message": content.decode("utf-8", "replace")}
    return found if isinstance(found, dict) else {}
