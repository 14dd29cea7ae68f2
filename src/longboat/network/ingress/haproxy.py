"""The HAProxy process of one node: started, found again by the next agent, reloaded, told of changes.

It outlives the agent, as containers do: traffic goes on while the node's software is replaced.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.network.ingress.config import Settings

log = logging.getLogger(__name__)
BINARY = "/usr/sbin/haproxy"
ANSWER = 5.0  # seconds for an answer on a socket
START = 10.0  # seconds until a new worker answers
POLL = 0.02


class HaproxyError(Exception):
    """It is not there, or did not do what it was told. The message says which."""


class Haproxy:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_installed() -> bool:
        return os.access(BINARY, os.X_OK)

    def is_running(self) -> bool:
        """Whether its master process is there, which ends when a worker fails. A busy one may be slow to answer."""
        if self._process is not None:
            self._process.poll()  # takes it off the kernel's hands if it has ended
        return self._master() != 0

    async def start(self) -> None:
        """Start it with the configuration that is there. Raises HaproxyError."""
        await self._check()
        self._settings.runtime.unlink(missing_ok=True)
        self._process = await asyncio.to_thread(self._spawn)
        await self._until_new_worker("")

    def _spawn(self) -> subprocess.Popen[bytes]:
        # Not a subprocess of the event loop: that would end with it.
        with (self._settings.folder / "haproxy.log").open("ab") as said:
            process = subprocess.Popen(
                [BINARY, "-W", "-f", str(self._settings.file)],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, cwd="/",
            )  # fmt: skip
        self._settings.pid.write_text(str(process.pid))
        return process

    async def reload(self) -> None:
        """Let a new worker take over the listening sockets; the old one ends what it has begun. Raises HaproxyError."""
        await self._check()
        before = await self._worker()
        master = self._master()
        if not master:
            raise HaproxyError("it is not running")
        os.kill(master, signal.SIGUSR2)
        await self._until_new_worker(before)

    def _master(self) -> int:
        """The master's process number, from the time it was started on; 0 if there is none."""
        try:
            pid = int(self._settings.pid.read_text())
            line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return 0
        return pid if str(self._settings.file).encode() in line else 0

    async def tell(self, commands: Iterable[str]) -> None:
        """Commands of the runtime API. Raises HaproxyError if one is refused."""
        for command in commands:
            answer = (await self._ask(self._settings.runtime, command)).strip()
            # What went well is answered by nothing, or by what was done.
            good = not answer or answer.startswith(("IP changed", "port changed", "no need to change", "Transaction"))
            if not good and "Success!" not in answer:
                raise HaproxyError(f"{command.split(chr(10))[0]!r} was answered by {answer!r}")

    async def replace_certificate(self, file: Path, content: bytes) -> None:
        """Raises HaproxyError."""
        text = content.decode().replace("\n\n", "\n").strip()
        await self.tell([f"set ssl cert {file} <<\n{text}\n", f"commit ssl cert {file}"])

    async def _worker(self) -> str:
        """The process number of the worker that answers now, "" if none does."""
        try:
            said = await self._ask(self._settings.runtime, "show info")
        except HaproxyError:
            return ""
        return next((line[5:] for line in said.splitlines() if line.startswith("Pid: ")), "")

    async def _until_new_worker(self, before: str) -> None:
        deadline = self._clock.monotonic() + START
        while (await self._worker()) in ("", before):
            if self._clock.monotonic() > deadline:
                raise HaproxyError("no new worker has begun to serve")
            await self._clock.sleep(POLL)

    async def _check(self) -> None:
        """Raises HaproxyError if it would refuse the configuration."""
        process = await asyncio.create_subprocess_exec(
            BINARY, "-c", "-q", "-f", str(self._settings.file),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode:
            raise HaproxyError(f"the configuration is refused: {said.decode(errors='replace').strip()}")

    async def _ask(self, socket: Path, command: str) -> str:
        try:
            async with self._clock.timeout(ANSWER):
                reader, writer = await asyncio.open_unix_connection(str(socket))
                try:
                    writer.write(command.encode() + b"\n")
                    await writer.drain()
                    return (await reader.read(-1)).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise HaproxyError(f"no answer from {socket}: {error or 'too late'}") from error
