"""Calls of drivers' controller services in protobuf's JSON mapping, for controllers elsewhere."""

from __future__ import annotations

import msgspec
from google.protobuf import json_format

from longboat.machinery.protos import methods
from longboat.node.csi.drivers import Drivers
from longboat.node.csi.errors import RpcFailure

SERVICE = "csi.v1.Controller"
EXPAND = "ControllerExpandVolume"
WITHIN = 50.0  # seconds: less than the caller waits


async def call(drivers: Drivers, driver: str, rpc: str, body: bytes) -> bytes:
    """Raises RpcFailure. Bodies may hold secrets: nothing of them is in messages or logs."""
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


def volume_of(body: bytes) -> str:
    """The volume a request is about, which has been answered."""
    found = msgspec.json.decode(body)
    return str(found.get("volumeId") or found.get("volume_id") or "")
