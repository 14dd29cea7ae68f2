"""PATCH: JSON patch, merge patch, strategic merge patch."""

from __future__ import annotations

from functools import partial
from typing import Any

from longboat.apiserver.endpoint import Endpoint, answer, body_of, field_validation, write_of
from longboat.apiserver.request import Request, Response
from longboat.machinery import refusals
from longboat.machinery.errors import StatusError, unsupported_media_type
from longboat.machinery.objects import Object, meta
from longboat.machinery.patch import json as json_patch
from longboat.machinery.patch import merge, spelling, strategic
from longboat.machinery.patch.document import ACCEPTED, JSON, MERGE, STRATEGIC, read
from longboat.machinery.types.schema import IGNORE
from longboat.machinery.types.structural import Structural
from longboat.registry import metadata


async def patch(endpoint: Endpoint, request: Request) -> Response:
    info, write = request.info, write_of(endpoint, request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if media_type not in ACCEPTED:
        raise unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(ACCEPTED)
        )
    validation = field_validation(request)
    document, complaints, unread = await read_patch(request, media_type, validation)

    def transform(old: Object) -> Object:
        if unread is not None:
            raise unread
        found = merge.apply(old, document) if media_type == MERGE else _apply(endpoint, media_type, old, document)
        if not isinstance(found, dict):
            raise refusals.unfit_patch(endpoint.kind, found, refusals.no_object(found))
        merged = document if media_type == STRATEGIC else None
        spell = None if media_type == STRATEGIC else partial(_spelled, endpoint, media_type, found, document)
        new, warnings = endpoint.schema.check_object(
            endpoint.kind, found, validation, complaints, large=request.seat.taken, merged=merged, spell=spell
        )
        request.warnings[:] = warnings
        given = meta(new).get("name") or ""
        if given != info.name:
            raise metadata.name_mismatch(given, info.name)
        return new

    result = await endpoint.store.update(
        info.namespace, info.name, transform, write, retry=True, admission=endpoint.admission
    )
    return answer(endpoint, request, result)


async def read_patch(request: Request, media_type: str, validation: str) -> tuple[Any, list[str], StatusError | None]:
    """The patch, what is to be said about it, and why it cannot be read: that is told once its object is there."""
    data = await body_of(request)
    try:
        return *await request.seat.run(read, media_type, data, lax=validation == IGNORE), None
    except StatusError as error:
        return None, [], error


def _spelled(endpoint: Endpoint, media_type: str, found: Object, document: Any) -> str:
    shape, merged = endpoint.schema.type(endpoint.kind), media_type == MERGE
    return spelling.spelled(shape, found, document if merged else spelling.by_operations(document), merged=merged)


def _apply(endpoint: Endpoint, media_type: str, old: Object, document: object) -> object:
    if media_type == JSON:
        return json_patch.apply(endpoint.schema.shown(endpoint.kind, old), document)
    struct = endpoint.schema.type(endpoint.kind)
    if struct is None or isinstance(struct, Structural):  # whose lists say nothing of merging
        raise unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {JSON}, {MERGE}"
        )
    return strategic.apply(old, document, struct)
