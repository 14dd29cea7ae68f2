"""Failures on the way to a running container, as statuses and Events show them."""

from __future__ import annotations

from collections.abc import Mapping


def words(error: Exception) -> str:
    """What has gone wrong, as the kubelet would say it: `/path: file exists`."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()


class StartFailure(Exception):
    """A container could not be started. `reason` and text become its waiting state; `retry` is when to try again.

    Where it `grows`, repeated failures are tried again ever later. Events have been recorded by whoever raised it.
    """

    def __init__(self, reason: str, message: str, retry: float = 10.0, *, grows: bool = False) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry, self.grows = reason, message, retry, grows


class VolumeError(Exception):
    """A volume cannot be set up (yet). The text is for an Event with this reason; there is none where it is `quiet`,
    for somebody is still at work: with `attaching` another than this node."""

    def __init__(
        self, volume: str, why: str, operation: str = "MountVolume.SetUp", reason: str = "FailedMount", *,
        quiet: bool = False, attaching: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(f'{operation} failed for volume "{volume}" : {why}' if operation else why)
        self.volume, self.why, self.reason = volume, why, reason
        self.quiet, self.attaching = quiet or attaching, attaching


def unprocessed(volume: str, why: str) -> VolumeError:
    """A volume of a pod of which it is not clear what it is."""
    lists = f"unmounted volumes=[{volume}], unattached volumes=[], failed to process volumes=[{volume}]"
    return VolumeError(volume, f"Unable to attach or mount volumes: {lists}: {why}", "")


def no_plugin(volume: str, name: str) -> VolumeError:
    """`name` is the PersistentVolume's, where it is one."""
    return unprocessed(volume, f'failed to get Plugin from volumeSpec for volume "{name}" err=no volume plugin matched')


class Unmounted(Exception):
    """Volumes a pod does not have yet, and why: by their names in the pod."""

    def __init__(self, problems: Mapping[str, VolumeError]) -> None:
        super().__init__("; ".join(map(str, problems.values())))
        self.problems = problems


class StillMounted(OSError):
    """A volume could not be taken down. Nothing of it is deleted; it is tried again."""
