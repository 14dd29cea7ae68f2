"""What the node asks the API about persistent volumes."""

from __future__ import annotations

from base64 import b64decode
from typing import Protocol

from longboat.client.informer import Informers
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, timestamp
from longboat.node.sources import Sources
from longboat.node.views.objects import Node, Secret
from longboat.node.views.pod import Pod
from longboat.node.views.storage import Claim, CSIDriver, PersistentVolume, SecretRef, TokenRequest, VolumeAttachment
from longboat.node.views.volumes import TokenProjection

DEFAULT_LIFE = 3600  # seconds of a token for a driver that does not say


class Storage(Protocol):
    """All raise StatusError and ConnectionError."""

    async def claim(self, key: Key) -> Claim: ...

    async def volume(self, name: str) -> PersistentVolume: ...

    async def attachment(self, name: str) -> VolumeAttachment | None: ...

    async def driver(self, name: str) -> CSIDriver | None: ...

    async def secret(self, ref: SecretRef) -> dict[str, str]:
        """Raises ValueError as well: what it holds is not text."""
        ...

    async def node_labels(self) -> dict[str, str]: ...

    async def token(self, pod: Pod, wanted: TokenRequest) -> Object:
        """The status of the TokenRequest: `token` and `expirationTimestamp`."""
        ...

    async def patch_claim(self, key: Key, status: Object) -> None:
        """A strategic merge patch of its status."""
        ...

    async def report_in_use(self, names: list[str]) -> None:
        """The node's status tells which volumes it uses: none of these is detached from it."""
        ...


class ApiStorage:
    """From the API, asked each time: a node may not watch claims and volumes (Node authorizer)."""

    def __init__(self, client: Client, informers: Informers, sources: Sources, node: str) -> None:
        self._client, self._sources, self._node = client, sources, node
        self._drivers = informers.of(CSIDriver)

    async def claim(self, key: Key) -> Claim:
        return await self._client.get(Claim, key)

    async def volume(self, name: str) -> PersistentVolume:
        return await self._client.get(PersistentVolume, Key("", name))

    async def attachment(self, name: str) -> VolumeAttachment | None:
        try:
            return await self._client.get(VolumeAttachment, Key("", name))
        except StatusError as error:
            # 403: a node may ask for its own only, and of one that is still to be made nobody knows whose it will be.
            if error.code in (403, 404):
                return None
            raise

    async def driver(self, name: str) -> CSIDriver | None:
        await self._drivers.synced()
        return self._drivers.get(Key("", name))

    async def secret(self, ref: SecretRef) -> dict[str, str]:
        found = await self._client.get(Secret, Key(ref.namespace, ref.name))
        try:
            return {key: b64decode(value).decode() for key, value in found.data.items()}
        except ValueError:
            raise ValueError(f"secret {ref.namespace}/{ref.name} holds what is not text") from None

    async def node_labels(self) -> dict[str, str]:
        return (await self._client.get(Node, Key("", self._node))).metadata.labels

    async def token(self, pod: Pod, wanted: TokenRequest) -> Object:
        asked = TokenProjection(audience=wanted.audience, expirationSeconds=wanted.expirationSeconds or DEFAULT_LIFE)
        text, expires = await self._sources.token_until(pod, asked)
        return {"token": text, "expirationTimestamp": timestamp(expires)}

    async def patch_claim(self, key: Key, status: Object) -> None:
        await self._client.patch(Claim, key, {"status": status}, style="strategic", subresource="status")

    async def report_in_use(self, names: list[str]) -> None:
        await self._client.patch(
            Node, Key("", self._node), {"status": {"volumesInUse": names or None}}, subresource="status"
        )
