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
ACCEPTED = (JSON, MERGE, STRATEGIC, APPLY)  # and what OpenAPI documents say is
OF_CUSTOM_KINDS = (JSON, MERGE, APPLY)  # whose lists say nothing of strategic merging

_OPERATION = Struct("io.k8s.apiserver.handlers.jsonPatchOp", dict.fromkeys(("op", "path", "from", "value"), ANY))
_OPERATIONS = List(_OPERATION)


def read(media_type: str, data: bytes, *, lax: bool = False) -> tuple[Any, list[str]]:
    """The patch, and what strict validation would say about its text. Raises StatusError 400.

    `lax`: fields are not validated. Then upstream reads the patch by the patch library alone, which has other words.
    """
    try:
        document = text.decode_json(data)
    except text.Malformed as error:
        raise _undecodable(media_type, str(error), lax) from error
    if document is None and media_type != MERGE:  # says nothing, as in Go
        return ([] if media_type == JSON else {}), []
    if media_type == JSON:
        _check_operations(document, lax)
    elif document is None or not isinstance(document, dict | (list if lax and media_type == MERGE else dict)):
        what = f"json: cannot unmarshal {described(document, ANY)} into Go value of type map[string]interface {{}}"
        raise _undecodable(media_type, what, lax or document is None)
    complaints = [] if lax else _complaints(media_type, data, document)
    return [each or {} for each in document] if media_type == JSON else document, complaints


def _undecodable(media_type: str, why: str, lax: bool) -> Exception:
    if lax and media_type == MERGE:
        return bad_request("Invalid JSON Patch")
    return bad_request(why if lax or media_type == STRATEGIC else f"error decoding patch: {why}")


def _check_operations(document: Any, lax: bool) -> None:
    """Raises StatusError 400."""
    whole, one = "[]handlers.jsonPatchOp", "handlers.jsonPatchOp"
    if lax:
        whole, one = "jsonpatch.Patch", "jsonpatch.Operation"
    if not isinstance(document, list):
        raise _misfit(document, f"Go value of type {whole}", lax)
    for operation in (each for each in document if each is not None):
        if not isinstance(operation, dict):
            raise _misfit(operation, f"Go value of type {one}", lax)
        for name in () if lax else ("op", "path", "from"):
            if operation.get(name) is not None and not isinstance(operation[name], str):
                raise _misfit(operation[name], f"Go struct field jsonPatchOp.{name} of type string", lax)


def _misfit(value: Any, where: str, lax: bool) -> Exception:
    return _undecodable(JSON, f"json: cannot unmarshal {described(value, ANY)} into {where}", lax)


def _complaints(media_type: str, data: bytes, document: Any) -> list[str]:
    written = strict.as_written(data) if strict.repeats(data, document) else None
    if media_type == JSON:
        found = strict.problems(_OPERATIONS, document if written is None else written)
        return [f"json patch {problem}" for problem in found]
    return [] if written is None else strict.problems(None, written)
