"""JSON patch (RFC 6902)."""

from __future__ import annotations

import copy
from typing import Any

from longboat.machinery.errors import StatusError, bad_request, too_large

MAX_OPERATIONS = 10_000
MAX_COPIED = 3 << 20  # values that `copy` operations may add up to, in nodes


class Unfit(Exception):
    """An operation does not fit the document."""


def apply(document: Any, operations: Any) -> Any:
    """The patched document; the argument stays as it was.

    Raises StatusError: 400 for what is no patch, 413 for too many operations, 422 where one does not fit.
    """
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > MAX_OPERATIONS:
        raise too_large(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    patched = _Patched(copy.deepcopy(document))
    try:
        for operation in operations:
            patched.perform(operation)
    except Unfit as error:
        raise rejected(str(error)) from error
    return patched.document


def rejected(why: str) -> StatusError:
    """422 as upstream words it; the reason itself is in the causes."""
    causes = [{"message": why}]
    return StatusError(
        422, "Invalid", "the server rejected our request due to an error in our request", {"causes": causes}
    )


class _Patched:
    def __init__(self, document: Any) -> None:
        self.document = document
        self._copied = 0

    def perform(self, operation: dict[str, Any]) -> None:
        name, path = operation.get("op"), operation.get("path")
        if not isinstance(path, str):
            raise Unfit("Unable to decode path field: missing or not a string")
        steps = pointer(path)
        if name in ("add", "replace", "test") and "value" not in operation and name != "test":
            raise Unfit(f"{name} operation has no value: {path}")
        match name:
            case "add":
                self._add(steps, path, copy.deepcopy(operation["value"]))
            case "replace":
                self._find(steps, path)
                self._remove(steps, path)
                self._add(steps, path, copy.deepcopy(operation["value"]))
            case "remove":
                self._remove(steps, path)
            case "test":
                if self._find_or_none(steps) != operation.get("value"):
                    raise Unfit(f"testing value {path} failed: test failed")
            case "move" | "copy":
                self._transfer(name, operation.get("from"), steps, path)
            case _:
                raise Unfit(f"Unexpected kind: {name}")

    def _transfer(self, name: str, source: Any, steps: list[str], path: str) -> None:
        if not isinstance(source, str):
            raise Unfit("Unable to decode from field: missing or not a string")
        value = self._find(pointer(source), source)
        if name == "move":
            if path.startswith(source + "/"):
                raise Unfit(f"cannot move {source} into itself")
            self._remove(pointer(source), source)
        else:
            self._copied += _size(value)
            if self._copied > MAX_COPIED:
                raise Unfit(f"Unable to copy, the accumulated size increase of copy is {self._copied}")
            value = copy.deepcopy(value)
        self._add(steps, path, value)

    def _find(self, steps: list[str], path: str) -> Any:
        value = self.document
        for step in steps:
            value = _child(value, step, path)
        return value

    def _find_or_none(self, steps: list[str]) -> Any:
        try:
            return self._find(steps, "")
        except Unfit:
            return None

    def _add(self, steps: list[str], path: str, value: Any) -> None:
        if not steps:
            self.document = value
            return
        parent = self._parent(steps, path)
        if isinstance(parent, dict):
            parent[steps[-1]] = value
        else:
            parent.insert(len(parent) if steps[-1] == "-" else _index(steps[-1], len(parent) + 1, path), value)

    def _remove(self, steps: list[str], path: str) -> None:
        if not steps:
            self.document = None
            return
        parent = self._parent(steps, path)
        _child(parent, steps[-1], path)
        if isinstance(parent, dict):
            del parent[steps[-1]]
        else:
            del parent[_index(steps[-1], len(parent), path)]

    def _parent(self, steps: list[str], path: str) -> Any:
        parent = self._find(steps[:-1], path)
        if not isinstance(parent, (dict, list)):
            raise Unfit(f"doc is missing path: {path}: missing value")
        return parent


def pointer(path: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901)."""
    if path == "":
        return []
    if not path.startswith("/"):
        raise Unfit(f"invalid JSON pointer: {path}")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _child(value: Any, step: str, path: str) -> Any:
    if isinstance(value, dict):
        if step in value:
            return value[step]
    elif isinstance(value, list):
        return value[_index(step, len(value), path)]
    raise Unfit(f"doc is missing path: {path}: missing value")


def _index(step: str, length: int, path: str) -> int:
    if not step.isdigit() or int(step) >= length:
        raise Unfit(f"Unable to access invalid index: {step}: invalid index referenced in {path}")
    return int(step)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(_size(v) for v in value.values())
    if isinstance(value, list):
        return 1 + sum(_size(v) for v in value)
    return len(value) if isinstance(value, str) else 1
