"""The runtime's configuration of a pod's sandbox and containers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from longboat.api.resources import Amounts
from longboat.node import labels, restarts
from longboat.node.cri.config import ContainerConfig, Device, Mount, SandboxConfig, Seccomp
from longboat.node.cri.interface import Image
from longboat.node.make import cgroups, dns, security
from longboat.node.make.dns import Resolver
from longboat.node.make.expansion import expand
from longboat.node.paths import Paths
from longboat.node.safeguards import Safeguards
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while the agent runs. `capacity` is of the machine."""

    name: str
    ips: tuple[str, ...] = ()
    paths: Paths
    cgroup_root: str = "/"
    resolver: Resolver = Resolver()
    capacity: Amounts = {}
    can: Safeguards = Safeguards()
    default_seccomp: Seccomp = Seccomp()  # of containers that name no profile


def sandbox_config(pod: Pod, attempt: int, node: NodeFacts, handler: str = "") -> SandboxConfig:
    """Raises NotPermitted."""
    meta = pod.metadata
    settings, _ = dns.resolve(pod, node.resolver)
    return SandboxConfig(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        attempt=attempt,
        hostname="" if pod.spec.hostNetwork else dns.hostname(pod, node.resolver, node.name),
        log_directory=str(node.paths.pod_logs(pod)),
        dns=settings,
        labels=labels.for_sandbox(pod),
        annotations=meta.annotations,
        cgroup_parent=cgroups.pod_parent(node.cgroup_root, pod),
        sysctls={sysctl.name.replace("/", "."): sysctl.value for sysctl in pod.spec.securityContext.sysctls},
        security=security.for_sandbox(pod, node.can, handler),
        handler=handler,
    )


def container_config(
    pod: Pod,
    container: Container,
    attempt: int,
    node: NodeFacts,
    *,
    image: Image,
    env: Mapping[str, str],
    mounts: Iterable[Mount],
    termination_file: Path,
    devices: Iterable[Device] = (),
    target: str = "",
) -> ContainerConfig:
    """`mounts` are those of volumes; the hosts file and the termination message come here. Raises NotPermitted."""
    listed = list(mounts)
    taken = {mount.inside for mount in listed}
    if "/etc/hosts" not in taken:
        listed.append(Mount(host=str(node.paths.hosts_file(pod)), inside="/etc/hosts"))
    if container.terminationMessagePath and container.terminationMessagePath not in taken:
        listed.append(Mount(host=str(termination_file), inside=container.terminationMessagePath))
    return ContainerConfig(
        name=container.name,
        attempt=attempt,
        image=image.id,
        command=tuple(expand(word, env) for word in container.command),
        args=tuple(expand(word, env) for word in container.args),
        working_dir=container.workingDir,
        env=tuple((name, value) for name, value in env.items()),
        mounts=tuple(listed),
        devices=tuple(devices),
        labels=labels.for_container(pod, container),
        annotations=labels.notes(pod, container, attempt, str(termination_file)),
        log_path=f"{container.name}/{attempt}.log",
        stdin=container.stdin,
        stdin_once=container.stdinOnce,
        tty=container.tty,
        resources=cgroups.container_resources(pod, container, node.capacity),
        security=security.for_container(
            pod, container, image, node.paths.seccomp, target, can=node.can, default_seccomp=node.default_seccomp
        ),
        completes=completes(pod, container),
    )


def completes(pod: Pod, container: Container) -> bool:
    """Whether a container is meant to end by itself, as far as its pod tells.

    Init containers are, and those of Jobs. Of other pods that are not always restarted, those that serve nobody are.
    """
    if container.stdin or any(c.name == container.name for c in pod.spec.ephemeralContainers):
        return False  # it goes on as long as somebody types
    if any(c.name == container.name for c in pod.spec.initContainers):
        return not container.is_sidecar
    if restarts.again(pod, container, 0):
        return False
    serves = container.ports or container.readinessProbe or container.livenessProbe or container.startupProbe
    return not serves or any(owner.controller and owner.kind == "Job" for owner in pod.metadata.ownerReferences)
