"""The supervisor: starts a cluster's processes, starts them again when they end, and outlives the terminal.

What runs is on record in `run/<process>.json`, so a supervisor that was killed is replaced by one that recognises
the survivors and watches them through pidfds as if it had started them. It never stops a process that is
running as planned: on SIGTERM it leaves alone; `longboat down` stops the cluster. SIGHUP makes it read
`cluster.json` again.

It is synchronous and imports next to nothing: it runs for as long as the cluster does, and asyncio would double it
(docs/decisions/0021-lean-command-line.md).
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from longboat.aio import processes
from longboat.cli import alive, logfiles
from longboat.cli.alive import Running
from longboat.cli.cluster import load
from longboat.cli.errors import Failure
from longboat.cli.plan import Process, plan, supervisor

FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0  # seconds between an end and the next start, doubling
HEALTHY_AFTER = 30.0  # a process that ran this long starts from FIRST_DELAY again
ROTATE_EVERY = 10.0
STOP_GRACE = 10.0


def next_delay(delay: float, ran: float) -> float:
    """How long to wait before the next start of a process that ended after `ran` seconds."""
    return FIRST_DELAY if ran >= HEALTHY_AFTER else min(max(delay * 2, FIRST_DELAY), LONGEST_DELAY)


@dataclass
class Child:
    """One planned process: what it should be, what it is, and when it is due."""

    process: Process
    running: Running | None = None
    handle: int = -1  # pidfd
    due: float = 0.0
    delay: float = 0.0
    since: float = 0.0
    restarts: int = 0


class Supervisor:
    """Keeps the processes of the cluster in `data_dir` running until told to go."""

    def __init__(self, data_dir: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.data_dir = data_dir
        self.run_dir = data_dir / "run"
        self.monotonic = monotonic
        self.children: dict[str, Child] = {}
        self.poll = select.poll()
        self.stopping = False

    def run(self) -> None:
        self._listen_for_signals()
        self.reload()
        self.start_due()
        rotate_at = self.monotonic() + ROTATE_EVERY
        while not self.stopping:
            self.start_due()
            waits = [child.due for child in self.children.values() if child.running is None]
            for handle, _ in self.poll.poll(max(0.0, min([*waits, rotate_at]) - self.monotonic()) * 1000):
                self._signalled() if handle == self._wakeup else self._ended(handle)
            if self.monotonic() >= rotate_at:
                logfiles.rotate(self.data_dir / "logs")
                rotate_at = self.monotonic() + ROTATE_EVERY

    def reload(self) -> None:
        """Make the children those of the plan: adopt what runs, drop what is no longer wanted."""
        cluster = load(self.data_dir)
        wanted = {process.name: process for process in plan(cluster)} if cluster else {}
        for name in self.children.keys() - wanted.keys():
            self._drop(self.children.pop(name))
        for name, process in wanted.items():
            child = self.children.get(name)
            if child is None:
                child = self.children[name] = Child(process)
                self._adopt(child)
            if child.running is not None and child.running.argv != process.argv:
                self._drop(child)
            child.process, child.due = process, 0.0

    def start_due(self) -> None:
        now = self.monotonic()
        for child in self.children.values():
            if child.running is None and child.due <= now:
                self._start(child)

    def _adopt(self, child: Child) -> None:
        record = alive.read(self.run_dir, child.process.name)
        if record is None:
            return
        child.restarts = record.restarts
        handle = alive.hold(record)
        if handle is not None:
            say(f"{record.name} runs already as {record.pid}")
            self._watch(child, record, handle)

    def _start(self, child: Child) -> None:
        process = child.process
        try:
            pid = spawn(process, self.data_dir)
        except OSError as error:
            say(f"{process.name} cannot start: {error}")
            self._schedule(child, exit_code=127)
            return
        started = alive.start_time(pid) or 0
        running = Running(process.name, pid, started, alive.boot_id(), process.argv, child.restarts)
        say(f"{process.name} started as {pid}")
        self._watch(child, running, os.pidfd_open(pid))
        running.save(self.run_dir)

    def _watch(self, child: Child, running: Running, handle: int) -> None:
        child.running, child.handle, child.since = running, handle, self.monotonic()
        self.poll.register(handle, select.POLLIN)

    def _ended(self, handle: int) -> None:
        child = next(child for child in self.children.values() if child.handle == handle)
        assert child.running is not None
        code = reap(child.running.pid)
        say(f"{child.process.name} ({child.running.pid}) ended{'' if code is None else f' with {code}'}")
        self._unwatch(child)
        self._schedule(child, code)

    def _schedule(self, child: Child, exit_code: int | None) -> None:
        now = self.monotonic()
        child.delay = next_delay(child.delay, now - child.since)
        child.due = now + child.delay
        child.restarts += 1
        Running(child.process.name, 0, 0, "", child.process.argv, child.restarts, exit_code).save(self.run_dir)

    def _unwatch(self, child: Child) -> None:
        self.poll.unregister(child.handle)
        os.close(child.handle)
        child.running, child.handle = None, -1

    def _drop(self, child: Child) -> None:
        """Stop a process that the plan no longer has in this form."""
        if child.running is not None:
            say(f"{child.process.name} is no longer planned as it runs: stopping {child.running.pid}")
            alive.stop([child.running], STOP_GRACE)
            reap(child.running.pid)
            self._unwatch(child)
        (self.run_dir / f"{child.process.name}.json").unlink(missing_ok=True)

    def _listen_for_signals(self) -> None:
        self._wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.poll.register(self._wakeup, select.POLLIN)

    def _signalled(self) -> None:
        for number in os.read(self._wakeup, 64):
            if number != signal.SIGHUP:
                self.stopping = True
                return
            say("reading cluster.json again")
            try:
                self.reload()
            except Failure as failure:
                say(f"left as it was: {failure.problem}")


def reap(pid: int) -> int | None:
    """The exit code of an ended child (negative: signal); None for a process that an earlier supervisor started."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)


def spawn(process: Process, data_dir: Path) -> int:
    """Start it in a session of its own, its output appended to its log. Returns the pid. Raises OSError.

    It gets its output, a short list of variables, and nothing else of ours.
    """
    argv = process.spawn_argv
    # Without compiled modules on disk every start would compile them again, half a second for a control plane:
    # PYTHONDONTWRITEBYTECODE is among what stays behind.
    variables = processes.environment(reaches_out=process.reaches_out)
    processes.inherit_nothing()
    log = logfiles.path(data_dir / "logs", process.name)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawnp(
        argv[0],
        argv,
        variables,
        file_actions=actions,
        setsid=True,
        setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE],
    )


def say(text: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(f"{stamp} {text}", file=sys.stderr, flush=True)


def run(argv: list[str]) -> int:
    if len(argv) != 2 or argv[0] != "--data-dir":
        raise Failure("supervisor is started by `longboat up`")
    os.umask(0o022)  # not what the shell had: containerd has it from here
    data_dir = Path(argv[1])
    lock = os.open(data_dir / "run" / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Failure("another supervisor looks after this cluster") from error
    cluster = load(data_dir)
    if cluster is None:
        raise Failure(f"there is no cluster in {data_dir}")
    own = supervisor(cluster)
    Running(own.name, os.getpid(), alive.start_time(os.getpid()) or 0, alive.boot_id(), own.argv).save(data_dir / "run")
    Supervisor(data_dir).run()
    return 0
