"""One member of an etcd: its connection, and whether it is one that can be used."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from longboat.machinery.protos import messages, methods
from longboat.machinery.protos.rpc import NEARBY, Stub
from longboat.storage.etcd import problems
from longboat.storage.etcd.address import Address
from longboat.storage.interface import StorageError

CONNECT = 1.5  # seconds a member may take to say who it is
LARGEST = 64 << 20  # bytes of one answer
LEADER = (("hasleader", "true"),)  # a member that knows no leader is to say so at once
OPTIONS = [
    *NEARBY,
    ("grpc.keepalive_time_ms", 6000),  # etcd disconnects whoever asks more often than each 5 s
    ("grpc.keepalive_timeout_ms", 3000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.max_send_message_length", LARGEST),
]
OLDEST = (3, 4)  # minor version: the first whose watches tell of their progress when asked
# By minor version, the first release whose answers about progress name no event still to come (etcd 15220, 17507).
TRUSTED: dict[tuple[int, ...], int] = {(3, 4): 31, (3, 5): 13}


class Unsuitable(StorageError):
    """What answers can never serve this cluster: trying again is of no use."""


class Member:
    """`endpoint` is `host:port`. Connects when first asked; the files are read anew with each connection."""

    def __init__(self, endpoint: str, address: Address) -> None:
        self.endpoint = endpoint
        self.cluster_id = 0
        self.version: tuple[int, ...] = ()
        self.term = 0  # how many elections of a leader it had seen when it answered last
        self.alarms: tuple[str, ...] = ()
        self.streams: set[Any] = set()  # calls that end when the member is given up
        self._address = address
        self._channel: grpc.aio.Channel | None = None
        self._stubs: dict[str, Stub] = {}
        self._known = False  # it has said who it is, and nothing has been said against it since

    @property
    def usable(self) -> bool:
        return (
            self._known
            and self._channel is not None
            and self._channel.get_state() in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.IDLE)
        )

    @property
    def tells_progress(self) -> bool:
        """Whether what it says of a watch's progress, when asked, can be relied upon."""
        return self.version[2:] >= (TRUSTED.get(self.version[:2], 0),)

    async def connect(self) -> str:
        """Why it cannot be used now, or nothing. Raises Unsuitable."""
        if self._channel is None or self._channel.get_state() in (
            grpc.ChannelConnectivity.TRANSIENT_FAILURE,
            grpc.ChannelConnectivity.SHUTDOWN,
        ):
            await self.close()
        try:
            status = await self.call("Maintenance", "Status", None, CONNECT)
        except grpc.aio.AioRpcError as error:
            return problems.explain(error)
        self._check(status)
        self.alarms = tuple(status.errors)
        self.term = status.header.raft_term
        if status.isLearner:
            return "it is a learner"
        if not status.leader:
            return "it has no leader"
        self._known = True
        return ""

    def distrust(self) -> None:
        """It went silent: ask it who it is before it is used again."""
        self._known = False
        for call in list(self.streams):
            call.cancel()

    async def call(self, service: str, name: str, request: Any, timeout: float) -> Any:
        """Raises grpc.aio.AioRpcError."""
        stub = self._stubs.get(service)
        if stub is None:
            stub = self._stubs[service] = Stub(self._opened(), f"etcdserverpb.{service}")
        try:
            return await stub(name, request, timeout=timeout, metadata=() if service == "Maintenance" else LEADER)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # Only the call was, by the end of its connection: whoever waits for it goes on.
            none = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, none, none, "the connection was closed") from None

    def watch(self) -> Any:
        """A stream in both directions; take it out of `streams` when it has ended."""
        method = methods("etcdserverpb.Watch")["Watch"]
        call = self._opened().stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )(metadata=LEADER)
        self.streams.add(call)
        return call

    async def close(self) -> None:
        self._known = False
        self._stubs.clear()
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _opened(self) -> grpc.aio.Channel:
        """Raises Unsuitable."""
        if self._channel is None:
            given = self._address
            if not given.tls:
                self._channel = grpc.aio.insecure_channel(self.endpoint, options=OPTIONS)
            else:
                files = _read(given.ca), _read(given.key), _read(given.certificate)
                credentials = grpc.ssl_channel_credentials(*files)
                self._channel = grpc.aio.secure_channel(self.endpoint, credentials, options=OPTIONS)
        return self._channel

    def _check(self, status: Any) -> None:
        """Raises Unsuitable."""
        try:
            version = tuple(map(int, status.version.split("-")[0].split(".")))
        except ValueError:
            version = ()
        if len(version) != 3 or version[0] != OLDEST[0] or version[:2] < OLDEST:
            named = f"etcd {status.version}" if status.version else "no etcd that names its version"
            raise Unsuitable(f"what answers at {self.endpoint} is {named}: it takes etcd 3.4 or later, of version 3")
        self.version = version
        self.cluster_id = status.header.cluster_id


def _read(path: Path | None) -> bytes | None:
    """Raises Unsuitable."""
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise Unsuitable(f"{path} cannot be read: {error.strerror}") from None


def is_cancelled() -> bool:
    """The task itself, and not only a call that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def request(name: str, **fields: Any) -> Any:
    """A message of etcd's."""
    return getattr(messages("etcdserverpb"), name)(**fields)
