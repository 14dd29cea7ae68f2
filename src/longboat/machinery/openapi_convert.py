"""A Swagger 2.0 document said again as OpenAPI 3.0, for servers without a newer one (kube-openapi, openapiconv). Pure.

What a body is made of, and an answer, is said by media type: those that the operation itself names. What has no place
in the newer document is left out, and so is what has not the shape that the specification gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longboat.machinery.objects import Object

_PLACES = {
    "#/definitions/": "#/components/schemas/",
    "#/parameters/": "#/components/parameters/",
    "#/responses/": "#/components/responses/",
}
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_OF_INFO = ("title", "description", "version")
_OF_OPERATION = ("description", "externalDocs", "tags", "summary", "deprecated", "operationId")
_OF_PARAMETER = ("name", "description", "in", "required", "allowEmptyValue")
_OF_SCHEME = ("type", "description", "name", "in")
_OF_SCHEMA = (
    "title", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength",
    "pattern", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "required", "enum", "type",
    "default", "description", "format", "readOnly", "nullable", "example", "externalDocs",
)  # fmt: skip
_SEVERAL = ("allOf", "anyOf", "oneOf")


def converted(document: Object) -> Object:
    """Raises RecursionError for schemas that are too deep."""
    shared = _every(document.get("parameters"), dict)
    bodies = {f"#/parameters/{name}": each for name, each in shared.items() if each.get("in") == "body"}
    parameters = {name: _parameter(each) for name, each in shared.items() if each.get("in") != "body"}
    components = {
        "schemas": _every(document.get("definitions"), schema),
        "parameters": parameters,
        "responses": _every(document.get("responses"), lambda each: _answer(each, _texts(document.get("produces")))),
        "securitySchemes": _every(document.get("securityDefinitions"), _scheme),
    }
    info = document.get("info")
    return {
        "openapi": "3.0.0",
        "info": {"title": "", "version": ""} | (_some(info, _OF_INFO) if isinstance(info, dict) else {}),
        "paths": _every(document.get("paths"), lambda each: _path(each, bodies)),
        "components": {name: found for name, found in components.items() if found},
    }


def schema(found: Object) -> Object:
    """With references to where things are now. One that stands beside something else is wrapped: there it would count
    alone, or not at all (OpenAPI 3.0, Reference Object)."""
    made = {**_some(found, _OF_SCHEMA), **_own(found)}
    for name in ("items", "additionalProperties", "not"):
        if isinstance(said := found.get(name), dict):
            made[name] = schema(said)
    if isinstance(said := found.get("additionalProperties"), bool):
        made["additionalProperties"] = said
    if "properties" in found:
        made["properties"] = _every(found["properties"], schema)
    for name in _SEVERAL:
        if name in found:
            made[name] = _each(found[name], schema)
    if isinstance(reference := found.get("$ref"), str):
        moved = {"$ref": _moved(reference)}
        return {**made, "allOf": [moved]} if made else moved
    return made


def _moved(reference: str) -> str:
    for before, now in _PLACES.items():
        if reference.startswith(before):
            return now + reference.removeprefix(before)
    return reference


def _path(found: Object, bodies: Object) -> Object:
    made = {method: _operation(found[method], bodies) for method in _METHODS if isinstance(found.get(method), dict)}
    parameters = _each(found.get("parameters"), _parameter)
    return {**_own(found), **made, **({"parameters": parameters} if parameters else {})}


def _operation(found: Object, bodies: Object) -> Object:
    """`bodies`: the parameters that are bodies, by what refers to them."""
    made: Object = {**_own(found), **_some(found, _OF_OPERATION)}
    parameters = []
    for given in _each(found.get("parameters"), dict):
        each = bodies.get(given.get("$ref", ""), given)
        if each.get("in") == "body" and isinstance(each.get("schema"), dict):
            made["requestBody"] = _content(each["schema"], _texts(found.get("consumes")))
            made["requestBody"] |= _some(each, ("description", "required"))
        else:
            parameters.append(_parameter(each))
    if parameters:
        made["parameters"] = parameters
    produces = _texts(found.get("produces"))
    made["responses"] = _every(found.get("responses"), lambda each: _answer(each, produces))
    return made


def _parameter(found: Object) -> Object:
    if isinstance(reference := found.get("$ref"), str):
        return {"$ref": _moved(reference)}
    said = _some(found, _OF_PARAMETER)
    if isinstance(given := found.get("schema"), dict):
        return {**said, "schema": schema(given)}
    simple = {name: value for name, value in found.items() if name not in said and not name.startswith("x-")}
    return {**_own(found), **said, "schema": schema(simple)}


def _answer(found: Object, produces: list[str]) -> Object:
    if isinstance(reference := found.get("$ref"), str):
        return {"$ref": _moved(reference)}
    said = {**_own(found), **_some(found, ("description",))}
    given = found.get("schema")
    return {**said, **_content(given, produces)} if isinstance(given, dict) else said


def _content(given: Object, types: list[str]) -> Object:
    made = schema(given)
    return {"content": {each: {"schema": made} for each in types}} if types else {}


def _scheme(found: Object) -> Object:
    return {**_own(found), **_some(found, _OF_SCHEME)}


def _own(found: Object) -> Object:
    """What is nobody's but Kubernetes' or the server's."""
    return {name: value for name, value in found.items() if name.startswith("x-")}


def _some(found: Object, names: tuple[str, ...]) -> Object:
    return {name: found[name] for name in names if name in found}


def _every(found: Any, make: Callable[[Object], Object]) -> Object:
    named = found.items() if isinstance(found, dict) else ()
    return {name: make(each) for name, each in named if isinstance(each, dict)}


def _each(found: Any, make: Callable[[Object], Object]) -> list[Object]:
    return [make(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _texts(found: Any) -> list[str]:
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
