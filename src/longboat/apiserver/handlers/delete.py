"""DELETE of one object or of a collection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from longboat.apiserver.encoding import list_head, respond
from longboat.apiserver.endpoint import Endpoint, answer, body_of, body_type, write_of
from longboat.apiserver.handlers.selection import selection
from longboat.apiserver.media import PLAIN
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import StatusError, bad_request
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry import deletion
from longboat.registry.store import Result
from longboat.registry.strategy import Deletion
from longboat.registry.write import Write
from longboat.storage.entry import Entry

_OPTIONS = Kind("", "v1", "DeleteOptions", "deleteoptions")


async def delete(endpoint: Endpoint, request: Request) -> Response:
    info = request.info
    wish, options = await _wish(endpoint, request)
    write = write_of(endpoint, request, options)
    request.warnings += endpoint.strategy.warnings_on_deletion(wish)
    body, gone = await endpoint.store.delete(info.namespace, info.name, wish, write, endpoint.admission)
    if gone and not endpoint.strategy.returns_deleted:
        return respond(200, _success(endpoint, info.name, body), request.form)
    return answer(endpoint, request, Result(body, created=False))


def _success(endpoint: Endpoint, name: str, body: bytes) -> bytes:
    kind = endpoint.kind
    details: Object = {"name": name, "kind": kind.plural, "uid": msgspec.json.decode(body)["metadata"].get("uid", "")}
    if kind.group:
        details["group"] = kind.group
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return msgspec.json.encode(status)


async def delete_collection(endpoint: Endpoint, request: Request) -> Response:
    wish, options = await _wish(endpoint, request)
    write = write_of(endpoint, request, options)
    request.warnings += endpoint.strategy.warnings_on_deletion(wish)
    chosen, prefix = await selection(endpoint, request), endpoint.store.prefix(request.info.namespace)
    endpoint.store.cache.check(prefix)
    entries = list(chosen.passing(endpoint.store.cache, prefix))
    items = [body async for body in _each(endpoint, entries, wish, write)]
    version = msgspec.json.encode({"resourceVersion": str(endpoint.store.cache.revision)})
    body = b'%b,"metadata":%b,"items":[%b]}' % (list_head(endpoint.strategy, PLAIN), version, b",".join(items))
    return respond(200, body, request.form)


async def _each(endpoint: Endpoint, entries: list[Entry], wish: Deletion, write: Write) -> AsyncIterator[bytes]:
    """Delete these one by one; those that have gone meanwhile are passed over."""
    store = endpoint.store
    for entry in entries:
        namespace, _, name = entry.key.removeprefix(store.cache.prefix).rpartition("/")
        try:
            body, _ = await store.delete(namespace, name, wish, write, endpoint.admission)
        except StatusError as error:
            if error.code != 404:
                raise
            continue
        yield body


async def _wish(endpoint: Endpoint, request: Request) -> tuple[Deletion, Object]:
    """DeleteOptions of the body, else of the query. Raises StatusError 400, 422."""
    data = await body_of(request)
    options: Object = {}
    if data:
        options = (await request.seat.run(endpoint.schema.decode, _OPTIONS, data, body_type(request)))[0]
    else:
        if grace := request.arg("gracePeriodSeconds"):
            try:
                options["gracePeriodSeconds"] = int(grace)
            except ValueError:
                raise bad_request(f'strconv.ParseInt: parsing "{grace}": invalid syntax') from None
        if policy := request.arg("propagationPolicy"):
            options["propagationPolicy"] = policy
        if request.arg("orphanDependents"):
            options["orphanDependents"] = request.flag("orphanDependents")
    return deletion.options(options), options
