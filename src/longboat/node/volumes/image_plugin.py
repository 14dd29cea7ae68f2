"""image volumes as a type among others: what shows them (`image.py`) is at work when containers start."""

from __future__ import annotations

from longboat.node.views.volumes import Volume
from longboat.node.volumes.plugin import VolumePlugin


class ImagePlugin(VolumePlugin):
    NAME, FIELD = "kubernetes.io/image", "image"
    BY_CONTAINERS = True

    @classmethod
    def is_read_only(cls, volume: Volume) -> bool:
        return True

    async def tear_down(self, uid: str) -> None:
        await self.host.images.tear_down(uid)

    async def close(self) -> None:
        await self.host.images.close()
