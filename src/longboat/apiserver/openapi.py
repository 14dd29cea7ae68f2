"""OpenAPI over HTTP: an index and a document per group version (v3), and one of everything (v2)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import msgspec

from longboat.apiserver import resources as served
from longboat.apiserver.discovery import listed
from longboat.apiserver.media import JSON, negotiate
from longboat.apiserver.request import Request, Response
from longboat.apiserver.resources import Derived, Resources
from longboat.apiserver.router import no_page
from longboat.machinery import openapi, openapi_proto
from longboat.machinery.openapi_paths import Resource

PACKED = "v2 in protobuf"
YEAR = 365 * 86_400  # seconds


class _Version(NamedTuple):
    resources: list[Resource]
    hash: str


class OpenAPI:
    """Documents are made when first asked for, and kept compressed."""

    def __init__(self, resources: Resources) -> None:
        self._made: dict[tuple[str, str], bytes] = {}  # by name and hash
        self._served = Derived(resources, self._describe)

    def _describe(self, resources: Iterable[served.Resource]) -> dict[str, _Version]:
        """By name, "v2" being everything. What has been made of those that are as they were is kept."""
        found: dict[str, list[Resource]] = {}
        for each in resources:
            if each.strategy.top_level:
                found.setdefault(each.kind.path.removeprefix("/"), []).append(described(each))
        found["v2"] = [resource for version in found.values() for resource in version]
        versions = {name: _Version(listed, openapi.digest(listed)) for name, listed in found.items()}
        kept = {(name, version.hash) for name, version in versions.items()} | {(PACKED, versions["v2"].hash)}
        self._made = {key: made for key, made in self._made.items() if key in kept}
        return versions

    async def handle(self, request: Request) -> Response:
        """Anything under /openapi. Raises StatusError: 404, 406 for documents in protobuf."""
        path, versions = request.path.strip("/").removeprefix("openapi").strip("/"), self._served()
        if path == "v2" and _wants_protobuf(request):
            packed = await self._packed((PACKED, versions["v2"].hash), partial(_in_protobuf, versions["v2"].resources))
            return Response(200, await asyncio.to_thread(gzip.decompress, packed), openapi_proto.MEDIA_TYPE)
        negotiate(request.headers.get("accept", ""), forms=False)
        if path == "v2":
            return await self._document(request, path, versions["v2"], openapi.v2)
        if path == "v3":
            index = openapi.index({name: version.hash for name, version in versions.items() if name != "v2"})
            return Response(200, msgspec.json.encode(index))
        name = path.removeprefix("v3/")
        if name in (path, "v2") or (version := versions.get(name)) is None:
            return no_page()
        if (wished := request.arg("hash")) and wished != version.hash:
            return Response(301, headers={"Location": f"/openapi/{path}?hash={version.hash}"})
        return await self._document(request, name, version, openapi.v3)

    async def _document(
        self, request: Request, name: str, version: _Version, make: Callable[[list[Resource]], bytes]
    ) -> Response:
        etag = f'"{version.hash}"'
        headers = {"ETag": etag, "Vary": "Accept, Accept-Encoding"}
        if request.arg("hash"):  # the address names the content: it will never change
            headers["Cache-Control"] = f"public, immutable, max-age={YEAR}"
        if request.headers.get("if-none-match") == etag:
            return Response(304, headers=headers)
        packed = await self._packed((name, version.hash), partial(make, version.resources))
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(200, packed, JSON, {**headers, "Content-Encoding": "gzip"})
        return Response(200, await asyncio.to_thread(partial(gzip.decompress, packed)), JSON, headers)

    async def _packed(self, key: tuple[str, str], make: Callable[[], bytes]) -> bytes:
        """Made in a thread: it takes tens of milliseconds, and nothing may hold the loop so long."""
        packed = self._made.get(key)
        if packed is None:
            packed = self._made[key] = await asyncio.to_thread(lambda: gzip.compress(make(), 5, mtime=0))
        return packed


def _in_protobuf(resources: list[Resource]) -> bytes:
    """The whole document for kubectl."""
    return openapi_proto.encode(msgspec.json.decode(openapi.v2(resources)))


def _wants_protobuf(request: Request) -> bool:
    offered = [part.partition(";")[0].strip() for part in request.headers.get("accept", "").split(",")]
    return bool(offered) and offered[0] in openapi_proto.ACCEPTED


def described(resource: served.Resource) -> Resource:
    strategy, parts = resource.strategy, tuple(part for part, _ in listed(resource))
    return Resource(resource.kind, tuple(strategy.verbs), parts, strategy.type)
