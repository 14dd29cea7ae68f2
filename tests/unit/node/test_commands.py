"""The machine's commands: what they say, and how they end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

from longboat.aio.clock import SystemClock
from longboat.node import commands
from longboat.node.mounting import ToolFailed

T = TypeVar("T")


def run(work: Awaitable[T]) -> T:
    async def main() -> T:
        return await work

    return asyncio.run(main())


def sh(script: str, within: float = 20) -> commands.Done:
    return run(commands.run(SystemClock(), "sh", "-c", script, within=within))


def test_both_outputs_and_how_it_ended() -> None:
    done = sh("echo one; echo two >&2; exit 32")
    assert done == (32, "one\ntwo\n") and done.status == "exit status 32"
    assert sh("kill -9 $$").status == "signal: killed"


def test_one_that_is_not_installed() -> None:
    with pytest.raises(ToolFailed, match=r"mount\.nothing is not installed on the node"):
        run(commands.run(SystemClock(), "mount.nothing", within=1))


def test_what_it_leaves_running_is_not_waited_for() -> None:
    begun = time.monotonic()
    assert sh("sleep 60 & echo $!").code == 0
    assert time.monotonic() - begun < 30


def test_one_that_hangs_is_ended_with_all_it_has_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        sh(f"sleep 60 & echo $! > {note}; wait", within=0.5)
    assert has_ended(int(note.read_text()))


def test_one_nobody_waits_for_any_more_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    async def main() -> None:
        script = f"sleep 60 & echo $! > {note}; wait"
        work = asyncio.ensure_future(commands.run(SystemClock(), "sh", "-c", script, within=60))
        await asyncio.to_thread(written, note)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(main())
    assert has_ended(int(note.read_text()))


def test_one_given_up_while_it_starts_is_ended(tmp_path: Path) -> None:
    """Wherever in its start that happens: what it has started by then does not stay behind."""
    note = tmp_path / "pids"

    async def main() -> None:
        for turns in range(30):
            script = f"sleep 60 & echo $! >> {note}; wait"
            work = asyncio.ensure_future(commands.run(SystemClock(), "sh", "-c", script, within=60))
            for _ in range(turns % 6):
                await asyncio.sleep(0)
            time.sleep(0.005)  # noqa: ASYNC251 - the loop stands still while the command gets on
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work

    asyncio.run(main())
    started = [int(line) for line in note.read_text().split()]
    assert started and all(map(has_ended, started))


def written(note: Path) -> None:
    deadline = time.monotonic() + 10
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_ended(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # it has: nobody has asked yet
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
