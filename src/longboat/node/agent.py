"""The node agent: everything of one node put together."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.parts import Parts
from longboat.aio.tasks import Tasks
from longboat.api import resources
from longboat.client.informer import Informers
from longboat.client.interface import Client
from longboat.node import certificates
from longboat.node.cri.config import Seccomp
from longboat.node.cri.interface import Image, Runtime, RuntimeFailure, Version
from longboat.node.ground import MACHINE
from longboat.node.host_ports import HostPort
from longboat.node.images import Images
from longboat.node.isolation import Isolate, Isolation, nobody_isolates
from longboat.node.launch import Launcher
from longboat.node.machine import Machine, Pressure
from longboat.node.make.config import NodeFacts
from longboat.node.make.dns import Resolver, parse_resolv_conf
from longboat.node.node_status import Facts, Health
from longboat.node.observe import Observer
from longboat.node.orphans import Orphans
from longboat.node.own_node import ApiOwnNode
from longboat.node.paths import Paths
from longboat.node.pod_workers import PodWorkers
from longboat.node.recorder import Recorder
from longboat.node.registration import Registration
from longboat.node.relist import Relist
from longboat.node.resizer import Resizer
from longboat.node.rules import Rules
from longboat.node.safeguards import Safeguards
from longboat.node.serve.authorize import Authorizer
from longboat.node.serve.http import Server, tls
from longboat.node.serve.port import NodePort
from longboat.node.serve.shared import SharedPort
from longboat.node.serve.tokens import Tokens
from longboat.node.services import ApiServices
from longboat.node.simulated.stand_ins import SIMULATED
from longboat.node.sources import ApiSources
from longboat.node.status_writer import ApiStatusWriter
from longboat.node.stop import Stopper
from longboat.node.tools import Tools
from longboat.node.upkeep import Upkeep
from longboat.node.views.objects import Node
from longboat.node.views.pod import Pod
from longboat.node.volumes.plugin import Host

log = logging.getLogger(__name__)
IMAGES_EVERY = 60.0  # seconds between listings of the images on the node
MAX_WAIT = 2.0


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How one node is set up. `addresses` are those it is known by, the primary first."""

    name: str
    addresses: tuple[str, ...]
    paths: Paths = Paths()
    cgroup_root: str = "/"
    listen: str = ""  # address of the node's port; "" for the primary address
    port: int = 10250  # 0: any
    pki: Path = Path("pki")  # serving.crt, serving.key, ca.crt
    images: Path = Path("volumes")  # where the built-in driver keeps its volumes
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    resolv_conf: Path = Path("/etc/resolv.conf")
    labels: dict[str, str] = {}
    unsafe_sysctls: tuple[str, ...] = ()  # kernel parameters that pods may set beyond the safe ones
    seccomp_default: bool = False  # containers that name no seccomp profile get the runtime's
    pod_max_pids: int = 0  # processes and threads of a pod; 0 for as many as the machine has
    upkeep: Rules = Rules()
    version: str = ""
    simulated: bool = False  # nothing is written to disk, no cgroups, no garbage


