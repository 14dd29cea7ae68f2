"""The calls of a driver's node service, with all that a request carries: secrets, the pod, its tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping

from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.machinery.protos import messages
from longboat.node.csi.drivers import Driver
from longboat.node.csi.paths import Spot
from longboat.node.csi.records import Record
from longboat.node.csi.wanted import Wanted, capability, pod_attributes
from longboat.node.views.pod import Pod
from longboat.node.views.storage import CSIDriverSpec, SecretRef
from longboat.node.volumes.cluster import Storage

csi = messages("csi.v1")
TOKENS = "csi.storage.k8s.io/serviceAccount.tokens"
EXPAND_VOLUME = "EXPAND_VOLUME"


class Calls:
    """All raise RpcFailure, and ValueError where something that a request needs cannot be had."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def stage(
        self, driver: Driver, wanted: Wanted, spot: Spot, context: Mapping[str, str], group: int | None
    ) -> None:
        request = csi.NodeStageVolumeRequest(
            volume_id=wanted.handle,
            publish_context=context,
            staging_target_path=str(spot.staging),
            volume_capability=capability(wanted, driver, group),
            secrets=await self._secrets("NodeStageSecretRef", wanted.stage_secret),
            volume_context=wanted.attributes,
        )
        await driver.plugin.call("NodeStageVolume", request)

    async def publish(
        self, driver: Driver, wanted: Wanted, spot: Spot, pod: Pod, rules: CSIDriverSpec, context: Mapping[str, str],
        *, stages: bool,
    ) -> None:  # fmt: skip
        secrets = await self._secrets("NodePublishSecretRef", wanted.publish_secret)
        attributes = {**wanted.attributes, **pod_attributes(pod, wanted, rules)}
        if rules.tokenRequests:
            into = secrets if rules.serviceAccountTokenInSecrets else attributes
            into[TOKENS] = await self._tokens(pod, rules)
        request = csi.NodePublishVolumeRequest(
            volume_id=wanted.handle,
            publish_context=context,
            staging_target_path=str(spot.staging) if stages else "",
            target_path=str(spot.target),
            volume_capability=capability(wanted, driver, pod.spec.securityContext.fsGroup),
            readonly=wanted.read_only,
            secrets=secrets,
            volume_context=attributes,
        )
        await driver.plugin.call("NodePublishVolume", request)

    async def expand(self, driver: Driver, wanted: Wanted, spot: Spot, *, stages: bool) -> None:
        """Nothing happens where the node has no part in it."""
        if not driver.can(EXPAND_VOLUME):
            return
        request = csi.NodeExpandVolumeRequest(
            volume_id=wanted.handle,
            volume_path=str(spot.target),
            capacity_range={"required_bytes": wanted.size},
            staging_target_path=str(spot.staging) if stages else "",
            volume_capability=capability(wanted, driver),
            secrets=await self._secrets("NodeExpandSecretRef", wanted.expand_secret),
        )
        await driver.plugin.call("NodeExpandVolume", request)

    async def unpublish(self, driver: Driver, record: Record, spot: Spot) -> None:
        request = csi.NodeUnpublishVolumeRequest(volume_id=record.volumeHandle, target_path=str(spot.target))
        await driver.plugin.call("NodeUnpublishVolume", request)

    async def unstage(self, driver: Driver, record: Record, spot: Spot) -> None:
        request = csi.NodeUnstageVolumeRequest(volume_id=record.volumeHandle, staging_target_path=str(spot.staging))
        await driver.plugin.call("NodeUnstageVolume", request)

    async def _secrets(self, purpose: str, ref: SecretRef | None) -> dict[str, str]:
        if ref is None:
            return {}
        try:
            return await self._storage.secret(ref)
        except (StatusError, ConnectionError, ValueError) as error:
            inner = f"failed to find the secret {ref.name} in the namespace {ref.namespace} with error: {error}"
            why = f"fetching {purpose} {ref.namespace}/{ref.name} failed: kubernetes.io/csi: {inner}"
            raise ValueError(why) from error

    async def _tokens(self, pod: Pod, rules: CSIDriverSpec) -> str:
        tokens: dict[str, Object] = {}
        try:
            for wanted in rules.tokenRequests:
                tokens[wanted.audience] = await self._storage.token(pod, wanted)
        except (StatusError, ConnectionError) as error:
            what = "kubernetes.io/csi: mounter.SetUpAt failed to get service account token attributes"
            raise ValueError(f"{what}: {error}") from error
        return json.dumps(tokens)
