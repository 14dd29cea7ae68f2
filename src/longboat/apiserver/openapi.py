"""OpenAPI over HTTP: an index and a document per group version (v3), and one of everything (v2)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import NamedTuple

import msgspec

from longboat.api import kinds
from longboat.apiserver import resources as served
from longboat.apiserver.aggregation.documents import merged, newer
from longboat.apiserver.aggregation.priorities import ordered
from longboat.apiserver.discovery import listed
from longboat.apiserver.media import JSON, chosen
from longboat.apiserver.request import Request, Response
from longboat.apiserver.resources import Derived, Foreign, GroupVersion, Resources
from longboat.apiserver.router import no_page
from longboat.machinery import openapi, openapi_paths, openapi_proto, openapi_v3_proto
from longboat.machinery.objects import Object
from longboat.machinery.openapi_paths import Resource

YEAR = 365 * 86_400  # seconds
OLDER = "v2"  # everything, in one document
# What is given, by what is asked for: each form in protobuf has two names.
PROTOBUF = {
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf": openapi_proto.encode,
    "application/com.github.proto-openapi.spec.v3.v1.0+protobuf": openapi_v3_proto.encode,
}
V2, V3 = ({JSON: JSON, packed.replace(".v1.0", "@v1.0"): packed, packed: packed} for packed in PROTOBUF)


class _Document(NamedTuple):
    make: Callable[[], bytes]  # the JSON
    hash: str


class OpenAPI:
    """Documents are made when first asked for, and kept compressed. `openid`: there are OpenID's two paths."""

    def __init__(self, resources: Resources, *, openid: bool = False) -> None:
        self._openid = openid
        self._made: dict[tuple[str, str, str], bytes] = {}  # by name, hash and media type
        self._theirs: dict[str, Object] = {}  # of the index: what extension servers document
        self._served = Derived(resources, self._describe)

    def _describe(self, resources: Resources) -> dict[str, _Document]:
        """By name. What has been made of those that are as they were is kept."""
        versions: dict[str, list[Resource]] = {}
        for each in resources:
            if each.strategy.top_level:
                versions.setdefault(each.kind.path.removeprefix("/"), []).append(described(each))
        everything = [resource for version in versions.values() for resource in version]
        alone = openapi_paths.discovery((each.kind for each in everything), openid=self._openid)
        found = {name: _Document(partial(openapi.v3, those), openapi.digest(those)) for name, those in versions.items()}
        found |= {name: _Document(partial(openapi.v3_of, one), openapi.digest([one])) for name, one in alone.items()}
        ours = _Document(
            partial(openapi.v2, everything, openid=self._openid), openapi.digest([*everything, *alone.values()])
        )
        foreign = [resources.foreign[key] for key in ordered(resources.foreign, resources.ranks)]
        found[OLDER] = _with([each for each in foreign if each.older], ours)
        self._theirs = {
            _name(key): {"serverRelativeURL": each.newer} for key, each in resources.foreign.items() if each.newer
        }
        found |= {
            _name(key): _Document(partial(newer, each.older), each.digest.upper())
            for key, each in resources.foreign.items()
            if each.older and each.newer == ""
        }
        kept = {(name, document.hash) for name, document in found.items()}
        self._made = {key: made for key, made in self._made.items() if key[:2] in kept}
        return found

    async def handle(self, request: Request) -> Response:
        """Anything under /openapi."""
        path, documents = request.path.strip("/").removeprefix("openapi").strip("/"), self._served()
        if path == OLDER:
            return await self._document(request, path, documents[path], V2)
        if path == "v3":
            index = openapi.index({name: each.hash for name, each in documents.items() if name != OLDER})
            index["paths"] |= self._theirs
            return Response(200, msgspec.json.encode(index))
        name = path.removeprefix("v3/")
        if name in (path, OLDER) or (document := documents.get(name)) is None:
            return no_page()
        if (wished := request.arg("hash")) and wished != document.hash:
            return Response(301, headers={"Location": f"/openapi/{path}?hash={document.hash}"})
        return await self._document(request, name, document, V3)

    async def _document(
        self, request: Request, name: str, document: _Document, accepted: Mapping[str, str]
    ) -> Response:  # fmt: skip
        etag = f'"{document.hash}"'
        headers = {"ETag": etag, "Vary": "Accept, Accept-Encoding"}
        media_type = chosen(request.headers.get("accept", ""), accepted)
        if media_type is None:
            return Response(406, headers=headers)
        if request.arg("hash"):  # the address names the content: it will never change
            headers["Cache-Control"] = f"public, immutable, max-age={YEAR}"
        if request.headers.get("if-none-match") == etag:
            return Response(304, headers=headers)
        packed = await self._packed(name, document, media_type)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(200, packed, media_type, {**headers, "Content-Encoding": "gzip"})
        return Response(200, await asyncio.to_thread(partial(gzip.decompress, packed)), media_type, headers)

    async def _packed(self, name: str, document: _Document, media_type: str) -> bytes:
        """Made in a thread: it takes tens of milliseconds, and nothing may hold the loop so long."""
        key = name, document.hash, media_type
        packed = self._made.get(key)
        if packed is None:
            packed = self._made[key] = await asyncio.to_thread(lambda: _pack(document, media_type))
        return packed


def _with(foreign: Sequence[Foreign], ours: _Document) -> _Document:
    """Our older document, and what extension servers say in theirs."""
    if not foreign:
        return ours
    told = "".join((ours.hash, *(each.digest for each in foreign)))
    older = [each.older for each in foreign]
    return _Document(lambda: merged(ours.make(), older), sha256(told.encode()).hexdigest().upper())


def _name(key: GroupVersion) -> str:
    group, version = key
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _pack(document: _Document, media_type: str) -> bytes:
    written = document.make()
    if media_type != JSON:
        written = PROTOBUF[media_type](msgspec.json.decode(written))
    return gzip.compress(written, 5, mtime=0)


def described(resource: served.Resource) -> Resource:
    strategy, parts = resource.strategy, tuple(part for part, _ in listed(resource))
    # A namespace's end is a matter of its own store's, whose answer the published document takes for a Status.
    told = strategy.returns_deleted and resource.kind != kinds.NAMESPACE
    return Resource(resource.kind, tuple(strategy.verbs), parts, strategy.type, told)
