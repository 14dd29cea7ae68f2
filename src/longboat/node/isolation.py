"""No container starts before the rules that guard its pod's network are in force: what NetworkPolicies isolate is
isolated before its first packet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from longboat.node.errors import StartFailure, words
from longboat.node.recorder import WARNING, Recorder
from longboat.node.views.pod import Pod

Isolate = Callable[[Pod, str], Awaitable[None]]
"""Returns once the rules for a pod in this sandbox are in force. Raises OSError where they do not get so."""

SOON = 1.0  # seconds before it is tried again


async def nobody_isolates(pod: Pod, sandbox: str) -> None:
    """Of nodes whose pods have no network."""


class Isolation:
    def __init__(self, isolate: Isolate, recorder: Recorder) -> None:
        self._isolate, self._recorder = isolate, recorder

    async def ensure(self, pod: Pod, sandbox: str) -> None:
        """Before each start, also in a sandbox that an agent before this one has made. Raises StartFailure.

        Pods on the node's own network are as free as the node.
        """
        if pod.spec.hostNetwork:
            return
        try:
            await self._isolate(pod, sandbox)
        except OSError as error:
            message = f"network is not ready: {words(error)}"
            self._recorder.pod(pod, WARNING, "NetworkNotReady", message)
            raise StartFailure("ContainerCreating", message, SOON, grows=True) from error
