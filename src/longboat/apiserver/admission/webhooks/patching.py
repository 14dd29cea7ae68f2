"""What a webhook's patch makes of an object: of the same kind, in its place, what is the server's left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longboat.apiserver.admission.asked import kind_of
from longboat.apiserver.admission.versions import Versions
from longboat.apiserver.admission.views import Views
from longboat.machinery.errors import StatusError, bad_request
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.patch import json
from longboat.machinery.types.wording import Mistake
from longboat.registry import metadata
from longboat.registry.admission import Attributes

Typed = Callable[[Kind, Object], Object]
"""An object as its kind's type reads it. Raises Mistake."""


def patched(views: Views, resource: Kind, operations: list[Any], versions: Versions, typed: Typed) -> Object:
    """The object that is to take the place of the request's. Operations are about what the webhook has seen, in the
    version that it has seen it in.

    Raises Unchanged where the patch cannot be applied, and StatusError where it can and leaves what cannot be taken.
    """
    attributes, pair = views.attributes, views.pair(resource)
    kind, own = pair.kind, kind_of(attributes)
    try:
        found = json.apply(views.pair(resource).decoded()[0], operations)
    except StatusError as error:
        raise Unchanged(why_unfit(error)) from None
    if not isinstance(found, dict):
        raise Unchanged("the patch leaves no object")
    said, version = found.get("kind"), found.get("apiVersion")
    if (said, version) != (kind.name, kind.api_version):
        into = f"({own.group.partition('.')[0] or 'core'}.{own.name})"
        why = f"converting ({str(version).rpartition('/')[2]}.{said}) to {into}: unknown conversion"
        raise StatusError(500, "", why)
    try:
        found = typed(kind, found)
    except Mistake as error:
        raise Unchanged(str(error)) from None
    if kind != own:
        versions.default(kind, found)
        found = versions.convert(found, kind, own)
    keep_place(attributes, found)
    return found


class Unchanged(Exception):
    """A patch that cannot be applied: the object is as it was. The message is upstream's."""


def why_unfit(error: StatusError) -> str:
    """Why a patch does not apply, in upstream's words (json-patch v4)."""
    cause = error.__cause__
    if not isinstance(cause, json.Unfit):
        return error.message
    op, path = cause.operation.get("op"), cause.operation.get("path")
    match op:
        case "test":
            return f"testing value {path} failed: test failed"
        case "add" | "remove" | "replace" | "move" | "copy":
            if isinstance(cause, json.NoParent):
                shown = f'"{path}"' if op in ("add", "remove") else path
                return f"{op} operation does not apply: doc is missing path: {shown}: missing value"
            if op == "remove" and not isinstance(cause, json.NoIndex):
                why = f"Unable to remove nonexistent key: {_last(path)}: missing value"
                return f"error in remove for path: '{path}': {why}"
            if isinstance(cause, json.NoIndex):
                what = "remove" if op == "replace" else op
                return (
                    f"error in {what} for path: '{path}': Unable to access invalid index: {_last(path)}: "
                    "invalid index referenced"
                )
            return f'{op} operation does not apply: doc is missing path: "{path}": missing value'
    return f"Unexpected kind: {op}"


def _last(path: Any) -> str:
    return str(path).rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def keep_place(attributes: Attributes, found: Object) -> None:
    """Raises StatusError for another namespace: the object is stored in the request's."""
    new = found.setdefault("metadata", {})
    if attributes.kind.namespaced and (new.get("namespace") or "") != attributes.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    new.pop("resourceVersion", None)
    if attributes.operation == "UPDATE" and attributes.old is not None and "metadata" in attributes.old:
        metadata.carry_over(new, attributes.old["metadata"])
