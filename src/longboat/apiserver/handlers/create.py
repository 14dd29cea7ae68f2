"""POST of a new object."""

from __future__ import annotations

from longboat.apiserver.endpoint import Endpoint, answer, read_object, write_of
from longboat.apiserver.request import Request, Response


async def create(endpoint: Endpoint, request: Request) -> Response:
    write = write_of(endpoint, request)
    obj = await read_object(request, endpoint.kind, endpoint.schema)
    return answer(
        endpoint, request, await endpoint.store.create(obj, request.info.namespace, write, endpoint.admission)
    )
