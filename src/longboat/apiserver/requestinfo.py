"""From a URL to what it asks for, in the API's terms. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.apiserver.request import RequestInfo
from longboat.machinery import fields as fieldselectors
from longboat.machinery import strconv

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SELECTING = frozenset(("list", "watch", "deletecollection"))
_NAMESPACE_SUBRESOURCES = frozenset(("status", "finalize"))
_PREFIXES = ("watch", "proxy")  # verbs of old that a path may begin with (apiserver, RequestInfoFactory)


def parse(method: str, path: str, query: Mapping[str, list[str]]) -> RequestInfo:
    """The RequestInfo of a request.

    Paths are matched segment by segment: an empty or dotted segment names no resource (security lesson 11).
    """
    verb = method.lower()
    segments = path.strip("/").split("/")
    if ("" in segments or "." in segments or ".." in segments) and path.rstrip("/") not in ("/api", "/apis"):
        return RequestInfo(path, verb)
    if segments[0] == "api" and len(segments) >= 3:
        group, version, parts = "", segments[1], segments[2:]
    elif segments[0] == "apis" and len(segments) >= 4:
        group, version, parts = segments[1], segments[2], segments[3:]
    else:
        return RequestInfo(path, verb)
    verb = _VERBS.get(method, "")
    by_prefix = parts[0] in _PREFIXES
    if by_prefix:
        if len(parts) == 1:
            return RequestInfo(path, method.lower())
        verb, parts = parts[0], parts[1:]
    return _resource(path, verb, group, version, parts, query, by_prefix=by_prefix)


def _resource(
    path: str, verb: str, group: str, version: str, parts: list[str], query: Mapping[str, list[str]], *, by_prefix: bool
) -> RequestInfo:
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        # namespaces/x/status speaks of the namespace itself, namespaces/x/pods of what is in it.
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    resource = parts[0]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 and verb != "proxy" else ""
    fields: tuple[tuple[str, str], ...] = ()
    if not name:
        reads = verb == "get"
        if reads:
            verb = "watch" if _watches(query) else "list"
        elif verb == "delete":
            verb = "deletecollection"
        if verb in _SELECTING:
            fields = fieldselectors.required((query.get("fieldSelector") or [""])[0])
        if reads:  # of the others no name may be granted
            name = next((value for field, value in fields if field == "metadata.name"), "")
            if name in (".", "..") or "/" in name or "%" in name:
                name = ""
    return RequestInfo(
        path, verb, True, group, version, namespace, resource, subresource, name, tuple(parts), fields, by_prefix
    )


def _watches(query: Mapping[str, list[str]]) -> bool:
    values = query.get("watch")
    return strconv.flag(values[0]) if values else False