class Agent:
    """`run` until cancelled. What runs goes on: the next agent adopts it."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        runtime: Runtime,
        recorder: Recorder,
        config: NodeConfig,
        host_ports_changed: Callable[[list[HostPort]], None] = lambda ports: None,
        more_metrics: Callable[[], str] = str,
        shared_port: SharedPort | None = None,
        parts: Parts | None = None,
        isolate: Isolate = nobody_isolates,
        seen: Callable[[Node], None] = lambda node: None,
    ) -> None:
        """`shared_port`: where it is found together with other nodes, instead of at a port of its own. `parts`: those
        of the process, together with which its own are told of. `seen` is shown its own Node every few seconds."""
        self._client, self._clock, self._runtime, self._config = client, clock, runtime, config
        self._recorder = recorder
        self._tasks = Tasks(f"node/{config.name}")
        self._parts = (parts or Parts(config.name, clock)).within(f"node {config.name}")
        self._server: Server | None = None
        self._pods = informers.of(Pod, fields=f"spec.nodeName={config.name}")
        self._own_node = ApiOwnNode(client, informers, config.name, share=config.simulated)
        self._sources = ApiSources(client, informers, clock, self._refresh)
        self._services = ApiServices(client, informers)
        self._ground = SIMULATED if config.simulated else MACHINE
        self._storage = self._ground.storage(
            client, informers, clock, self._sources, recorder, node=config.name, paths=config.paths,
            images=config.images, version=config.version,
        )  # fmt: skip
        self._writer = ApiStatusWriter(client, clock)
        self._checkpoints = self._ground.checkpoints(config.paths)
        self._observer = Observer(runtime, config.addresses[0])
        self._host_ports_changed, self._more_metrics, self._isolate = host_ports_changed, more_metrics, isolate
        self._shared_port, self._seen = shared_port, seen
        self._images_seen: tuple[float, tuple[Image, ...]] | None = None
        self.workers: PodWorkers | None = None
        self._upkeep: Upkeep | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def is_busy(self) -> bool:
        """Several pods are being started."""
        return self.workers is not None and self.workers.starting > 1

    async def call_driver(self, driver: str, rpc: str, body: bytes) -> bytes:
        """A call of the controller service of one of the node's drivers. Raises RpcFailure."""
        return await self._storage.call(driver, rpc, body)

    async def run(self) -> None:
        """Once: whoever starts over makes another. Raises OSError where the node's port cannot be opened."""
        try:
            await self._work()
        finally:
            if self._server is not None:
                await self._server.close()
            await self._parts.close()
            await self._tasks.close()
            if self.workers is not None:
                await self.workers.close()
                self.workers = None
            await self._writer.close()
            await self._storage.close()

    async def _work(self) -> None:
        config, runtime = self._config, await self._await_runtime()
        found = await self._ground.examine(config.paths.root, config.cgroup_root)
        await self._checkpoints.load()
        tools = self._tools(runtime.name, found, await self._ground.safeguards(self._runtime))
        workers = self.workers = PodWorkers(tools, self._host_ports_changed)
        workers.allocatable = found.allocatable(config.upkeep.eviction.thresholds)
        port = await self._serve(workers)
        facts = Facts(
            name=config.name,
            addresses=config.addresses,
            port=port,
            info=found.info(f"{runtime.name}://{runtime.version}", config.version),
            capacity=found.capacity,
            allocatable=found.allocatable(config.upkeep.eviction.thresholds),
            labels=config.labels,
        )
        await self._storage.start(self._tasks, self._parts)
        registration = Registration(self._client, self._clock, self._recorder, facts, self._look, self._seen)
        self._upkeep = self._ground.upkeep(
            self._runtime, self._clock, self._recorder, config.upkeep, config.name, config.paths,
            config.cgroup_root, workers, registration.look_again,
        )  # fmt: skip
        orphans = Orphans(
            self._runtime, self._clock, tools.files, lambda: workers.uids, tools.volumes, tools.cgroups
        )  # fmt: skip
        relist = Relist(self._runtime, self._clock, self._observer, workers.poke, orphans.seen)
        workers.may_run = relist.may_run
        self._storage.has_grown = workers.refresh
        registration.on_registered(self._storage.node_exists)
        self._own_node.on_change(registration.heard)
        self._parts.start("report", registration.report)
        self._parts.start("lease", registration.hold_lease)
        self._parts.start("events", relist.listen)
        await self._own_node.synced()
        self._pods.on_change(self._tell)
        await self._pods.synced()
        self._parts.start("relist", relist.look)
        self._parts.start("orphans", orphans.remove)
        await self._upkeep.start(self._parts)
        log.info("node %s is at work", config.name)
        await asyncio.Event().wait()

    def _tell(self, old: Pod | None, new: Pod | None) -> None:
        """Pass a change in the API on. A pod of the same name but another uid is another pod."""
        if self.workers is None:
            return
        if old is not None and (new is None or new.uid != old.uid):
            self.workers.remove(old.uid)
        if new is not None:
            self.workers.update(new)

    def _refresh(self, uid: str) -> None:
        if self.workers is not None:
            self.workers.refresh(uid)

    async def _await_runtime(self) -> Version:
        wait = 0.05
        while True:
            try:
                return await self._runtime.version()
            except RuntimeFailure as failure:
                log.info("waiting for the container runtime: %s", failure)
                await self._clock.sleep(wait)
                wait = min(wait * 2, MAX_WAIT)

    def _tools(self, runtime_name: str, found: Machine, can: Safeguards) -> Tools:
        config, runtime, clock, recorder = self._config, self._runtime, self._clock, self._recorder
        facts = NodeFacts(
            name=config.name,
            ips=config.addresses,
            paths=config.paths,
            cgroup_root=config.cgroup_root,
            resolver=self._resolver(),
            capacity=resources.amounts(found.capacity),
            can=can,
            default_seccomp=Seccomp(kind="RuntimeDefault" if config.seccomp_default else "Unconfined"),
        )
        images, stopper = Images(runtime, clock, recorder), Stopper(runtime, clock, recorder)
        ground = self._ground
        files, cgroups = ground.files(facts), ground.cgroups(config.cgroup_root, config.pod_max_pids)
        image_volumes = ground.image_volumes(runtime, images, config.paths)
        launcher = Launcher(
            runtime, clock, recorder, facts, self._sources, self._services, images, image_volumes, stopper, files,
            cgroups,
        )  # fmt: skip
        host = Host(config.paths, clock, self._sources, self._storage.csi, image_volumes)
        return Tools(
            runtime=runtime, runtime_name=runtime_name, clock=clock, recorder=recorder, node=facts,
            sources=self._sources, observer=self._observer, images=images, launcher=launcher, stopper=stopper,
            volumes=ground.volumes(host, self._storage.persistent),
            writer=self._writer, checkpoints=self._checkpoints, files=files, cgroups=cgroups,
            unsafe_sysctls=config.unsafe_sysctls, own_node=self._own_node,
            isolation=Isolation(self._isolate, recorder), resizer=Resizer(runtime, cgroups, facts.capacity),
        )  # fmt: skip

    def _resolver(self) -> Resolver:
        try:
            text = self._config.resolv_conf.read_text()
        except OSError as error:
            log.warning("pods get no DNS settings of the node: %s", error)
            text = ""
        return Resolver(
            node=parse_resolv_conf(text),
            cluster_servers=self._config.cluster_dns,
            cluster_domain=self._config.cluster_domain,
        )

    async def use_serving(self, certificate: bytes, key: bytes) -> None:
        """Serve with another certificate from now on. Raises OSError."""
        pki = self._config.pki
        await certificates.store_serving(pki, certificate, key)
        if self._context is not None:
            self._context.load_cert_chain(pki / "serving.crt", pki / "serving.key")

    async def _serve(self, workers: PodWorkers) -> int:
        """Open the node's port, or be found at the shared one. Raises OSError."""
        config = self._config
        authorizer = Authorizer(self._client, self._clock, config.name)
        handler = NodePort(
            config.name, self._runtime, workers, self._clock, authorizer,
            logs=config.paths.logs, root=Path("/") if config.simulated else config.paths.root, version=config.version,
            controllers=self.call_driver, more_metrics=self._more_metrics, cgroup_root=config.cgroup_root,
        )  # fmt: skip
        if self._shared_port is not None:
            self._shared_port.add(config.name, handler)
            return self._shared_port.number
        self._context = await serving_context(config.pki, config.name, self._clock, tokens=True)
        self._server = Server(handler, self._context, self._clock, Tokens(self._client, self._clock))
        return await self._server.listen(config.listen or config.addresses[0], config.port)

    async def _look(self) -> Health:
        """How the node is now."""
        pressure = self._upkeep.pressure if self._upkeep is not None else Pressure()
        try:
            conditions = await self._runtime.conditions()
            return Health(pressure=pressure, runtime=tuple(conditions), images=await self._images())
        except RuntimeFailure as failure:
            return Health(pressure=pressure, problem=failure.message)

    async def _images(self) -> tuple[Image, ...]:
        now = self._clock.monotonic()
        if self._images_seen is None or now - self._images_seen[0] > IMAGES_EVERY:
            self._images_seen = (now, tuple(await self._runtime.images()))
        return self._images_seen[1]


async def serving_context(pki: Path, name: str, clock: Clock, *, tokens: bool = False) -> ssl.SSLContext:
    """What a node's port is served with; where there is nothing whole yet, what nobody trusts. `tokens`: a client may
    have one instead of a certificate. Raises OSError."""
    if not await asyncio.to_thread(certificates.can_serve, pki):
        await certificates.store_serving(pki, *certificates.stop_gap(name, clock.now()))
    return tls(pki / "serving.crt", pki / "serving.key", pki / "ca.crt", tokens=tokens)
