"""The CRI over gRPC: containerd, CRI-O, or any other runtime behind a unix socket."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import msgspec
from cri_api.v1 import api_pb2 as pb
from cri_api.v1.api_pb2_grpc import ImageServiceStub, RuntimeServiceStub

from longboat.aio.clock import Clock, SystemClock
from longboat.machinery.protos.rpc import nearby
from longboat.node.cri import events, health, messages, namespaces
from longboat.node.cri.calls import QUICK, call, failure, looked, removed
from longboat.node.cri.config import ContainerConfig, Resources, SandboxConfig
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
from longboat.node.cri.snapshots import Snapshots

SLOW = 240.0  # for calls that make or stop something (kubelet: 2 min, and twice that for sandboxes)
PULL = 3600.0
MAX_MESSAGE = 16 << 20  # bytes (kubelet's limit for CRI answers)
OPTIONS = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.enable_http_proxy", 0)]


class GrpcRuntime:
    """`endpoint` is `unix:///run/…`. Connects on first use and again after the runtime restarts."""

    def __init__(self, endpoint: str, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._channel = nearby(endpoint, *OPTIONS)
        self._runtime: Any = RuntimeServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._images: Any = ImageServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._snapshots = Snapshots(self._channel, self._clock)
        self._network: dict[str, SandboxNetwork] = {}
        self._resources: dict[str, Resources | None] = {}  # of containers whose status does not tell them
        self._tells_resources = False  # as it does in some versions of the runtime, for all containers

    async def close(self) -> None:
        await self._channel.close()

    async def version(self) -> Version:
        answer = await call(self._runtime.Version, pb.VersionRequest(version="v1"))
        return Version(answer.runtime_name, answer.runtime_version)

    async def features(self) -> Features:
        return messages.features(await call(self._runtime.Status, pb.StatusRequest(verbose=True)))

    async def conditions(self) -> list[Condition]:
        answer = await call(self._runtime.Status, pb.StatusRequest())
        return [Condition(c.type, c.status, c.reason, c.message) for c in answer.status.conditions]

    async def run_sandbox(self, config: SandboxConfig) -> str:
        request = pb.RunPodSandboxRequest(config=messages.sandbox_config(config), runtime_handler=config.handler)
        answer = await call(self._runtime.RunPodSandbox, request, SLOW)
        return str(answer.pod_sandbox_id)

    async def stop_sandbox(self, id: str) -> None:
        request = pb.StopPodSandboxRequest(pod_sandbox_id=id)
        await removed(self._clock, lambda: call(self._runtime.StopPodSandbox, request, SLOW))

    async def remove_sandbox(self, id: str) -> None:
        self._network.pop(id, None)
        request = pb.RemovePodSandboxRequest(pod_sandbox_id=id)
        await removed(self._clock, lambda: call(self._runtime.RemovePodSandbox, request, SLOW))

    async def sandboxes(self, uid: str = "") -> list[Sandbox]:
        wanted = pb.PodSandboxFilter(label_selector={messages.UID_LABEL: uid} if uid else {})
        answer = await call(self._runtime.ListPodSandbox, pb.ListPodSandboxRequest(filter=wanted))
        return [messages.sandbox(item) for item in answer.items]

    async def sandbox_network(self, id: str) -> SandboxNetwork:
        """Remembered: a sandbox keeps its addresses for life."""
        if known := self._network.get(id):
            return known
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=id, verbose=True)
        answer = await call(self._runtime.PodSandboxStatus, request)
        network = answer.status.network
        first = [network.ip] if network.ip else []
        found = SandboxNetwork(
            ips=(*first, *(extra.ip for extra in network.additional_ips)),
            namespace_path=_network_namespace(answer.info.get("info", "")),
            host_network=answer.status.linux.namespaces.options.network == pb.NODE,
        )
        if found.ips or found.host_network:
            self._network[id] = found
        return found

    async def create_container(self, sandbox: str, config: ContainerConfig, pod: SandboxConfig) -> str:
        try:
            container = messages.container_config(config)
        except UnicodeEncodeError as error:  # a Secret as a variable may hold any bytes; protobuf's strings may not
            raise RuntimeFailure("grpc: error while marshaling: string field contains invalid UTF-8") from error
        request = pb.CreateContainerRequest(
            pod_sandbox_id=sandbox, config=container, sandbox_config=messages.sandbox_config(pod)
        )
        answer = await call(self._runtime.CreateContainer, request, SLOW)
        return str(answer.container_id)

    async def start_container(self, id: str) -> None:
        await call(self._runtime.StartContainer, pb.StartContainerRequest(container_id=id), SLOW)

    async def stop_container(self, id: str, grace: float) -> None:
        until = self._clock.monotonic() + grace

        async def stop() -> None:
            left = max(until - self._clock.monotonic(), 0.0)  # another attempt gets no other grace period
            request = pb.StopContainerRequest(container_id=id, timeout=math.ceil(left))
            await call(self._runtime.StopContainer, request, left + SLOW)

        await removed(self._clock, stop)

    async def remove_container(self, id: str) -> None:
        self._resources.pop(id, None)
        request = pb.RemoveContainerRequest(container_id=id)
        await removed(self._clock, lambda: call(self._runtime.RemoveContainer, request, SLOW))

    async def containers(self, uid: str = "") -> list[Container]:
        wanted = pb.ContainerFilter(label_selector={messages.UID_LABEL: uid} if uid else {})
        answer = await call(self._runtime.ListContainers, pb.ListContainersRequest(filter=wanted))
        return [messages.container(item) for item in answer.containers]

    async def container_status(self, id: str) -> ContainerStatus:
        """Limits are read off the specification where the status lacks them (containerd 1.6): once, and again after
        each change, for it is long."""
        known = self._tells_resources or id in self._resources
        request = pb.ContainerStatusRequest(container_id=id, verbose=not known)
        answer = await call(self._runtime.ContainerStatus, request)
        found = messages.container_status(answer.status)
        if found.resources is not None:
            self._tells_resources = True
            return found
        if self._tells_resources:  # another version has taken its place
            self._tells_resources = False
            return await self.container_status(id)
        if not known:
            self._resources[id] = messages.resources_of_spec(answer.info.get("info", ""))
        return msgspec.structs.replace(found, resources=self._resources.get(id))

    async def update_container(self, id: str, resources: Resources) -> None:
        wanted = pb.UpdateContainerResourcesRequest(container_id=id, linux=messages.resources(resources))
        self._resources.pop(id, None)
        try:
            await call(self._runtime.UpdateContainerResources, wanted, SLOW)
        finally:
            self._resources.pop(id, None)  # somebody may have asked meanwhile

    async def reopen_log(self, id: str) -> None:
        await call(self._runtime.ReopenContainerLog, pb.ReopenContainerLogRequest(container_id=id))

    async def usage(self, uid: str = "") -> list[Usage]:
        wanted = pb.ContainerStatsFilter(label_selector={messages.UID_LABEL: uid} if uid else {})
        request = pb.ListContainerStatsRequest(filter=wanted)
        answer = await looked(self._clock, lambda: call(self._runtime.ListContainerStats, request))
        return [messages.usage(item) for item in answer.stats]

    async def pull_image(self, image: str, credentials: Credentials | None) -> str:
        auth = messages.credentials(credentials) if credentials else None
        request = pb.PullImageRequest(image=pb.ImageSpec(image=image), auth=auth)
        answer = await call(self._images.PullImage, request, PULL)
        return str(answer.image_ref)

    async def image(self, name: str) -> Image | None:
        answer = await call(self._images.ImageStatus, pb.ImageStatusRequest(image=pb.ImageSpec(image=name)))
        return messages.image(answer.image) if answer.HasField("image") else None

    async def images(self) -> list[Image]:
        answer = await call(self._images.ListImages, pb.ListImagesRequest())
        return [messages.image(item) for item in answer.images]

    async def remove_image(self, id: str) -> None:
        await call(self._images.RemoveImage, pb.RemoveImageRequest(image=pb.ImageSpec(image=id)), SLOW)

    async def image_place(self) -> str:
        answer = await call(self._images.ImageFsInfo, pb.ImageFsInfoRequest())
        return next((each.fs_id.mountpoint for each in answer.image_filesystems), "")

    async def view_image(self, id: str, view: str) -> FileSystem:
        return await self._snapshots.view(id, view)

    async def remove_view(self, view: str) -> None:
        await self._snapshots.remove(view)

    async def exec_sync(self, id: str, command: Sequence[str], timeout: float) -> ExecResult:
        request = pb.ExecSyncRequest(container_id=id, cmd=command, timeout=max(round(timeout), 1) if timeout else 0)
        answer = await call(self._runtime.ExecSync, request, timeout + QUICK if timeout else PULL)
        return ExecResult(answer.stdout, answer.stderr, answer.exit_code)

    async def exec(self, id: str, command: Sequence[str], *, stdin: bool, tty: bool, stderr: bool) -> Session:
        from longboat.node.cri.streaming import open_session

        request = pb.ExecRequest(
            container_id=id, cmd=command, tty=tty, stdin=stdin, stdout=True, stderr=stderr and not tty
        )
        answer = await call(self._runtime.Exec, request)
        return await open_session(answer.url, stdin=stdin, stderr=stderr and not tty, tty=tty)

    async def attach(self, id: str, *, stdin: bool, tty: bool, stderr: bool) -> Session:
        from longboat.node.cri.streaming import open_session

        request = pb.AttachRequest(container_id=id, tty=tty, stdin=stdin, stdout=True, stderr=stderr and not tty)
        answer = await call(self._runtime.Attach, request)
        return await open_session(answer.url, stdin=stdin, stderr=stderr and not tty, tty=tty)

    async def dial(self, host: str, port: int) -> Streams:
        return await asyncio.open_connection(host, port)

    async def dial_inside(self, sandbox: str, port: int) -> Streams:
        network = await self.sandbox_network(sandbox)
        if network.host_network:
            return await asyncio.open_connection("localhost", port)
        if not network.namespace_path:
            raise RuntimeFailure("the runtime does not tell the sandbox's network namespace", "Unimplemented")
        return await namespaces.connect(network.namespace_path, port)

    async def grpc_health(self, host: str, port: int, service: str) -> str:
        return await health.check(host, port, service)

    async def events(self) -> AsyncIterator[str]:
        try:
            async for event in self._runtime.GetContainerEvents(pb.GetEventsRequest()):
                yield event.container_id
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise failure(error) from error
        subscribe: Any = self._channel.unary_stream(events.SUBSCRIBE)
        try:
            async for envelope in subscribe(events.request(), metadata=events.NAMESPACE):
                if id := events.container_id(envelope):
                    yield id
        except grpc.aio.AioRpcError as error:
            raise failure(error) from error
        except ValueError as error:
            raise RuntimeFailure(f"cannot read an event: {error}") from error


def _network_namespace(info: str) -> str:
    """Where containerd's and CRI-O's verbose answers name the network namespace."""
    try:
        spec = json.loads(info).get("runtimeSpec") or {}
    except ValueError:
        return ""
    listed = (spec.get("linux") or {}).get("namespaces") or []
    return next((str(n.get("path", "")) for n in listed if n.get("type") == "network"), "")
