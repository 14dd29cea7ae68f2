"""What a definition says of its versions beside their schemas: subresources, columns, selectable fields, warnings."""

from __future__ import annotations

from typing import Any

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import field_paths

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MOST_SELECTABLE = 8
LONGEST_WARNING = 256  # bytes
_SELECTABLE = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)


def deprecation(version: Object, path: Path, err: Errors) -> None:
    text = version.get("deprecationWarning")
    if text is None:
        return
    found = []
    if not version.get("deprecated"):
        found = ["can only be set for deprecated versions"]
    else:
        if len(text.encode("utf-8", "replace")) > LONGEST_WARNING:
            found.append(f"must be <= {LONGEST_WARNING} characters long")
        if not text:
            found.append("must not be an empty string")
        if (odd := next((i for i, sign in enumerate(text) if not sign.isprintable()), None)) is not None:
            place = len(text[:odd].encode("utf-8", "replace"))
            says = "must only contain printable UTF-8 characters"
            found.append(f"{says}; non-printable character found at index {place}")
    for why in found:
        err.invalid(path.at("deprecationWarning"), text, why)


def subresources(found: Object | None, path: Path, err: Errors) -> None:
    scale = (found or {}).get("scale")
    if scale is None:
        return
    path = path.at("scale")
    for field, root in (("specReplicasPath", "spec"), ("statusReplicasPath", "status")):
        text = scale.get(field) or ""
        if not text:
            err.required(path.at(field))
        elif _simple(text, path.at(field), err) and not text.startswith(f".{root}."):
            err.invalid(path.at(field), text, f"should be a json path under .{root}")
    text = scale.get("labelSelectorPath") or ""
    at = path.at("labelSelectorPath")
    if text and _simple(text, at, err) and not text.startswith((".spec.", ".status.")):
        err.invalid(at, text, "should be a json path under either .spec or .status")


def _simple(text: str, path: Path, err: Errors) -> bool:
    if not text.startswith("."):
        err.invalid(path, text, "must be a simple json path starting with .")
    return text.startswith(".")


def columns(found: list[Object], path: Path, err: Errors) -> None:
    for i, column in enumerate(found):
        at, kind, form, source = path.index(i), *(column.get(name) or "" for name in ("type", "format", "jsonPath"))
        if not column.get("name"):
            err.required(at.at("name"))
        if not kind:
            err.required(at.at("type"), f"must be one of {','.join(COLUMN_TYPES)}")
        elif kind not in COLUMN_TYPES:
            err.invalid(at.at("type"), kind, f"must be one of {','.join(COLUMN_TYPES)}")
        if form and form not in COLUMN_FORMATS:
            err.invalid(at.at("format"), form, f"must be one of {','.join(COLUMN_FORMATS)}")
        if not source:
            err.required(at.at("JSONPath"))
        else:
            _simple(source, at.at("JSONPath"), err)


def selectable(found: list[Object], schema: Any, path: Path, err: Errors) -> None:
    """`schema`: of the version, None where it has none."""
    if not found:
        return
    if schema is None:
        err.invalid(path, "", "selectableFields may only be set when version.schema.openAPIV3Schema is not included")
        return
    seen: set[tuple[str, ...]] = set()
    for i, each in enumerate(found):
        at, text = path.index(i).at("jsonPath"), each.get("jsonPath") or ""
        if not text:
            err.required(at)
            continue
        try:
            steps, leaf = field_paths.resolve(text, schema)
        except ValueError as error:
            err.invalid(at, text, f"is an invalid path: {error}")
            continue
        if steps[:1] == ("metadata",):
            err.invalid(at, text, "must not point to fields in metadata")
        if leaf.get("type") not in ("string", "boolean", "integer"):
            err.invalid(at, text, _SELECTABLE)
        if steps in seen:
            err.duplicate(at, text)
        seen.add(steps)
    if len(seen) > MOST_SELECTABLE:
        err.too_many(path, len(seen), MOST_SELECTABLE)
