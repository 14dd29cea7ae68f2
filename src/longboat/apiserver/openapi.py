"""OpenAPI over HTTP: an index and a document per group version (v3), and one of everything (v2)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from longboat.apiserver.discovery import subresources
from longboat.apiserver.media import JSON, negotiate
from longboat.apiserver.request import Request, Response
from longboat.machinery import openapi, openapi_proto
from longboat.machinery.errors import path_not_found
from longboat.machinery.openapi_paths import Resource
from longboat.registry.strategy import Strategy

YEAR = 365 * 86_400  # seconds


class OpenAPI:
    """Documents are made when first asked for, and kept compressed."""

    def __init__(self, strategies: Iterable[Strategy]) -> None:
        self._made: dict[str, bytes] = {}
        self._versions: dict[str, list[Resource]] = {}
        for strategy in strategies:
            if strategy.top_level:
                path = strategy.kind.path.removeprefix("/")
                self._versions.setdefault(path, []).append(described(strategy))
        self._versions["v2"] = [resource for resources in self._versions.values() for resource in resources]
        self._hashes: dict[str, str] = {}

    async def handle(self, request: Request) -> Response:
        """Anything under /openapi. Raises StatusError: 404, 406 for documents in protobuf."""
        path = request.path.strip("/").removeprefix("openapi").strip("/")
        if path == "v2" and _wants_protobuf(request):
            return await self._protobuf()
        negotiate(request.headers.get("accept", ""), forms=False)
        if path == "v2":
            return await self._document(request, path, openapi.v2)
        if path == "v3":
            index = openapi.index({name: self._hash(name) for name in self._versions if name != "v2"})
            return Response(200, msgspec.json.encode(index))
        name = path.removeprefix("v3/")
        if name in (path, "v2") or name not in self._versions:
            raise path_not_found()
        if (wished := request.arg("hash")) and wished != self._hash(name):
            return Response(301, headers={"Location": f"/openapi/{path}?hash={self._hash(name)}"})
        return await self._document(request, name, openapi.v3)

    async def _document(self, request: Request, name: str, make: Callable[[list[Resource]], bytes]) -> Response:
        etag = f'"{self._hash(name)}"'
        headers = {"ETag": etag, "Vary": "Accept, Accept-Encoding"}
        if request.arg("hash"):  # the address names the content: it will never change
            headers["Cache-Control"] = f"public, immutable, max-age={YEAR}"
        if request.headers.get("if-none-match") == etag:
            return Response(304, headers=headers)
        packed = self._made.get(name)
        if packed is None:  # in a thread: it takes tens of milliseconds, and nothing may hold the loop so long
            packed = self._made[name] = await asyncio.to_thread(
                lambda: gzip.compress(make(self._versions[name]), 5, mtime=0)
            )
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(200, packed, JSON, {**headers, "Content-Encoding": "gzip"})
        return Response(200, await asyncio.to_thread(partial(gzip.decompress, packed)), JSON, headers)

    async def _protobuf(self) -> Response:
        """The whole document for kubectl."""
        packed = self._made.get(openapi_proto.MEDIA_TYPE)
        if packed is None:
            packed = self._made[openapi_proto.MEDIA_TYPE] = await asyncio.to_thread(self._encode_protobuf)
        return Response(200, await asyncio.to_thread(gzip.decompress, packed), openapi_proto.MEDIA_TYPE)

    def _encode_protobuf(self) -> bytes:
        document = msgspec.json.decode(openapi.v2(self._versions["v2"]))
        return gzip.compress(openapi_proto.encode(document), 5, mtime=0)

    def _hash(self, name: str) -> str:
        if name not in self._hashes:
            self._hashes[name] = openapi.digest(self._versions[name])
        return self._hashes[name]


def _wants_protobuf(request: Request) -> bool:
    offered = [part.partition(";")[0].strip() for part in request.headers.get("accept", "").split(",")]
    return bool(offered) and offered[0] in openapi_proto.ACCEPTED


def described(strategy: Strategy) -> Resource:
    return Resource(strategy.kind, tuple(strategy.verbs), tuple(subresources(strategy)))
