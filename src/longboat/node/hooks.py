"""Lifecycle hooks: what a container wants done right after its start and right before its end."""

from __future__ import annotations

import asyncio

from longboat.aio.clock import Clock
from longboat.aio.http.client import BadMessage
from longboat.node import http_get, ports
from longboat.node.cri.interface import Runtime, RuntimeFailure
from longboat.node.views.container import Container
from longboat.node.views.handlers import LifecycleHandler


class HookFailure(Exception):
    """The text is for Events."""


async def run(
    runtime: Runtime, clock: Clock, handler: LifecycleHandler, container: Container, id: str, host: str, limit: float
) -> None:
    """Carry out a hook of the container `id`, whose pod has the address `host`, within `limit` seconds (0: no limit).

    Raises HookFailure.
    """
    try:
        async with clock.timeout(limit or None):
            await _run(runtime, clock, handler, container, id, host, limit)
    except TimeoutError as error:
        raise HookFailure(f"it did not finish within {limit:g} seconds") from error


async def _run(
    runtime: Runtime, clock: Clock, handler: LifecycleHandler, container: Container, id: str, host: str, limit: float
) -> None:
    if handler.exec:
        command = handler.exec.command
        try:
            done = await runtime.exec_sync(id, command, limit)
        except RuntimeFailure as failure:
            raise HookFailure(
                f"Exec lifecycle hook ({command}) for Container {container.name!r} failed: {failure}"
            ) from failure
        if done.code:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise HookFailure(f"command '{' '.join(command)}' exited with {done.code}: {said}".rstrip(": "))
    elif handler.httpGet:
        action = handler.httpGet
        try:
            port = ports.number(container, action.port)
            headers = [(header.name, header.value) for header in action.httpHeaders]
            await http_get.get(http_get.url(action, action.host or host, port), headers, runtime.dial)
        except (OSError, BadMessage, ValueError, asyncio.IncompleteReadError) as error:
            raise HookFailure(f"HTTP lifecycle hook ({action.path}) failed: {error}") from error
    elif handler.sleep:
        await clock.sleep(handler.sleep.seconds)
