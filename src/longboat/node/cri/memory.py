"""A runtime that only remembers: sandboxes and containers of simulated nodes, in time that the clock tells."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import ipaddress
import itertools
import math
import secrets
from collections.abc import AsyncIterator, Sequence

import msgspec

from longboat.aio.clock import Clock
from longboat.node import hooks, probe_once
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
from longboat.node.cri.memory_streams import FOR_EVER, MemorySession, refused, web_server
from longboat.node.labels import POD_UID
from longboat.node.probe_once import Outcome
from longboat.node.simulated import commands, notes, probing
from longboat.node.simulated.behaviour import BadBehaviour
from longboat.node.simulated.container import ImaginedContainer
from longboat.node.simulated.rules import NO_RULES, Imagined, Rules
from longboat.node.simulated.script import NOTHING, Answer, Script
from longboat.node.views.container import Container as ContainerView
from longboat.node.views.handlers import LifecycleHandler, Probe

KILLED = 137
USER = 65532  # whom images run as: nobody in particular, but not root
replace = msgspec.structs.replace


class _Sandbox(msgspec.Struct):
    shown: Sandbox
    config: SandboxConfig
    network: SandboxNetwork


class MemoryRuntime:
    """`pod_cidr` is where addresses come from. `images` are the names that exist; None: every name does.

    What containers do is told by their commands, by `rules` and by their pods' annotations, the last word being theirs.
    Also answers for them what a node asks them (`node.handlers.Handlers`).
    """

    def __init__(
        self, clock: Clock, pod_cidr: str = "100.64.0.0/24", images: set[str] | None = None, rules: Rules = NO_RULES
    ) -> None:  # fmt: skip
        self._rules = rules
        self._clock = clock
        self._network = ipaddress.ip_network(pod_cidr)
        self._sandboxes: dict[str, _Sandbox] = {}
        self._containers: dict[str, ImaginedContainer] = {}
        self._images = images
        self._pulled: dict[str, str] = {}  # names by ids
        self.views: dict[str, str] = {}  # ids of images by names of their views
        self._hosts = itertools.cycle(range(2, self._network.num_addresses - 1))
        self._listeners: set[asyncio.Queue[str]] = set()

    # What a test, or a simulation's script, does to it.

    def use(self, rules: Rules) -> None:
        """From now on. What new rules say of a container that runs already begins now, what has not changed goes on."""
        self._rules = rules
        for id, found in self._containers.items():
            wanted = self._script(found.asked, found.usual, found.status.sandbox)
            if found.status.state != "exited" and wanted != found.wanted:
                found.change(wanted, self._now())
                self._play(id)

    def end(self, id: str, code: int = 0, reason: str = "", message: str = "") -> None:
        """The container's process ends by itself."""
        found = self._container(id)
        if not found.running:
            return
        if found.timer is not None:
            found.timer.cancel()
        found.status = replace(
            found.status, state="exited", exit_code=code, finished=self._now(), message=message,
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
        uid = config.labels.get(POD_UID, "")
        if config.attempt > 1:
            self._forget_attempts(uid, config.name)
        id, image = secrets.token_hex(32), self._pulled.get(config.image, config.image)
        status = ContainerStatus(
            id=id, name=config.name, attempt=config.attempt, state="created", created=self._now(), sandbox=sandbox,
            image=image, image_ref=_id_of(config.image), labels=config.labels,
            annotations=config.annotations, resources=config.resources,
        )  # fmt: skip
        asked = Imagined(
            namespace=pod.namespace, pod=pod.name, uid=pod.uid, labels=pod.labels, name=config.name, image=image,
            attempt=config.attempt,
        )  # fmt: skip
        usual = commands.run((*config.command, *config.args), config.env).script(config.completes)
        script = self._script(asked, usual, sandbox)
        self._containers[id] = ImaginedContainer(
            status=status, uid=uid, asked=asked, usual=usual, script=script, wanted=script,
            stdin_once=config.stdin_once,
        )  # fmt: skip
        return id

    async def start_container(self, id: str) -> None:
        found = self._container(id)
        if found.status.state != "created":
            raise RuntimeFailure(f"container {id} is in {found.status.state} state")
        found.status = replace(found.status, state="running", started=self._now())
        self._play(id)

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
        return [c.usage(now) for c in self._containers.values() if c.running and uid in ("", c.uid)]

    async def pull_image(self, image: str, credentials: Credentials | None) -> str:
        if self._images is not None and image not in self._images:
            raise RuntimeFailure(f'failed to pull and unpack image "{image}": not found', "NotFound")
        self._pulled[_id_of(image)] = image
        return _id_of(image)

    async def image(self, name: str) -> Image | None:
        if self._images is not None and name not in self._images and name not in self._pulled:
            return None
        return _image(self._pulled.setdefault(_id_of(name), name))

    async def images(self) -> list[Image]:
        return [_image(name) for name in sorted(self._images or self._pulled.values())]

    async def remove_image(self, id: str) -> None:
        self._pulled.pop(id, None)

    async def image_place(self) -> str:
        return ""

    async def view_image(self, id: str, view: str) -> FileSystem:
        """There is nothing in it."""
        self.views.setdefault(view, id)
        return FileSystem(kind="tmpfs", source="tmpfs", options=("ro",))

    async def remove_view(self, view: str) -> None:
        self.views.pop(view, None)

    async def exec_sync(self, id: str, command: Sequence[str], timeout: float) -> ExecResult:
        does = self._running(id).answer(command)
        if does.after > timeout > 0:
            await self._clock.sleep(timeout)
            raise RuntimeFailure("failed to exec in container: timeout exceeded", "DeadlineExceeded")
        await self._clock.sleep(min(does.after, FOR_EVER))
        return ExecResult(does.stdout, does.stderr, does.code)

    async def exec(self, id: str, command: Sequence[str], *, stdin: bool, tty: bool, stderr: bool) -> Session:
        found = self._running(id)
        echo = stdin and found.script.answer(command) is None and not commands.run(command).known
        return MemorySession(self._clock, found.answer(command), echo=echo)

    async def attach(self, id: str, *, stdin: bool, tty: bool, stderr: bool) -> Session:
        """It says what it is told; one that reads its input once ends with it."""
        found = self._running(id)

        def left() -> None:
            if found.stdin_once and id in self._containers:
                self.end(id)

        return MemorySession(self._clock, Answer(), echo=stdin, left=left)

    # What a node asks of containers (`node.handlers.Handlers`).

    async def probe(self, kind: str, probe: Probe, container: ContainerView, id: str, host: str) -> Outcome:
        found = self._containers.get(id)
        passes = found is not None and found.running and found.script.passes(kind, found.time(self._now()))
        if probe.exec and passes:
            return await probe_once.attempt(self, self._clock, probe, container, id, host)
        return probing.outcome(kind, probe, container, host, passes=passes)

    async def hook(self, handler: LifecycleHandler, container: ContainerView, id: str, host: str, limit: float) -> None:
        if handler.httpGet:
            probing.check_hook(handler.httpGet, container)
        else:
            await hooks.run(self, self._clock, handler, container, id, host, limit)

    def log(self, id: str) -> bytes:
        """Raises RuntimeFailure."""
        return self._container(id).log(self._now())

    async def dial(self, host: str, port: int) -> Streams:
        for sandbox in self._sandboxes.values():
            if host in sandbox.network.ips and sandbox.shown.ready:
                return await self.dial_inside(sandbox.shown.id, port)
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    async def dial_inside(self, sandbox: str, port: int) -> Streams:
        """Every running container answers on every port."""
        now, inside = self._now(), self._sandbox(sandbox).shown.id
        running = [c for c in self._containers.values() if c.status.sandbox == inside and c.running]
        if not running:
            raise refused()
        ready = all(c.script.passes("readiness", c.time(now)) for c in running)
        return web_server(200 if ready else 503)

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

    def _forget_attempts(self, uid: str, name: str) -> None:
        """Nobody collects garbage here: one that has ended is kept, whose log is --previous."""
        ended = [id for id, c in self._containers.items() if (c.uid, c.status.name, c.running) == (uid, name, False)]
        for id in ended[:-1]:
            del self._containers[id]

    def _script(self, asked: Imagined, usual: Script, sandbox: str) -> Script:
        """What a container does from its start on. Raises RuntimeFailure where its pod's annotations make no sense."""
        try:
            own = notes.rules(self._sandbox(sandbox).shown.annotations, usual.end)
        except BadBehaviour as error:
            raise RuntimeFailure(str(error), "InvalidArgument") from error
        return own.script(asked).over(self._rules.script(asked)).over(usual)

    def _play(self, id: str) -> None:
        """Do what is due of a container's script, and come back when more is."""
        found = self._containers[id]
        if found.timer is not None:
            found.timer.cancel()
            found.timer = None
        if not found.running or found.script is NOTHING:
            return
        time, script = found.time(self._now()), found.script
        if time >= script.end.after:
            self.end(id, script.end.code, script.end.reason, script.end.message)
            return
        ready = script.passes("readiness", time)
        if ready != found.status.ready:
            found.status = replace(found.status, ready=ready)
            self._tell(id)
        following = script.next(time)
        if following < math.inf:
            found.timer = self._clock.call_later(following - time, lambda: self._play(id))

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

    def _container(self, id: str) -> ImaginedContainer:
        if id not in self._containers:
            raise RuntimeFailure(f'an error occurred when try to find container "{id}": not found', "NotFound")
        return self._containers[id]

    def _running(self, id: str) -> ImaginedContainer:
        found = self._container(id)
        if not found.running:
            raise RuntimeFailure(f"container is in {found.status.state} state")
        return found

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _id_of(name: str) -> str:
    return name if name.startswith("sha256:") else f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def _image(name: str) -> Image:
    return Image(id=_id_of(name), tags=() if name.startswith("sha256:") else (name,), uid=USER)
