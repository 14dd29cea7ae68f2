"""One call of a driver's controller service, through the node where it answers.

`POST /api/v1/nodes/{node}/csi/{driver}/{Rpc}` carries the CSI request in protobuf's JSON mapping (lowerCamelCase
names, bytes in base64, int64 as strings) and answers with the response; a failure is an HTTP error whose body names
the gRPC code: `{"code": "RESOURCE_EXHAUSTED", "message": "…"}`.
"""

from __future__ import annotations

from typing import NoReturn
from urllib.parse import quote

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object

LONGEST = 55.0  # seconds: less than the API server waits for any request

# What gRPC calls its codes, and what Go prints for them, which users find in Events.
CODES = {
    "CANCELLED": "Canceled", "UNKNOWN": "Unknown", "INVALID_ARGUMENT": "InvalidArgument",
    "DEADLINE_EXCEEDED": "DeadlineExceeded", "NOT_FOUND": "NotFound", "ALREADY_EXISTS": "AlreadyExists",
    "PERMISSION_DENIED": "PermissionDenied", "RESOURCE_EXHAUSTED": "ResourceExhausted",
    "FAILED_PRECONDITION": "FailedPrecondition", "ABORTED": "Aborted", "OUT_OF_RANGE": "OutOfRange",
    "UNIMPLEMENTED": "Unimplemented", "INTERNAL": "Internal", "UNAVAILABLE": "Unavailable", "DATA_LOSS": "DataLoss",
    "UNAUTHENTICATED": "Unauthenticated",
}  # fmt: skip
UNDECIDED = frozenset(("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "ABORTED"))


class RpcError(Exception):
    """A call that failed. `code` is gRPC's name of the code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"rpc error: code = {CODES.get(code, code)} desc = {message}")
        self.code = code
        self.message = message

    @property
    def undecided(self) -> bool:
        """Whether the driver may still be at it, or have done it."""
        return self.code in UNDECIDED


class NotAsked(RpcError):
    """What a call needs cannot be had: the driver has heard nothing. Said without gRPC's words."""

    def __init__(self, message: str) -> None:
        super().__init__("FAILED_PRECONDITION", message)
        self.args = (message,)


async def call(client: RestClient, clock: Clock, node: str, driver: str, rpc: str, request: Object) -> Object:
    """Raises RpcError."""
    part = f"csi/{quote(driver, safe='')}/{rpc}"
    try:
        async with clock.timeout(LONGEST):
            answer = await client.create(kinds.NODE, request, name=node, subresource=part)
        found = msgspec.json.decode(answer or b"{}")
    except StatusError as error:
        _raise(error)
    except TimeoutError:
        raise RpcError("DEADLINE_EXCEEDED", "context deadline exceeded") from None
    except ConnectionError as error:
        raise RpcError("UNAVAILABLE", str(error)) from error
    except msgspec.DecodeError as error:
        raise RpcError("UNAVAILABLE", f"node {node} broke off: {error}") from error
    if not isinstance(found, dict):
        raise RpcError("INTERNAL", f"node {node} answered with no object")
    return found


def _raise(error: StatusError) -> NoReturn:
    """A Status is the API server's own: it did not get through to the driver."""
    code = error.reason if error.reason in CODES else "UNAVAILABLE"
    raise RpcError(code, error.message) from error
