"""Operations written in the two forms of the OpenAPI specification, v3 and v2 (Swagger).

What all operations of a path take, the path says; what many paths of the older document take is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.openapi_parameters import parameters, shared_name
from longboat.machinery.openapi_paths import (
    ANY,
    BUILT_IN,
    MEDIA_TYPES,
    Names,
    Operation,
    Resource,
    discovery,
    operations,
    resource_list,
)

SECURITY = {
    "BearerToken": {
        "description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header",
    },
}  # fmt: skip
_STREAMED = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
TEXT = ("text/plain", *BUILT_IN)
KEPT = ("dryRun", "fieldValidation", "name")  # kubectl has long looked for the first two where they are; names differ
_IN_PATH = {
    "name": "name of the {}",
    "namespace": "object name and auth scope, such as for teams and projects",
    "path": "path to the resource",
}


def v3(resources: Iterable[Resource], names: Names) -> Object:
    return _paths(_all(list(resources), names), _operation3, _parameter3)


def alone(operation: Operation) -> Object:
    """The paths of v3's document about one operation that is no resource's."""
    return _paths([operation], _operation3, _parameter3)


def v2(resources: Iterable[Resource], names: Names, *, openid: bool = False) -> tuple[Object, Object]:
    """Paths, and the parameters that they share by name."""
    listed = list(resources)
    shared: Object = {}
    of_their_own = discovery(_kinds(listed), openid=openid).values()
    paths = _paths([*of_their_own, *_all(listed, names)], _operation2, _parameter2)
    for item in paths.values():
        for holder in (item, *(value for method, value in item.items() if method != "parameters")):
            if "parameters" in holder:
                holder["parameters"] = [_once(parameter, shared) for parameter in holder["parameters"]]
    return paths, dict(sorted(shared.items()))


def _kinds(resources: Iterable[Resource]) -> Iterator[Kind]:
    return (resource.kind for resource in resources)


def _all(resources: list[Resource], names: Names) -> list[Operation]:
    versions = {kind.path: kind for kind in _kinds(resources)}
    found = [resource_list(kind) for kind in versions.values()]
    for resource in resources:
        found += operations(resource, names)
    return found


def _paths(
    listed: Iterable[Operation], write: Callable[[Operation], Object], parameter: Callable[[str, Operation], Object]
) -> Object:
    by_path: dict[str, list[Operation]] = {}
    for operation in listed:
        by_path.setdefault(operation.path, []).append(operation)
    paths: Object = {}
    for path, those in by_path.items():
        taken = [dict(_taken(operation, parameter)) for operation in those]
        common = [key for key in taken[0] if all(taken[0][key] == other.get(key) for other in taken)]
        item: Object = {}
        for operation, takes in zip(those, taken, strict=True):
            item[operation.method] = written = write(operation)
            own = [takes[key] for key in sorted(takes) if key not in common]
            if own or "parameters" in written:
                written["parameters"] = written.get("parameters", []) + own
        if common:
            item["parameters"] = [taken[0][key] for key in sorted(common)]
        paths[path] = item
    return paths


def _taken(operation: Operation, parameter: Callable[[str, Operation], Object]) -> Iterator[tuple[str, Object]]:
    """All parameters of an operation, by name; of the two that may be called `path` that of the path comes first."""
    for name in _IN_PATH:
        if f"{{{name}}}" in operation.path:
            yield name, parameter(name, operation)
    for name in operation.parameters:
        plain = name.partition("@")[0]
        yield (f"{plain}~" if plain in _IN_PATH else plain), parameter(name, operation)


def _parameter3(name: str, operation: Operation) -> Object:
    plain = name.partition("@")[0]
    if name in _IN_PATH:
        text = _IN_PATH[name].format(operation.of)
        return {"name": name, "in": "path", "description": text, "required": True,
                "schema": {"type": "string", "uniqueItems": True}}  # fmt: skip
    kind, text = parameters()[name]
    return {"name": plain, "in": "query", "description": text, "schema": {"type": kind, "uniqueItems": True}}


def _parameter2(name: str, operation: Operation) -> Object:
    plain = name.partition("@")[0]
    if name in _IN_PATH:
        text = _IN_PATH[name].format(operation.of)
        return {
            "uniqueItems": True,
            "type": "string",
            "description": text,
            "name": name,
            "in": "path",
            "required": True,
        }
    kind, text = parameters()[name]
    return {"uniqueItems": True, "type": kind, "description": text, "name": plain, "in": "query"}


def _once(parameter: Object, shared: Object) -> Object:
    """A reference to the parameter, which is put among those that are shared."""
    generic = (
        parameter["schema"]["$ref"].startswith("#/definitions/io.k8s.apimachinery") if "schema" in parameter else True
    )
    if parameter["name"] in KEPT or not generic:
        return parameter
    name = shared_name(parameter)
    shared[name] = parameter
    return {"$ref": f"#/parameters/{name}"}


def _extensions(operation: Operation) -> Object:
    kind = operation.kind
    if kind is None:
        return {}
    return {
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "kind": kind.name, "version": kind.version},
    }


def _codes(operation: Operation) -> dict[str, str]:
    extra = {"post": {"201": "Created", "202": "Accepted"}, "put": {"201": "Created"}, "patch": {"201": "Created"},
             "delete": {"202": "Accepted"}}  # fmt: skip
    if operation.brought and operation.action == "patch":
        extra = {}
    return {"200": "OK", **extra.get(operation.action, {}), "401": "Unauthorized"}


def _given(operation: Operation) -> tuple[str, ...]:
    """The media types of the answer."""
    if operation.gives:
        return operation.gives
    if operation.action == "connect":
        return ANY
    if not operation.answer:
        return TEXT
    if operation.brought:
        return (*MEDIA_TYPES, *_STREAMED[:1]) if operation.streams else MEDIA_TYPES
    return (*BUILT_IN, *_STREAMED) if operation.streams else BUILT_IN


def _taken_in(operation: Operation) -> tuple[str, ...]:
    """The media types of what is sent."""
    if operation.patches:
        return operation.patches
    if operation.kind is None:
        return operation.gives or (MEDIA_TYPES if operation.brought else BUILT_IN)
    return MEDIA_TYPES if operation.brought else ANY


def _operation3(operation: Operation) -> Object:
    found: Object = {"tags": [operation.tag], "description": operation.text, "operationId": operation.id}
    if operation.body:
        content = _content(operation.body, _taken_in(operation))
        found["requestBody"] = {"content": content} | ({"required": True} if operation.method != "delete" else {})
    answer = _content(operation.answer, _given(operation))
    found["responses"] = {
        code: {"description": text} | ({"content": answer} if code != "401" else {})
        for code, text in _codes(operation).items()
    }
    return found | _extensions(operation)


def _content(definition: str, media_types: Iterable[str]) -> Object:
    schema = {"$ref": f"#/components/schemas/{definition}"} if definition else {"type": "string"}
    return {media_type: {"schema": schema} for media_type in media_types}


def _operation2(operation: Operation) -> Object:
    found: Object = {
        "description": operation.text,
        "consumes": list(_taken_in(operation)), "produces": list(_given(operation)),
        "schemes": ["https"], "tags": [operation.tag], "operationId": operation.id,
    }  # fmt: skip
    if operation.body:
        body: Object = {"name": "body", "in": "body"}
        if operation.method != "delete":
            body["required"] = True
        found["parameters"] = [body | {"schema": {"$ref": f"#/definitions/{operation.body}"}}]
    answer = {"$ref": f"#/definitions/{operation.answer}"} if operation.answer else {"type": "string"}
    found["responses"] = {
        code: {"description": text} | ({"schema": answer} if code != "401" else {})
        for code, text in _codes(operation).items()
    }
    return found | _extensions(operation)
