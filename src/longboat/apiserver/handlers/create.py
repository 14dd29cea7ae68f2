"""POST of a new object."""

from __future__ import annotations

from longboat.apiserver.endpoint import Endpoint, answer, read_own, write_of
from longboat.apiserver.request import Request, Response


async def create(endpoint: Endpoint, request: Request) -> Response:
    write = write_of(endpoint, request)
    obj = await read_own(endpoint, request)
    return answer(
        endpoint, request, await endpoint.store.create(obj, request.info.namespace, write, endpoint.admission)
    )
