"""Calls of a runtime's gRPC services, whose failures are RuntimeFailures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc

from longboat.node.cri.interface import RuntimeFailure

T = TypeVar("T")
QUICK = 30.0  # seconds for calls that only look


async def call(method: Callable[..., Awaitable[T]], request: Any, timeout: float = QUICK) -> T:
    try:
        return await method(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        raise failure(error) from error


def failure(error: grpc.aio.AioRpcError) -> RuntimeFailure:
    code = error.code().name.title().replace("_", "")
    return RuntimeFailure(error.details() or "", code)


async def gone_is_fine(call: Awaitable[object]) -> None:
    try:
        await call
    except RuntimeFailure as failure:
        if not failure.absent:
            raise
