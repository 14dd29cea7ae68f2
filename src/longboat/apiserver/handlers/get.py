"""GET of one object: a look-up in the watch cache and the bytes that lie there."""

from __future__ import annotations

from longboat.apiserver import protobufs
from longboat.apiserver.encoding import respond
from longboat.apiserver.endpoint import Endpoint, one
from longboat.apiserver.handlers.versions import version_of, wait_until
from longboat.apiserver.media import PARTIAL_LIST, PLAIN, PROTOBUF
from longboat.apiserver.request import Request, Response


async def get(endpoint: Endpoint, request: Request) -> Response:
    info = request.info
    if version := request.arg("resourceVersion"):
        await wait_until(endpoint, version_of(version))
    form, entry = request.form, endpoint.store.get(info.namespace, info.name)
    if endpoint.store.codec.shows:
        (entry,) = await endpoint.shown((entry,), form)
    if form is PLAIN:
        return respond(200, entry.body, form)
    if form.media_type == PROTOBUF and form.as_kind != PARTIAL_LIST and protobufs.ready_made(request):
        encodings = endpoint.encodings(form)
        await encodings.ready((entry,), request.seat)
        return Response(200, encodings.object(entry), PROTOBUF)
    if not form.as_kind:
        return respond(200, entry.body, form)
    return respond(200, one(endpoint, request, entry, form), form)
