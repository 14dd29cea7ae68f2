"""Files by which components are configured: a document of one kind, read as strictly as upstream reads it."""

from __future__ import annotations

from typing import Any

from longboat.machinery import text, yaml
from longboat.machinery.types import check, strict
from longboat.machinery.types.shapes import Shape, Struct
from longboat.machinery.types.wording import Mistake


class BadConfiguration(Exception):
    """The file cannot be used; the message is upstream's where upstream has one."""


def struct(name: str, /, **fields: Shape) -> Struct:
    """A type of a configuration's; `name` as Go has it, its package before it."""
    return Struct(name, fields, {key: rank for rank, key in enumerate(fields)})


def read(data: bytes, kind: str, versions: tuple[str, ...], shape: Struct) -> dict[str, Any]:
    """The document, JSON or YAML, its types and field names checked; not yet whether it makes sense.

    `versions`: those it may be of. Without a `kind` it is one that says none of itself. Raises BadConfiguration.
    """
    try:
        as_json = data.lstrip()[:1] == b"{"
        value, repeated = (text.decode_json(data), []) if as_json else yaml.decode(data)
        return _checked(value, kind, versions, shape, repeated, strict.as_written(data) if as_json else value)
    except (text.Malformed, Mistake) as error:
        raise BadConfiguration(str(error)) from None


def within(value: Any, kind: str, versions: tuple[str, ...], shape: Struct) -> dict[str, Any]:
    """As `read`, of a document within another. Raises BadConfiguration."""
    try:
        return _checked(value, kind, versions, shape, [], value)
    except Mistake as error:
        raise BadConfiguration(str(error)) from None


def _checked(
    value: Any, kind: str, versions: tuple[str, ...], shape: Struct, repeated: list[str], written: Any
) -> dict[str, Any]:
    if kind:
        _check_kind(value, kind, versions)
    found = check.struct(shape, value)
    if complaints := repeated + strict.problems(shape, written):
        raise BadConfiguration(f"strict decoding error: {', '.join(complaints)}")
    return found


def _check_kind(value: Any, kind: str, versions: tuple[str, ...]) -> None:
    if not isinstance(value, dict) or not value.get("kind"):
        raise BadConfiguration("Object 'Kind' is missing")
    if not value.get("apiVersion"):
        raise BadConfiguration("Object 'apiVersion' is missing")
    if value["kind"] != kind or value["apiVersion"] not in versions:
        named = f'no kind "{value["kind"]}" is registered for version "{value["apiVersion"]}"'
        raise BadConfiguration(f"{named} (expected {kind}, {versions[0]})")
