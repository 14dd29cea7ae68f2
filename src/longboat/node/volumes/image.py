"""image volumes: what an image consists of, to be read by containers (KEP-4639).

For each image that a pod shows there is a directory of the pod, named by the image's id: made first, removed last. In
between come a view of the image, which the runtime keeps under that directory's path, and the mount of it. Whenever an
agent dies, the directory tells the next one what there may be, and every step may be taken once more.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from longboat.aio.tasks import Tasks
from longboat.node import kernel, mounting
from longboat.node.cri.interface import Credentials, FileSystem, Image, Runtime, RuntimeFailure
from longboat.node.errors import StartFailure, words
from longboat.node.images import Images
from longboat.node.paths import Paths
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

MODE = 0o750
ALGORITHM = "sha256:"
_ID = re.compile(rf"{ALGORITHM}[0-9a-f]{{64}}")

Found = dict[str, Image | StartFailure]
"""The images of a pod's volumes by the volumes' names, or why there is none."""


class ImageVolumes:
    """One per agent. Simulated nodes have others (`simulated/stand_ins.py`)."""

    def __init__(self, runtime: Runtime, images: Images, paths: Paths) -> None:
        self._runtime, self._images, self._paths = runtime, images, paths
        self._tasks = Tasks("image volumes")
        self._under_way: dict[Path, asyncio.Task[str]] = {}

    async def find(self, pod: Pod, keys: list[Credentials]) -> Found:
        """Pull what is to be pulled."""
        found: Found = {}
        for volume in pod.spec.volumes:
            if volume.image is not None:
                reference, policy = volume.image.reference, volume.image.pullPolicy
                try:
                    found[volume.name] = await self._images.ensure(pod, reference, policy, keys)
                except StartFailure as failure:
                    found[volume.name] = failure
        return found

    async def show(self, pod: Pod, images: Mapping[str, Image]) -> dict[str, Path]:
        """Where they are mounted, by the same names. Raises StartFailure."""
        return {name: await self._shown(pod, image) for name, image in images.items()}

    async def tear_down(self, uid: str) -> None:
        """Let go of all images that a pod has shown. Raises RuntimeFailure, OSError."""
        folder = self._paths.images(uid)
        if work := [work for place, work in self._under_way.items() if place.parent == folder]:
            await asyncio.wait(work)
        for place in await asyncio.to_thread(_inside, folder):
            await asyncio.to_thread(kernel.unmount_fully, place)
            await self._runtime.remove_view(str(place))
            await asyncio.to_thread(place.rmdir)

    async def close(self) -> None:
        await self._tasks.close()

    async def _shown(self, pod: Pod, image: Image) -> Path:
        """Once begun it is brought to an end, though its pod may wait no longer: nothing follows the tearing down."""
        if not _ID.fullmatch(image.id):
            raise not_mounted(f'image id "{image.id}" is none of containerd')
        place = self._paths.images(pod.uid) / image.id.removeprefix(ALGORITHM)
        work = self._under_way.get(place)
        if work is None:
            work = self._under_way[place] = self._tasks.spawn(pod.metadata.name, self._mount(image, place))
            work.add_done_callback(lambda _: self._under_way.pop(place))
        await asyncio.wait([work])
        if why := work.result():
            raise not_mounted(why)
        return place

    async def _mount(self, image: Image, place: Path) -> str:
        """What went wrong; "" if nothing did."""
        try:
            if not await asyncio.to_thread(kernel.is_mount_point, place):
                await asyncio.to_thread(place.mkdir, mode=MODE, parents=True, exist_ok=True)
                await asyncio.to_thread(mount, await self._runtime.view_image(image.id, str(place)), place)
        except RuntimeFailure as failure:
            return str(failure)
        except OSError as error:
            return words(error)
        return ""


def of(container: Container, found: Found) -> dict[str, Image]:
    """The images that a container is to see. Raises StartFailure: the last of its volumes' failures, as the kubelet."""
    wanted = {mount.name: found[mount.name] for mount in container.volumeMounts if mount.name in found}
    for outcome in reversed(wanted.values()):
        if isinstance(outcome, StartFailure):
            raise StartFailure(outcome.reason, outcome.message, outcome.retry)
    return {name: outcome for name, outcome in wanted.items() if isinstance(outcome, Image)}


def not_mounted(why: str) -> StartFailure:
    """In CRI's words for it (cri-api, ErrImageVolumeMountFailed)."""
    return StartFailure("CreateContainerError", f"ImageVolumeMountFailed: {why}")


def shown(paths: Paths) -> set[str]:
    """The ids of all images that pods show. Blocks."""
    return {f"{ALGORITHM}{place.name}" for place in paths.pods.glob(f"*/{paths.images('*').name}/*")}


def mount(wanted: FileSystem, place: Path) -> None:
    """Blocks. Raises OSError."""
    folder, options = shortened(wanted.options)
    kind = "" if wanted.kind == "bind" else wanted.kind  # for mount(8), binding is an option, not a type
    mounting.mount(wanted.source, place, kind, options, folder)


def shortened(options: Iterable[str]) -> tuple[Path | None, list[str]]:
    """Options of an overlay with its layers as seen from a directory: of whole paths the kernel takes 4096 bytes."""
    listed = list(options)
    for index, option in enumerate(listed):
        if option.startswith("lowerdir="):
            layers = option.removeprefix("lowerdir=").split(":")
            folder = os.path.commonpath(layers)
            listed[index] = f"lowerdir={':'.join(os.path.relpath(layer, folder) for layer in layers)}"
            return Path(folder), listed
    return None, listed


def _inside(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder)]
    except FileNotFoundError:
        return []
