"""The typed client: verbs on views, over any transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.api.view import View, decode
from longboat.client.interface import Key, RawList, Transport, WatchEvent
from longboat.machinery.errors import StatusError, bad_request
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object

V = TypeVar("V", bound=View)

PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE = 500  # objects per page of a list
LONGEST_WAIT = 60.0  # seconds, even where the server asks for more
ATTEMPTS = 4  # of a request the server is too busy for, or (reads) that gets no answer

_encode = msgspec.json.Encoder().encode


class _ListMeta(msgspec.Struct, frozen=True):
    resourceVersion: str = ""
    continue_: str = msgspec.field(name="continue", default="")
    remainingItemCount: int = 0


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    metadata: _ListMeta = _ListMeta()


_list_decoder = msgspec.json.Decoder(_List)
_event_decoder = msgspec.json.Decoder(WatchEvent)


def kind_of(kind: type[View] | Kind) -> Kind:
    return kind if isinstance(kind, Kind) else kind.KIND


def path_of(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The URL of a collection, an object or a part of one. Raises StatusError for a name no object can have."""
    parts = [kind.path]
    if kind.namespaced and namespace:
        parts += ["namespaces", _segment("namespace", namespace)]
    parts.append(kind.plural)
    if name:
        parts.append(_segment("resource name", name))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def _segment(what: str, name: str) -> str:
    """A name as a part of a path. Users write names into specs: none may lead to another object (client-go's words)."""
    problems = (
        [f"may not be '{name}'"] if name in (".", "..") else [f"may not contain '{c}'" for c in "/%" if c in name]
    )
    if problems:
        raise bad_request(f'invalid {what} "{name}": [{" ".join(problems)}]')
    return quote(name, safe="")


class RestClient:
    """Implements client.interface.Client."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    async def get(self, kind: type[V], key: Key) -> V:
        return decode(kind, await self.get_raw(kind.KIND, key))

    async def get_raw(self, kind: Kind, key: Key, *, subresource: str = "") -> bytes:
        return await self._request("GET", path_of(kind, key.namespace, key.name, subresource))

    async def get_path(self, path: str) -> bytes:
        """The document at a path that is no resource's: discovery, health."""
        return await self._request("GET", path)

    async def list(
        self, kind: type[V], *, namespace: str = "", labels: str = "", fields: str = "", limit: int = 0
    ) -> list[V]:
        found: list[V] = []
        token = ""
        while True:
            page = await self.list_page(
                kind.KIND, namespace=namespace, labels=labels, fields=fields, limit=limit or PAGE, token=token
            )
            found += [decode(kind, item) for item in page.items]
            token = page.continue_token
            if not token:
                return found

    async def list_page(
        self,
        kind: Kind,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        limit: int = PAGE,
        token: str = "",
        resource_version: str = "",
        accept: str = "application/json",
    ) -> RawList:
        """One page, its items undecoded."""
        query = {
            "limit": str(limit) if limit else "",
            "labelSelector": labels,
            "fieldSelector": fields,
            "continue": token,
            "resourceVersion": resource_version,
        }
        body = await self._request("GET", path_of(kind, namespace), query=_given(query), accept=accept)
        page = _list_decoder.decode(body)
        meta = page.metadata
        return RawList(page.items or [], meta.resourceVersion, meta.continue_, meta.remainingItemCount)

    async def watch(
        self,
        kind: Kind,
        resource_version: str,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        seconds: int = 0,
    ) -> AsyncIterator[WatchEvent]:
        """Events from a revision on, bookmarks among them. Ends when the server ends it."""
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "labelSelector": labels,
            "fieldSelector": fields,
            "timeoutSeconds": str(seconds) if seconds else "",
        }
        lines = self._transport.stream(path_of(kind, namespace), query=_given(query))
        try:
            async for line in lines:
                if line:
                    yield _event_decoder.decode(line)
        finally:
            await lines.aclose()  # type: ignore[attr-defined]

    async def create(
        self, kind: type[View] | Kind, obj: Any, *, namespace: str = "", subresource: str = "", name: str = ""
    ) -> bytes:
        path = path_of(kind_of(kind), namespace, name, subresource)
        return await self._request("POST", path, body=_body(obj))

    async def update(self, kind: type[View] | Kind, key: Key, obj: Any, *, subresource: str = "") -> bytes:
        path = path_of(kind_of(kind), key.namespace, key.name, subresource)
        return await self._request("PUT", path, body=_body(obj))

    async def patch(
        self, kind: type[View] | Kind, key: Key, patch: Any, *, style: str = "merge", subresource: str = ""
    ) -> bytes:
        path = path_of(kind_of(kind), key.namespace, key.name, subresource)
        return await self._request("PATCH", path, body=_body(patch), content_type=PATCHES[style])

    async def apply(
        self, kind: type[View] | Kind, key: Key, config: Object, *, manager: str, subresource: str = ""
    ) -> bytes:
        """What `manager` wants of the object, whoever else has said something of it. `config` without apiVersion, kind
        and name.
        """
        found = kind_of(kind)
        named = {"name": key.name, **({"namespace": key.namespace} if key.namespace else {})}
        metadata = {**config.get("metadata", {}), **named}
        whole = {**config, "apiVersion": found.api_version, "kind": found.name, "metadata": metadata}
        path = path_of(found, key.namespace, key.name, subresource)
        query = {"fieldManager": manager, "force": "true"}
        return await self._request("PATCH", path, body=_body(whole), query=query, content_type=PATCHES["apply"])

    async def delete(
        self,
        kind: type[View] | Kind,
        key: Key,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "",
        grace: int | None = None,
    ) -> None:
        preconditions = _given({"uid": uid, "resourceVersion": resource_version})
        body = _deletion(preconditions, propagation, grace)
        await self._request("DELETE", path_of(kind_of(kind), key.namespace, key.name), body=_body(body))

    async def delete_collection(
        self, kind: type[View] | Kind, *, namespace: str = "", labels: str = "", propagation: str = ""
    ) -> None:
        query = _given({"labelSelector": labels})
        body = _deletion({}, propagation, None)
        await self._request("DELETE", path_of(kind_of(kind), namespace), query=query, body=_body(body))

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        """Tries again where the server asks for it, and reads also where there was no answer."""
        backoff = Backoff(first=0.1, longest=5.0)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._transport.request(
                    method, path, query=query, body=body, content_type=content_type, accept=accept
                )
            except StatusError as error:
                busy = error.code == 429 or error.code >= 500
                if not busy or error.retry_after is None or attempt == ATTEMPTS:
                    raise
                await self._clock.sleep(min(error.retry_after, LONGEST_WAIT))
            except ConnectionError:
                if method != "GET" or attempt == ATTEMPTS:
                    raise
                await self._clock.sleep(backoff.next())
        raise AssertionError("unreachable: the last attempt returns or raises")


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _body(obj: Any) -> bytes:
    return obj if isinstance(obj, bytes) else _encode(obj)


def _deletion(preconditions: Mapping[str, str], propagation: str, grace: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if preconditions:
        body["preconditions"] = preconditions
    if propagation:
        body["propagationPolicy"] = propagation
    if grace is not None:
        body["gracePeriodSeconds"] = grace
    return body
