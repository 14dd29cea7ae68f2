"""Failures on the way to a running container, as statuses and Events show them."""

from __future__ import annotations


class StartFailure(Exception):
    """A container could not be started. `reason` and text become its waiting state; `retry` is when to try again.

    Where it `grows`, repeated failures are tried again ever later. Events have been recorded by whoever raised it.
    """

    def __init__(self, reason: str, message: str, retry: float = 10.0, *, grows: bool = False) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry, self.grows = reason, message, retry, grows


class VolumeError(Exception):
    """A volume cannot be set up (yet). The text is for an Event with this reason; there is none where it is `quiet`,
    for somebody else is at work."""

    def __init__(
        self, volume: str, why: str, operation: str = "MountVolume.SetUp", reason: str = "FailedMount", *,
        quiet: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(f'{operation} failed for volume "{volume}" : {why}' if operation else why)
        self.volume, self.why, self.reason, self.quiet = volume, why, reason, quiet


class StillMounted(OSError):
    """A volume could not be taken down. Nothing of it is deleted; it is tried again."""
