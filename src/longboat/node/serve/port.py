"""The paths of the node's port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from longboat.aio.clock import Clock
from longboat.machinery import build, exposition
from longboat.machinery.streams import channels
from longboat.machinery.streams.websocket import accept_key
from longboat.node import handlers
from longboat.node.cri.interface import Runtime, RuntimeFailure, Session, Streams, Usage
from longboat.node.pod_worker import SYNCING, TERMINATED, TERMINATING, PodWorker
from longboat.node.pod_workers import PodWorkers
from longboat.node.serve import cadvisor, command, csi, forward, metrics, pods, stats
from longboat.node.serve.authorize import Authorizer
from longboat.node.serve.command import SpdyClient, WebSocketClient
from longboat.node.serve.http import Answer, HttpError, Request
from longboat.node.serve.log_stream import LogOptions, remembered, stream
from longboat.node.streams.pipe import Pipe, TunnelPipe, WebSocket
from longboat.node.streams.spdy import Connection

log = logging.getLogger(__name__)
JSON = "application/json"
LIFECYCLES = {SYNCING: "sync", TERMINATING: "terminating", TERMINATED: "terminated"}  # as the kubelet calls them
FIRST_LOOK = 1.0  # seconds between two looks, where a rate is asked for and there was none before
SPDY = "SPDY/3.1"
SPDY_COMMAND = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
SPDY_FORWARD = ("portforward.k8s.io",)
Open = Callable[[], Awaitable[Session]]


class NodePort:
    """Call it with a request.

    `logs` is the directory of all pods' logs, `root` a place on the node's disk, `cgroup_root` the cgroup above all;
    `more_metrics` tells those of the agent's other parts, in Prometheus's text format.
    """

    def __init__(
        self, node: str, runtime: Runtime, workers: PodWorkers, clock: Clock, authorizer: Authorizer, *,
        logs: Path, root: Path, version: str, controllers: csi.Controllers, more_metrics: Callable[[], str] = str,
        cgroup_root: str = "/",
    ) -> None:  # fmt: skip
        self._node, self._runtime, self._workers, self._clock = node, runtime, workers, clock
        self._authorizer, self._logs, self._root, self._version = authorizer, logs, root, version
        self._controllers, self._cgroup_root = controllers, cgroup_root
        self._started, self._more_metrics = clock.now().timestamp(), more_metrics
        self._rates, self._handlers = stats.Rates(), handlers.of(runtime, clock)

    async def __call__(self, request: Request) -> Answer:
        """Raises HttpError."""
        await self._authorizer.check(request)
        match request.path.strip("/").split("/"):
            case ["healthz" | "livez" | "readyz"] | ["healthz", "ping" | "log" | "syncloop"]:
                return Answer(body=b"ok")
            case ["pods" | "runningpods"]:
                return self._pod_list()
            case ["metrics"]:
                return await self._metrics()
            case ["metrics", "resource"]:
                return await self._resource_metrics()
            case ["metrics", "cadvisor"]:
                return await self._container_metrics()
            case ["metrics", "probes"]:
                return _figures(metrics.probes(self._workers.probes.outcomes()))
            case ["stats", "summary"] | ["stats"]:
                return await self._summary()
            case ["containerLogs", namespace, pod, container]:
                return await self._container_logs(request, namespace, pod, container)
            case ["exec", namespace, pod, container]:
                return self._exec(request, pods.find(self._workers, namespace, pod), container)
            case ["exec", namespace, pod, uid, container]:
                return self._exec(request, pods.find(self._workers, namespace, pod, uid), container)
            case ["attach", namespace, pod, container]:
                return self._attach(request, pods.find(self._workers, namespace, pod), container)
            case ["attach", namespace, pod, uid, container]:
                return self._attach(request, pods.find(self._workers, namespace, pod, uid), container)
            case ["portForward", namespace, pod]:
                return self._forward(request, pods.find(self._workers, namespace, pod))
            case ["portForward", namespace, pod, uid]:
                return self._forward(request, pods.find(self._workers, namespace, pod, uid))
            case ["csi", driver, rpc]:
                return await csi.call(request, self._controllers, driver, rpc)
        raise HttpError(404, "404 page not found\n")

    def _pod_list(self) -> Answer:
        items = [
            {"metadata": msgspec.to_builtins(pod.metadata), "spec": msgspec.to_builtins(pod.spec),
             "status": worker.status if (worker := self._workers.get(pod.uid)) else {}}
            for pod in self._workers.pods()
        ]  # fmt: skip
        body = msgspec.json.encode({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
        return Answer(body=body, content_type=JSON)

    async def _metrics(self) -> Answer:
        own = metrics.Own(evictions=self._workers.evictions, build=build.info(self._version))
        for worker in self._all():
            own.pods += worker.observed.sandbox is not None
            own.containers.update(container.state for container in worker.observed.containers)
            own.working["orphan" if worker.gone else "desired", LIFECYCLES[worker.phase], ""] += 1
        return _figures(exposition.text(own.families()) + self._more_metrics())

    async def _resource_metrics(self) -> Answer:
        try:
            usages = await self._runtime.usage()
        except RuntimeFailure as failure:
            log.warning("the runtime does not say what containers use: %s", failure.message)
            usages = None
        now = self._clock.now().timestamp()
        return _figures(await asyncio.to_thread(metrics.resources, usages, self._since(), now))

    async def _container_metrics(self) -> Answer:
        """Raises HttpError."""
        usages = await self._usages()
        places = {
            status.id: cadvisor.Place(worker.pod, status)
            for worker in self._all()
            for status in worker.observed.containers
        }
        now = self._clock.now().timestamp()
        return _figures(await asyncio.to_thread(cadvisor.containers, usages, places, self._cgroup_root, now))

    async def _usages(self) -> list[Usage]:
        """Raises HttpError."""
        try:
            return await self._runtime.usage()
        except RuntimeFailure as failure:
            raise HttpError(500, f"the runtime does not say what containers use: {failure.message}\n") from failure

    def _all(self) -> Iterable[PodWorker]:
        return (worker for uid in self._workers.uids if (worker := self._workers.get(uid)))

    def _since(self) -> dict[str, float]:
        """When each container began, by id."""
        return {
            container.id: container.started or container.created
            for worker in self._all()
            for container in worker.observed.containers
        }

    async def _summary(self) -> Answer:
        """Raises HttpError."""
        usages = await self._usages()
        if not self._rates.take(usages, stats.node_cpu(), self._clock.now().timestamp()):
            await self._clock.sleep(FIRST_LOOK)
            usages = await self._usages()
            self._rates.take(usages, stats.node_cpu(), self._clock.now().timestamp())
        now, root = self._clock.now(), self._root
        found = await asyncio.to_thread(
            stats.summary, self._node, self._started, usages, self._rates, now, root, self._since()
        )
        return Answer(body=msgspec.json.encode(found), content_type=JSON)

    async def _container_logs(self, request: Request, namespace: str, pod: str, container: str) -> Answer:
        worker = pods.find(self._workers, namespace, pod)
        options = _log_options(request, self._clock)
        chosen = pods.log_of(worker, container, request.flag("previous"), self._logs)

        async def still_running() -> bool:
            latest = worker.observed.latest(container)
            return latest is not None and latest.id == chosen.id and latest.state in ("running", "created")

        def said() -> bytes:
            try:
                return self._handlers.log(chosen.id)
            except RuntimeFailure as failure:  # it has been removed meanwhile
                raise HttpError(404, f"failed to open log: {failure.message}\n") from failure

        if chosen.log_path:
            lines = stream(Path(chosen.log_path), options, self._clock, still_running)
        else:
            lines = remembered(said, options, self._clock, still_running)
        try:
            first = await anext(lines, b"")
        except OSError as error:
            raise HttpError(404 if isinstance(error, FileNotFoundError) else 500,
                            f"failed to open log file: {error.strerror}\n") from error  # fmt: skip

        async def rest() -> AsyncIterator[bytes]:
            yield first
            async for text in lines:
                yield text

        return Answer(content_type="text/plain", stream=rest())

    def _exec(self, request: Request, worker: PodWorker, container: str) -> Answer:
        id, words = pods.running(worker, container).id, request.query.get("command", [])
        tty, stdin, stderr = request.flag("tty"), request.flag("input"), request.flag("error")
        if not words:
            raise HttpError(400, "you must specify at least 1 command for exec\n")

        async def open_session() -> Session:
            return await self._runtime.exec(id, words, stdin=stdin, tty=tty, stderr=stderr)

        return self._command(request, open_session, f"[{' '.join(words)}]")

    def _attach(self, request: Request, worker: PodWorker, container: str) -> Answer:
        id, spec = pods.running(worker, container).id, worker.pod.container(container)
        tty = bool(spec and spec.tty)
        stdin, stderr = request.flag("input") and bool(spec and spec.stdin), request.flag("error")

        async def open_session() -> Session:
            return await self._runtime.attach(id, stdin=stdin, tty=tty, stderr=stderr)

        return self._command(request, open_session, "[attach]")

    def _command(self, request: Request, open_session: Open, words: str) -> Answer:
        wanted = {name for name in ("input", "output", "error") if request.flag(name)}
        if not wanted:
            raise HttpError(400, "you must specify at least 1 of stdin, stdout, stderr\n")
        tty = request.flag("tty")
        outputs = [c for name, c in (("output", channels.STDOUT), ("error", channels.STDERR)) if name in wanted]
        if _is_websocket(request):
            protocol = _choose(request, "sec-websocket-protocol", channels.REMOTE_COMMAND)

            async def over_websocket(pipe: Pipe) -> None:
                client = WebSocketClient(pipe, protocol)
                await client.announce([c for c in outputs if not (tty and c == channels.STDERR)])
                await command.bridge(client, open_session, words)

            return Answer(headers=_websocket_headers(request, protocol), upgrade=over_websocket)
        protocol = _choose(request, "x-stream-protocol-version", SPDY_COMMAND)
        names = {"error"} | {word for name, word in (("input", "stdin"), ("output", "stdout")) if name in wanted}
        names |= {"stderr"} if "error" in wanted and not tty else set()
        names |= {"resize"} if tty and protocol in SPDY_COMMAND[:2] else set()

        async def over_spdy(pipe: Pipe) -> None:
            async with Connection(pipe, server=True) as connection:
                async with self._clock.timeout(command.STREAM_WAIT):
                    streams = await command.open_streams(connection, names)
                if streams is not None:
                    await command.bridge(SpdyClient(connection, streams, protocol), open_session, words)

        return Answer(headers=_spdy_headers(request, protocol), upgrade=over_spdy)

    def _forward(self, request: Request, worker: PodWorker) -> Answer:
        sandbox, name = worker.observed.sandbox, str(worker.pod)
        if sandbox is None:
            raise HttpError(404, f'sandbox of pod "{worker.pod.metadata.name}" is not running\n')
        id = sandbox.id

        async def dial(port: int) -> Streams:
            return await self._runtime.dial_inside(id, port)

        if not _is_websocket(request):
            protocol = _choose(request, "x-stream-protocol-version", SPDY_FORWARD)
            return Answer(
                headers=_spdy_headers(request, protocol), upgrade=lambda pipe: forward.over_spdy(pipe, dial, name)
            )
        protocol = _choose(request, "sec-websocket-protocol", channels.PORT_FORWARD)
        headers = _websocket_headers(request, protocol)
        if protocol == channels.TUNNEL:
            return Answer(
                headers=headers, upgrade=lambda pipe: forward.over_spdy(TunnelPipe(WebSocket(pipe)), dial, name)
            )
        ports = _ports(request)
        chosen = protocol or channels.V4
        return Answer(headers=headers, upgrade=lambda pipe: forward.over_channels(pipe, chosen, ports, dial, name))


def _figures(said: str) -> Answer:
    return Answer(body=said.encode(), content_type=exposition.CONTENT_TYPE)


def _log_options(request: Request, clock: Clock) -> LogOptions:
    """Raises HttpError."""

    def number(name: str) -> int | None:
        text = request.arg(name)
        if not text:
            return None
        if not text.isascii() or not text.isdigit():
            raise HttpError(422, f'{{"message": "Invalid request."}}: {name}: {text}\n')
        return int(text)

    since = None
    if (seconds := number("sinceSeconds")) is not None:
        since = clock.now() - timedelta(seconds=seconds)
    elif text := request.arg("sinceTime"):
        try:
            since = datetime.fromisoformat(text)
        except ValueError as error:
            raise HttpError(400, f"sinceTime: {error}\n") from error
    return LogOptions(
        follow=request.flag("follow"), timestamps=request.flag("timestamps"), since=since,
        tail=number("tailLines"), limit=number("limitBytes"), stream=request.arg("stream", "All"),
    )  # fmt: skip


def _ports(request: Request) -> list[int]:
    """Raises HttpError."""
    found = []
    for text in (
        part for value in request.query.get("port", []) + request.query.get("ports", []) for part in value.split(",")
    ):
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise HttpError(400, f"invalid port: {text!r}\n")
        found.append(int(text))
    if not 0 < len(found) <= forward.MAX_PORTS:
        raise HttpError(400, 'query parameter "port" is required\n')
    return found


def _is_websocket(request: Request) -> bool:
    return request.headers.get("upgrade", "").lower() == "websocket"


def _choose(request: Request, header: str, known: tuple[str, ...]) -> str:
    """The protocol both sides speak. Raises HttpError."""
    headers = request.headers
    if not headers.has_token("connection", "upgrade") or headers.get("upgrade", "").lower() not in (
        "websocket",
        SPDY.lower(),
    ):
        raise HttpError(400, "Upgrade request required\n")
    offered = [part.strip() for part in headers.get(header, "").split(",")]
    chosen = channels.choose(offered, known)
    if chosen is None:
        sides = f"client supports {offered}, server accepts {list(known)}"
        raise HttpError(403, f"unable to upgrade: unable to negotiate protocol: {sides}\n")
    return chosen


def _websocket_headers(request: Request, protocol: str) -> dict[str, str]:
    """Raises HttpError."""
    headers = request.headers
    key = headers.get("sec-websocket-key", "")
    if headers.get("sec-websocket-version") != "13" or not key:
        raise HttpError(400, "not a WebSocket handshake\n")
    made = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_key(key)}
    return made | {"Sec-WebSocket-Protocol": protocol} if protocol else made


def _spdy_headers(request: Request, protocol: str) -> dict[str, str]:
    made = {"Connection": "Upgrade", "Upgrade": SPDY}
    return made | {"X-Stream-Protocol-Version": protocol} if protocol else made
