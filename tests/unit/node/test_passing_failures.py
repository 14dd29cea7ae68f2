"""What the runtime says while something is on its way out is no answer: it is asked again, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cri_api.v1 import api_pb2 as pb
from cri_api.v1.api_pb2_grpc import RuntimeServiceServicer, add_RuntimeServiceServicer_to_server

from longboat.aio.clock import VirtualClock
from longboat.node.cri.calls import PAUSES
from longboat.node.cri.grpc import GrpcRuntime
from longboat.node.cri.interface import RuntimeFailure

UNKNOWN, NOT_FOUND, UNAVAILABLE = grpc.StatusCode.UNKNOWN, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE
Failure = tuple[grpc.StatusCode, str]
CLOSED: Failure = (UNKNOWN, 'failed to stop container "a": failed to delete task: ttrpc: closed: unknown')


class Containerd(RuntimeServiceServicer):
    """Fails as it is told before it does what it is asked. What a shim that is ending says cannot be had on demand."""

    def __init__(self, *failures: Failure) -> None:
        self.failures, self.asked = list(failures), list[Any]()

    async def _answer(self, request: Any, context: Any, answer: Any) -> Any:
        self.asked.append(request)
        if self.failures:
            await context.abort(*self.failures.pop(0))
        return answer

    async def StopPodSandbox(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.StopPodSandboxResponse())

    async def RemovePodSandbox(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.RemovePodSandboxResponse())

    async def StopContainer(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.StopContainerResponse())

    async def RemoveContainer(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.RemoveContainerResponse())

    async def StartContainer(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.StartContainerResponse())

    async def ListContainerStats(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, pb.ListContainerStatsResponse())


class Waiting(VirtualClock):
    """Nobody has to move it: who sleeps is woken at once, later."""

    async def sleep(self, seconds: float) -> None:
        self._elapsed += seconds


def ask(folder: Path, containerd: Containerd, work: Callable[[GrpcRuntime], Awaitable[None]]) -> float:
    """Seconds that it took."""

    async def main() -> float:
        server, clock = grpc.aio.server(), Waiting()
        add_RuntimeServiceServicer_to_server(containerd, server)  # type: ignore[no-untyped-call]
        server.add_insecure_port(f"unix://{folder}/cri.sock")
        await server.start()
        runtime = GrpcRuntime(f"unix://{folder}/cri.sock", clock)
        try:
            await work(runtime)
        finally:
            await runtime.close()
            await server.stop(0)
        return clock.monotonic()

    return asyncio.run(main())


ENDINGS: dict[str, Callable[[GrpcRuntime], Awaitable[None]]] = {
    "stop sandbox": lambda runtime: runtime.stop_sandbox("a"),
    "remove sandbox": lambda runtime: runtime.remove_sandbox("a"),
    "stop container": lambda runtime: runtime.stop_container("a", 30),
    "remove container": lambda runtime: runtime.remove_container("a"),
}


@pytest.mark.parametrize("what", ENDINGS)
def test_what_passes_is_waited_for(tmp_path: Path, what: str) -> None:
    containerd = Containerd(CLOSED, (UNAVAILABLE, "connection refused"), (NOT_FOUND, "gone meanwhile"))
    took = ask(tmp_path, containerd, ENDINGS[what])
    assert (len(containerd.asked), took) == (3, sum(PAUSES[:2]))


def test_what_does_not_pass_is_said_in_the_end(tmp_path: Path) -> None:
    containerd = Containerd(*[CLOSED] * 100)
    with pytest.raises(RuntimeFailure, match="ttrpc: closed"):
        ask(tmp_path, containerd, ENDINGS["remove sandbox"])
    assert len(containerd.asked) == len(PAUSES) + 1


def test_another_failure_is_said_at_once(tmp_path: Path) -> None:
    containerd = Containerd((UNKNOWN, "device or resource busy"))
    with pytest.raises(RuntimeFailure, match="busy"):
        ask(tmp_path, containerd, ENDINGS["remove sandbox"])
    assert len(containerd.asked) == 1


def test_another_attempt_at_stopping_gets_no_other_grace_period(tmp_path: Path) -> None:
    containerd = Containerd(*[CLOSED] * 5)
    ask(tmp_path, containerd, lambda runtime: runtime.stop_container("a", 3))
    assert [request.timeout for request in containerd.asked] == [3, 3, 3, 3, 2, 0]


def test_what_makes_something_is_not_repeated(tmp_path: Path) -> None:
    """The worker looks first at what has come of it."""
    containerd = Containerd(CLOSED)
    with pytest.raises(RuntimeFailure):
        ask(tmp_path, containerd, lambda runtime: runtime.start_container("a"))
    assert len(containerd.asked) == 1


def test_containers_that_go_while_all_are_looked_at_do_not_spoil_it(tmp_path: Path) -> None:
    async def look(runtime: GrpcRuntime) -> None:
        assert await runtime.usage() == []

    gone = (NOT_FOUND, "failed to decode container metrics: failed to get container ID: a: not found")
    containerd = Containerd(gone, gone)
    assert ask(tmp_path, containerd, look) == sum(PAUSES[:2])
    with pytest.raises(RuntimeFailure, match="not found"):
        ask(tmp_path, Containerd(*[gone] * 100), look)
    with pytest.raises(RuntimeFailure, match="broken"):
        ask(tmp_path, Containerd((UNKNOWN, "broken"), gone), look)
