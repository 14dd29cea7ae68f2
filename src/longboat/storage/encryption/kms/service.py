"""The key management service, as we call it over its Unix socket."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple, Protocol

import grpc
import grpc.aio
from google.protobuf.message import Message

from longboat.machinery.protos import messages
from longboat.machinery.protos.rpc import Stub, nearby
from longboat.storage.encryption.kms.objects import Source


class ServiceFailed(Exception):
    """The service did not do what it was asked, or does not answer."""


class Status(NamedTuple):
    version: str
    healthz: str
    key_id: str


class Service(Protocol):
    """Each raises ServiceFailed."""

    async def status(self) -> Status: ...

    async def encrypt(self, plain: bytes) -> Source: ...

    async def decrypt(self, source: Source) -> bytes: ...

    async def close(self) -> None: ...


class GrpcService:
    """`endpoint` is `unix:///path`, or `unix:///@name` in the abstract namespace; `timeout` in seconds, for each call.

    Connects when first called, and anew whenever the service has gone away.
    """

    def __init__(self, endpoint: str, timeout: float) -> None:
        path = endpoint.removeprefix("unix:").removeprefix("//")
        abstract = path.startswith("/@")
        self._target = f"unix-abstract:{path[2:]}" if abstract else f"unix:{path}"
        self._timeout = timeout
        self._channel: grpc.aio.Channel | None = None

    async def status(self) -> Status:
        found = await self._call("Status")
        return Status(found.version, found.healthz, found.key_id)

    async def encrypt(self, plain: bytes) -> Source:
        request = messages("v2").EncryptRequest(plaintext=plain, uid=str(uuid.uuid4()))
        sealed = await self._call("Encrypt", request)
        return Source(sealed.key_id, sealed.ciphertext, tuple(sorted(sealed.annotations.items())))

    async def decrypt(self, source: Source) -> bytes:
        request = messages("v2").DecryptRequest(
            ciphertext=source.sealed, uid=str(uuid.uuid4()), key_id=source.key_id, annotations=dict(source.annotations)
        )
        plain: bytes = (await self._call("Decrypt", request)).plaintext
        return plain

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def _call(self, name: str, request: Message | None = None) -> Any:
        if self._channel is None:
            self._channel = nearby(self._target)
        try:
            return await Stub(self._channel, "v2.KeyManagementService")(name, request, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            why = f"rpc error: code = {error.code().name} desc = {error.details()}"
            raise ServiceFailed(why) from None
