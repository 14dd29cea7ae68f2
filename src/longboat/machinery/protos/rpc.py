"""Calling and offering the services of this package over gRPC (asyncio). Nothing but plain calls: no streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from longboat.machinery.protos import methods


class Stub:
    """One service behind a channel: `await stub("NodeGetInfo", timeout=10)`."""

    def __init__(self, channel: grpc.aio.Channel, service: str) -> None:
        self._methods = methods(service)
        self._calls: dict[str, Callable[..., Awaitable[Any]]] = {
            name: channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            for name, method in self._methods.items()
        }

    async def __call__(self, name: str, request: Message | None = None, *, timeout: float) -> Any:
        """Raises grpc.aio.AioRpcError. Without a request, an empty one is sent."""
        return await self._calls[name](request or self._methods[name].request(), timeout=timeout)


def serve(server: grpc.aio.Server, service: str, implementation: object) -> None:
    """Offer a service: for each procedure that `implementation` has a coroutine method of the same name.

    It takes the request and grpc's context, and returns the response.
    """
    offered = {
        name: grpc.unary_unary_rpc_method_handler(
            behaviour,
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )
        for name, method in methods(service).items()
        if (behaviour := getattr(implementation, name, None)) is not None
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, offered),))
