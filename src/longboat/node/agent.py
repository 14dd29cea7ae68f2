"""The node agent put together: what the API wants of this node, what the runtime has, and the workers between them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.rest import RestClient
from longboat.node.api_recorder import ApiRecorder
from longboat.node.cgroups import Cgroups
from longboat.node.cri.interface import Runtime, RuntimeFailure
from longboat.node.host_ports import HostPort
from longboat.node.images import Images
from longboat.node.launch import Launcher
from longboat.node.lifecycle import Watchman, remove_leftovers
from longboat.node.machine import Machine
from longboat.node.make.config import NodeFacts
from longboat.node.observe import Observer
from longboat.node.paths import Paths
from longboat.node.pod_workers import PodWorkers, Tools
from longboat.node.registration import Identity, Registration
from longboat.node.serve.authorize import Authorizer
from longboat.node.serve.http import Server, tls
from longboat.node.serve.port import NodePort
from longboat.node.services import ApiServices
from longboat.node.sources import ApiSources
from longboat.node.status_writer import ApiStatusWriter
from longboat.node.stop import Stopper
from longboat.node.views.pod import Pod
from longboat.node.volumes.manager import Volumes

log = logging.getLogger(__name__)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`pki` holds serving.crt, serving.key and ca.crt; without it the node serves no port."""

    identity: Identity
    machine: Machine
    paths: Paths
    cgroup_root: str = "/"
    pki: Path | None = None
    on_disk: bool = True
    runtime_name: str = "containerd"


class Agent:
    """One node. Everything it does, it does between `run` and its cancellation."""

    def __init__(
        self,
        client: RestClient,
        clock: Clock,
        runtime: Runtime,
        settings: Settings,
        facts: NodeFacts,
        *,
        host_ports_changed: Callable[[list[HostPort]], None] = lambda ports: None,
    ) -> None:
        self._client, self._clock, self._runtime, self._settings = client, clock, runtime, settings
        name = settings.identity.name
        self.informers = Informers(client, clock, f"node/{name}")
        self._pods = self.informers.of(Pod, fields=f"spec.nodeName={name}")
        self._events = EventRecorder(client, clock, "kubelet", name)
        recorder = ApiRecorder(self._events, name)
        sources = ApiSources(client, clock)
        images, stopper = Images(runtime, clock, recorder), Stopper(runtime, clock, recorder)
        cgroups = Cgroups(settings.cgroup_root) if settings.on_disk else None
        services = ApiServices(client, self.informers)
        on_disk = settings.on_disk
        launcher = Launcher(
            runtime, clock, recorder, facts, sources, services, images, stopper, cgroups, on_disk=on_disk
        )
        self._writer = ApiStatusWriter(client, clock)
        tools = Tools(
            runtime=runtime,
            runtime_name=settings.runtime_name,
            clock=clock,
            recorder=recorder,
            node=facts,
            sources=sources,
            observer=Observer(runtime),
            images=images,
            launcher=launcher,
            stopper=stopper,
            volumes=Volumes(settings.paths, sources, on_disk=on_disk),
            writer=self._writer,
            cgroups=cgroups,
            on_disk=on_disk,
        )
        self.workers = PodWorkers(tools, host_ports_changed)
        self.workers.allocatable = settings.machine.allocatable
        self._cgroups = cgroups
        self.registration = Registration(client, clock, runtime, recorder, settings.identity, settings.machine)
        self._pods.on_change(self._pod_changed)

    @property
    def in_flight(self) -> int:
        return self.workers.busy + self._writer.in_flight + self._events.in_flight

    async def run(self) -> None:
        """Until cancelled. Containers run on when it ends: the next agent finds them."""
        self.informers.start()
        server = await self._serve()
        async with Tasks(f"agent/{self._settings.identity.name}") as tasks:
            tasks.spawn("lease", self.registration.renew())
            tasks.spawn("watchman", Watchman(self._runtime, self._clock, self.workers.poke).run())
            tasks.spawn("leftovers", self._clean())
            try:
                await tasks.spawn("status", self.registration.run())
            finally:
                if server is not None:
                    await server.close()
                await self.workers.close()
                await self._writer.close()
                await self._events.close()
                await self.informers.close()

    async def _serve(self) -> Server | None:
        settings = self._settings
        if settings.pki is None:
            return None
        identity, pki = settings.identity, settings.pki
        port = NodePort(
            identity.name,
            self._runtime,
            self.workers,
            self._clock,
            Authorizer(self._client, self._clock, identity.name),
            logs=settings.paths.logs,
            root=settings.paths.root,
            version=identity.version,
        )
        server = Server(port, tls(pki / "serving.crt", pki / "serving.key", pki / "ca.crt"), self._clock)
        await server.listen(identity.address, identity.port)
        return server

    async def _clean(self) -> None:
        """Once the API's word on this node is complete: what it does not mention goes."""
        await self._pods.synced()
        uids = self.workers.uids
        while True:
            try:
                await remove_leftovers(self._runtime, self.workers.uids | uids)
                break
            except RuntimeFailure as failure:
                log.info("cannot remove leftovers yet: %s", failure)
                await self._clock.sleep(1.0)
        if self._cgroups is not None:
            self._cgroups.remove_others(self.workers.uids)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.uid != old.uid):
            self.workers.remove(old.uid)
        if new is not None:
            self.workers.update(new)
