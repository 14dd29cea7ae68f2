"""Starting a store process and stopping it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket as sockets
import sys
from typing import IO

from longboat.aio import processes
from longboat.aio.clock import Clock
from longboat.storage.interface import StorageError

START = 10.0  # seconds a store may take until it serves
STOP = 10.0  # seconds it may take to finish after SIGTERM


class StoreProcess:
    """A running store that serves on `socket`; it stops by itself should this process die."""

    def __init__(
        self, process: asyncio.subprocess.Process, lifeline: sockets.socket, socket: str, clock: Clock
    ) -> None:
        self.socket = socket
        self._process = process
        self._lifeline = lifeline
        self._clock = clock

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        """The exit code, once it has ended (negative: the signal that ended it)."""
        return await self._process.wait()

    def release(self) -> None:
        """Let go of it: it stops by itself, as if this process had died."""
        self._lifeline.close()

    async def stop(self) -> None:
        """Let it finish; kill it if it does not."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with self._clock.timeout(STOP):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        finally:
            self.release()


def command(database: str, socket: str) -> list[str]:
    """The command line of a store process."""
    return [sys.executable, "-m", "longboat.storage.sqlite.server", "--database", database, "--socket", socket]


async def spawn(database: str, socket: str, clock: Clock, *, log_file: IO[bytes] | int | None = None) -> StoreProcess:
    """Start a store for the database file and wait until it serves. Raises StorageError with what it said if it cannot.

    `log_file`: where its standard error goes once it serves; None is this process's own.
    """
    ours, theirs = sockets.socketpair()
    ours.setblocking(False)
    arguments = [*command(database, socket), "--notify", str(theirs.fileno())]
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            pass_fds=(theirs.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=log_file,
            env=_environment(),
            start_new_session=True,  # a Ctrl-C at the terminal is for its owner, who lets it finish
        )
    except OSError as error:
        ours.close()
        raise StorageError(f"the store process cannot be started: {error.strerror}") from None
    finally:
        theirs.close()
    said = await _first_words(ours, clock)
    if said == b"ready":
        return StoreProcess(process, ours, socket, clock)
    ours.close()
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    raise StorageError(said.decode(errors="replace") or "the store process ended while starting; its log says why")


async def _first_words(ours: sockets.socket, clock: Clock) -> bytes:
    """What the store says first: "ready", or why it cannot serve."""
    try:
        async with clock.timeout(START):
            return await asyncio.get_running_loop().sock_recv(ours, 4096)
    except TimeoutError:
        return f"the store process did not start within {START:g} seconds".encode()
    except OSError:
        return b""


def _environment() -> dict[str, str]:
    """The few it needs, and one allocation arena."""
    return processes.environment() | {"MALLOC_ARENA_MAX": "1"}
