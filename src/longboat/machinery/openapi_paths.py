"""The paths of OpenAPI documents: which operations a resource has, and what they take and give.

Operations are described once (`operations`) and written in the two forms of the specification, v3 and v2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.subresource import Subresource
from longboat.machinery.types.custom import CustomType

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
MEDIA_TYPES = ("application/json", "application/yaml")
PATCHES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resource:
    """What a document says of a resource."""

    kind: Kind
    verbs: tuple[str, ...]
    subresources: tuple[Subresource, ...] = ()
    type: CustomType | None = None  # where its definition is not from the build


class Names(Protocol):
    """Where kinds find their definitions; "" for none."""

    def name(self, kind: Kind) -> str: ...

    def list_name(self, kind: Kind) -> str: ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` and `answer` are definitions' names, "" for a plain string."""

    path: str
    method: str
    action: str  # x-kubernetes-action
    id: str
    kind: Kind
    body: str
    answer: str
    parameters: tuple[str, ...]
    patches: tuple[str, ...] = ()  # the media types of a patch


# verb → method, action, beginning of the operation's id
_ONE = {
    "get": ("get", "get", "read"), "update": ("put", "put", "replace"), "patch": ("patch", "patch", "patch"),
    "delete": ("delete", "delete", "delete"),
}  # fmt: skip
_MANY = {
    "list": ("get", "list", "list"), "create": ("post", "post", "create"),
    "deletecollection": ("delete", "deletecollection", "deleteCollection"),
}  # fmt: skip

_SELECTING = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch",
              "sendInitialEvents", "timeoutSeconds")  # fmt: skip
