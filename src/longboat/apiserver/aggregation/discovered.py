"""What an extension server says that it serves, read from its discovery. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from longboat.apiserver.resources import GroupVersion
from longboat.machinery.objects import Object

ACCEPT = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
MOST = 2_000  # resources of one version


class NotDiscovery(ValueError):
    """It is no discovery document."""


def aggregated(body: bytes, key: GroupVersion) -> list[Object] | None:
    """The resources of this version, out of an APIGroupDiscoveryList; None where it is none, or does not tell of the
    version. Raises NotDiscovery."""
    found = _object(body)
    if found.get("kind") != "APIGroupDiscoveryList":
        return None
    for group in _objects(found.get("items")):
        metadata = group.get("metadata")
        if not isinstance(metadata, dict) or metadata.get("name", "") != key[0]:
            continue
        for version in _objects(group.get("versions")):
            if version.get("version") == key[1]:
                return list(_objects(version.get("resources")))[:MOST]
    return None


def classic(body: bytes, key: GroupVersion) -> list[Object]:
    """Out of an APIResourceList. Raises NotDiscovery."""
    found = _object(body)
    if found.get("kind") != "APIResourceList":
        raise NotDiscovery("it is no APIResourceList")
    listed = list(_objects(found.get("resources")))[:MOST]
    made: dict[str, Object] = {}
    for each in listed:
        name = str(each.get("name") or "")
        if name and "/" not in name:
            resource: Object = {
                "resource": name,
                "responseKind": _kind(each, key),
                "scope": "Namespaced" if each.get("namespaced") else "Cluster",
                "singularResource": each.get("singularName") or "",
                "verbs": each.get("verbs") or [],
            }
            resource |= {field: each[field] for field in ("shortNames", "categories") if each.get(field)}
            made[name] = resource
    for each in listed:
        name, slash, part = str(each.get("name") or "").partition("/")
        if slash and name in made:
            sub = {"subresource": part, "responseKind": _kind(each, key), "verbs": each.get("verbs") or []}
            made[name].setdefault("subresources", []).append(sub)
    return list(made.values())


def _kind(each: Object, key: GroupVersion) -> Object:
    group, version = each.get("group") or key[0], each.get("version") or key[1]
    return {"group": group, "version": version, "kind": each.get("kind") or ""}


def _object(body: bytes) -> Object:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise NotDiscovery(str(error)) from None
    if not isinstance(found, dict):
        raise NotDiscovery("it is no object")
    return found


def _objects(found: Any) -> Iterable[Object]:
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()
