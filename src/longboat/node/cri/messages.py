"""Between our structs and the CRI's protobuf messages. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from cri_api.v1 import api_pb2 as pb

from longboat.node.cri.config import ContainerConfig, Labels, Namespaces, Resources, SandboxConfig, Seccomp, Security
from longboat.node.cri.interface import Container, ContainerStatus, Credentials, Features, Image, Sandbox, Usage

UID_LABEL = "io.kubernetes.pod.uid"
NANO = 1e9
UNLIMITED = 1 << 62  # bytes of memory: about what is told where there is no limit
_MODES = {"pod": pb.POD, "container": pb.CONTAINER, "node": pb.NODE, "target": pb.TARGET}
_STATES = {0: "created", 1: "running", 2: "exited", 3: "unknown"}
_PROPAGATION = {
    "None": pb.PROPAGATION_PRIVATE,
    "HostToContainer": pb.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": pb.PROPAGATION_BIDIRECTIONAL,
}


class _Cpu(msgspec.Struct, frozen=True):
    shares: int | None = None
    quota: int | None = None
    period: int | None = None


class _Memory(msgspec.Struct, frozen=True):
    limit: int | None = None


class _Limits(msgspec.Struct, frozen=True):
    cpu: _Cpu | None = None
    memory: _Memory | None = None


class _Linux(msgspec.Struct, frozen=True):
    resources: _Limits = _Limits()


class _Spec(msgspec.Struct, frozen=True):
    linux: _Linux = _Linux()


class _Config(msgspec.Struct, frozen=True):
    enableSelinux: bool = True
    sandboxImage: str = ""


class _Info(msgspec.Struct, frozen=True):
    runtimeSpec: _Spec | None = None


def sandbox_config(config: SandboxConfig) -> Any:
    security = config.security
    linux = pb.LinuxPodSandboxConfig(
        cgroup_parent=config.cgroup_parent,
        sysctls=config.sysctls,
        security_context=pb.LinuxSandboxSecurityContext(
            namespace_options=_namespaces(security.namespaces),
            run_as_user=_integer(security.user),
            run_as_group=_integer(security.group),
            supplemental_groups=security.supplemental_groups,
            supplemental_groups_policy=_groups_policy(security),
            privileged=security.privileged,
            seccomp=_seccomp(security.seccomp),
            selinux_options=_labels(security.selinux),
        ),
    )
    dns = config.dns
    return pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(
            name=config.name, uid=config.uid, namespace=config.namespace, attempt=config.attempt
        ),
        hostname=config.hostname,
        log_directory=config.log_directory,
        dns_config=pb.DNSConfig(servers=dns.servers, searches=dns.searches, options=dns.options),
        labels=config.labels,
        annotations=config.annotations,
        linux=linux,
    )


def container_config(config: ContainerConfig) -> Any:
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=config.name, attempt=config.attempt),
        image=pb.ImageSpec(image=config.image),
        command=config.command,
        args=config.args,
        working_dir=config.working_dir,
        envs=[pb.KeyValue(key=key, value=value) for key, value in config.env],
        mounts=[
            pb.Mount(
                host_path=mount.host, container_path=mount.inside, readonly=mount.read_only,
                recursive_read_only=mount.recursive_read_only,
                propagation=_PROPAGATION[mount.propagation],
            )
            for mount in config.mounts
        ],
        devices=[
            pb.Device(host_path=d.host, container_path=d.inside, permissions=d.permissions) for d in config.devices
        ],
        labels=config.labels,
        annotations=config.annotations,
        log_path=config.log_path,
        stdin=config.stdin,
        stdin_once=config.stdin_once,
        tty=config.tty,
        linux=pb.LinuxContainerConfig(
            resources=resources(config.resources), security_context=_security(config.security)
        ),
    )  # fmt: skip


def resources(wanted: Resources) -> Any:
    return pb.LinuxContainerResources(
        cpu_period=wanted.cpu_period,
        cpu_quota=wanted.cpu_quota,
        cpu_shares=wanted.cpu_shares,
        memory_limit_in_bytes=wanted.memory_limit,
        oom_score_adj=wanted.oom_score_adj,
        hugepage_limits=[pb.HugepageLimit(page_size=size, limit=limit) for size, limit in wanted.hugepages.items()],
    )


def credentials(given: Credentials) -> Any:
    return pb.AuthConfig(
        username=given.username, password=given.password, auth=given.auth, server_address=given.server,
        identity_token=given.identity_token, registry_token=given.registry_token,
    )  # fmt: skip


def _security(wanted: Security) -> Any:
    return pb.LinuxContainerSecurityContext(
        capabilities=pb.Capability(add_capabilities=wanted.add, drop_capabilities=wanted.drop),
        privileged=wanted.privileged,
        namespace_options=_namespaces(wanted.namespaces),
        run_as_user=_integer(wanted.user),
        run_as_username=wanted.username,
        run_as_group=_integer(wanted.group),
        supplemental_groups=wanted.supplemental_groups,
        supplemental_groups_policy=_groups_policy(wanted),
        selinux_options=_labels(wanted.selinux),
        readonly_rootfs=wanted.read_only_root,
        no_new_privs=wanted.no_new_privileges,
        masked_paths=wanted.masked_paths,
        readonly_paths=wanted.read_only_paths,
        seccomp=_seccomp(wanted.seccomp),
        apparmor_profile=wanted.apparmor,
    )


def _namespaces(wanted: Namespaces) -> Any:
    return pb.NamespaceOption(
        network=_MODES[wanted.network], pid=_MODES[wanted.pid], ipc=_MODES[wanted.ipc], target_id=wanted.target
    )


def _seccomp(wanted: Seccomp | None) -> Any:
    if wanted is None:
        return None
    return pb.SecurityProfile(profile_type=pb.SecurityProfile.ProfileType.Value(wanted.kind), localhost_ref=wanted.path)


def _groups_policy(wanted: Security) -> Any:
    return pb.SupplementalGroupsPolicy.Strict if wanted.strict_groups else pb.SupplementalGroupsPolicy.Merge


def _labels(wanted: Labels | None) -> Any:
    if wanted is None:
        return None
    return pb.SELinuxOption(user=wanted.user, role=wanted.role, type=wanted.type, level=wanted.level)


def _integer(value: int | None) -> Any:
    return None if value is None else pb.Int64Value(value=value)


def sandbox(message: Any) -> Sandbox:
    meta = message.metadata
    return Sandbox(
        id=message.id,
        uid=meta.uid,
        name=meta.name,
        namespace=meta.namespace,
        attempt=meta.attempt,
        ready=message.state == pb.SANDBOX_READY,
        created=message.created_at / NANO,
        annotations=dict(message.annotations),
    )


def container(message: Any) -> Container:
    return Container(
        id=message.id,
        sandbox=message.pod_sandbox_id,
        uid=message.labels.get(UID_LABEL, ""),
        name=message.metadata.name,
        attempt=message.metadata.attempt,
        state=_STATES[message.state],
        created=message.created_at / NANO,
        images=tuple(filter(None, (message.image.image, message.image_ref, message.image_id))),
    )


def container_status(message: Any) -> ContainerStatus:
    return ContainerStatus(
        id=message.id,
        name=message.metadata.name,
        attempt=message.metadata.attempt,
        state=_STATES[message.state],
        created=message.created_at / NANO,
        started=max(message.started_at, 0) / NANO,
        finished=max(message.finished_at, 0) / NANO,
        exit_code=message.exit_code,
        reason=message.reason,
        message=message.message,
        image=message.image.image,
        image_ref=message.image_ref,
        log_path=message.log_path,
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        resources=_in_force(message.resources.linux) if message.HasField("resources") else None,
    )


def _in_force(message: Any) -> Resources:
    """Limits as they are; no limit is told as nothing, -1 or more than there could be."""
    memory = message.memory_limit_in_bytes
    return Resources(
        cpu_period=message.cpu_period,
        cpu_quota=max(message.cpu_quota, 0),
        cpu_shares=message.cpu_shares,
        memory_limit=memory if 0 < memory < UNLIMITED else 0,
    )


def resources_of_spec(info: str) -> Resources | None:
    """What containerd's verbose answer says of a container's limits: those of its OCI specification."""
    try:
        found = msgspec.json.decode(info, type=_Info).runtimeSpec
    except msgspec.DecodeError:
        return None
    if found is None:
        return None
    cpu, memory = found.linux.resources.cpu or _Cpu(), found.linux.resources.memory or _Memory()
    return _in_force(
        pb.LinuxContainerResources(
            cpu_period=cpu.period or 0, cpu_quota=cpu.quota or 0, cpu_shares=cpu.shares or 0,
            memory_limit_in_bytes=memory.limit or 0,
        )
    )  # fmt: skip


def features(answer: Any) -> Features:
    """Of a status with everything said. That SELinux is off, containerd shows in its configuration."""
    try:
        config = msgspec.json.decode(answer.info.get("config", "{}"), type=_Config)
    except msgspec.DecodeError:
        config = _Config()
    handlers = answer.runtime_handlers
    return Features(
        supplemental_groups_policy=answer.features.supplemental_groups_policy,
        recursive_read_only=frozenset(each.name for each in handlers if each.features.recursive_read_only_mounts),
        selinux=config.enableSelinux,
        sandbox_image=config.sandboxImage,
    )


def image(message: Any) -> Image:
    return Image(
        id=message.id,
        tags=tuple(message.repo_tags),
        digests=tuple(message.repo_digests),
        size=message.size,
        uid=message.uid.value if message.HasField("uid") else None,
        user=message.username,
        pinned=message.pinned,
    )


def usage(message: Any) -> Usage:
    attributes = message.attributes
    return Usage(
        id=attributes.id,
        name=attributes.metadata.name,
        labels=dict(attributes.labels),
        cpu=message.cpu.usage_core_nano_seconds.value,
        memory=message.memory.working_set_bytes.value,
        disk=message.writable_layer.used_bytes.value,
        inodes=message.writable_layer.inodes_used.value,
        at=message.cpu.timestamp / NANO,
        swap=_value(message.swap, "swap_usage_bytes"),
        swap_left=_value(message.swap, "swap_available_bytes"),
    )


def _value(message: Any, field: str) -> int | None:
    return int(getattr(message, field).value) if message.HasField(field) else None
