"""Swagger documents said again as OpenAPI 3.0: of what we serve ourselves, both are there to be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from longboat.api import kinds
from longboat.apiserver.openapi import described
from longboat.apiserver.resources import Resource
from longboat.machinery import openapi, openapi_merge, openapi_v3_proto
from longboat.machinery.openapi_convert import converted, schema
from longboat.registry.catalog import plain
from longboat.registry.strategy import ScaleFields


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def said(operation: Any) -> Any:
    """What an operation says, but for the words of its parameters and what is elsewhere in the newer document."""
    bodies = operation.get("requestBody", {}).get("content", {})
    return {
        **{key: value for key, value in operation.items() if key not in ("parameters", "requestBody", "responses")},
        "requestBody": {kind: each["schema"] for kind, each in bodies.items()},
        "responses": {
            code: {kind: each["schema"] for kind, each in answer.get("content", {}).items()}
            for code, answer in operation["responses"].items()
        },
    }


def test_what_is_ours_says_the_same_in_both() -> None:
    served = [described(Resource(plain(kinds.DEPLOYMENT, status=True, scale=ScaleFields())))]
    older = openapi_merge.restricted(openapi.v2(served), "/apis/apps/v1/", 4 << 20)
    found, ours = converted(older), json.loads(openapi.v3(served))
    assert found["openapi"] == ours["openapi"] and found["info"] == ours["info"]
    paths = ours["paths"]
    assert found["paths"].keys() == paths.keys() and len(paths) > 4
    for path, item in paths.items():
        for method in {*item, *found["paths"][path]} - {"parameters"}:
            mine, theirs = said(item[method]), said(found["paths"][path][method])
            assert theirs == mine, (path, method)
    for name, each in found["components"]["schemas"].items():
        newer = ours["components"]["schemas"][name]
        if "oneOf" not in newer:  # of which the older form knows nothing
            assert each.keys() == newer.keys(), name
            assert each.get("properties", {}).keys() == newer.get("properties", {}).keys(), name
    named = {place.rpartition("/")[2] for place in references(found)}
    assert named <= {*found["components"]["schemas"], *found["components"].get("parameters", {})}
    assert openapi_v3_proto.encode(found)


def test_a_reference_beside_something_else_is_wrapped() -> None:
    assert schema({"$ref": "#/definitions/A"}) == {"$ref": "#/components/schemas/A"}
    wrapped = schema({"properties": {"a": {"$ref": "#/definitions/A", "description": "b", "x-c": 1}}})
    assert wrapped["properties"]["a"] == {
        "description": "b", "x-c": 1, "allOf": [{"$ref": "#/components/schemas/A"}],
    }  # fmt: skip


def test_schemas_within_schemas_are_of_the_newer_form() -> None:
    a, now = {"$ref": "#/definitions/A"}, {"$ref": "#/components/schemas/A"}
    given = {"items": a, "additionalProperties": a, "not": a, "allOf": [a], "anyOf": [a, 5], "discriminator": "kind"}
    assert schema(given) == {
        "items": now, "additionalProperties": now, "not": now, "allOf": [now], "anyOf": [now],
    }  # fmt: skip
    assert schema({"additionalProperties": True, "items": [a]}) == {"additionalProperties": True}


def test_parameters_bodies_and_schemes_have_their_new_places() -> None:
    parameters = [
        {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/A"}},
        {"name": "limit", "in": "query", "type": "integer", "uniqueItems": True},
        {"$ref": "#/parameters/pretty"},
    ]
    operation = {"parameters": parameters, "consumes": ["*/*"], "produces": ["a/b"], "responses": {
        "200": {"description": "OK", "schema": {"$ref": "#/definitions/A"}}, "401": {"description": "no"}}}  # fmt: skip
    found = converted({
        "paths": {"/a": {"post": operation, "x-more": 1}, "/b": 5},
        "parameters": {"pretty": {"name": "pretty", "in": "query", "type": "string"}},
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"}},
    })  # fmt: skip
    now = {"$ref": "#/components/schemas/A"}
    assert found["paths"] == {"/a": {"x-more": 1, "post": {
        "requestBody": {"content": {"*/*": {"schema": now}}, "required": True},
        "parameters": [
            {"name": "limit", "in": "query", "schema": {"type": "integer", "uniqueItems": True}},
            {"$ref": "#/components/parameters/pretty"},
        ],
        "responses": {"200": {"description": "OK", "content": {"a/b": {"schema": now}}}, "401": {"description": "no"}},
    }}}  # fmt: skip
    assert found["components"] == {
        "parameters": {"pretty": {"name": "pretty", "in": "query", "schema": {"type": "string"}}},
        "securitySchemes": {"BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"}},
    }
    assert openapi_v3_proto.encode(found)
