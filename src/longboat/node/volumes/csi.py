"""csi volumes, for a pod only or behind a claim: their drivers mount them (`node/csi`)."""

from __future__ import annotations

from pathlib import Path

from longboat.node.csi import wanted
from longboat.node.views.volumes import Volume
from longboat.node.volumes.plugin import SetUp, Spec, VolumePlugin


class CSIPlugin(VolumePlugin):
    NAME, FIELD = "kubernetes.io/csi", "csi"
    REQUIRES_REMOUNT = True  # drivers may ask to be called again (requiresRepublish)

    @classmethod
    def is_read_only(cls, volume: Volume) -> bool:
        return volume.csi is not None and volume.csi.readOnly

    async def new_mounter(self, spec: Spec) -> SetUp:
        async def set_up() -> Path:
            if spec.persistent is None:
                return await self.host.csi.set_up(spec.pod, wanted.inline(spec.pod, spec.volume))
            return await self.host.csi.set_up(
                spec.pod, wanted.persistent(spec.persistent, read_only=spec.read_only)
            )  # fmt: skip

        return set_up

    async def tear_down(self, uid: str) -> None:
        await self.host.csi.tear_down(uid)

    async def tidy(self) -> None:
        await self.host.csi.tidy()
