"""PUT: the client's object takes the place of what is stored."""

from __future__ import annotations

from longboat.apiserver.authz.authorizer import Answers, asking
from longboat.apiserver.authz.gate import ensure_create
from longboat.apiserver.endpoint import Endpoint, answer, read_own, write_of
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import bad_request
from longboat.machinery.objects import Object, meta
from longboat.registry import metadata
from longboat.registry.store import Result


async def update(endpoint: Endpoint, request: Request) -> Response:
    info, write = request.info, write_of(endpoint, request)
    obj = await read_own(endpoint, request)
    given = meta(obj).get("name") or ""
    if not given:
        raise bad_request(
            f"the name of the object ({info.name} based on URL) was undeterminable: name must be provided"
        )
    if given != info.name:
        raise metadata.name_mismatch(given, info.name)

    def replace(_: Object) -> Object:
        return obj | {"metadata": dict(obj["metadata"])}

    async def attempt(answers: Answers) -> Result:
        def create() -> Object:
            ensure_create(endpoint.authorizer, request, answers)
            return obj

        creates = create if endpoint.strategy.create_on_update else None
        return await endpoint.store.update(
            info.namespace,
            info.name,
            replace,
            write,
            creates=creates,
            uid=meta(obj).get("uid") or "",
            admission=endpoint.admission,
        )

    result = await asking(attempt)
    return answer(endpoint, request, result)
