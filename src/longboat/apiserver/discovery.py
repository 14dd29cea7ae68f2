"""Discovery: which groups, versions and resources there are. Documents are made once from the catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.apiserver.encoding import respond
from longboat.apiserver.media import aggregated_discovery, negotiate
from longboat.apiserver.request import Request, Response
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.strategy import Strategy

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

# What other subresources than status and scale take and understand: kind of the body, verbs.
SUBRESOURCES: dict[str, tuple[Kind | None, tuple[str, ...]]] = {
    "binding": (kinds.BINDING, ("create",)),
    "eviction": (kinds.EVICTION, ("create",)),
    "token": (kinds.TOKEN_REQUEST, ("create",)),
    "attach": (Kind("", "v1", "PodAttachOptions", ""), ("create", "get")),
    "exec": (Kind("", "v1", "PodExecOptions", ""), ("create", "get")),
    "portforward": (Kind("", "v1", "PodPortForwardOptions", ""), ("create", "get")),
    "proxy": (None, ("create", "delete", "get", "patch", "update")),
    "log": (None, ("get",)),
    "approval": (None, ("get", "patch", "update")),
    "ephemeralcontainers": (None, ("get", "patch", "update")),
    "resize": (None, ("get", "patch", "update")),
    "finalize": (None, ("update",)),
}
_PROXY_KIND = {"pods": "PodProxyOptions", "nodes": "NodeProxyOptions", "services": "ServiceProxyOptions"}
_READ_WRITE = ("get", "patch", "update")


def subresources(strategy: Strategy) -> list[tuple[str, Kind, tuple[str, ...]]]:
    """Name, kind and verbs of each of a resource's subresources."""
    kind = strategy.kind
    found = []
    for name in strategy.subresources:
        body, verbs = SUBRESOURCES[name]
        if name == "proxy":
            body = Kind("", "v1", _PROXY_KIND[kind.plural], "")
        found.append((name, body or kind, verbs))
    if strategy.scale:
        found.append(("scale", kinds.SCALE, _READ_WRITE))
    if strategy.has_status:
        found.append(("status", kind, _READ_WRITE))
    return sorted(found, key=lambda sub: sub[0])


class Discovery:
    """Answers /api, /apis and everything beneath them that names no resource."""

    def __init__(self, strategies: Iterable[Strategy], server_address: str = "") -> None:
        self._versions: dict[tuple[str, str], list[Strategy]] = {}
        for strategy in strategies:
            kind = strategy.kind
            self._versions.setdefault((kind.group, kind.version), []).append(strategy)
        self._groups: dict[str, list[str]] = {}
        for group, version in self._versions:
            if group:
                self._groups.setdefault(group, []).append(version)
        self._documents = self._make(server_address)
        self._aggregated = {
            "/api": _aggregate([("", ["v1"])], self._versions),
            "/apis": _aggregate(list(self._groups.items()), self._versions),
        }

    def handle(self, request: Request) -> Response | None:
        """None for a path that is not discovery's."""
        path = request.path.rstrip("/")
        if path in self._aggregated and aggregated_discovery(request.headers.get("accept", "")):
            body, etag = self._aggregated[path]
            if request.headers.get("if-none-match") == etag:
                return Response(304, headers={"ETag": etag, "Vary": "Accept"})
            return Response(200, body, AGGREGATED, {"ETag": etag, "Vary": "Accept"})
        document = self._documents.get(path)
        if document is None:
            return None
        form = negotiate(request.headers.get("accept", ""), forms=False)
        return respond(200, document, form)

    def _make(self, address: str) -> dict[str, bytes]:
        found: dict[str, Object] = {
            "/api": {
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
            },
            "/apis": {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [_group(name, versions) for name, versions in self._groups.items()],
            },
        }
        for name, versions in self._groups.items():
            found[f"/apis/{name}"] = {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}
        for (group, version), strategies in self._versions.items():
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            found[path] = {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{group}/{version}" if group else version,
                "resources": [resource for strategy in _sorted(strategies) for resource in _resources(strategy)],
            }
        return {path: msgspec.json.encode(document) for path, document in found.items()}


def _sorted(strategies: list[Strategy]) -> list[Strategy]:
    return sorted((s for s in strategies if s.top_level), key=lambda s: s.kind.plural)


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(strategy: Strategy) -> Iterable[Object]:
    kind = strategy.kind
    resource: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": sorted(strategy.verbs),
    }
    if kind.short:
        resource["shortNames"] = list(kind.short)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    yield resource
    for name, body, verbs in subresources(strategy):
        sub: Object = {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": body.name,
            "verbs": sorted(verbs),
        }
        if (body.group, body.version) != (kind.group, kind.version):
            sub |= {"group": body.group, "version": body.version}
        yield sub


def _response_kind(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.name}


def _aggregate(
    groups: list[tuple[str, list[str]]], versions: dict[tuple[str, str], list[Strategy]]
) -> tuple[bytes, str]:
    """The v2 document of some groups, and its ETag."""
    items = []
    for group, names in groups:
        listed: list[Any] = [
            {
                "version": version,
                "resources": [_aggregated_resource(s) for s in _sorted(versions[group, version])],
                "freshness": "Current",
            }
            for version in names
        ]
        items.append({"metadata": {"name": group}, "versions": listed})
    body = msgspec.json.encode(
        {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}
    )
    return body, f'"{hashlib.sha256(body).hexdigest().upper()}"'


def _aggregated_resource(strategy: Strategy) -> Object:
    kind = strategy.kind
    resource: Object = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": sorted(strategy.verbs),
    }
    if kind.short:
        resource["shortNames"] = list(kind.short)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    subs = [
        {"subresource": name, "responseKind": _response_kind(body), "verbs": sorted(verbs)}
        for name, body, verbs in subresources(strategy)
    ]
    if subs:
        resource["subresources"] = subs
    return resource
