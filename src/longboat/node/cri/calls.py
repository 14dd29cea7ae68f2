"""Calls of a runtime's gRPC services, whose failures are RuntimeFailures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc

from longboat.aio.clock import Clock
from longboat.node.cri.interface import RuntimeFailure

T = TypeVar("T")
QUICK = 30.0  # seconds for calls that only look
PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts; a shim that is ending takes up to a second or two

LOOKS = 3  # attempts more at a call that somebody waits for


async def call(method: Callable[..., Awaitable[T]], request: Any, timeout: float = QUICK) -> T:
    try:
        return await method(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        raise failure(error) from error


def failure(error: grpc.aio.AioRpcError) -> RuntimeFailure:
    code = error.code().name.title().replace("_", "")
    return RuntimeFailure(error.details() or "", code)


async def removed(clock: Clock, attempt: Callable[[], Awaitable[object]]) -> None:
    """For calls that end or remove something: it is fine if that has gone, and what passes is waited for.

    Raises RuntimeFailure.
    """
    for pause in (*PAUSES, None):
        try:
            await attempt()
        except RuntimeFailure as failure:
            if failure.absent:
                return
            if pause is None or not failure.passing:
                raise
            await clock.sleep(pause)
        else:
            return


async def looked(clock: Clock, attempt: Callable[[], Awaitable[T]]) -> T:
    """For calls that tell of all there is: containerd fails all of it where one thing goes while it looks.

    Raises RuntimeFailure.
    """
    for pause in PAUSES[:LOOKS]:
        try:
            return await attempt()
        except RuntimeFailure as failure:
            if not (failure.absent or failure.passing):
                raise
            await clock.sleep(pause)
    return await attempt()
