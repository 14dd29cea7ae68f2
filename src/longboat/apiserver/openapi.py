"""OpenAPI documents: v3 by group version, v2 whole. Made when first asked for, from the published definitions."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Iterable

import msgspec

from longboat.apiserver.request import Request, Response
from longboat.machinery import openapi
from longboat.machinery.errors import path_not_found
from longboat.registry.strategy import Strategy

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2"


class OpenAPI:
    def __init__(self, strategies: Iterable[Strategy]) -> None:
        self._strategies = list(strategies)
        self._made: dict[str, tuple[bytes, str]] = {}
        self._versions = {
            strategy.kind.path.removeprefix("/"): (strategy.kind.group, strategy.kind.version)
            for strategy in self._strategies
        }

    async def handle(self, request: Request) -> Response:
        """Raises StatusError 404."""
        path = request.path.strip("/").removeprefix("openapi").strip("/")
        if path == "v2":
            body, etag = await self._document("v2", lambda: openapi.v2(self._strategies))
            content_type = "application/json"
        elif path == "v3":
            return Response(200, self._index())
        elif path.startswith("v3/") and path[3:] in self._versions:
            group, version = self._versions[path[3:]]
            body, etag = await self._document(path, lambda: openapi.v3(self._strategies, group, version))
            content_type = "application/json"
        else:
            raise path_not_found()
        headers = {"ETag": etag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == etag:
            return Response(304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(200, body, content_type, {**headers, "Content-Encoding": "gzip"})
        return Response(200, gzip.decompress(body), content_type, headers)

    async def _document(self, name: str, make: Callable[[], object]) -> tuple[bytes, str]:
        """The gzipped document and its ETag. Made in a thread: it takes a while, and nothing may hold the loop."""
        if name not in self._made:

            def build() -> tuple[bytes, str]:
                plain = msgspec.json.encode(make())
                return gzip.compress(plain, 5, mtime=0), f'"{hashlib.sha256(plain).hexdigest().upper()}"'

            self._made[name] = await asyncio.to_thread(build)
        return self._made[name]

    def _index(self) -> bytes:
        """The hash changes with the package's version alone: so do the documents."""
        from longboat import __version__

        def address(path: str) -> str:
            return f"/openapi/v3/{path}?hash={hashlib.sha256((path + __version__).encode()).hexdigest().upper()}"

        paths = {path: {"serverRelativeURL": address(path)} for path in sorted(self._versions)}
        return msgspec.json.encode({"paths": paths})
