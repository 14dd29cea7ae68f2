"""local volumes: a directory, a mounted disk, or a block device of this one node. Everything here blocks."""

from __future__ import annotations

from pathlib import Path

from longboat.aio.threads import to_the_end
from longboat.node import kernel, mounting
from longboat.node.errors import VolumeError
from longboat.node.paths import Paths
from longboat.node.views.pod import PodSecurityContext
from longboat.node.views.storage import LocalSource
from longboat.node.volumes import ownership
from longboat.node.volumes.plugin import SetUp, Spec, VolumePlugin

FOLDER = "kubernetes.io~local-volume"
DEFAULT_FS = "ext4"


class Missing(ValueError):
    """There is nothing where the volume should be."""


def staging(paths: Paths) -> Path:
    """The directory of disks that are mounted for volumes, each by its volume's name."""
    return paths.root / "plugins" / "kubernetes.io" / "local-volume" / "mounts"


def set_up(source: LocalSource, place: Path, disk: Path, options: list[str], *, read_only: bool) -> bool:
    """Show the volume at `place`; a block device is mounted at `disk` first. Raises ValueError and OSError.

    True if it was not there before.
    """
    path = Path(source.path)
    if ".." in path.parts:
        raise ValueError(f'invalid local volume path {source.path}: must not contain ".."')
    if kernel.is_mount_point(place):
        return False
    if not path.exists():
        raise Missing(f'path "{source.path}" does not exist')
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    if path.is_block_device():
        _mount_disk(path, source.fsType or DEFAULT_FS, disk, options, read_only=read_only or "ro" in options)
        path = disk
    kernel.bind(str(path), place)
    if read_only:
        kernel.make_read_only(place)
    return True


def give_to_group(place: Path, security: PodSecurityContext) -> None:
    """The files are the pod's fsGroup's; where that fails, the volume is not there. Raises OSError."""
    if security.fsGroup is None:
        return
    try:
        ownership.give_to(
            place, security.fsGroup, only_if_root_differs=security.fsGroupChangePolicy == "OnRootMismatch"
        )  # fmt: skip
    except OSError:
        kernel.unmount(place)
        raise


def tidy(paths: Paths) -> None:
    """Unmount disks that no pod uses any more. Raises OSError."""
    used = {place.name for place in paths.pods.glob(f"*/volumes/{FOLDER}/*")}
    for disk in staging(paths).glob("*"):
        if disk.name not in used:
            if kernel.is_mount_point(disk):
                kernel.unmount_fully(disk)
            disk.rmdir()


def device(source: LocalSource) -> Path:
    """The device of a volume that is used as such. Raises ValueError."""
    path = Path(source.path)
    if not path.is_block_device():
        raise ValueError(f"path {source.path} is not a block device")
    return path


def _mount_disk(disk: Path, kind: str, place: Path, options: list[str], *, read_only: bool) -> None:
    """A disk that holds nothing at all is given a file system first. Raises OSError and ValueError."""
    if kernel.is_mount_point(place):
        return
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    found = mounting.run("blkid", "-p", str(disk))
    if found.returncode == 2:  # neither file system nor partitions
        if read_only:
            raise ValueError(f"cannot mount unformatted disk {disk} as we are manipulating it in read-only mode")
        mounting.must(f"mkfs.{kind}", *(["-F", "-m0"] if kind.startswith("ext") else []), str(disk))
    mounting.mount(str(disk), place, kind, ["defaults", *options])


class LocalPlugin(VolumePlugin):
    NAME, FIELD = "kubernetes.io/local-volume", "local"

    async def new_mounter(self, spec: Spec) -> SetUp:
        async def show() -> Path:
            try:
                return await to_the_end(self._show, spec)
            except Missing as error:
                raise VolumeError(spec.name, str(error), "MountVolume.NewMounter initialization") from error

        return show

    async def tidy(self) -> None:
        await to_the_end(tidy, self.host.paths)

    def _show(self, spec: Spec) -> Path:
        """Blocks. Raises OSError and ValueError."""
        source, bound = self.source(spec), spec.persistent
        assert bound is not None
        if bound.spec.volumeMode == "Block":
            return device(source)
        place, disk = self.place(spec), staging(self.host.paths) / spec.name
        is_new = set_up(source, place, disk, spec.mount_options, read_only=spec.read_only)
        if is_new and not spec.read_only:
            give_to_group(place, spec.pod.spec.securityContext)
        return place
