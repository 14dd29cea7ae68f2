"""PATCH: JSON patch, merge patch, strategic merge patch; applied configurations go to their own handler."""

from __future__ import annotations

from functools import partial
from typing import Any

from longboat.apiserver.endpoint import Endpoint, answer, body_of, field_validation, write_of
from longboat.apiserver.handlers.apply import apply
from longboat.apiserver.request import Request, Response
from longboat.machinery import refusals
from longboat.machinery.errors import StatusError, unsupported_media_type
from longboat.machinery.objects import Object, meta
from longboat.machinery.patch import json as json_patch
from longboat.machinery.patch import merge, spelling, strategic
from longboat.machinery.patch.document import ACCEPTED, APPLY, JSON, MERGE, OF_CUSTOM_KINDS, STRATEGIC, read
from longboat.machinery.types.schema import IGNORE
from longboat.machinery.types.structural import Structural
from longboat.registry import metadata
from longboat.registry.ownership import MANAGED


async def patch(endpoint: Endpoint, request: Request) -> Response:
    media_type = patch_type(endpoint, request)
    if media_type == APPLY:
        return await apply(endpoint, request)
    info, write = request.info, write_of(endpoint, request)
    validation = field_validation(request)
    document, complaints, unread = await read_patch(request, media_type, validation)

    def transform(old: Object) -> Object:
        if unread is not None:
            raise unread
        owners = None if touches_owners(document) else meta(old).get(MANAGED)
        if owners is not None:  # which are large, and nothing to copy and check for nothing
            old = {**old, "metadata": {name: value for name, value in meta(old).items() if name != MANAGED}}
        found = merge.apply(old, document) if media_type == MERGE else _apply(endpoint, media_type, old, document)
        if not isinstance(found, dict):
            raise refusals.unfit_patch(endpoint.kind, found, refusals.no_object(found))
        merged = document if media_type == STRATEGIC else None
        spell = None if media_type == STRATEGIC else partial(_spelled, endpoint, media_type, found, owners, document)
        new, warnings = endpoint.schema.check_object(
            endpoint.kind, found, validation, complaints, large=request.seat.taken, merged=merged, spell=spell
        )
        request.warnings[:] = warnings
        given = meta(new).get("name") or ""
        if given != info.name:
            raise metadata.name_mismatch(given, info.name)
        if owners is not None:
            meta(new)[MANAGED] = owners
        return new

    result = await endpoint.store.update(
        info.namespace, info.name, transform, write, retry=True, admission=endpoint.admission
    )
    return answer(endpoint, request, result)


def patch_type(endpoint: Endpoint, request: Request) -> str:
    """The media type of the patch. Raises StatusError 415 for what the kind does not take."""
    struct = endpoint.schema.type(endpoint.kind)
    accepted = OF_CUSTOM_KINDS if struct is None or isinstance(struct, Structural) else ACCEPTED
    found = request.headers.get("content-type", "").partition(";")[0].strip()
    if found not in accepted:
        raise unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
        )
    return found


def touches_owners(document: Any) -> bool:
    """Whether a patch may look at managedFields, or change them."""
    if isinstance(document, list):  # of a JSON patch
        return any(_at_owners(each.get(end)) for each in document for end in ("path", "from"))
    meta = document.get("metadata", {}) if isinstance(document, dict) else None
    return not isinstance(meta, dict) or MANAGED in meta or any(name.startswith("$") for name in (*document, *meta))


def _at_owners(path: Any) -> bool:
    return isinstance(path, str) and (path in ("", "/metadata") or path.startswith(f"/metadata/{MANAGED}"))


async def read_patch(request: Request, media_type: str, validation: str) -> tuple[Any, list[str], StatusError | None]:
    """The patch, what is to be said about it, and why it cannot be read: that is told once its object is there."""
    data = await body_of(request)
    try:
        return *await request.seat.run(read, media_type, data, lax=validation == IGNORE), None
    except StatusError as error:
        return None, [], error


def _spelled(endpoint: Endpoint, media_type: str, found: Object, owners: Any, document: Any) -> str:
    """Custom objects are maps to upstream, and are shown with who owns them."""
    shape, merged = endpoint.schema.type(endpoint.kind), media_type == MERGE
    if shape is None or isinstance(shape, Structural):
        shape, rest = None, found.get("metadata")
        if owners is not None and isinstance(rest, dict):
            found = {**found, "metadata": {**rest, MANAGED: owners}}
    return spelling.spelled(shape, found, document if merged else spelling.by_operations(document), merged=merged)


def _apply(endpoint: Endpoint, media_type: str, old: Object, document: object) -> object:
    if media_type == JSON:
        return json_patch.apply(endpoint.schema.shown(endpoint.kind, old), document)
    struct = endpoint.schema.type(endpoint.kind)
    assert struct is not None  # of kinds without a type no such patch is accepted
    return strategic.apply(old, document, struct)
