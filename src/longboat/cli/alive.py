"""Whether a process that was started earlier still runs, and is the same one: pid, start time and boot identify it."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Running:
    """A process that was started for a cluster. `started` is in clock ticks since the boot `boot`."""

    name: str
    pid: int
    started: int
    boot: str
    argv: tuple[str, ...]
    restarts: int = 0
    last_exit: int | None = None

    def save(self, run_dir: Path) -> None:
        path = run_dir / f"{self.name}.json"
        temporary = path.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w") as file:
            file.write(json.dumps(asdict(self)))
        os.replace(temporary, path)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When the process started, in ticks since boot; None for one that is gone or a zombie (proc(5), field 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    values = stat.rpartition(")")[2].split()
    return None if values[0] in "ZX" else int(values[19])


def command_line(pid: int) -> tuple[str, ...]:
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0"))
    except (FileNotFoundError, ProcessLookupError):
        return ()


def is_running(process: Running) -> bool:
    """True for the very process that was started, false for another that got its pid, and after a reboot.

    While it enters its namespaces the command line is still nsenter's, which ends in the process's own.
    """
    if not process.pid or start_time(process.pid) != process.started or boot_id() != process.boot:
        return False
    line = command_line(process.pid)
    return line[-len(process.argv) :] == process.argv if line else False


def read(run_dir: Path, name: str) -> Running | None:
    """What is on record for this name, running or not. A record that cannot be read counts as none."""
    try:
        data = json.loads((run_dir / f"{name}.json").read_text())
        return Running(**data | {"argv": tuple(data["argv"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def recorded(run_dir: Path) -> list[Running]:
    """Every record, in the order of names."""
    found = (read(run_dir, path.stem) for path in sorted(run_dir.glob("*.json")))
    return [process for process in found if process is not None]


def running(run_dir: Path) -> list[Running]:
    """The processes of a cluster that run right now."""
    return [process for process in recorded(run_dir) if is_running(process)]


def hold(process: Running) -> int | None:
    """A pidfd of the process if it is running: to wait for its end, or to signal it and no stranger with its pid."""
    if not process.pid:
        return None
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if is_running(process):  # checked while we hold it: the pid cannot pass to another now
        return handle
    os.close(handle)
    return None


def stop(processes: Iterable[Running], grace: float) -> list[str]:
    """SIGTERM to all, SIGKILL to those still there after `grace` seconds. Returns the names that had to be killed."""
    waiting = {handle: process.name for process in processes if (handle := hold(process)) is not None}
    for handle in waiting:
        _signal(handle, signal.SIGTERM)
    left = _wait(waiting, grace)
    for handle in left:
        _signal(handle, signal.SIGKILL)
    killed = sorted(left.values())
    for handle in _wait(dict(left), 10.0):
        os.close(handle)
    return killed


def _signal(handle: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return  # it ended in between: what was wanted


def _wait(handles: dict[int, str], seconds: float) -> dict[int, str]:
    """Wait for the processes to end; closes and drops the handles of those that did."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    while handles and (left := deadline - time.monotonic()) > 0:
        for handle, _ in poll.poll(left * 1000):
            poll.unregister(handle)
            os.close(handle)
            del handles[handle]
    return handles
