"""What the agent asks of a container runtime, in Kubernetes' terms, of CRI over gRPC and of the in-memory one alike.

Times are seconds since the epoch (0.0: not yet), durations are seconds, sizes are bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from longboat.node.cri.config import ContainerConfig, Resources, SandboxConfig

Streams = tuple[asyncio.StreamReader, "Writer"]


# What containerd says while something of it is on its way out or in: a moment later it says something else.
PASSING = (
    "ttrpc: closed", "ttrpc: client shutting down", "ttrpc: server closed",  # a shim that is just ending
    "container is already in removing state", "container is in starting state", "is not fully stopped",
    "server is not initialized yet", "please retry",
)  # fmt: skip


class RuntimeFailure(Exception):
    """The runtime refused or failed. The text is what Events and statuses show."""

    def __init__(self, message: str, code: str = "Unknown") -> None:
        super().__init__(f"rpc error: code = {code} desc = {message}")
        self.message = message
        self.code = code

    @property
    def absent(self) -> bool:
        """What was asked for is not there."""
        return self.code == "NotFound"

    @property
    def passing(self) -> bool:
        """The same call may well succeed in a moment: the runtime is being started anew, or what was asked for is
        just changing. No promise, and none either that nothing has been done."""
        return self.code == "Unavailable" or any(words in self.message for words in PASSING)


class Writer(Protocol):
    """The sending half of a connection; asyncio.StreamWriter is one."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def write_eof(self) -> None: ...

    def close(self) -> None: ...


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """A pod's sandbox: what holds its namespaces open."""

    id: str
    uid: str
    name: str
    namespace: str
    attempt: int
    ready: bool
    created: float
    annotations: dict[str, str] = {}


class SandboxNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of a sandbox, the primary first, and the file that is its network namespace ("" on the node's own)."""

    ips: tuple[str, ...] = ()
    namespace_path: str = ""
    host_network: bool = False


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A container as a listing shows it."""

    id: str
    sandbox: str
    uid: str  # of its pod
    name: str
    attempt: int
    state: str  # created running exited unknown
    created: float
    images: tuple[str, ...] = ()  # names and ids of what it is made from


class ContainerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A container in full."""

    id: str
    name: str
    attempt: int
    state: str
    created: float
    sandbox: str = ""  # known from listings only
    started: float = 0.0
    finished: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_ref: str = ""
    log_path: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    resources: Resources | None = None  # in force, as the runtime says; None: it does not
    ready: bool = True  # of one without a readiness probe: not the CRI's, imagined containers may say no


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image in the store. `user` and `uid` are what it runs as unless told otherwise."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    uid: int | None = None
    user: str = ""
    pinned: bool = False


class FileSystem(msgspec.Struct, frozen=True, kw_only=True):
    """What to mount, in mount(8)'s terms."""

    kind: str
    source: str
    options: tuple[str, ...] = ()


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Of a registry."""

    username: str = ""
    password: str = ""
    auth: str = ""
    server: str = ""
    identity_token: str = ""
    registry_token: str = ""


class ExecResult(msgspec.Struct, frozen=True):
    stdout: bytes
    stderr: bytes
    code: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a container has used: cpu in nanoseconds since its start."""

    id: str
    name: str
    labels: dict[str, str]
    cpu: int
    memory: int
    disk: int  # bytes of the writable layer
    at: float
    inodes: int = 0  # likewise
    swap: int | None = None  # bytes swapped out, and what more may be; None where the runtime does not say
    swap_left: int | None = None


class Version(msgspec.Struct, frozen=True):
    name: str
    version: str


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime can do that not every one can."""

    supplemental_groups_policy: bool = False
    recursive_read_only: frozenset[str] = frozenset()  # by names of handlers, "" for the default one
    sandbox_image: str = ""  # which every pod rests upon
    selinux: bool = False  # it labels containers, where the machine has SELinux


class Condition(msgspec.Struct, frozen=True):
    """RuntimeReady or NetworkReady."""

    type: str
    ok: bool
    reason: str = ""
    message: str = ""


class Session(Protocol):
    """A running exec or attach: bytes both ways, then an exit code.

    `read` gives ("stdout" or "stderr", data), or None when both have ended. `exit_code` may be awaited after that.
    """

    async def read(self) -> tuple[str, bytes] | None: ...

    async def write(self, data: bytes) -> None: ...

    async def end_input(self) -> None:
        """No more standard input: the process reads an end of file."""
        ...

    async def resize(self, width: int, height: int) -> None: ...

    async def exit_code(self) -> int:
        """Raises RuntimeFailure where the command could not be run."""
        ...

    async def close(self) -> None: ...


class Runtime(Protocol):
    """Every method raises RuntimeFailure; `stop_…` and `remove_…` are fine with what is gone."""

    async def version(self) -> Version: ...

    async def features(self) -> Features: ...

    async def conditions(self) -> list[Condition]: ...

    async def run_sandbox(self, config: SandboxConfig) -> str: ...

    async def stop_sandbox(self, id: str) -> None: ...

    async def remove_sandbox(self, id: str) -> None: ...

    async def sandboxes(self, uid: str = "") -> list[Sandbox]:
        """Of one pod, or all."""
        ...

    async def sandbox_network(self, id: str) -> SandboxNetwork: ...

    async def create_container(self, sandbox: str, config: ContainerConfig, pod: SandboxConfig) -> str: ...

    async def start_container(self, id: str) -> None: ...

    async def stop_container(self, id: str, grace: float) -> None:
        """Ask it to end; force it after `grace` seconds. Returns when it has ended."""
        ...

    async def update_container(self, id: str, resources: Resources) -> None:
        """Set a running container's limits anew. What is zero stays as it is."""
        ...

    async def remove_container(self, id: str) -> None: ...

    async def containers(self, uid: str = "") -> list[Container]: ...

    async def container_status(self, id: str) -> ContainerStatus: ...

    async def reopen_log(self, id: str) -> None: ...

    async def usage(self, uid: str = "") -> list[Usage]:
        """By the running containers of one pod, or of all."""
        ...

    async def pull_image(self, image: str, credentials: Credentials | None) -> str: ...

    async def image(self, name: str) -> Image | None: ...

    async def images(self) -> list[Image]: ...

    async def remove_image(self, id: str) -> None: ...

    async def image_place(self) -> str:
        """The directory on whose file system images and writable layers lie; "" where the runtime does not say."""
        ...

    async def view_image(self, id: str, view: str) -> FileSystem:
        """An image's root file system, read-only. The view has a name; as long as it is there so are the image's files,
        whatever becomes of the image. One of that name that is there already is told of again."""
        ...

    async def remove_view(self, view: str) -> None: ...

    async def exec_sync(self, id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run to its end. A command over time raises RuntimeFailure with code DeadlineExceeded."""
        ...

    async def exec(self, id: str, command: Sequence[str], *, stdin: bool, tty: bool, stderr: bool) -> Session: ...

    async def attach(self, id: str, *, stdin: bool, tty: bool, stderr: bool) -> Session: ...

    async def dial(self, host: str, port: int) -> Streams:
        """Connect from the node to a pod's or any address. Raises OSError."""
        ...

    async def dial_inside(self, sandbox: str, port: int) -> Streams:
        """Connect to localhost inside a pod. Raises OSError and RuntimeFailure."""
        ...

    async def grpc_health(self, host: str, port: int, service: str) -> str:
        """What a server says of itself by the gRPC health protocol: SERVING, NOT_SERVING, … Raises OSError."""
        ...

    def events(self) -> AsyncIterator[str]:
        """Ids of containers and sandboxes that have just changed. A hint: some may be missing.

        Raises RuntimeFailure when the stream breaks, with code Unimplemented where there is none.
        """
        ...

    async def close(self) -> None: ...
