"""A driver to call: behind a socket, or inside this process. Both look alike to whoever calls."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import grpc
import grpc.aio
from google.protobuf.message import Message

from longboat.aio.clock import Clock
from longboat.machinery.protos import methods
from longboat.machinery.protos.rpc import Stub, nearby
from longboat.node.csi.errors import RpcFailure

TIMEOUT = 120.0  # seconds (kubelet's csiTimeout)
SERVICES = ("csi.v1.Identity", "csi.v1.Controller", "csi.v1.Node")


class Plugin(Protocol):
    async def call(self, rpc: str, request: Message | None = None, *, timeout: float = TIMEOUT) -> Any:
        """The response to, say, NodeStageVolume; without a request an empty one is sent. Raises RpcFailure."""
        ...

    async def close(self) -> None: ...


@cache
def service_of(rpc: str) -> str:
    """The CSI service that offers a procedure. Raises KeyError."""
    for service in SERVICES:
        if rpc in methods(service):
            return service
    raise KeyError(rpc)


def said(code: str, details: str, path: str) -> str:
    """What gRPC says itself where it does not reach a driver, in the words of Go's, which users look for."""
    if code == "DEADLINE_EXCEEDED" and details == "Deadline Exceeded":
        return "context deadline exceeded"
    if code == "UNAVAILABLE" and details.startswith("failed to connect to all addresses"):
        why = details.rpartition("error: ")[2].lower()
        return f'connection error: desc = "transport: Error while dialing: dial unix {path}: connect: {why}"'
    return details


class SocketPlugin:
    """A driver that listens on a Unix socket. The connection is made when it is first used, and made again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._channel = nearby(f"unix://{path}")
        self._stubs = {service: Stub(self._channel, service) for service in SERVICES}

    async def call(self, rpc: str, request: Message | None = None, *, timeout: float = TIMEOUT) -> Any:
        try:
            return await self._stubs[service_of(rpc)](rpc, request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise RpcFailure(error.code().name, said(error.code().name, error.details() or "", self.path)) from error

    async def close(self) -> None:
        await self._channel.close()


class InProcessPlugin:
    """A driver made of objects whose coroutine methods are named like the procedures."""

    def __init__(self, clock: Clock, *services: object) -> None:
        self._clock, self._services = clock, services

    async def call(self, rpc: str, request: Message | None = None, *, timeout: float = TIMEOUT) -> Any:
        behaviour = next((found for each in self._services if (found := getattr(each, rpc, None))), None)
        if behaviour is None:
            raise RpcFailure("UNIMPLEMENTED", f"unknown method {rpc}")
        try:
            async with self._clock.timeout(timeout):
                return await behaviour(request or methods(service_of(rpc))[rpc].request())
        except TimeoutError:
            raise RpcFailure("DEADLINE_EXCEEDED", "context deadline exceeded") from None

    async def close(self) -> None:
        """There is nothing to close."""
