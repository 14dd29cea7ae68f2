"""Makes sure that images of containers and volumes are on the node: policies, credentials, waiting after failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from longboat.aio.backoffs import BackOff
from longboat.aio.clock import Clock
from longboat.machinery import image_reference
from longboat.node.cri.interface import Credentials, Image, Runtime, RuntimeFailure
from longboat.node.errors import StartFailure
from longboat.node.recorder import NORMAL, WARNING, Recorder
from longboat.node.sync import duration
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
PULLS = 4  # at once
SHOWN = 2.0  # seconds a failed pull is shown as such, before it is shown as waiting for the next
FRESH = 2.0  # seconds an answer about a present image is believed: pods often come many at a time


def normalized(image: str) -> str:
    """The reference with a tag or digest: :latest, if it has none. Raises ValueError."""
    found = image_reference.parse(image)
    if found is None:
        raise ValueError(f'couldn\'t parse image name "{image}": invalid reference format')
    return image if found.tag or found.digest else f"{image}:latest"


class Images:
    """One per agent."""

    def __init__(self, runtime: Runtime, clock: Clock, recorder: Recorder) -> None:
        self._runtime, self._clock, self._recorder = runtime, clock, recorder
        self._backoff = BackOff()
        self._last: dict[str, str] = {}  # what went wrong last, by back-off key
        self._pulls = asyncio.Semaphore(PULLS)
        self._seen: dict[str, tuple[float, Image]] = {}

    async def ensure(
        self, pod: Pod, asked: str, policy: str, keys: Iterable[Credentials], field: str = ""
    ) -> Image:  # fmt: skip
        """The image, pulled if need be with the first credentials that work. Events are about this part of the pod.
        Raises StartFailure."""
        try:
            name = normalized(asked)
        except ValueError as error:
            message = f'Failed to apply default image tag "{asked}": {error}'
            raise self._failed(pod, field, "InspectFailed", "InvalidImageName", message) from error
        try:
            present = await self._present(name)
        except RuntimeFailure as failure:
            message = f'Failed to inspect image "{asked}": {failure}'
            raise self._failed(pod, field, "InspectFailed", "ImageInspectError", message) from failure
        if present is not None and policy != "Always":
            message = f'Container image "{asked}" already present on machine and can be accessed by the pod'
            self._recorder.pod(pod, NORMAL, "Pulled", message, field)
            return present
        if policy == "Never":
            message = f'Container image "{asked}" is not present with pull policy of Never'
            raise self._failed(pod, field, "ErrImageNeverPull", "ErrImageNeverPull", message)
        return await self._pull(pod, field, asked, name, list(keys))

    def forget(self, pod: Pod) -> None:
        self._backoff.forget(f"{pod.uid}/")

    async def _present(self, name: str) -> Image | None:
        now = self._clock.monotonic()
        seen = self._seen.get(name)
        if seen and now - seen[0] < FRESH:
            return seen[1]
        found = await self._runtime.image(name)
        if found is None:
            self._seen.pop(name, None)
        else:
            self._seen[name] = (now, found)
        return found

    async def _pull(self, pod: Pod, field: str, asked: str, name: str, keys: list[Credentials]) -> Image:
        key = f"{pod.uid}/{asked}"
        now = self._clock.now().timestamp()
        if wait := self._backoff.remaining(key, self._backoff.updated(key), now):
            message = f'Back-off pulling image "{asked}": {self._last.get(key, "")}'
            self._recorder.pod(pod, NORMAL, "BackOff", f'Back-off pulling image "{asked}"', field)
            raise StartFailure("ImagePullBackOff", message, wait)
        self._recorder.pod(pod, NORMAL, "Pulling", f'Pulling image "{asked}"', field)
        began = self._clock.monotonic()
        async with self._pulls:
            waited = self._clock.monotonic() - began
            try:
                image = await self._with_any(name, keys)
            except RuntimeFailure as failure:
                self._backoff.count(key, self._clock.now().timestamp())
                self._last[key] = f"ErrImagePull: {failure}"
                self._recorder.pod(pod, WARNING, "Failed", f'Failed to pull image "{asked}": {failure}', field)
                raise StartFailure("ErrImagePull", str(failure), SHOWN) from failure
        took = self._clock.monotonic() - began
        self._recorder.pod(
            pod, NORMAL, "Pulled",
            f'Successfully pulled image "{asked}" in {_exact(took - waited)} ({_exact(took)} including waiting). '
            f"Image size: {image.size} bytes.",
            field,
        )  # fmt: skip
        return image

    async def _with_any(self, name: str, keys: list[Credentials]) -> Image:
        """Try each of the credentials in turn. Raises the last RuntimeFailure."""
        failure: RuntimeFailure | None = None
        attempts: list[Credentials | None] = [*keys] or [None]
        for credentials in attempts:
            try:
                await self._runtime.pull_image(name, credentials)
                break
            except RuntimeFailure as error:
                failure = error
        else:
            assert failure is not None
            raise failure
        self._seen.pop(name, None)
        found = await self._present(name)
        if found is None:
            raise RuntimeFailure(f'image "{name}" is gone after it was pulled', "NotFound")
        return found

    def _failed(self, pod: Pod, field: str, event: str, reason: str, message: str) -> StartFailure:
        self._recorder.pod(pod, WARNING, event, message, field)
        return StartFailure(reason, message)


def _exact(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.3f}s" if seconds < 60 else duration(seconds)
