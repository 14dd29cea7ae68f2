"""What a request's objects are in the versions of their kind that somebody is asked about. No I/O.

What webhooks and policies are shown, and what they may patch, is the object in the version that they are for
(`matchPolicy: Equivalent`, admissionregistration v1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from longboat.apiserver.admission.asked import (
    Printed,
    kind_of,
    kind_ref,
    resource_ref,
    shown,
    user_of,
)
from longboat.apiserver.admission.matching import name_of, namespace_of
from longboat.apiserver.admission.versions import Versions
from longboat.machinery.errors import internal
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes
from longboat.registry.conversion import Conversions, Unconvertible

T = TypeVar("T")

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Pair:
    """The object and what it follows, encoded; None where there is none. And decoded, once somebody asks."""

    kind: Kind
    obj: bytes | None
    old: bytes | None

    def decoded(self) -> tuple[Any, Any]:
        return (None if self.obj is None else _decode(self.obj), None if self.old is None else _decode(self.old))


class Views:
    """Of one request: each version is made once, however many are asked about it."""

    def __init__(self, attributes: Attributes, printed: Printed, versions: Versions) -> None:
        self.attributes = attributes
        self._printed, self._versions = printed, versions
        self._made: dict[Kind, Pair] = {}
        self._old: dict[Kind, bytes | None] = {}
        self._values: dict[Kind, tuple[Any, Any]] = {}
        self._conversions = Conversions(attributes.seat.run)
        self.namespaces: dict[str, Mapping[str, str] | None] = {}  # labels of those that were looked up

    async def reach(self, resource: Kind) -> None:
        """Have the objects at hand in a version that somebody else has to be asked for. Raises StatusError."""
        if self._versions.asks(kind_of(self.attributes), kind_of(self.attributes, resource)):
            await self.converting(resource, self.pair, resource)

    async def converting(self, resource: Kind, work: Callable[..., T], *args: Any) -> T:
        """Work, with what it converts between the request's version and this one. Raises StatusError."""
        if not self._versions.asks(kind_of(self.attributes), kind_of(self.attributes, resource)):
            return await self.attributes.seat.run(work, *args)
        try:
            found: T = await self._conversions.run(work, *args)
            return found
        except Unconvertible as error:
            raise internal(error.message) from None

    def forget(self) -> None:
        """The object has been changed."""
        self._made.clear()
        self._values.clear()

    def pair(self, resource: Kind) -> Pair:
        """Once it has been reached (`reach`)."""
        found = self._made.get(resource)
        if found is None:
            kind = kind_of(self.attributes, resource)
            if resource not in self._old:
                self._old[resource] = self._print(self.attributes.old, kind)
            found = self._made[resource] = Pair(kind, self._print(shown(self.attributes), kind), self._old[resource])
        return found

    def decoded(self, resource: Kind) -> tuple[Any, Any]:
        """As `pair`: for whoever looks into the objects and leaves them as they are."""
        found = self._values.get(resource)
        if found is None:
            found = self._values[resource] = self.pair(resource).decoded()
        return found

    def _print(self, obj: Object | None, kind: Kind) -> bytes | None:
        if obj is None:
            return None
        return self._printed(kind, self._versions.convert(obj, kind_of(self.attributes), kind))


def described(attributes: Attributes, resource: Kind) -> Object:
    """The request without its objects, as somebody is asked about it (admission.k8s.io AdmissionRequest)."""
    found: Object = {"kind": kind_ref(kind_of(attributes, resource)), "resource": resource_ref(resource)}
    part = attributes.subresource
    if part:
        found["subResource"] = part
    found["requestKind"] = kind_ref(kind_of(attributes))
    found["requestResource"] = resource_ref(attributes.kind)
    if part:
        found["requestSubResource"] = part
    if name := name_of(attributes):
        found["name"] = name
    if namespace := namespace_of(attributes):
        found["namespace"] = namespace
    found |= {"operation": attributes.operation, "userInfo": user_of(attributes)}
    return found
