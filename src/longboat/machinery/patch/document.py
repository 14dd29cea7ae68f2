"""Patch documents as they arrive: the three content types, and what is wrong with a body before it meets an object."""

from __future__ import annotations

from typing import Any

from longboat.machinery import text
from longboat.machinery.errors import bad_request
from longboat.machinery.types import strict
from longboat.machinery.types.shapes import ANY, List, Struct
from longboat.machinery.types.wording import described

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

_OPERATION = Struct("io.k8s.apiserver.handlers.jsonPatchOp", dict.fromkeys(("op", "path", "from", "value"), ANY))
_OPERATIONS = List(_OPERATION)


def read(media_type: str, data: bytes) -> tuple[Any, list[str]]:
    """The patch, and what strict validation would say about its text. Raises StatusError 400."""
    try:
        document = text.decode_json(data)
    except text.Malformed as error:
        raise _undecodable(media_type, str(error)) from error
    wanted, go = (list, "[]handlers.jsonPatchOp") if media_type == JSON else (dict, "map[string]interface {}")
    if not isinstance(document, wanted):
        raise _undecodable(media_type, f"json: cannot unmarshal {described(document, ANY)} into Go value of type {go}")
    return document, _complaints(media_type, data, document)


def _undecodable(media_type: str, why: str) -> Exception:
    return bad_request(why if media_type == STRATEGIC else f"error decoding patch: {why}")


def _complaints(media_type: str, data: bytes, document: Any) -> list[str]:
    written = strict.as_written(data) if strict.repeats(data, document) else None
    if media_type == JSON:
        found = strict.problems(_OPERATIONS, document if written is None else written)
        return [f"json patch {problem}" for problem in found]
    return [] if written is None else strict.problems(None, written)
