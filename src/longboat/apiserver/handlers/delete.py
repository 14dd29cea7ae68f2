"""DELETE of one object or of a collection."""

from __future__ import annotations

import msgspec

from longboat.apiserver.encoding import respond
from longboat.apiserver.endpoint import Endpoint, answer, body_of, body_type, note_sent, write_of
from longboat.apiserver.handlers.list import check_form, listing
from longboat.apiserver.handlers.pages import extent_of, page_of
from longboat.apiserver.handlers.selection import asked
from longboat.apiserver.options import delete_options, refused
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import StatusError
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry import deletion
from longboat.registry.deletion import UNSAFE
from longboat.registry.store import Result
from longboat.registry.strategy import Deletion

_OPTIONS = Kind("", "v1", "DeleteOptions", "deleteoptions")


async def delete(endpoint: Endpoint, request: Request) -> Response:
    info = request.info
    wish, options = await _wish(endpoint, request)
    write = write_of(endpoint, request, options)
    request.warnings += endpoint.strategy.warnings_on_deletion(wish)
    body, gone = await endpoint.store.delete(info.namespace, info.name, wish, write, endpoint.admission)
    if gone and not endpoint.strategy.returns_deleted:
        return respond(200, _success(endpoint, info.name, body), request.form)
    response = answer(endpoint, request, Result(body, created=False))
    if not gone and options.get("orphanDependents") is False:
        response.status = 202
    return response


def _success(endpoint: Endpoint, name: str, body: bytes) -> bytes:
    kind = endpoint.kind
    details: Object = {"name": name, "kind": kind.plural, "uid": msgspec.json.decode(body)["metadata"].get("uid", "")}
    if kind.group:
        details["group"] = kind.group
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return msgspec.json.encode(status)


async def delete_collection(endpoint: Endpoint, request: Request) -> Response:
    """The answer lists what was there; what has gone meanwhile is passed over."""
    check_form(endpoint, request.form)
    asked_for, chosen = await asked(endpoint, request)
    wish, options = await _wish(endpoint, request)
    if options.get(UNSAFE):
        err = Errors()
        err.invalid(Path(UNSAFE), True, "is not allowed with DELETECOLLECTION, try again after removing the option")
        raise refused("DeleteOptions", err)
    write = write_of(endpoint, request, options)
    write.collection = True
    request.warnings += endpoint.strategy.warnings_on_deletion(wish)
    store, prefix = endpoint.store, endpoint.store.prefix(request.info.namespace)
    page = await page_of(endpoint, prefix, await extent_of(endpoint, asked_for, chosen), chosen)
    for entry in page.entries:
        namespace, _, name = entry.key.removeprefix(store.cache.prefix).rpartition("/")
        try:
            await store.delete(namespace, name, wish, write, endpoint.admission)
        except StatusError as error:
            if error.code != 404:
                raise
    return await listing(endpoint, request, page, prefix)


async def _wish(endpoint: Endpoint, request: Request) -> tuple[Deletion, Object]:
    """DeleteOptions of the body, else of the query. Raises StatusError 400, 422."""
    data = await body_of(request)
    options: Object = {}
    if data:
        options = await request.seat.run(endpoint.schema.options, _OPTIONS, data, body_type(request))
        note_sent(request, options)
    else:
        options = delete_options(request.query)
    return deletion.options(options), options
