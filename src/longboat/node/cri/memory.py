"""A runtime that only remembers: sandboxes and containers of simulated nodes, in time that the clock tells."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import itertools
import secrets
from collections.abc import AsyncIterator, Sequence

import msgspec

from longboat.aio.clock import Clock, Timer
from longboat.node.cri import behaviour
from longboat.node.cri.config import NODE, ContainerConfig, Resources, SandboxConfig
from longboat.node.cri.interface import (
    Condition,
    Container,
    ContainerStatus,
    Credentials,
    ExecResult,
    Features,
    FileSystem,
    Image,
    RuntimeFailure,
    Sandbox,
    SandboxNetwork,
    Session,
    Streams,
    Usage,
    Version,
)
from longboat.node.cri.memory_streams import MemorySession, refused, web_server
from longboat.node.labels import POD_UID

KILLED = 137
replace = msgspec.structs.replace


class _Sandbox(msgspec.Struct):
    shown: Sandbox
    config: SandboxConfig
    network: SandboxNetwork


class _Container(msgspec.Struct):
    status: ContainerStatus
    config: ContainerConfig
    uid: str
    timer: Timer | None = None


class MemoryRuntime:
    """`pod_cidr` is where addresses come from. `images` are the names that exist; None: every name does."""

    def __init__(self, clock: Clock, pod_cidr: str = "100.64.0.0/24", images: set[str] | None = None) -> None:
        self._clock = clock
        self._network = ipaddress.ip_network(pod_cidr)
        self._sandboxes: dict[str, _Sandbox] = {}
        self._containers: dict[str, _Container] = {}
        self._images = images
        self._pulled: set[str] = set()
        self.views: dict[str, str] = {}  # ids of images by names of their views
        self._hosts = itertools.cycle(range(2, self._network.num_addresses - 1))
        self._listeners: set[asyncio.Queue[str]] = set()

    # What a test, or a simulation's script, does to it.

    def end(self, id: str, code: int = 0, reason: str = "") -> None:
        """The container's process ends by itself."""
        found = self._container(id)
        if found.status.state != "running":
            return
        if found.timer is not None:
            found.timer.cancel()
        found.status = replace(
            found.status, state="exited", exit_code=code, finished=self._now(),
            reason=reason or ("Completed" if code == 0 else "Error"),
        )  # fmt: skip
        self._tell(id)

    def break_sandbox(self, id: str) -> None:
        """The sandbox's process is killed, and with it the containers'."""
        for container in list(self._containers.values()):
            if container.status.sandbox == id:
                self.end(container.status.id, KILLED)
        sandbox = self._sandbox(id)
        sandbox.shown = replace(sandbox.shown, ready=False)
        self._tell(id)

    # The runtime.

    async def close(self) -> None:
        for container in self._containers.values():
            if container.timer is not None:
                container.timer.cancel()

    async def version(self) -> Version:
        return Version("simulated", "1.0")

    async def features(self) -> Features:
        return Features(supplemental_groups_policy=True, recursive_read_only=frozenset({""}), selinux=True)

    async def conditions(self) -> list[Condition]:
        return [Condition("RuntimeReady", True), Condition("NetworkReady", True)]

    async def run_sandbox(self, config: SandboxConfig) -> str:
        id = secrets.token_hex(32)
        own = config.security.namespaces.network != NODE
        ips = (str(self._network[self._free_host()]),) if own else ()
        shown = Sandbox(
            id=id, uid=config.uid, name=config.name, namespace=config.namespace, attempt=config.attempt, ready=True,
            created=self._now(), annotations=config.annotations,
        )  # fmt: skip
        self._sandboxes[id] = _Sandbox(shown, config, SandboxNetwork(ips=ips, host_network=not own))
        return id

    async def stop_sandbox(self, id: str) -> None:
        if id in self._sandboxes and self._sandboxes[id].shown.ready:
            self.break_sandbox(id)

    async def remove_sandbox(self, id: str) -> None:
        await self.stop_sandbox(id)
        self._sandboxes.pop(id, None)
        for container in [c for c in self._containers.values() if c.status.sandbox == id]:
            await self.remove_container(container.status.id)

    async def sandboxes(self, uid: str = "") -> list[Sandbox]:
        return [s.shown for s in self._sandboxes.values() if not uid or s.shown.uid == uid]

    async def sandbox_network(self, id: str) -> SandboxNetwork:
        return self._sandbox(id).network

    async def create_container(self, sandbox: str, config: ContainerConfig, pod: SandboxConfig) -> str:
        if not self._sandbox(sandbox).shown.ready:
            raise RuntimeFailure(f"sandbox container {sandbox!r} is not running")
        id = secrets.token_hex(32)
        status = ContainerStatus(
            id=id, name=config.name, attempt=config.attempt, state="created", created=self._now(), sandbox=sandbox,
            image=config.image, image_ref=_id_of(config.image), labels=config.labels,
            annotations=config.annotations, resources=config.resources,
        )  # fmt: skip
        self._containers[id] = _Container(status, config, config.labels.get(POD_UID, ""))
        return id

    async def start_container(self, id: str) -> None:
        found = self._container(id)
        if found.status.state != "created":
            raise RuntimeFailure(f"container {id} is in {found.status.state} state")
        found.status = replace(found.status, state="running", started=self._now())
        notes = self._sandbox(found.status.sandbox).shown.annotations
        does = behaviour.behaviour((*found.config.command, *found.config.args), notes)
        if does.seconds is not None:
            found.timer = self._clock.call_later(does.seconds, lambda: self.end(id, does.code))

    async def stop_container(self, id: str, grace: float) -> None:
        """Simulated processes end when they are asked to."""
        if id in self._containers:
            self.end(id, 0 if grace > 0 else KILLED)

    async def update_container(self, id: str, resources: Resources) -> None:
        found = self._running(id)
        given = {field: value for field, value in msgspec.structs.asdict(resources).items() if value}
        assert found.status.resources is not None
        found.status = replace(found.status, resources=replace(found.status.resources, **given))

    async def remove_container(self, id: str) -> None:
        if id in self._containers:
            self.end(id, KILLED)
            del self._containers[id]

    async def containers(self, uid: str = "") -> list[Container]:
        return [
            Container(
                id=c.status.id, sandbox=c.status.sandbox, uid=c.uid, name=c.status.name, attempt=c.status.attempt,
                state=c.status.state, created=c.status.created,
            )
            for c in self._containers.values()
            if not uid or c.uid == uid
        ]  # fmt: skip

    async def container_status(self, id: str) -> ContainerStatus:
        return self._container(id).status

    async def reopen_log(self, id: str) -> None:
        self._container(id)

    async def usage(self, uid: str = "") -> list[Usage]:
        now = self._now()
        return [
            Usage(id=c.status.id, name=c.status.name, labels=c.status.labels, cpu=0, memory=0, disk=0, at=now)
            for c in self._containers.values()
            if c.status.state == "running" and uid in ("", c.uid)
        ]

    async def pull_image(self, image: str, credentials: Credentials | None) -> str:
        if self._images is not None and image not in self._images:
            raise RuntimeFailure(f'failed to pull and unpack image "{image}": not found', "NotFound")
        self._pulled.add(image)
        return _id_of(image)

    async def image(self, name: str) -> Image | None:
        if self._images is not None and name not in self._images | {_id_of(n) for n in self._pulled}:
            return None
        return Image(id=_id_of(name), tags=(name,), uid=0)

    async def images(self) -> list[Image]:
        return [Image(id=_id_of(name), tags=(name,), uid=0) for name in sorted(self._images or self._pulled)]

    async def remove_image(self, id: str) -> None:
        self._pulled = {name for name in self._pulled if _id_of(name) != id}

    async def view_image(self, id: str, view: str) -> FileSystem:
        """There is nothing in it."""
        self.views.setdefault(view, id)
        return FileSystem(kind="tmpfs", source="tmpfs", options=("ro",))

    async def remove_view(self, view: str) -> None:
        self.views.pop(view, None)

    async def exec_sync(self, id: str, command: Sequence[str], timeout: float) -> ExecResult:
        found = self._running(id)
        does = behaviour.interpret(command)
        if does.seconds is None or does.seconds > timeout > 0:
            raise RuntimeFailure("failed to exec in container: timeout exceeded", "DeadlineExceeded")
        await self._clock.sleep(does.seconds)
        failing = behaviour.fails_probes(found.status.name, self._sandbox(found.status.sandbox).shown.annotations)
        return ExecResult(does.output, b"", 1 if failing else does.code)

    async def exec(self, id: str, command: Sequence[str], *, stdin: bool, tty: bool, stderr: bool) -> Session:
        self._running(id)
        return MemorySession(self._clock, command, echo=stdin)

    async def attach(self, id: str, *, stdin: bool, tty: bool, stderr: bool) -> Session:
        self._running(id)
        return MemorySession(self._clock, ("cat",), echo=stdin)

    async def dial(self, host: str, port: int) -> Streams:
        for sandbox in self._sandboxes.values():
            if host in sandbox.network.ips and sandbox.shown.ready:
                return await self.dial_inside(sandbox.shown.id, port)
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    async def dial_inside(self, sandbox: str, port: int) -> Streams:
        """Every running container answers on every port."""
        notes = self._sandbox(sandbox).shown.annotations
        names = [c.status.name for c in self._containers.values() if _runs_in(c, sandbox)]
        if not names:
            raise refused()
        return web_server(503 if any(behaviour.fails_probes(name, notes) for name in names) else 200)

    async def grpc_health(self, host: str, port: int, service: str) -> str:
        _, writer = await self.dial(host, port)
        writer.close()
        return "SERVING"

    async def events(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue(10_000)
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def _tell(self, id: str) -> None:
        for queue in self._listeners:
            if not queue.full():  # a listener that is far behind lists anew anyway
                queue.put_nowait(id)

    def _free_host(self) -> int:
        used = {ip for s in self._sandboxes.values() if s.shown.ready for ip in s.network.ips}
        for _ in range(self._network.num_addresses):
            number = next(self._hosts)
            if str(self._network[number]) not in used:
                return number
        raise RuntimeFailure("failed to setup network for sandbox: no addresses are left")

    def _sandbox(self, id: str) -> _Sandbox:
        if id not in self._sandboxes:
            raise RuntimeFailure(f'an error occurred when try to find sandbox: sandbox "{id}": not found', "NotFound")
        return self._sandboxes[id]

    def _container(self, id: str) -> _Container:
        if id not in self._containers:
            raise RuntimeFailure(f'an error occurred when try to find container "{id}": not found', "NotFound")
        return self._containers[id]

    def _running(self, id: str) -> _Container:
        found = self._container(id)
        if found.status.state != "running":
            raise RuntimeFailure(f"container is in {found.status.state} state")
        return found

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _runs_in(container: _Container, sandbox: str) -> bool:
    return container.status.sandbox == sandbox and container.status.state == "running"


def _id_of(name: str) -> str:
    return name if name.startswith("sha256:") else f"sha256:{name.encode().hex():0>64.64}"
