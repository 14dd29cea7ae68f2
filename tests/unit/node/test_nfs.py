"""nfs volumes: what is asked of mount(8) and umount(8), and what becomes of commands that hang.

The real ones, with a real server, are in tests/e2e/test_nfs.py. Here scripts take their place: to hang takes minutes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.node import commands, kernel
from longboat.node.errors import StillMounted, VolumeError
from longboat.node.paths import Paths
from longboat.node.views.volumes import NFSSource
from longboat.node.volumes.nfs import MOUNTED_WITHIN, PATIENCE, UNMOUNTED_WITHIN, Mounts, source_of

SOURCE = NFSSource(server="192.0.2.7", path="/data")
SCRIPT = """#!/bin/sh
hang() {{ echo >> {hanging}; sleep 600; exit 1; }}
for place; do :; done
echo "$(basename $0) $*" >> {log}
case "$(basename $0) $*" in {cases}
mount*) echo "$place" >> {table};;
umount*) sed -i '$d' {table};;
esac
"""


class Machine:
    """`cases` are shell patterns of what its commands do otherwise than succeed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, cases: str = "") -> None:
        self.log, self.table, self._hanging = folder / "log", folder / "mounted", folder / "hanging"
        self.table.touch()
        self._hanging.touch()
        self._running = self._killed = 0
        for name in ("mount", "umount"):
            script = folder / "bin" / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(SCRIPT.format(log=self.log, table=self.table, hanging=self._hanging, cases=cases))
            script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setattr(kernel, "is_mount_point", lambda place: str(place) in self.mounted)
        monkeypatch.setattr(commands, "run", partial(self._run, commands.run))
        self.clock = VirtualClock()
        self.clock.settle = self._settle
        self.paths = Paths(folder / "kubelet")
        self.mounts = Mounts(self.paths, self.clock)

    async def _run(self, run: Callable[..., Awaitable[commands.Done]], *args: Any, **kwargs: Any) -> commands.Done:
        self._running += 1
        try:
            return await run(*args, **kwargs)
        except BaseException:
            self._killed += 1
            raise
        finally:
            self._running -= 1

    async def _settle(self) -> None:
        """Until whatever is at work hangs: then only time helps."""
        quiet = 0
        while quiet < 5:
            await asyncio.sleep(0.01)
            hanging = len(self._hanging.read_text()) - self._killed
            quiet = quiet + 1 if self._running == hanging else 0

    @property
    def mounted(self) -> list[str]:
        return self.table.read_text().splitlines()

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    async def set_up(self, *options: str, read_only: bool = False) -> Path:
        return await self.mounts.set_up("uid", "v", SOURCE, options, read_only=read_only)


def on(machine: Machine, work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        try:
            await work()
        finally:
            await machine.mounts.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("server", "source"),
    [("nas", "nas:/data"), ("2001:db8::7", "[2001:db8::7]:/data"), ("[2001:db8::7]", "[2001:db8::7]:/data")],
)
def test_how_a_source_is_written(server: str, source: str) -> None:
    assert source_of(NFSSource(server=server, path="/data")) == source


def test_mounted_once_with_each_option_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch)

    async def work() -> None:
        place = await machine.set_up("vers=4.2", "hard", "hard", read_only=True)
        assert place == tmp_path / "kubelet/pods/uid/volumes/kubernetes.io~nfs/v"
        assert await machine.set_up() == place
        assert machine.asked == [f"mount -t nfs -o hard,ro,vers=4.2 -- 192.0.2.7:/data {place}"]
        await machine.mounts.tear_down("uid")
        assert machine.asked[1:] == [f"umount -c {place}"]
        await machine.mounts.tear_down("uid")
        assert len(machine.asked) == 2

    on(machine, work)


def test_a_failure_is_told_and_the_next_attempt_is_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch, "mount*) echo 'mount.nfs: No route to host'; exit 32;;")

    async def work() -> None:
        for attempt in (1, 2):
            with pytest.raises(VolumeError) as caught:
                await machine.set_up()
            assert str(caught.value) == (
                'MountVolume.SetUp failed for volume "v" : mount failed: exit status 32\nMounting command: mount\n'
                f"Mounting arguments: -t nfs 192.0.2.7:/data {tmp_path}/kubelet/pods/uid/volumes/kubernetes.io~nfs/v\n"
                "Output: mount.nfs: No route to host\n"
            )
            assert len(machine.asked) == attempt
        await machine.mounts.tear_down("uid")

    on(machine, work)


def test_one_that_hangs_is_left_at_work_for_long_but_waited_for_briefly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "mount*) hang;;")

    async def work() -> None:
        for _ in range(3):
            waiting = asyncio.ensure_future(machine.set_up())
            await machine.clock.advance(PATIENCE + 1)
            with pytest.raises(VolumeError) as caught:
                await waiting
            assert caught.value.quiet and not caught.value.attaching
        assert len(machine.asked) == 1, "never two for the same place"
        await machine.clock.advance(MOUNTED_WITHIN)
        with pytest.raises(VolumeError, match="mount failed: signal: killed"):
            await machine.set_up()

    on(machine, work)


def test_a_pod_that_goes_takes_its_mount_command_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch, "mount*) hang;;")

    async def work() -> None:
        waiting = asyncio.ensure_future(machine.set_up())
        await machine.clock.advance(1)
        waiting.cancel()
        await machine.mounts.tear_down("another")
        await machine.mounts.tear_down("uid")
        again = asyncio.ensure_future(machine.set_up())
        await machine.clock.advance(1)
        assert len(machine.asked) == 2
        again.cancel()

    on(machine, work)


@pytest.mark.parametrize(
    ("cases", "asked", "minutes"),
    [
        ("umount\\ -c\\ /*) exit 32;;", ["-c", "-c -l"], 0),  # in use, though the server lives
        ("umount\\ -c\\ /*) hang;;", ["-c", "-c -f"], 1),
        ("umount\\ -c\\ -f*|umount\\ -c\\ /*) hang;;", ["-c", "-c -f", "-c -l"], 2),
    ],
)
def test_a_volume_that_does_not_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cases: str, asked: list[str], minutes: int
) -> None:
    machine = Machine(tmp_path, monkeypatch, cases)

    async def work() -> None:
        place = await machine.set_up()
        going = asyncio.ensure_future(machine.mounts.tear_down("uid"))
        await machine.clock.advance(minutes * UNMOUNTED_WITHIN + 1)
        await going
        assert machine.asked[1:] == [f"umount {flags} {place}" for flags in asked]
        assert machine.mounted == []

    on(machine, work)


def test_one_that_cannot_be_unmounted_at_all_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch, "umount*) echo 'umount: no'; exit 32;;")

    async def work() -> None:
        place = await machine.set_up()
        with pytest.raises(StillMounted) as caught:
            await machine.mounts.tear_down("uid")
        why = f"unmount failed: exit status 32\nUnmounting arguments: {place}\nOutput: umount: no\n"
        assert str(caught.value) == f'UnmountVolume.TearDown failed for volume "v" : {why}'

    on(machine, work)


def test_what_an_agent_that_died_has_mounted_twice_goes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch)

    async def work() -> None:
        place = await machine.set_up()
        machine.table.write_text(f"{place}\n{place}\n")
        await machine.mounts.tear_down("uid")
        assert machine.mounted == []

    on(machine, work)
