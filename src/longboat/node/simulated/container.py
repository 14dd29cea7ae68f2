"""An imagined container: what the runtime shows of it, and its script. No clock: the caller says what time it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from longboat.aio.clock import Timer
from longboat.node.cri.interface import ContainerStatus, Usage
from longboat.node.simulated import commands
from longboat.node.simulated.rules import Imagined
from longboat.node.simulated.script import Answer, Script

HAIR = 1e-5  # seconds: less than anything that is waited for, more than what rounding of times takes away


class ImaginedContainer(msgspec.Struct, kw_only=True):
    """`wanted` is the script as if it had been the same since the start; `script` is what became of it."""

    status: ContainerStatus
    uid: str  # of its pod
    asked: Imagined
    usual: Script  # what it does if nobody says anything else
    script: Script
    wanted: Script
    stdin_once: bool = False
    timer: Timer | None = None  # only while something is to happen that nobody asks for

    @property
    def running(self) -> bool:
        return self.status.state == "running"

    def time(self, now: float) -> float:
        """Seconds since it was started; what is due now has come."""
        return now - self.status.started + HAIR

    def change(self, wanted: Script, now: float) -> None:
        """It is to do something else from now on."""
        time = self.time(now) if self.running else 0.0
        self.script, self.wanted = wanted.later(time, self.script, self.wanted), wanted

    def answer(self, command: Sequence[str]) -> Answer:
        """To a command that is run in it."""
        return self.script.answer(command) or commands.run(command).answer

    def usage(self, now: float) -> Usage:
        status = self.status
        cpu, memory = self.script.used(now - status.started)
        return Usage(
            id=status.id, name=status.name, labels=status.labels, cpu=int(cpu * 1e9), memory=int(memory), disk=0, at=now
        )

    def log(self, now: float) -> bytes:
        """In the format of log files."""
        started, until = self.status.started, self.status.finished or now
        if not self.script.log or not started:
            return b""
        lines = self.script.said(until - started + HAIR)
        return b"".join(_moment(started + at) + b" stdout F " + line for at, line in lines)


def _moment(seconds: float) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
