"""The containerd that `longboat agent` runs for itself, where it is not told of another.

Containers go on while it is away: the next agent's containerd finds them again.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

from longboat.aio import processes
from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.assembly import files
from longboat.assembly.errors import Failure
from longboat.assembly.node import containerd
from longboat.assembly.node.pause import IMAGE as PAUSE
from longboat.assembly.node.pause import image as pause_image

log = logging.getLogger(__name__)

SOCKET = "/run/longboat/containerd/containerd.sock"
PATIENCE = 20.0  # seconds until it answers
STEADY = 10.0  # seconds after which a start counts as good
MISSING = "apt install containerd runc containernetworking-plugins"


class OwnContainerd:
    """`place` is the node's directory."""

    endpoint = f"unix://{SOCKET}"

    def __init__(self, place: Path, clock: Clock) -> None:
        self._place, self._clock = place, clock
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return once it answers and has the pause image. Raises Failure."""
        containerd.write_config(self._place, SOCKET)
        files.directory(self._place / "logs")
        Path(SOCKET).parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        await self._spawn()
        began = self._clock.monotonic()
        while not await self._has_pause():
            assert self._process is not None
            if self._process.returncode is not None or self._clock.monotonic() - began > PATIENCE:
                raise Failure("containerd did not start", f"Its log: {self._log}")
            await self._clock.sleep(0.1)

    async def run(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        backoff = Backoff(first=0.2, longest=30.0)
        while True:
            assert self._process is not None
            began = self._clock.monotonic()
            code = await self._process.wait()
            if self._clock.monotonic() - began > STEADY:
                backoff.reset()
            log.warning("containerd ended with %s: starting it again", code)
            await self._clock.sleep(backoff.next())
            await self._spawn()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    @property
    def _log(self) -> Path:
        return self._place / "logs" / "containerd.log"

    async def _spawn(self) -> None:
        config = str(self._place / "containerd" / "config.toml")
        with self._log.open("ab") as out:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    "containerd",
                    "--config",
                    config,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=processes.environment(reaches_out=True),
                )
            except FileNotFoundError as error:
                raise Failure("containerd is not installed", MISSING) from error
        processes.cores_again(self._process.pid)  # containers have it from there

    async def _has_pause(self) -> bool:
        """Whether it answers and has the image, which is given to it if need be."""
        code, said = await self._ctr("images", "ls", "-q")
        if code != 0 or PAUSE in said.split():
            return code == 0
        with tempfile.NamedTemporaryFile() as archive:
            archive.write(pause_image())
            archive.flush()
            code, said = await self._ctr("images", "import", archive.name)
        if code != 0:
            raise Failure(f"containerd does not take the pause image: {said.strip()}")
        return True

    async def _ctr(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and what containerd's own client said."""
        process = await asyncio.create_subprocess_exec(
            "ctr", "--address", SOCKET, "--connect-timeout", "2s", "--namespace", containerd.NAMESPACE, *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode(errors="replace")
