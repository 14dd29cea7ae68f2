"""What external-provisioner, -attacher and -resizer do beside a driver, in one loop: for the test driver on one node.

They talk to the driver over its socket, as they would in its pod, and say so in each call's metadata.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import grpc.aio
import msgspec

from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.client.https import HttpsTransport
from longboat.client.interface import Key
from longboat.client.kubeconfig import load
from longboat.client.rest import RestClient, path_of
from longboat.machinery import quantity
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig
from longboat.machinery.protos import messages
from longboat.machinery.protos.rpc import Stub, nearby

csi = messages("csi.v1")
MADE_BY, ASKED_OF = "pv.kubernetes.io/provisioned-by", "volume.kubernetes.io/storage-provisioner"
PROVISIONER, ATTACHER = "external-provisioner.volume.kubernetes.io/finalizer", "external-attacher/{}"
SAID = (("by", "sidecar"),)
ONCE = 0.2  # seconds between looks


class Sidecars:
    def __init__(self, client: RestClient, driver: Stub, name: str) -> None:
        self._client, self._driver, self._name = client, driver, name
        self._held = ATTACHER.format(name.replace(".", "-"))

    async def run(self) -> None:
        while True:
            try:
                await self._look()
            except (StatusError, ConnectionError, grpc.aio.AioRpcError) as error:
                print(error, flush=True)
            await asyncio.sleep(ONCE)

    async def _look(self) -> None:
        claims = await self._list(kinds.PERSISTENT_VOLUME_CLAIM)
        volumes = {v["metadata"]["name"]: v for v in await self._list(kinds.PERSISTENT_VOLUME)}
        attachments = await self._list(kinds.VOLUME_ATTACHMENT)
        for claim in claims:
            await self._provision(claim, volumes)
            await self._resize(claim, volumes)
        for attachment in attachments:
            if attachment["spec"]["attacher"] == self._name:
                await self._attach(attachment, volumes)
        attached = {attachment["spec"]["source"].get("persistentVolumeName") for attachment in attachments}
        for name, volume in volumes.items():
            if name not in attached:
                await self._delete(volume)

    async def _provision(self, claim: Object, volumes: dict[str, Object]) -> None:
        meta, spec = claim["metadata"], claim["spec"]
        name = f"pvc-{meta['uid']}"
        asked = (meta.get("annotations") or {}).get(ASKED_OF)
        if asked != self._name or spec.get("volumeName") or name in volumes:
            return
        size = quantity.parse(spec["resources"]["requests"]["storage"]).value
        answer = await self._call("CreateVolume", csi.CreateVolumeRequest(
            name=name, capacity_range={"required_bytes": size}, volume_capabilities=[self._capability()],
        ))  # fmt: skip
        ref = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": meta["namespace"],
               "name": meta["name"], "uid": meta["uid"]}  # fmt: skip
        source = {"driver": self._name, "volumeHandle": answer.volume.volume_id}
        about = {"name": name, "annotations": {MADE_BY: self._name}, "finalizers": [PROVISIONER]}
        made = {
            "accessModes": spec["accessModes"], "capacity": {"storage": str(answer.volume.capacity_bytes)},
            "claimRef": ref, "csi": source, "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec["storageClassName"],
        }  # fmt: skip
        await self._client.create(kinds.PERSISTENT_VOLUME, {"metadata": about, "spec": made})

    async def _resize(self, claim: Object, volumes: dict[str, Object]) -> None:
        volume = volumes.get(claim["spec"].get("volumeName") or "")
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        if volume is None or not self._is_mine(volume) or dig(claim, "status", "phase") != "Bound":
            return
        if quantity.parse(wanted).value <= quantity.parse(volume["spec"]["capacity"]["storage"]).value:
            return
        asked = {"required_bytes": quantity.parse(wanted).value}
        handle = volume["spec"]["csi"]["volumeHandle"]
        request = csi.ControllerExpandVolumeRequest(volume_id=handle, capacity_range=asked)
        await self._call("ControllerExpandVolume", request)
        await self._patch(kinds.PERSISTENT_VOLUME, volume, {"spec": {"capacity": {"storage": wanted}}})
        waits = {"type": "FileSystemResizePending", "status": "True"}
        await self._patch(kinds.PERSISTENT_VOLUME_CLAIM, claim, {"status": {"conditions": [waits]}}, "status")

    async def _attach(self, attachment: Object, volumes: dict[str, Object]) -> None:
        volume, node = volumes[attachment["spec"]["source"]["persistentVolumeName"]], attachment["spec"]["nodeName"]
        handle, held = volume["spec"]["csi"]["volumeHandle"], attachment["metadata"].get("finalizers") or []
        if attachment["metadata"].get("deletionTimestamp"):
            if self._held in held:
                await self._call("ControllerUnpublishVolume", csi.ControllerUnpublishVolumeRequest(volume_id=handle))
                await self._let_go(kinds.VOLUME_ATTACHMENT, attachment, self._held)
        elif not dig(attachment, "status", "attached"):
            for kind, obj in ((kinds.PERSISTENT_VOLUME, volume), (kinds.VOLUME_ATTACHMENT, attachment)):
                before = obj["metadata"].get("finalizers") or []
                await self._patch(kind, obj, {"metadata": {"finalizers": sorted({*before, self._held})}})
            answer = await self._call("ControllerPublishVolume", csi.ControllerPublishVolumeRequest(
                volume_id=handle, node_id=f"id-of-{node}", volume_capability=self._capability(),
            ))  # fmt: skip
            status = {"attached": True, "attachmentMetadata": dict(answer.publish_context)}
            await self._patch(kinds.VOLUME_ATTACHMENT, attachment, {"status": status}, "status")

    async def _delete(self, volume: Object) -> None:
        if not self._is_mine(volume) or dig(volume, "status", "phase") != "Released":
            return
        if PROVISIONER not in (volume["metadata"].get("finalizers") or []):
            return  # done with
        handle = volume["spec"]["csi"]["volumeHandle"]
        await self._call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=handle))
        await self._client.delete(kinds.PERSISTENT_VOLUME, Key("", volume["metadata"]["name"]))
        await self._let_go(kinds.PERSISTENT_VOLUME, volume, self._held, PROVISIONER)

    def _is_mine(self, volume: Object) -> bool:
        return (volume["metadata"].get("annotations") or {}).get(MADE_BY) == self._name

    async def _call(self, rpc: str, request: Any) -> Any:
        return await self._driver(rpc, request, timeout=10, metadata=SAID)

    async def _list(self, kind: Kind) -> list[Object]:
        found: Object = msgspec.json.decode(await self._client.get_path(path_of(kind, "")))
        return list(found["items"])

    async def _patch(self, kind: Kind, obj: Object, patch: Object, subresource: str = "") -> None:
        meta = obj["metadata"]
        await self._client.patch(kind, Key(meta.get("namespace", ""), meta["name"]), patch, subresource=subresource)

    async def _let_go(self, kind: Kind, obj: Object, *finalizers: str) -> None:
        """Again where others have written meanwhile."""
        key = Key("", obj["metadata"]["name"])
        while True:
            meta = msgspec.json.decode(await self._client.get_raw(kind, key))["metadata"]
            left = [each for each in meta.get("finalizers") or [] if each not in finalizers] or None
            patch = {"metadata": {"finalizers": left, "resourceVersion": meta["resourceVersion"]}}
            try:
                await self._client.patch(kind, key, patch)
                return
            except StatusError as error:
                if error.code != 409:
                    raise

    @staticmethod
    def _capability() -> Any:
        return csi.VolumeCapability(mount={"fs_type": "ext4"}, access_mode={"mode": "SINGLE_NODE_WRITER"})


async def main(options: argparse.Namespace) -> None:
    socket = options.kubelet / "plugins" / options.name / "csi.sock"
    channel, transport = nearby(f"unix://{socket}"), HttpsTransport(load(Path(os.environ["KUBECONFIG"])))
    try:
        await Sidecars(RestClient(transport, SystemClock()), Stub(channel, "csi.v1.Controller"), options.name).run()
    finally:
        await channel.close()
        await transport.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--kubelet", default=Path("/var/lib/kubelet"), type=Path)
    asyncio.run(main(parser.parse_args()))
