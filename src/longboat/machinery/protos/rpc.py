"""Calling and offering the services of this package over gRPC (asyncio). Nothing but plain calls: no streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from longboat.machinery.protos import methods

# A peer on this machine that restarts is back within a second. gRPC would wait for two minutes by then, and let all
# channels to its address share that patience.
NEARBY = [
    ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000), ("grpc.use_local_subchannel_pool", 1),
]  # fmt: skip


def nearby(target: str, *options: tuple[str, int]) -> grpc.aio.Channel:
    """A channel to a socket of this machine (`unix:///run/…`). It connects when first used, and again and again."""
    return grpc.aio.insecure_channel(target, options=[*NEARBY, *options])


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

    async def __call__(
        self, name: str, request: Message | None = None, *, timeout: float, metadata: Sequence[tuple[str, str]] = ()
    ) -> Any:
        """Raises grpc.aio.AioRpcError. Without a request, an empty one is sent."""
        request = request or self._methods[name].request()
        return await self._calls[name](request, timeout=timeout, metadata=metadata)


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
