"""`POST /csi/{driver}/{Rpc}`: the controller services of the node's drivers, for controllers elsewhere.

Requests and responses are the CSI messages in protobuf's JSON mapping; a failure is an HTTP error whose body names the
gRPC code: `{"code": "NOT_FOUND", "message": "…"}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from longboat.node.csi.errors import RpcFailure
from longboat.node.serve.http import Answer, HttpError, Request

JSON = "application/json"
Controllers = Callable[[str, str, bytes], Awaitable[bytes]]
"""driver, procedure, body → the response. Raises RpcFailure."""


async def call(request: Request, controllers: Controllers, driver: str, rpc: str) -> Answer:
    """Raises HttpError."""
    if request.method != "POST":
        raise HttpError(405, "405 method not allowed\n")
    try:
        answer = await controllers(driver, rpc, request.body)
    except RpcFailure as failure:
        body = msgspec.json.encode({"code": failure.code, "message": failure.message})
        return Answer(status=failure.http_status, body=body, content_type=JSON)
    return Answer(body=answer, content_type=JSON)
