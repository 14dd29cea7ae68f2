"""What a component may ask of the API. Two transports implement it alike: HTTPS, and in-process.

Kinds are named by their view class (its KIND); untyped access by `Kind` gives dicts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from longboat.api.view import View
from longboat.machinery.kinds import Kind

V = TypeVar("V", bound=View)


class Key(NamedTuple):
    """namespace ("" for cluster-scoped) and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class RawList(msgspec.Struct):
    """A list as it came: items undecoded."""

    items: list[msgspec.Raw]
    resource_version: str
    continue_token: str = ""
    remaining: int = 0  # objects after this page, where the server says so


class WatchEvent(msgspec.Struct):
    """One line of a watch. ERROR carries a Status in `object`."""

    type: str  # ADDED MODIFIED DELETED BOOKMARK ERROR
    object: msgspec.Raw


class Transport(Protocol):
    """The one seam between a client and an API server."""

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
        """The response's body. Raises StatusError for anything but 2xx, ConnectionError where there is no answer."""
        ...

    def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        """GET, yielding the body line by line (watch) as it comes. Raises as `request`."""
        ...

    async def close(self) -> None: ...


class Client(Protocol):
    """Verbs on views. All raise StatusError; `kind` is a View class or a Kind."""

    async def get(self, kind: type[V], key: Key) -> V: ...

    async def list(
        self, kind: type[V], *, namespace: str = "", labels: str = "", fields: str = "", limit: int = 0
    ) -> list[V]:
        """Every page of the list."""
        ...

    async def create(
        self, kind: type[V] | Kind, obj: Any, *, namespace: str = "", subresource: str = "", name: str = ""
    ) -> bytes:
        """POST; `obj` is a dict, a Struct or encoded bytes. Returns the created object's bytes."""
        ...

    async def update(self, kind: type[V] | Kind, key: Key, obj: Any, *, subresource: str = "") -> bytes:
        """PUT; `obj` carries the resourceVersion it rests on."""
        ...

    async def patch(
        self, kind: type[V] | Kind, key: Key, patch: Any, *, style: str = "merge", subresource: str = ""
    ) -> bytes:
        """PATCH; style is "merge", "strategic" or "json". metadata.resourceVersion or uid in it are preconditions."""
        ...

    async def delete(
        self,
        kind: type[V] | Kind,
        key: Key,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "",
        grace: int | None = None,
    ) -> None: ...

    async def delete_collection(
        self, kind: type[V] | Kind, *, namespace: str = "", labels: str = "", propagation: str = ""
    ) -> None: ...
