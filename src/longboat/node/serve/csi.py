"""`POST /csi/{driver}/{Rpc}`: the controller services of the node's drivers, for controllers elsewhere.

Requests and responses are the CSI messages in protobuf's JSON mapping; a failure is an HTTP error whose body names the
gRPC code: `{"code": "NOT_FOUND", "message": "…"}`. Bodies may hold secrets: nothing of them is logged.
"""

from __future__ import annotations

import msgspec
from google.protobuf import json_format

from longboat.machinery.protos import methods
from longboat.node.csi.drivers import Drivers
from longboat.node.csi.errors import RpcFailure
from longboat.node.serve.http import Answer, HttpError, Request

JSON = "application/json"
SERVICE = "csi.v1.Controller"
WITHIN = 50.0  # seconds: less than the caller waits


async def call(request: Request, drivers: Drivers, driver: str, rpc: str) -> Answer:
    """Raises HttpError."""
    if request.method != "POST":
        raise HttpError(405, "405 method not allowed\n")
    try:
        answer = await _call(request.body, drivers, driver, rpc)
    except RpcFailure as failure:
        body = msgspec.json.encode({"code": failure.code, "message": failure.message})
        return Answer(status=failure.http_status, body=body, content_type=JSON)
    return Answer(body=answer, content_type=JSON)


async def _call(body: bytes, drivers: Drivers, driver: str, rpc: str) -> bytes:
    """Raises RpcFailure."""
    if rpc not in methods(SERVICE):
        raise RpcFailure("UNIMPLEMENTED", f"unknown method {rpc}")
    try:
        plugin = drivers.get(driver).plugin
    except LookupError as error:
        raise RpcFailure("UNAVAILABLE", str(error)) from error
    try:
        message = json_format.Parse(body or b"{}", methods(SERVICE)[rpc].request())
    except (json_format.ParseError, UnicodeDecodeError):
        raise RpcFailure("INVALID_ARGUMENT", f"the body is not the JSON of a {rpc}Request") from None
    response = await plugin.call(rpc, message, timeout=WITHIN)
    return msgspec.json.encode(json_format.MessageToDict(response))
