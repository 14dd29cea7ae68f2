"""Plugins make themselves known by a socket in the kubelet's `plugins_registry`: found here, and lost again."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import stat
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
import msgspec

from longboat.aio.backoff import doubling
from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.machinery.errors import StatusError
from longboat.machinery.protos import messages
from longboat.machinery.protos.rpc import Stub, nearby
from longboat.node.csi.csi_node import CsiNode
from longboat.node.csi.drivers import Drivers, introduced
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.plugin import SocketPlugin

log = logging.getLogger(__name__)
registration = messages("pluginregistration")
EVERY = 1.0  # seconds between looks into the directory
QUICK = 10.0  # seconds a plugin has to answer
FIRST, LONGEST = 0.5, 122.0  # seconds between attempts (kubelet's exponential back-off)
CSI = "CSIPlugin"
_ONE = re.compile(r"v?1(\.\d+){0,2}")


class Socket(NamedTuple):
    """One that was made anew is another one."""

    path: str
    inode: int
    made: int  # nanoseconds


class Refused(Exception):
    """A plugin that cannot be registered; it is told why."""


class _Known(msgspec.Struct):
    driver: str = ""  # "" while it is not registered
    failures: int = 0
    retry: float = 0.0  # monotonic
    work: asyncio.Task[None] | None = None


def check(info: Any) -> None:
    """Whether what a plugin says of itself (PluginInfo) will do. Raises Refused, in the kubelet's words."""
    versions = list(info.supported_versions)
    if info.type != CSI:
        raise Refused(f"no handler registered for plugin type: {info.type}")
    where = f'ValidatePlugin for CSI driver "{info.name}" failed'
    if not versions:
        raise Refused(f"kubernetes.io/csi: {where}. Plugin returned an empty list for supported versions")
    if not any(_ONE.fullmatch(version) for version in versions):
        listed = " ".join(f'"{version}"' for version in versions)
        raise Refused(f"kubernetes.io/csi: {where}. None of the versions specified [{listed}] are supported")


class Sockets:
    """`watch` does it all."""

    def __init__(self, folder: Path, clock: Clock, drivers: Drivers, csi_node: CsiNode) -> None:
        self._folder, self._clock, self._drivers, self._csi_node = folder, clock, drivers, csi_node
        self._known: dict[Socket, _Known] = {}

    @property
    def known(self) -> frozenset[Socket]:
        """Those that are there, registered or not."""
        return frozenset(self._known)

    async def watch(self) -> None:
        """Until cancelled."""
        async with Tasks("plugins") as tasks:
            while True:
                try:
                    found = await asyncio.to_thread(sockets_in, self._folder)
                except OSError as error:
                    log.warning("cannot look for plugins: %s", error)
                else:
                    await self._take_in(found, tasks)
                await self._clock.sleep(EVERY)

    async def _take_in(self, found: set[Socket], tasks: Tasks) -> None:
        """Each is registered by itself: one that does not answer holds up no other."""
        for socket in [socket for socket in self._known if socket not in found]:
            await self._lose(self._known.pop(socket))
        for socket in sorted(found):
            known = self._known.setdefault(socket, _Known())
            if self._is_due(known):
                known.work = tasks.spawn(socket.path, self._register(socket, known))

    def _is_due(self, known: _Known) -> bool:
        busy = known.work is not None and not known.work.done()
        return not busy and not known.driver and known.retry <= self._clock.monotonic()

    async def _lose(self, known: _Known) -> None:
        if known.work is not None:
            known.work.cancel()
            await asyncio.wait([known.work])
        if not known.driver or any(other.driver == known.driver for other in self._known.values()):
            return
        log.info("CSI driver %s has gone", known.driver)
        gone = self._drivers.find(known.driver)
        self._drivers.remove(known.driver)
        if gone is not None:
            await gone.plugin.close()

    async def _register(self, socket: Socket, known: _Known) -> None:
        problem = "it was not asked to the end"
        try:
            async with nearby(f"unix://{socket.path}") as channel:
                problem = await self._introduce(Stub(channel, "pluginregistration.Registration"), socket, known)
        except grpc.aio.AioRpcError as error:
            problem = f"{error.code().name}: {error.details()}"
        finally:
            if known.driver:
                log.info("CSI driver %s is registered", known.driver)
            else:
                known.failures += 1
                known.retry = self._clock.monotonic() + doubling(known.failures, FIRST, LONGEST)
                log.warning("the plugin at %s is not registered: %s", socket.path, problem)

    async def _introduce(self, plugin: Stub, socket: Socket, known: _Known) -> str:
        """What is wrong, which it is told as well; "" if nothing is. Raises AioRpcError."""
        info, problem = await plugin("GetInfo", timeout=QUICK), ""
        try:
            await self._install(socket, info, known)
        except (Refused, RpcFailure, StatusError, ConnectionError) as error:
            problem = str(error)
        told = registration.RegistrationStatus(plugin_registered=not problem, error=problem)
        await plugin("NotifyRegistrationStatus", told, timeout=QUICK)
        return problem

    async def _install(self, socket: Socket, info: Any, known: _Known) -> None:
        """Raises Refused, RpcFailure, StatusError, ConnectionError."""
        check(info)
        name = str(info.name)
        plugin = SocketPlugin(info.endpoint or socket.path)
        try:
            driver = await introduced(name, plugin)
            before = self._drivers.find(name)
            await self._csi_node.install(driver)
        except BaseException:
            await plugin.close()
            self._drivers.changed()  # the API may have been told
            raise
        known.driver = name
        if before is not None:
            await before.plugin.close()


def sockets_in(folder: Path) -> set[Socket]:
    """Those in a directory and beneath; names that begin with a dot are passed over. Blocks. Raises OSError."""
    found = set()
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    for directory, names, files in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".")]
        for name in files:
            path = os.path.join(directory, name)
            if name.startswith("."):
                continue
            try:
                seen = os.lstat(path)
            except FileNotFoundError:
                continue
            if stat.S_ISSOCK(seen.st_mode):
                found.add(Socket(path, seen.st_ino, seen.st_ctime_ns))
    return found
