"""What a sandbox and its containers are made from: the CRI's configuration in plain structs."""

from __future__ import annotations

import msgspec

# Namespaces a container may live in.
POD, CONTAINER, NODE, TARGET = "pod", "container", "node", "target"


class DNS(msgspec.Struct, frozen=True, kw_only=True):
    """A resolv.conf. Empty throughout: the image's own."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class Namespaces(msgspec.Struct, frozen=True, kw_only=True):
    network: str = POD
    pid: str = CONTAINER
    ipc: str = POD
    target: str = ""  # container id whose PID namespace is joined


class Seccomp(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is RuntimeDefault, Unconfined or Localhost with the profile's absolute path."""

    kind: str = "Unconfined"
    path: str = ""


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """SELinux's."""

    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """Zero means: not set. Shares, quota and period are cgroup v1's; the runtime translates for v2."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    memory_limit: int = 0
    oom_score_adj: int = 0
    hugepages: dict[str, int] = {}  # page size ("2MB"): limit


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """The security context of a container; a sandbox uses those fields that the CRI knows for it."""

    namespaces: Namespaces = Namespaces()
    privileged: bool = False
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    user: int | None = None
    username: str = ""
    group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    strict_groups: bool = False  # none of those that the image gives its user
    read_only_root: bool = False
    no_new_privileges: bool = False
    seccomp: Seccomp | None = None
    apparmor: str = ""
    selinux: Labels | None = None
    masked_paths: tuple[str, ...] = ()
    read_only_paths: tuple[str, ...] = ()


class SandboxConfig(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    namespace: str
    uid: str
    attempt: int = 0
    hostname: str = ""
    log_directory: str = ""
    dns: DNS = DNS()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    cgroup_parent: str = ""
    sysctls: dict[str, str] = {}
    security: Security = Security()
    handler: str = ""  # of the RuntimeClass


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    inside: str
    read_only: bool = False
    recursive_read_only: bool = False
    propagation: str = "None"  # None HostToContainer Bidirectional


class Device(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    inside: str
    permissions: str = "rwm"


class ContainerConfig(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    image: str  # as the image store knows it
    attempt: int = 0
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    log_path: str = ""  # beneath the sandbox's log directory
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    resources: Resources = Resources()
    security: Security = Security()
    completes: bool = False  # it is meant to end by itself: not the CRI's, imagined containers go by it
