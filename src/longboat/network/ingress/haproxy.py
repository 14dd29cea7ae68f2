"""The HAProxy process of one node: started, found again by the next agent, reloaded, told of changes.

It outlives the agent, as containers do: traffic goes on while the node's software is replaced. Its master reads
certificates and takes ports, with no capability beyond these; its workers, who speak to clients, are of another user,
see an empty directory as all there is, and can do nothing (docs/decisions/0136-unprivileged-haproxy.md).
"""

from __future__ import annotations

import asyncio
import grp
import logging
import os
import pwd
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.network.ingress import config
from longboat.network.ingress.certificates import stand_in
from longboat.network.ingress.config import Settings

log = logging.getLogger(__name__)
BINARY = "/usr/sbin/haproxy"
SETPRIV = "/usr/bin/setpriv"  # util-linux
CAPABILITIES = ("kill", "net_bind_service", "setgid", "setuid", "sys_chroot")  # of the master
ACCOUNTS = ("haproxy", "nobody")  # of the workers: the package's own user, else the one that owns nothing
ANSWER = 5.0  # seconds for an answer on a socket
START = 10.0  # seconds until a new worker answers
POLL = 0.02
LOOK = 60.0  # seconds for a look at a configuration, before it is used
LONGEST_COMMAND = 15 << 10  # bytes of a command of the runtime API: tune.bufsize less what it keeps free


class HaproxyError(Exception):
    """It is not there, or did not do what it was told. The message says which."""


class Refused(HaproxyError):
    """It said no."""


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
        """Start it with the configuration that is there. Raises HaproxyError, OSError."""
        await self._check()
        self._settings.runtime.unlink(missing_ok=True)
        self._process = await asyncio.to_thread(self._spawn)
        await self._until_new_worker("")

    def _spawn(self) -> subprocess.Popen[bytes]:
        # Not a subprocess of the event loop: that would end with it.
        bounds = ",".join(("-all", *(f"+{each}" for each in CAPABILITIES)))
        less = [SETPRIV, "--no-new-privs", f"--bounding-set={bounds}", "--inh-caps=-all", "--"]
        log = os.open(self._settings.folder / "haproxy.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(log, "ab") as said:
            process = subprocess.Popen(
                [*less, BINARY, "-W", "-f", str(self._settings.file)],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, cwd="/", env={},
            )  # fmt: skip
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))  # private keys are in its memory
        write(self._settings.pid, str(process.pid).encode())
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
        """Commands of the runtime API. Raises Refused at the first that is, HaproxyError."""
        for command in commands:
            answer = (await self._ask(self._settings.runtime, command)).strip()
            # What went well is answered by nothing, or by what was done.
            good = not answer or answer.startswith(("IP changed", "port changed", "no need to change", "Transaction"))
            if not good and "Success!" not in answer:
                raise Refused(f"{command.split(chr(10))[0]!r} was answered by {answer!r}")

    async def replace_certificate(self, file: Path, content: bytes) -> None:
        """No longer than LONGEST_COMMAND. Raises Refused, which leaves it as it was, HaproxyError."""
        try:
            await self.tell([f"set ssl cert {file} <<\n{content.decode().strip()}\n", f"commit ssl cert {file}"])
        except Refused:
            await self._ask(self._settings.runtime, f"abort ssl cert {file}")
            raise

    async def accepts(self, certificates: Sequence[bytes]) -> bool:
        """Whether it would take all of these. Raises HaproxyError, OSError."""
        place = self._settings.trial
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        try:
            files = [place / f"{number}.pem" for number in range(len(certificates) + 1)]
            for file, content in zip(files, (stand_in(self._clock.now()), *certificates), strict=True):
                write(file, content)
            write(place / "list", "".join(f"{file}\n" for file in files).encode())
            write(place / "haproxy.cfg", config.trial(place / "list").encode())
            code, _ = await self._try(place / "haproxy.cfg")
        finally:
            shutil.rmtree(place)
        return code == 0

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
        code, said = await self._try(self._settings.file)
        if code:
            raise HaproxyError(f"the configuration is refused: {said}")

    async def _try(self, file: Path) -> tuple[int, str]:
        """The exit code of a look at a configuration, and what was said. Raises HaproxyError if there is no answer."""
        process = await asyncio.create_subprocess_exec(
            BINARY, "-c", "-f", str(file),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with self._clock.timeout(LOOK):
                said, _ = await process.communicate()
        except TimeoutError as error:
            raise HaproxyError(f"it looks at {file} for more than {LOOK:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode not in (0, 1):
            raise HaproxyError(f"it ended with {process.returncode} looking at {file}")
        alerts = [line for line in said.decode(errors="replace").splitlines() if line.startswith("[ALERT]")]
        return process.returncode, "\n".join(alerts)

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


def account() -> tuple[str, str]:
    """User and group for the workers. Raises HaproxyError."""
    for user in ACCOUNTS:
        try:
            found = pwd.getpwnam(user)
            return user, grp.getgrgid(found.pw_gid).gr_name
        except KeyError:
            continue
    raise HaproxyError(f"there is none of the users {', '.join(ACCOUNTS)} for its workers")


def write(path: Path, content: bytes) -> None:
    """Replace a file as one; only we may read it."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
    os.replace(new, path)
