"""Whether an answer is what the OpenAPI document says of its status; null counts as absent, as Go's writers have it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs

JSON = "application/json"


class Answers:
    """Of the operations of one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document.get("components") or {}
        self._paths = document.get("paths") or {}
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def problem(self, path: str, method: str, status: int, media: str, text: str) -> str:
        """What does not fit; empty where all does, or the document says nothing of such an answer."""
        responses = self._paths[path][method]["responses"]
        schema = ((responses.get(str(status)) or {}).get("content") or {}).get(JSON, {}).get("schema")
        if schema is None or media.partition(";")[0] != JSON:
            return ""
        try:
            found = json.loads(text)
        except ValueError as error:
            return f"no JSON: {error}"
        first = next(self._validator(schema).iter_errors(without_nulls(found)), None)
        return "" if first is None else f"/{'/'.join(map(str, first.instance_path))}: {first.message}"

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Validator:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {"components": self._components, "allOf": [schema]}
            self._validators[key] = jsonschema_rs.Draft4Validator(whole)
        return self._validators[key]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value
