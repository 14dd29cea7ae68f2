"""The machine's own commands, which may hang: each in a session of its own, ended with all that it has started."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import NamedTuple

from longboat.aio.clock import Clock
from longboat.node.mounting import ToolFailed

log = logging.getLogger(__name__)
MOST = 8 << 10  # bytes of output that are kept
ENDS_WITHIN = 5.0  # seconds a command is waited for once it has been killed


class Done(NamedTuple):
    """A command that has ended."""

    code: int  # negative: the signal that ended it
    output: str

    @property
    def status(self) -> str:
        """How it ended, in Go's words."""
        if self.code >= 0:
            return f"exit status {self.code}"
        return f"signal: {(signal.strsignal(-self.code) or str(-self.code)).lower()}"


async def run(clock: Clock, *command: str, within: float) -> Done:
    """Raises ToolFailed where it is not installed, and TimeoutError once it has been killed for taking too long."""
    said = os.memfd_create(command[0])  # not a pipe: what a command leaves running may hold on to it
    try:
        process = await _started(command, said, clock)
        try:
            async with clock.timeout(within):
                code = await process.wait()
        except BaseException:
            await _kill(process, clock)
            raise
        return Done(code, os.pread(said, MOST, 0).decode(errors="replace"))
    finally:
        os.close(said)


async def _started(command: tuple[str, ...], said: int, clock: Clock) -> asyncio.subprocess.Process:
    """Whoever is cancelled meanwhile ends it with all that it has started: asyncio would end the command alone."""
    starting = asyncio.ensure_future(_start(command, said))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait((starting,))
        if starting.exception() is None:
            await _kill(starting.result(), clock)
        raise


async def _start(command: tuple[str, ...], said: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
    except FileNotFoundError as error:
        raise ToolFailed(f"{command[0]} is not installed on the node") from error


async def _kill(process: asyncio.subprocess.Process, clock: Clock) -> None:
    """One that the kernel holds on to ends later."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    try:
        async with clock.timeout(ENDS_WITHIN):
            await process.wait()
    except TimeoutError:
        log.warning("process %d has been killed, but does not end", process.pid)
