"""Makes sandboxes and starts containers: everything between a decision and a running process."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.fanout import fan_out
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.node import credentials, handlers, hooks
from longboat.node.cri.config import ContainerConfig, SandboxConfig
from longboat.node.cri.interface import ContainerStatus, Credentials, Image, Runtime, RuntimeFailure, SandboxNetwork
from longboat.node.errors import StartFailure
from longboat.node.images import Images
from longboat.node.make import config, env, security
from longboat.node.make.config import NodeFacts
from longboat.node.make.fields import Surroundings
from longboat.node.pod_cgroups import PodCgroups
from longboat.node.pod_files import PodFiles
from longboat.node.recorder import NORMAL, WARNING, Recorder, field_of
from longboat.node.services import Services
from longboat.node.sources import Sources
from longboat.node.stop import Stopper, grace_period
from longboat.node.sync import StartContainer
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod
from longboat.node.volumes import image as image_volume
from longboat.node.volumes.image import Found, ImageVolumes
from longboat.node.volumes.mounts import devices

log = logging.getLogger(__name__)
AT_ONCE = 16  # containers that are killed at a time
SOON = 1.0  # seconds before another look for what the API does not have yet


class Launcher:
    """One per agent."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        recorder: Recorder,
        node: NodeFacts,
        sources: Sources,
        services: Services,
        images: Images,
        image_volumes: ImageVolumes,
        stopper: Stopper,
        files: PodFiles,
        cgroups: PodCgroups,
    ) -> None:
        self._runtime, self._clock, self._recorder, self._node = runtime, clock, recorder, node
        self._sources, self._services, self._images, self._image_volumes = sources, services, images, image_volumes
        self._stopper, self._files, self._cgroups = stopper, files, cgroups
        self._handlers = handlers.of(runtime, clock)

    async def create_sandbox(self, pod: Pod, attempt: int) -> str:
        """The id of the new sandbox. Raises StartFailure."""
        try:
            handler = await self._services.handler(pod.spec.runtimeClassName)
            wanted = config.sandbox_config(pod, attempt, self._node, handler)
            await self._files.prepare(pod)
            await self._cgroups.ensure(pod)
            return await self._runtime.run_sandbox(wanted)
        except (RuntimeFailure, OSError, LookupError, security.NotPermitted) as failure:
            message = f"Failed to create pod sandbox: {failure}"
            self._recorder.pod(pod, WARNING, "FailedCreatePodSandBox", message)
            raise StartFailure("CreatePodSandboxError", message, SOON, grows=True) from failure

    async def start(
        self,
        pod: Pod,
        action: StartContainer,
        sandbox: str,
        network: SandboxNetwork,
        places: Mapping[str, Path],
        found: Found,
        around: Surroundings,
        target: str = "",
        *,
        turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> str:
        """Pull, create, start, run the postStart hook. Returns the container's id. Raises StartFailure.

        `found`, empty at first, holds what volumes show once it has been looked for: for all that start in one go. The
        runtime is asked in `turn`; slow registries, hooks and disks of others take nobody's.
        """
        container = action.container
        image = await self._pull(pod, container, found)
        wanted = await self._config(pod, action, image, places, found, around, target)
        pod_config = config.sandbox_config(pod, 0, self._node)
        async with turn():
            id = await self._create(pod, container, sandbox, wanted, pod_config)
            try:
                await self._runtime.start_container(id)
            except RuntimeFailure as failure:
                self._tell(pod, container, WARNING, "Failed", f"Error: {failure.message}")
                raise StartFailure("RunContainerError", failure.message) from failure
        self._tell(pod, container, NORMAL, "Started", "Container started")
        self._files.link_log(pod, container, id, action.attempt)
        await self._after_start(pod, container, id, network)
        return id

    async def _pull(self, pod: Pod, container: Container, found: Found) -> Image:
        """The container's image; those of the pod's volumes come first. Raises StartFailure."""
        keys = await self._keys(pod)
        try:
            if not found:
                found.update(await self._image_volumes.find(pod, keys))
            image_volume.of(container, found)
            field = field_of(pod, container)
            return await self._images.ensure(pod, container.image, container.imagePullPolicy, keys, field)
        except StartFailure as failure:
            self._tell(pod, container, WARNING, "Failed", f"Error: {failure.reason}")
            raise

    async def _create(
        self, pod: Pod, container: Container, sandbox: str, wanted: ContainerConfig, pod_config: SandboxConfig
    ) -> str:
        try:
            id = await self._runtime.create_container(sandbox, wanted, pod_config)
        except RuntimeFailure as failure:
            self._tell(pod, container, WARNING, "Failed", f"Error: {failure.message}")
            raise StartFailure("CreateContainerError", failure.message) from failure
        self._tell(pod, container, NORMAL, "Created", "Container created")
        return id

    async def _config(
        self,
        pod: Pod,
        action: StartContainer,
        image: Image,
        places: Mapping[str, Path],
        found: Found,
        around: Surroundings,
        target: str,
    ) -> ContainerConfig:
        container = action.container
        try:
            variables = await self._environment(pod, container, around)
            places = {**places, **await self._image_volumes.show(pod, image_volume.of(container, found))}
            message_file = self._node.paths.container(pod.uid, container.name) / secrets.token_hex(4)
            recursive = await self._makes_read_only_throughout(pod, container)
            listed = await self._files.mounts(
                pod, container, message_file, places, variables, recursive=recursive
            )  # fmt: skip
            return config.container_config(
                pod, container, action.attempt, self._node, image=image, env=variables, mounts=listed,
                termination_file=message_file, target=target, devices=devices(pod, container, places),
            )  # fmt: skip
        except (env.EnvError, security.NotPermitted, OSError, LookupError, StatusError) as error:
            self._tell(pod, container, WARNING, "Failed", f"Error: {error}")
            raise StartFailure("CreateContainerConfigError", str(error), SOON, grows=True) from error
        except StartFailure as failure:
            self._tell(pod, container, WARNING, "Failed", f"Error: {failure.message}")
            raise

    async def _environment(self, pod: Pod, container: Container, around: Surroundings) -> dict[str, str]:
        config_maps, secret_names = env.references(container)
        namespace = pod.metadata.namespace
        found_maps = await asyncio.gather(*(self._sources.config_map(Key(namespace, name)) for name in config_maps))
        found_secrets = await asyncio.gather(*(self._sources.secret(Key(namespace, name)) for name in secret_names))
        sources = env.Sources(
            config_maps=dict(zip(config_maps, found_maps, strict=True)),
            secrets=dict(zip(secret_names, found_secrets, strict=True)),
        )
        return env.environment(pod, container, sources, await self._services.list(), around)

    async def _makes_read_only_throughout(self, pod: Pod, container: Container) -> bool:
        """Whether the pod's runtime makes what is mounted beneath a mount read-only too, where somebody asks."""
        if not any(mount.recursiveReadOnly for mount in container.volumeMounts):
            return False
        return await self._services.handler(pod.spec.runtimeClassName) in self._node.can.recursive_read_only

    async def _keys(self, pod: Pod) -> list[Credentials]:
        """Credentials in the pod's pull secrets. Secrets that are absent or odd are passed over, as upstream does."""
        found: list[Credentials] = []
        for reference in pod.spec.imagePullSecrets:
            try:
                secret = await self._sources.secret(Key(pod.metadata.namespace, reference.name))
            except (StatusError, ConnectionError) as error:
                log.warning("cannot read pull secret %s of %s: %s", reference.name, pod, error)
                continue
            if secret is None:
                self._recorder.pod(
                    pod, WARNING, "FailedToRetrieveImagePullSecret",
                    f"Unable to retrieve some image pull secrets ({reference.name}); "
                    "attempting to pull the image may not succeed.",
                )  # fmt: skip
            else:
                found += credentials.parse(secret)
        return found

    async def _after_start(self, pod: Pod, container: Container, id: str, network: SandboxNetwork) -> None:
        hook = container.lifecycle.postStart if container.lifecycle else None
        if hook is None:
            return
        host = next(iter(network.ips or self._node.ips), "")
        try:
            await self._handlers.hook(hook, container, id, host, 0)
        except hooks.HookFailure as failure:
            self._tell(pod, container, WARNING, "FailedPostStartHook", f"PostStartHook failed: {failure}")
            status = await self._runtime.container_status(id)
            await self._stopper.stop(pod, status, grace_period(pod), "FailedPostStartHook")
            raise StartFailure("PostStartHookError", f"PostStartHook failed: {failure}", 0.0) from failure

    async def remove(self, pod: Pod, containers: list[ContainerStatus]) -> None:
        """Kill and remove containers of a pod that goes on, with their logs: the running ones all at once, without
        hooks and grace (KEP-5532). Raises RuntimeFailure."""
        running = [status for status in containers if status.state != "exited"]
        for status in running:
            container = pod.container(status.name) or Container(name=status.name)
            self._tell(pod, container, NORMAL, "Killing", f"Stopping container {status.name}")
        await fan_out(running, lambda status: self._runtime.stop_container(status.id, 0.0), width=AT_ONCE)
        for status in containers:
            await self._runtime.remove_container(status.id)
            await self._files.remove_log(pod, status)

    def _tell(self, pod: Pod, container: Container, kind: str, reason: str, message: str) -> None:
        self._recorder.pod(pod, kind, reason, message, field_of(pod, container))
