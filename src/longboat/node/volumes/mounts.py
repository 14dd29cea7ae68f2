"""Which parts of a pod's volumes a container sees, and where."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from longboat.node.cri.config import Device, Mount
from longboat.node.errors import StartFailure
from longboat.node.make.expansion import expand_strictly
from longboat.node.paths import Paths
from longboat.node.safeguards import NOT_RECURSIVE
from longboat.node.views.container import Container, VolumeMount
from longboat.node.views.pod import Pod
from longboat.node.volumes import catalog, claims, image, nested, payload, sub_path

log = logging.getLogger(__name__)
ALWAYS = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")  # files that the agent or the runtime mount


Bind = Callable[[Pod, Container, int, Path, str], Path]
"""Has a part (a subPath) of the volume that lies in this place, which the container's mount of this index shows, at a
place of its own, and says where that is. Raises StartFailure."""


def unbound(pod: Pod, container: Container, index: int, place: Path, part: str) -> Path:
    """Where nothing is mounted."""
    return place


def mounts(
    pod: Pod, container: Container, places: Mapping[str, Path], env: Mapping[str, str], bind: Bind = unbound, *,
    recursive: bool = False,
) -> list[Mount]:  # fmt: skip
    """The container's mounts; parts of volumes are bound on the way (which may block). Raises StartFailure.

    `recursive` says whether the runtime can make what is mounted beneath a mount read-only, too.
    """
    found = list[Mount]()
    for index, wanted in enumerate(container.volumeMounts):
        place = places.get(wanted.name)
        if place is None:
            raise _problem(f'cannot find volume "{wanted.name}" to mount into container "{container.name}"')
        if part := _sub_path(container, wanted, env):
            place = bind(pod, container, index, place, part)
        propagation = wanted.mountPropagation or "None"
        if wanted.recursiveReadOnly == "Enabled" and not recursive:
            raise _problem(NOT_RECURSIVE % wanted.name)
        throughout = recursive and wanted.readOnly and wanted.recursiveReadOnly in ("Enabled", "IfPossible")
        read_only = wanted.readOnly or _is_read_only(pod, wanted.name)
        mount = Mount(
            host=str(place), inside=_inside(wanted), read_only=read_only, recursive_read_only=throughout,
            propagation=propagation,
        )  # fmt: skip
        found.append(mount)
    return found


def binding(paths: Paths) -> Bind:
    """Binds parts of volumes in the pods' own directories. Blocks."""

    def bind(pod: Pod, container: Container, index: int, place: Path, part: str) -> Path:
        name = container.volumeMounts[index].name
        target, is_written = paths.sub_paths(pod.uid) / name / container.name / str(index), _is_written(pod, name)
        try:
            # A version's own files: the volume may hold links in their stead, which lead nowhere from a part of it.
            whole = place / payload.DATA if is_written and not part.startswith("..") else place
            sub_path.bind(whole, part, target, create=not (is_written or _is_image(pod, name)))
        except OSError as error:
            if _is_image(pod, name):
                raise image.not_mounted(f'subPath "{part}" of volume "{name}": {error.strerror}') from error
            what = f'failed to prepare subPath for volumeMount "{name}" of container "{container.name}"'
            log.warning("pod %s: %s: %s: %s", pod, what, part, error.strerror)
            raise _problem(what) from error
        return target

    return bind


def make_points(pod: Pod, container: Container, found: list[Mount]) -> None:
    """What is mounted beneath files that the agent writes needs its place there. Blocks. Raises StartFailure."""
    written = {nested.normal(_inside(wanted)) for wanted in container.volumeMounts if _is_written(pod, wanted.name)}
    if not written:
        return
    hosts = {nested.normal(mount.inside): Path(mount.host) for mount in found}
    files = {path for path in (*ALWAYS, container.terminationMessagePath) if path} - hosts.keys()
    for above, way in nested.enclosing((*hosts, *map(nested.normal, files))):
        if above not in written:
            continue
        source = hosts.get(f"{above}/{way}")
        try:
            nested.make(hosts[above], way, directory=source is not None and source.is_dir())
        except OSError as error:
            what = f'cannot make the mount point "{above}/{way}" of container "{container.name}"'
            raise _problem(f"{what}: {error.strerror}") from error


def devices(pod: Pod, container: Container, places: Mapping[str, Path]) -> list[Device]:
    """The container's block devices. Raises StartFailure."""
    found = []
    for wanted in container.volumeDevices:
        place = places.get(wanted.name)
        if place is None:
            raise _problem(f'cannot find volume "{wanted.name}" to pass into container "{container.name}"')
        permissions = "r" if _is_read_only(pod, wanted.name) else "mrw"
        found.append(Device(host=str(place), inside=wanted.devicePath, permissions=permissions))
    return found


def _inside(wanted: VolumeMount) -> str:
    return wanted.mountPath if wanted.mountPath.startswith("/") else f"/{wanted.mountPath}"


def _sub_path(container: Container, wanted: VolumeMount, env: Mapping[str, str]) -> str:
    if not wanted.subPathExpr:
        return wanted.subPath
    try:
        part = expand_strictly(wanted.subPathExpr, env)
    except KeyError as error:
        raise _problem(f"missing value for {error.args[0]!r}".replace("'", '"')) from error
    if part.startswith("/"):
        raise _problem(f"error SubPath `{part}` must not be an absolute path")
    if ".." in part.split("/"):
        raise _problem(f'unable to provision SubPath `{part}`: must not contain ".."')
    return part


def _is_read_only(pod: Pod, name: str) -> bool:
    """Volumes that are, whatever the mount says: claims used so, images, and files that the agent writes."""
    volume = next(v for v in pod.spec.volumes if v.name == name)
    plugin = catalog.of(pod, volume)
    return claims.is_read_only(volume) if plugin is None else plugin.is_read_only(volume)


def _is_written(pod: Pod, name: str) -> bool:
    """Volumes whose files come from the agent: containers add nothing to them."""
    plugin = catalog.of(pod, next(v for v in pod.spec.volumes if v.name == name))
    return plugin is not None and plugin.WRITTEN


def _is_image(pod: Pod, name: str) -> bool:
    return any(volume.name == name and volume.image for volume in pod.spec.volumes)


def _problem(message: str) -> StartFailure:
    return StartFailure("CreateContainerConfigError", message)
