"""The node's own object: registered once, reported regularly, and the lease that says it is alive."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, micro_timestamp, timestamp
from longboat.node.cri.interface import Image, Runtime, RuntimeFailure
from longboat.node.machine import Machine
from longboat.node.recorder import NORMAL, Recorder

log = logging.getLogger(__name__)

REPORT = 10.0  # seconds between looks at the node's own condition (kubelet, nodeStatusUpdateFrequency)
HEARTBEAT = 300.0  # seconds between reports of a status that has not changed (nodeStatusReportFrequency)
LEASE = 10.0  # seconds between renewals (a quarter of nodeLeaseDurationSeconds)
LEASE_DURATION = 40
LEASES = "kube-node-lease"
MOST_IMAGES = 50

HEALTHY = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


class Identity(Part):
    """What the agent is told of its node."""

    name: str = ""
    address: str = ""
    port: int = 10250
    version: str = ""
    labels: dict[str, str] = {}


class _Condition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    lastTransitionTime: str | None = None


class _Status(Part):
    conditions: list[_Condition] = []


class _Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    status: _Status = _Status()


class Registration:
    """Keeps the Node and its Lease up to date."""

    def __init__(
        self, client: Client, clock: Clock, runtime: Runtime, recorder: Recorder, node: Identity, machine: Machine
    ) -> None:
        self._client, self._clock, self._runtime, self._recorder = client, clock, runtime, recorder
        self._node, self._machine = node, machine
        self._key = Key("", node.name)
        self._ready: str | None = None
        self._since: dict[str, tuple[str, str]] = {}
        self._written: Object = {}
        self._reported = 0.0
        self._look = asyncio.Event()
        self.registered = asyncio.Event()

    def look(self) -> None:
        """Something about the node has changed: report now rather than later."""
        self._look.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._register()
        self._recorder.node(NORMAL, "Starting", "Starting kubelet.")
        while True:
            self._look.clear()
            try:
                await self._report()
            except (StatusError, ConnectionError) as error:
                log.warning("cannot report the node's status: %s", error)
                if isinstance(error, StatusError) and error.code == 404:
                    await self._register()
                    continue
            wait = REPORT if self._ready == "True" else 0.2
            try:
                async with self._clock.timeout(wait):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def renew(self) -> None:
        """Renew the lease until cancelled."""
        await self.registered.wait()
        backoff = Backoff(first=0.2, longest=7.0)
        while True:
            try:
                await self._renew()
                backoff.reset()
                await self._clock.sleep(LEASE)
            except (StatusError, ConnectionError) as error:
                log.warning("cannot renew the lease: %s", error)
                await self._clock.sleep(backoff.next())

    async def _register(self) -> None:
        """Create the Node, or take over the one that is there. Tries until it works."""
        backoff = Backoff(first=0.1, longest=7.0)
        labels = self._labels()
        body = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": self._node.name, "labels": labels}}
        while True:
            try:
                await self._client.create(kinds.NODE, body)
                break
            except StatusError as error:
                if error.reason == "AlreadyExists":
                    await self._take_over(labels)
                    break
                log.warning("cannot register the node: %s", error)
            except ConnectionError as error:
                log.info("cannot reach the API server: %s", error)
            await self._clock.sleep(backoff.next())
        self._written, self._reported = {}, 0.0
        self.registered.set()

    async def _take_over(self, labels: dict[str, str]) -> None:
        try:
            await self._client.patch(kinds.NODE, self._key, {"metadata": {"labels": labels}})
            present = await self._client.get(_Node, self._key)
        except (StatusError, ConnectionError) as error:
            log.warning("cannot bring the node's labels up to date: %s", error)
            return
        for condition in present.status.conditions:
            if condition.lastTransitionTime:
                self._since[condition.type] = (condition.status, condition.lastTransitionTime)

    def _labels(self) -> dict[str, str]:
        return {
            "kubernetes.io/hostname": self._node.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": self._machine.architecture,
            "beta.kubernetes.io/os": "linux",
            "beta.kubernetes.io/arch": self._machine.architecture,
            **self._node.labels,
        }

    async def _report(self) -> None:
        status = await self._status()
        now = self._clock.monotonic()
        unchanged = status == self._written
        if unchanged and now - self._reported < HEARTBEAT:
            return
        stamp = timestamp(self._clock.now())
        for condition in status["conditions"]:
            condition["lastHeartbeatTime"] = stamp
        await self._client.patch(kinds.NODE, self._key, {"status": status}, style="strategic", subresource="status")
        for condition in status["conditions"]:
            del condition["lastHeartbeatTime"]
        self._written, self._reported = status, now
        self._tell(status)

    def _tell(self, status: Object) -> None:
        ready = next(c["status"] for c in status["conditions"] if c["type"] == "Ready")
        if ready != self._ready:
            reason = "NodeReady" if ready == "True" else "NodeNotReady"
            self._recorder.node(NORMAL, reason, f"Node {self._node.name} status is now: {reason}")
        self._ready = ready

    async def _status(self) -> Object:
        trouble = ""
        runtime_version, images = "", list[Image]()
        try:
            version, conditions, images = await asyncio.gather(
                self._runtime.version(), self._runtime.conditions(), self._runtime.images()
            )
            runtime_version = f"{version.name}://{version.version}"
            trouble = "; ".join(
                f"container runtime network not ready: {c.type}={str(c.ok).lower()} reason:{c.reason} message:{c.message}"
                if c.type == "NetworkReady"
                else f"container runtime not ready: {c.type}={str(c.ok).lower()} reason:{c.reason} message:{c.message}"
                for c in conditions
                if not c.ok
            )
        except RuntimeFailure as failure:
            trouble = f"container runtime is down: {failure.message}"
        machine = self._machine
        found: list[tuple[str, str, str, str]] = [(t, "False", *words) for t, words in HEALTHY.items()]
        if trouble:
            found.append(("Ready", "False", "KubeletNotReady", trouble))
        else:
            found.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
        return {
            "addresses": [
                {"type": "InternalIP", "address": self._node.address},
                {"type": "Hostname", "address": self._node.name},
            ],
            "capacity": machine.capacity,
            "allocatable": machine.allocatable,
            "conditions": [self._condition(*condition) for condition in found],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._node.port}},
            "nodeInfo": {
                "machineID": machine.machine_id,
                "systemUUID": machine.system_uuid,
                "bootID": machine.boot_id,
                "kernelVersion": machine.kernel,
                "osImage": machine.os_image,
                "containerRuntimeVersion": runtime_version,
                "kubeletVersion": self._node.version,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": machine.architecture,
            },
            "images": [
                {"names": [*image.digests, *image.tags], "sizeBytes": image.size}
                for image in sorted(images, key=lambda image: -image.size)[:MOST_IMAGES]
            ],
        }

    def _condition(self, kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
        """The time of its last change is kept as long as the status stays."""
        before, since = self._since.get(kind, ("", ""))
        if before != status:
            since = timestamp(self._clock.now())
            self._since[kind] = (status, since)
        return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}

    async def _renew(self) -> None:
        now = micro_timestamp(self._clock.now())
        spec = {"holderIdentity": self._node.name, "leaseDurationSeconds": LEASE_DURATION, "renewTime": now}
        key = Key(LEASES, self._node.name)
        try:
            await self._client.patch(kinds.LEASE, key, {"spec": spec})
        except StatusError as error:
            if error.code != 404:
                raise
            body = {"metadata": {"name": self._node.name}, "spec": spec}
            await self._client.create(kinds.LEASE, body, namespace=LEASES)
