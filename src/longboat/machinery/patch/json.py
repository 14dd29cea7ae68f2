"""JSON patch (RFC 6902)."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

import msgspec

from longboat.machinery.errors import bad_request, too_large, unfit
from longboat.machinery.text import MAX_DEPTH, depth

MAX_OPERATIONS = 10_000
MAX_COPIED = 3 << 20  # bytes of JSON that `copy` operations may add up to

Container: TypeAlias = "dict[str, Any] | list[Any]"


class Unfit(Exception):
    """An operation does not fit the document."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.operation: dict[str, Any] = {}


class NoParent(Unfit):
    """What a path leads through is not there."""


class NoIndex(Unfit):
    """A list has no such place."""


def apply(document: Any, operations: Any) -> Any:
    """The patched document; the argument stays as it was.

    Raises StatusError: 400 for what is no patch, 413 for too many operations, 422 where one does not fit.
    """
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        raise bad_request("error decoding patch: it is no list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise too_large(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    patched = _Patched(copy.deepcopy(document))
    operation: dict[str, Any] = {}
    try:
        for operation in operations:
            patched.perform(operation)
        if depth(patched.document) > MAX_DEPTH:
            raise Unfit("the document is nested too deeply")
    except Unfit as error:
        error.operation = operation
        raise unfit() from error
    return patched.document


class _Patched:
    def __init__(self, document: Any) -> None:
        self.document = document
        self._copied = 0

    def perform(self, operation: dict[str, Any]) -> None:
        name, path = operation.get("op"), operation.get("path")
        if not isinstance(path, str):
            raise Unfit("operation missing path field")
        match name:
            case "add":
                self._add(path, _value(operation))
            case "replace":
                self._replace(path, _value(operation))
            case "remove":
                self._remove(path)
            case "test":
                if not same(self._find_or_none(path), operation.get("value")):
                    raise Unfit(f"testing value {path} failed")
            case "move" | "copy":
                self._transfer(name, operation.get("from"), path)
            case _:
                raise Unfit(f"unexpected kind: {name}")

    def _transfer(self, name: str, source: Any, path: str) -> None:
        if not isinstance(source, str):
            raise Unfit("operation missing from field")
        value = self._find(source)
        if name == "move":
            if path.startswith(source + "/"):
                raise Unfit(f"cannot move {source} into itself")
            self._remove(source)
        else:
            self._copied += len(msgspec.json.encode(value))
            if self._copied > MAX_COPIED:
                raise Unfit(f"the accumulated size increase of copy is {self._copied}, which exceeds {MAX_COPIED}")
            value = copy.deepcopy(value)
            if depth(value) > MAX_DEPTH:
                raise Unfit("the document is nested too deeply")
        self._add(path, value)

    def _find(self, path: str) -> Any:
        value = self.document
        for step in pointer(path):
            value = _child(value, step)
        return value

    def _find_or_none(self, path: str) -> Any:
        try:
            return self._find(path)
        except Unfit:
            return None

    def _add(self, path: str, value: Any) -> None:
        if path == "":
            self.document = value
            return
        parent, step = self._parent(path)
        if isinstance(parent, dict):
            parent[step] = value
        else:
            parent.insert(len(parent) if step == "-" else _index(step, len(parent) + 1), value)

    def _replace(self, path: str, value: Any) -> None:
        if path == "":
            self.document = value
            return
        parent, step = self._parent(path)
        if isinstance(parent, dict):  # which need not have it: upstream's library does not look
            parent[step] = value
        else:
            parent[_index(step, len(parent))] = value

    def _remove(self, path: str) -> None:
        parent, step = self._parent(path)
        _child(parent, step)
        if isinstance(parent, dict):
            del parent[step]
        else:
            del parent[_index(step, len(parent))]

    def _parent(self, path: str) -> tuple[Container, str]:
        *way, step = pointer(path) or [""]
        parent = self.document
        try:
            for name in way:
                parent = _child(parent, name)
        except Unfit as error:
            raise NoParent(f"doc is missing path: {path}") from error
        if not isinstance(parent, (dict, list)):
            raise NoParent(f"doc is missing path: {path}")
        return parent, step


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise Unfit("operation missing value field")
    return copy.deepcopy(operation["value"])


def pointer(path: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901)."""
    if path == "":
        return []
    if not path.startswith("/"):
        raise Unfit(f"invalid JSON pointer: {path}")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _child(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        if step in value:
            return value[step]
    elif isinstance(value, list):
        return value[_index(step, len(value))]
    raise Unfit(f"unable to get nonexistent key: {step}")


def _index(step: str, length: int) -> int:
    """A position below `length`; negative ones count from the end, as upstream's library has it."""
    digits = step.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9 or not -length <= int(step) < length:
        raise NoIndex(f"unable to access invalid index: {step}")
    return int(step) % length


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1, nor 1 the same as 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)
