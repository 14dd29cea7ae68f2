"""What a converted object has to have in common with the one that it was made of. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.machinery.errors import aggregate
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, meta
from longboat.machinery.types.wording import Mistake
from longboat.registry import metadata
from longboat.registry.conversion import OWN

_GO = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}", type(None): "<nil>",
       dict: "map[string]interface {}"}  # fmt: skip
_decode = msgspec.json.Decoder().decode


class Odd(Mistake):
    """Which of an object's parts is none that it can have: `what` goes before the reason in upstream's words."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(why)
        self.what = what


SHOWN = 4 << 10  # bytes of an odd answer that clients are shown
OBJECT, METADATA = "object", "metadata"


def parsed(data: bytes) -> Object:
    """Raises Mistake for what is no object of a kind."""
    found: Any = _decode(data)
    if not isinstance(found, dict):
        if found is None:
            raise Mistake("unexpected end of JSON input")
        got = {str: "string", list: "array", bool: "bool"}.get(type(found), "number")
        raise Mistake(f"json: cannot unmarshal {got} into Go value of type map[string]interface {{}}")
    if not isinstance(found.get("kind"), str) or not found["kind"]:
        raise Mistake(f"Object 'Kind' is missing in '{data[:SHOWN].decode(errors='ignore')}'")
    return found


def checked(given: Object, made: Object, to: str) -> Object:
    """What is made of an object, with that one's metadata, but for labels and annotations. Raises Odd."""
    version, kind = made.get("apiVersion") or "", given.get("kind") or ""
    if version != to:
        raise Odd("", f"invalid groupVersion (expected {to}, received {version})")
    if made["kind"] != kind:
        raise Odd("", f"invalid kind (expected {kind}, received {made['kind']})")
    own, had = made.get("metadata"), meta(given)
    known = own if isinstance(own, dict) else {}
    for field, called in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        if (was := had.get(field) or "") != (now := known.get(field) or ""):
            raise Odd(OBJECT, f"must have the same {called}: {was} != {now}")
    if "metadata" not in made:
        raise Odd(METADATA, "missing metadata in converted object")
    if not isinstance(own, dict):
        raise Odd(METADATA, f"invalid metadata of type {_GO[type(own)]} in converted object")
    kept = {name: value for name, value in had.items() if name not in OWN}
    for field in OWN:
        if own.get(field) is not None:
            kept[field] = _words(field, own[field], had.get(field) or {})
    return made | {"metadata": kept}


def _words(field: str, found: Any, had: Object) -> Object:
    """Labels or annotations. Raises Odd."""
    if not isinstance(found, dict):
        raise Odd(METADATA, f"invalid metadata.{field} of type {_GO[type(found)]} in converted object")
    for key, value in found.items():
        if not isinstance(value, str):
            why = f"metadata.{field}[{key}] must be a string, but is {_GO[type(value)]} in converted object"
            raise Odd(METADATA, why)
    if found != had:
        err = Errors()
        if field == "labels":
            metadata.validate_labels(found, Path("metadata", "labels"), err)
        else:
            metadata.validate_annotations(found, Path("metadata", "annotation"), err)  # as upstream calls it
        if err:
            raise Odd(METADATA, aggregate(err))
    return found
