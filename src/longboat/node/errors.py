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
    """A volume cannot be set up (yet). The text is for Events."""

    def __init__(self, volume: str, why: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}" : {why}')
        self.volume, self.why = volume, why
