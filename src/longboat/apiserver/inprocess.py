"""A client's transport that needs no socket: the same chain, called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec

from longboat.apiserver.request import Handler, Request, Response, User
from longboat.machinery.errors import StatusError


class InProcessTransport:
    """Implements client.interface.Transport. Requests are the given user's; authorization is as for anybody."""

    def __init__(self, handle: Handler, user: User) -> None:
        self._handle = handle
        self._user = user

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
        headers = {"accept": accept, "content-type": content_type, "user-agent": self._user.name}
        response = await self._handle(self._request(method, path, query, body or b"", headers))
        if response.status >= 300:
            raise StatusError.parse(_status(response), response.status)
        return response.body

    async def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        headers = {"accept": "application/json", "user-agent": self._user.name}
        response = await self._handle(self._request("GET", path, query, b"", headers))
        if response.status >= 300:
            raise StatusError.parse(_status(response), response.status)
        if response.stream is None:
            yield response.body
            return
        chunks = response.stream
        try:
            async for chunk in chunks:
                for line in chunk.splitlines():
                    yield line
        finally:
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
        return Request(method, path, values, headers, read_body, remote="127.0.0.1", user=self._user)


def _status(response: Response) -> dict[str, object]:
    try:
        found = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        return {"message": response.body.decode("utf-8", "replace")}
    return found if isinstance(found, dict) else {}
