"""What an extension server says that it serves, read from its discovery. Pure.

It becomes part of documents that every client reads: what has not their shape is refused as a whole.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from longboat.apiserver.resources import GroupVersion
from longboat.machinery.objects import Object

ACCEPT = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
MOST = 1 << 20  # bytes of a document
MOST_RESOURCES = 2_000  # of one version

T = TypeVar("T")


class NotDiscovery(ValueError):
    """It is no discovery document."""


class _Kind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Part(msgspec.Struct):
    subresource: str = ""
    responseKind: _Kind | None = None
    acceptedTypes: list[_Kind] | None = None
    verbs: list[str] | None = None


class _Resource(msgspec.Struct):
    resource: str = ""
    responseKind: _Kind | None = None
    scope: str = ""
    singularResource: str = ""
    verbs: list[str] | None = None
    shortNames: list[str] | None = None
    categories: list[str] | None = None
    subresources: list[_Part] | None = None


class _Version(msgspec.Struct):
    version: str = ""
    resources: list[_Resource] | None = None


class _Metadata(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    metadata: _Metadata | None = None
    versions: list[_Version] | None = None


class _Groups(msgspec.Struct):
    """An APIGroupDiscoveryList."""

    kind: str = ""
    items: list[_Group] | None = None


class _Listed(msgspec.Struct):
    name: str = ""
    singularName: str = ""
    namespaced: bool = False
    group: str = ""
    version: str = ""
    kind: str = ""
    verbs: list[str] | None = None
    shortNames: list[str] | None = None
    categories: list[str] | None = None


class _List(msgspec.Struct):
    """An APIResourceList."""

    kind: str = ""
    resources: list[_Listed] | None = None


class _Headed(msgspec.Struct):
    kind: str = ""


def aggregated(body: bytes, key: GroupVersion) -> list[Object] | None:
    """The resources of this version, out of an APIGroupDiscoveryList; None where it is none, or does not tell of the
    version. Raises NotDiscovery."""
    if _read(body, _Headed).kind != "APIGroupDiscoveryList":
        return None
    for group in _read(body, _Groups).items or ():
        if group.metadata is None or group.metadata.name != key[0]:
            continue
        for version in group.versions or ():
            if version.version == key[1]:
                return [_written(each) for each in (version.resources or ())[:MOST_RESOURCES]]
    return None


def classic(body: bytes, key: GroupVersion) -> list[Object]:
    """Out of an APIResourceList. Raises NotDiscovery."""
    found = _read(body, _List)
    if found.kind != "APIResourceList":
        raise NotDiscovery("it is no APIResourceList")
    listed = (found.resources or [])[:MOST_RESOURCES]
    made: dict[str, _Resource] = {}
    for each in listed:
        if each.name and "/" not in each.name:
            scope = "Namespaced" if each.namespaced else "Cluster"
            made[each.name] = _Resource(
                each.name, _kind(each, key), scope, each.singularName, each.verbs, each.shortNames, each.categories, []
            )
    for each in listed:
        name, slash, part = each.name.partition("/")
        if slash and (of := made.get(name)) is not None and of.subresources is not None:
            of.subresources.append(_Part(part, _kind(each, key), None, each.verbs))
    return [_written(each) for each in made.values()]


def _kind(each: _Listed, key: GroupVersion) -> _Kind:
    return _Kind(each.group or key[0], each.version or key[1], each.kind)


def _written(each: _Resource) -> Object:
    """As discovery writes it: what may be missing is where it is empty."""
    parts = [
        {"subresource": part.subresource, **_of_kind(part.responseKind), "verbs": part.verbs or []}
        | ({"acceptedTypes": [msgspec.to_builtins(kind) for kind in part.acceptedTypes]} if part.acceptedTypes else {})
        for part in each.subresources or ()
    ]
    lists = {"shortNames": each.shortNames, "categories": each.categories, "subresources": parts}
    return {
        "resource": each.resource, **_of_kind(each.responseKind), "scope": each.scope,
        "singularResource": each.singularResource, "verbs": each.verbs or [],
        **{name: said for name, said in lists.items() if said},
    }  # fmt: skip


def _of_kind(kind: _Kind | None) -> Object:
    return {} if kind is None else {"responseKind": msgspec.to_builtins(kind)}


def _read(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotDiscovery(str(error)) from None
