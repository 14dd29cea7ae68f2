"""Discovery: which groups, versions and resources there are. Documents are made of the table of what is served."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from longboat.apiserver import protobufs
from longboat.apiserver.aggregation.priorities import CUSTOM, ordered
from longboat.apiserver.encoding import respond
from longboat.apiserver.media import PROTOBUF, WHOLE, aggregated_discovery, negotiate
from longboat.apiserver.request import Request, Response
from longboat.apiserver.resources import Derived, Foreign, GroupVersion, Resource, Resources
from longboat.apiserver.router import check_accept
from longboat.machinery.errors import method_not_allowed
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.subresource import Subresource

AGGREGATED = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

Versions = dict[tuple[str, str], list[Resource]]


class _Documents:
    """By path, and the aggregated ones with their ETags."""

    def __init__(self, resources: Resources) -> None:
        versions: Versions = {}
        for resource in resources:
            versions.setdefault((resource.kind.group, resource.kind.version), []).append(resource)
        custom = {key: CUSTOM for key, found in versions.items() if found[0].strategy.type is not None}
        groups: dict[str, list[str]] = {}
        for group, version in ordered((*versions, *resources.foreign), {**custom, **resources.ranks}):
            if group:
                groups.setdefault(group, []).append(version)
        self.plain = _plain(versions, groups)
        self.aggregated = {
            "/api": _aggregate([("", ["v1"])], versions, resources.foreign),
            "/apis": _aggregate(list(groups.items()), versions, resources.foreign),
        }
        self._in_protobuf: dict[str, bytes] = {}  # as they are asked for: client-go does not

    def in_protobuf(self, path: str) -> bytes:
        """The aggregated document."""
        if path not in self._in_protobuf:
            self._in_protobuf[path] = protobufs.of_json(self.aggregated[path][0])
        return self._in_protobuf[path]


class Discovery:
    """Answers /api, /apis and everything beneath them that names no resource."""

    def __init__(self, resources: Resources) -> None:
        self._documents = Derived(resources, _Documents)

    def handle(self, request: Request) -> Response | None:
        """None for a path that is not discovery's."""
        path, made = request.path.rstrip("/"), self._documents()
        if path in made.aggregated and (media := aggregated_discovery(request.headers.get("accept", ""))):
            body, etag = made.aggregated[path]
            if request.headers.get("if-none-match") == etag:
                return Response(304, headers={"ETag": etag, "Vary": "Accept"})
            if media == PROTOBUF:
                body = made.in_protobuf(path)
            return Response(200, body, f"{media};{AGGREGATED}", {"ETag": etag, "Vary": "Accept"})
        document = made.plain.get(path)
        if document is None:
            return None
        if request.method != "GET":
            raise method_not_allowed()
        accept = request.headers.get("accept", "")
        if accept:
            check_accept(accept, WHOLE)
        return respond(200, document, negotiate(accept, forms=False))


def _plain(versions: Versions, groups: Mapping[str, list[str]]) -> dict[str, bytes]:
    found: dict[str, Object] = {
        "/api": {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        },
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(name, listed) for name, listed in groups.items()],
        },
    }
    for name, listed in groups.items():
        found[f"/apis/{name}"] = {"kind": "APIGroup", "apiVersion": "v1", **_group(name, listed)}
    for (group, version), served in versions.items():
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        found[path] = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": [entry for resource in _sorted(served) for entry in _entries(resource)],
        }
    return {path: msgspec.json.encode(document) for path, document in found.items()}


def _sorted(resources: list[Resource]) -> list[Resource]:
    return sorted((each for each in resources if each.strategy.top_level), key=lambda each: each.kind.plural)


def listed(resource: Resource) -> Iterator[tuple[Subresource, Kind]]:
    """The subresources that discovery names, and what their requests and answers are."""
    return ((part, part.body or resource.kind) for part in resource.parts.values() if part.listed)


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _verbs(served: Resource) -> list[str]:
    verbs = served.strategy.verbs
    return sorted(verbs) if served.strategy.type is None else list(verbs)


def _entries(served: Resource) -> Iterable[Object]:
    kind = served.kind
    resource: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": _verbs(served),
    }
    if kind.short:
        resource["shortNames"] = list(kind.short)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if served.endpoint is not None:
        resource["storageVersionHash"] = storage_version_hash(served.strategy.hub or kind)
    yield resource
    for part, body in listed(served):
        sub: Object = {
            "name": f"{kind.plural}/{part.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": body.name,
            "verbs": sorted(part.verbs),
        }
        if (body.group, body.version) != (kind.group, kind.version):
            sub |= {"group": body.group, "version": body.version}
        yield sub


def storage_version_hash(kind: Kind) -> str:
    """Says in which version objects are stored, to those who move them to another (APIResource.storageVersionHash)."""
    told = f"{kind.group}/{kind.version}/{kind.name}".encode()
    return base64.b64encode(hashlib.sha256(told).digest()[:8]).decode()


def _response_kind(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.name}


def _aggregate(
    groups: list[tuple[str, list[str]]], versions: Versions, foreign: Mapping[GroupVersion, Foreign]
) -> tuple[bytes, str]:
    """The v2 document of some groups, and its ETag."""
    items = []
    for group, names in groups:
        found: list[Any] = []
        for version in names:
            theirs = foreign.get((group, version))
            if theirs is None:
                listed = [_aggregated_resource(each) for each in _sorted(versions[group, version])]
                found.append({"version": version, "resources": listed, "freshness": "Current"})
                continue
            shown = {"resources": theirs.resources} if theirs.resources else {}
            found.append({"version": version, **shown, "freshness": "Stale" if theirs.stale else "Current"})
        items.append({"metadata": {"name": group}, "versions": found})
    body = msgspec.json.encode(
        {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}
    )
    return body, f'"{hashlib.sha256(body).hexdigest().upper()}"'


def _aggregated_resource(served: Resource) -> Object:
    kind = served.kind
    resource: Object = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _verbs(served),
    }
    if kind.short:
        resource["shortNames"] = list(kind.short)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    subs = [
        {"subresource": part.name, "responseKind": _response_kind(body), "verbs": sorted(part.verbs)}
        for part, body in listed(served)
    ]
    if subs:
        resource["subresources"] = subs
    return resource