_DELETING = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_WRITING = ("dryRun", "fieldManager", "fieldValidation")
TAKES: dict[str, tuple[str, ...]] = {
    "list": ("allowWatchBookmarks", *_SELECTING, "watch"),
    "post": _WRITING,
    "put": _WRITING,
    "patch": (*_WRITING, "force"),
    "delete": _DELETING,
    "deletecollection": (*_SELECTING, *_DELETING),
}
PARAMETERS = {
    "allowWatchBookmarks": ("boolean", "Ask for bookmark events that tell how far a watch has come."),
    "continue": ("string", "The token from the last page of a list, to get the next one."),
    "dryRun": ("string", "All: do everything but store the result."),
    "fieldManager": ("string", "Who makes the changes, for the record in managedFields."),
    "fieldSelector": ("string", "Restrict the objects by their fields. Defaults to everything."),
    "fieldValidation": (
        "string",
        "What to do about unknown and duplicate fields: Ignore drops them, Warn also warns, Strict refuses.",
    ),
    "force": ("boolean", "Take over fields that others manage. Only for apply patches."),
    "gracePeriodSeconds": ("integer", "Seconds before the object is deleted; zero deletes at once."),
    "labelSelector": ("string", "Restrict the objects by their labels. Defaults to everything."),
    "limit": ("integer", "The most objects to return in one page."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "pretty": ("string", "If 'true', the output is indented."),
    "propagationPolicy": ("string", "What happens to dependents: Orphan, Background or Foreground."),
    "resourceVersion": ("string", "The version that is asked for."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with what is there, then a bookmark."),
    "timeoutSeconds": ("integer", "How long a list or watch may last."),
    "watch": ("boolean", "Watch for changes instead of listing."),
}


def operations(resource: Resource, names: Names) -> Iterator[Operation]:
    patches = tuple(each for each in PATCHES if resource.type is None or "strategic" not in each)
    for operation in _operations(resource, names):
        yield replace(operation, patches=patches) if operation.action == "patch" else operation


def _operations(resource: Resource, names: Names) -> Iterator[Operation]:
    kind, name = resource.kind, names.name(resource.kind)
    if not name:
        return
    inside = f"{kind.path}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{kind.path}/{kind.plural}"
    label = f"{_group(kind)}{'Namespaced' if kind.namespaced else ''}{kind.name}"
    lists = names.list_name(kind) or name
    for verb, (method, action, word) in _MANY.items():
        if verb in resource.verbs:
            answer = {"list": lists, "deletecollection": META + "Status"}.get(verb, name)
            body = {"create": name, "deletecollection": META + "DeleteOptions"}.get(verb, "")
            yield Operation(inside, method, action, word + label, kind, body, answer, TAKES[action])
    for verb, (method, action, word) in _ONE.items():
        if verb in resource.verbs:
            body = {"update": name, "patch": META + "Patch", "delete": META + "DeleteOptions"}.get(verb, "")
            answer = META + "Status" if verb == "delete" else name
            path = f"{inside}/{{name}}"
            yield Operation(path, method, action, word + label, kind, body, answer, TAKES.get(action, ()))
    for part in resource.subresources:
        yield from _subresource(f"{inside}/{{name}}/{part.name}", label, part, kind, names)
    if kind.namespaced and "list" in resource.verbs:
        everywhere = f"{_group(kind)}{kind.name}ForAllNamespaces"
        yield Operation(
            f"{kind.path}/{kind.plural}", "get", "list", f"list{everywhere}", kind, "", lists, TAKES["list"]
        )


def _subresource(path: str, label: str, part: Subresource, kind: Kind, names: Names) -> Iterator[Operation]:
    body_kind = part.body or kind
    name = names.name(body_kind)
    for verb in sorted(part.verbs):
        if part.connects:
            method = {"create": "post", "update": "put"}.get(verb, verb)
            action, word, body, answer = "connect", f"connect{method.capitalize()}", "", ""
        else:
            method, action, word = _ONE.get(verb) or _MANY[verb]
            body = {"create": name, "update": name, "patch": META + "Patch"}.get(verb, "")
            answer = "" if part.text else name
        described = body_kind if name or action == "connect" else kind
        identity = f"{word}{label}{part.name.capitalize()}"
        yield Operation(path, method, action, identity, described, body, answer, TAKES.get(action, ()))


def _group(kind: Kind) -> str:
    """Core V1, Apps V1, RbacAuthorization V1: group and version in an operation's id."""
    words = kind.group.removesuffix(".k8s.io").split(".") if kind.group else ["core"]
    return "".join(word.capitalize() for word in (*words, kind.version))


def _extensions(operation: Operation) -> Object:
    kind = operation.kind
    return {
        "operationId": operation.id,
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "kind": kind.name, "version": kind.version},
    }


def _in_path(path: str) -> Iterator[tuple[str, str]]:
    for name in ("name", "namespace"):
        if f"{{{name}}}" in path:
            yield name, f"{name} of the object" if name == "name" else "object name and auth scope"


def _codes(operation: Operation) -> dict[str, str]:
    extra = {"post": {"201": "Created", "202": "Accepted"}, "put": {"201": "Created"}, "patch": {"201": "Created"},
             "delete": {"202": "Accepted"}}  # fmt: skip
    return {"200": "OK", **extra.get(operation.action, {}), "401": "Unauthorized"}


def v3(resources: Iterable[Resource], names: Names) -> Object:
    paths: Object = {}
    for resource in resources:
        for operation in operations(resource, names):
            item = paths.setdefault(operation.path, {})
            item[operation.method] = _operation3(operation)
            item["parameters"] = [
                {"name": name, "in": "path", "required": True, "description": text, "schema": _STRING}
                for name, text in _in_path(operation.path)
            ] + [_parameter3("pretty")]
    return paths


_STRING = {"type": "string", "uniqueItems": True}


def _parameter3(name: str) -> Object:
    kind, text = PARAMETERS[name]
    return {"name": name, "in": "query", "description": text, "schema": {"type": kind, "uniqueItems": True}}


def _content(definition: str, media_types: Iterable[str]) -> Object:
    schema = {"$ref": f"#/components/schemas/{definition}"} if definition else {"type": "string"}
    return {media_type: {"schema": schema} for media_type in media_types}


def _operation3(operation: Operation) -> Object:
    found = _extensions(operation)
    if operation.parameters:
        found["parameters"] = [_parameter3(name) for name in operation.parameters]
    if operation.body:
        accepted = operation.patches or MEDIA_TYPES
        found["requestBody"] = {
            "content": _content(operation.body, accepted), "required": operation.method != "delete",
        }  # fmt: skip
    answer = _content(operation.answer, MEDIA_TYPES if operation.answer else ("*/*",))
    found["responses"] = {
        code: {"description": text} | ({"content": answer} if code != "401" else {})
        for code, text in _codes(operation).items()
    }
    return found


def v2(resources: Iterable[Resource], names: Names) -> Object:
    paths: Object = {}
    for resource in resources:
        for operation in operations(resource, names):
            item = paths.setdefault(operation.path, {})
            item[operation.method] = _operation2(operation)
            item["parameters"] = [
                {"name": name, "in": "path", "required": True, "description": text, **_STRING}
                for name, text in _in_path(operation.path)
            ] + [_parameter2("pretty")]
    return paths


def _parameter2(name: str) -> Object:
    kind, text = PARAMETERS[name]
    return {"name": name, "in": "query", "description": text, "type": kind, "uniqueItems": True}


def _operation2(operation: Operation) -> Object:
    found = _extensions(operation)
    found["consumes"] = list(operation.patches or (MEDIA_TYPES if operation.body else ("*/*",)))
    found["produces"] = list(MEDIA_TYPES if operation.answer else ("*/*",))
    found["parameters"] = [_parameter2(name) for name in operation.parameters]
    if operation.body:
        schema = {"$ref": f"#/definitions/{operation.body}"}
        found["parameters"].append(
            {"name": "body", "in": "body", "required": operation.method != "delete", "schema": schema}
        )
    answer = {"$ref": f"#/definitions/{operation.answer}"} if operation.answer else {"type": "string"}
    found["responses"] = {
        code: {"description": text} | ({"schema": answer} if code != "401" else {})
        for code, text in _codes(operation).items()
    }
    return found
