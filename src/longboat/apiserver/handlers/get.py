"""GET of one object: a look-up in the watch cache and the bytes that lie there."""

from __future__ import annotations

from longboat.apiserver.encoding import respond
from longboat.apiserver.endpoint import Endpoint, one
from longboat.apiserver.handlers.versions import version_of, wait_until
from longboat.apiserver.media import PLAIN
from longboat.apiserver.request import Request, Response


async def get(endpoint: Endpoint, request: Request) -> Response:
    info = request.info
    if version := request.arg("resourceVersion"):
        await wait_until(endpoint, version_of(version))
    form, entry = request.form, endpoint.store.get(info.namespace, info.name)
    if endpoint.store.codec.shows:
        (entry,) = await endpoint.shown((entry,), form)
    if form is PLAIN or not form.as_kind:
        return respond(200, entry.body, form)
    return respond(200, one(endpoint, request, entry, form), form)
