"""How long pods take to end whose containers do not listen: one grace period for all of them, whatever ends the pod."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import Clock
from longboat.machinery.objects import Object
from longboat.node.cri.interface import RuntimeFailure
from longboat.node.cri.memory import KILLED, MemoryRuntime
from longboat.node.stop import AT_ONCE, Ending, waits_for
from longboat.node.views.pod import Pod
from unit.node.build import changed, container, pod
from unit.node.test_pod_workers import GONE, Simulated, simulated

SIDECARS = [container("s1", restartPolicy="Always"), container("s2", restartPolicy="Always")]


class Deaf(MemoryRuntime):
    """Containers end by force alone, and `stops` says when each was asked to, and what was left for it then."""

    def __init__(self, clock: Clock, **settings: Any) -> None:
        super().__init__(clock, **settings)
        self.stops: dict[str, tuple[float, float]] = {}
        self.broken = 0  # how many requests are still to fail

    async def stop_container(self, id: str, grace: float) -> None:
        name, now = (await self.container_status(id)).name, round(self._clock.monotonic(), 3)
        if self.broken:
            self.broken -= 1
            raise RuntimeFailure("ttrpc: closed", "Unknown")
        self.stops[name] = (now, round(grace, 3))
        await self._clock.sleep(grace)
        self.end(id, KILLED)


Test = Callable[[Path], None]


def among_the_deaf(test: Callable[[Simulated, Deaf], Awaitable[None]]) -> Test:
    def run(tmp_path: Path) -> None:
        async def main() -> None:
            async with simulated(tmp_path, make=Deaf) as node:
                assert isinstance(node.runtime, Deaf)
                await test(node, node.runtime)

        asyncio.run(main())

    return run


def with_sidecars(*containers: Object, grace: int = 30, **spec: Any) -> Pod:
    listed = containers or (container("a"), container("b"))
    return pod("p", *listed, initContainers=SIDECARS, terminationGracePeriodSeconds=grace, **spec)


async def took(node: Simulated, deaf: Deaf, ended: Callable[[], bool], at_most: int = 300) -> tuple[float, Any]:
    """Seconds until `ended`, and the stops as seconds since now and grace."""
    since = node.clock.monotonic()
    for _ in range(at_most * 4):
        if ended():
            break
        await node.clock.advance(0.25)
    began = {name: (round(at - since, 2), grace) for name, (at, grace) in deaf.stops.items()}
    return node.clock.monotonic() - since, began


@among_the_deaf
async def test_sidecars_share_what_is_left_of_one_grace_period(node: Simulated, deaf: Deaf) -> None:
    given = with_sidecars()
    await node.run(given, 1)
    node.workers.update(changed(given, **GONE))
    seconds, began = await took(node, deaf, lambda: node.statuses.deleted == ["p"])
    assert began == {"a": (0, 30), "b": (0, 30), "s2": (30, 2), "s1": (30, 2)}
    assert 32 <= seconds < 33
    assert len(node.told.of("Killing")) == 4


@among_the_deaf
async def test_an_override_holds_for_all(node: Simulated, deaf: Deaf) -> None:
    given = with_sidecars(grace=300)
    await node.run(given, 1)
    node.workers.update(changed(given, **{**GONE, "deletionGracePeriodSeconds": 5}))
    seconds, _ = await took(node, deaf, lambda: node.statuses.deleted == ["p"])
    assert 7 <= seconds < 8


@among_the_deaf
async def test_hooks_count_against_the_grace_period_and_run_at_once(node: Simulated, deaf: Deaf) -> None:
    hook = {"preStop": {"sleep": {"seconds": 20}}}
    slow = container("s2", restartPolicy="Always", lifecycle=hook)
    given = pod("p", container("a", lifecycle=hook), initContainers=[SIDECARS[0], slow])
    await node.run(given, 1)
    node.workers.update(changed(given, **GONE))
    seconds, began = await took(node, deaf, lambda: node.statuses.deleted == ["p"])
    assert began == {"a": (20, 10), "s2": (30, 2), "s1": (30, 2)}
    assert 32 <= seconds < 33


@among_the_deaf
async def test_a_forced_deletion_leaves_two_seconds(node: Simulated, deaf: Deaf) -> None:
    given = with_sidecars()
    await node.run(given, 1)
    node.workers.remove(given.uid)
    seconds, began = await took(node, deaf, lambda: not node.workers.uids)
    assert began == {"a": (0, 2), "b": (0, 2), "s2": (1, 2), "s1": (1, 2)}
    assert seconds < 4


@among_the_deaf
async def test_an_eviction_does_not_wait(node: Simulated, deaf: Deaf) -> None:
    given = with_sidecars(grace=300)
    await node.run(given, 1)
    node.workers.evict(given.uid, "too large")
    seconds, _ = await took(node, deaf, lambda: node.statuses.phase() == "Failed")
    assert seconds < 4
    assert node.statuses.of["p"]["reason"] == "Evicted"


@among_the_deaf
async def test_an_eviction_interrupts_what_takes_long(node: Simulated, deaf: Deaf) -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 1}
    notes = {"annotations": {"simulated.longboat.io/fail-probes": "a"}}
    given = pod("p", container("a", livenessProbe=probe), terminationGracePeriodSeconds=300, metadata=notes)
    await node.run(given, 2)
    assert deaf.stops["a"][1] == 300
    node.workers.evict(given.uid, "too large", 7)
    seconds, _ = await took(node, deaf, lambda: node.statuses.phase() == "Failed")
    assert seconds < 8


@among_the_deaf
async def test_a_deadline_grants_one_grace_period(node: Simulated, deaf: Deaf) -> None:
    given = with_sidecars(activeDeadlineSeconds=10, status={"startTime": "2026-01-01T00:00:00Z"})
    await node.run(given, 10)
    seconds, _ = await took(node, deaf, lambda: node.statuses.phase() == "Failed")
    assert 31 <= seconds < 33


@among_the_deaf
async def test_sidecars_of_a_pod_that_is_done_share_one_grace_period(node: Simulated, deaf: Deaf) -> None:
    given = with_sidecars(container("a", "sleep", "5"), restartPolicy="Never")
    await node.run(given, 5)
    seconds, began = await took(node, deaf, lambda: node.statuses.phase() == "Succeeded")
    assert (began["s2"][1], began["s1"][1]) == (30, 2)
    assert seconds < 33


@among_the_deaf
async def test_a_pod_that_is_still_initialized_ends_all_at_once(node: Simulated, deaf: Deaf) -> None:
    """Ordinary init containers hold up no sidecar's end: none has begun to need it."""
    inits = [SIDECARS[0], container("i", "sleep", "900")]
    given = pod("p", container("a"), initContainers=inits)
    await node.run(given, 1)
    node.workers.update(changed(given, **GONE))
    seconds, began = await took(node, deaf, lambda: node.statuses.deleted == ["p"])
    assert began == {"s1": (0, 30), "i": (0, 30)}
    assert 30 <= seconds < 31


@among_the_deaf
async def test_a_failed_probe_grants_its_own_period(node: Simulated, deaf: Deaf) -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 1}
    own = {**probe, "terminationGracePeriodSeconds": 9}
    given = pod(
        "p", container("a", livenessProbe=own), metadata={"annotations": {"simulated.longboat.io/fail-probes": "a"}}
    )
    await node.run(given, 2)
    assert deaf.stops["a"][1] == 9


@among_the_deaf
async def test_a_second_attempt_gets_no_second_period(node: Simulated, deaf: Deaf) -> None:
    given = pod("p", container("a"))
    await node.run(given, 1)
    deaf.broken = 3
    node.workers.update(changed(given, **GONE))
    seconds, began = await took(node, deaf, lambda: node.statuses.deleted == ["p"])
    assert sum(began["a"]) == 30 and began["a"][0] >= 4
    assert 30 <= seconds < 31


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ("a b s1 s2", {"a": "", "b": "", "s1": "a b s2", "s2": "a b"}),
        ("a s1", {"a": "", "s1": "a"}),  # who does not run is not waited for
        ("i s1 s2", {"i": "", "s1": "s2", "s2": ""}),  # nor are init containers
        ("debug a s2", {"debug": "", "a": "", "s2": "a"}),
    ],
)
def test_whose_end_is_waited_for(running: str, expected: dict[str, str]) -> None:
    given = pod("p", container("a"), container("b"), initContainers=[container("i"), *SIDECARS])
    assert waits_for(given, running.split()) == {name: set(text.split()) for name, text in expected.items()}


def test_a_grace_period_only_gets_shorter() -> None:
    ending, given = Ending(), pod(terminationGracePeriodSeconds=30)
    assert ending.left(given, 100.0) == 30
    assert ending.left(given, 110.0) == 20
    assert ending.left(changed(given, deletionGracePeriodSeconds=60), 110.0) == 20
    assert ending.left(changed(given, deletionGracePeriodSeconds=5), 111.0) == 5
    ending.hasten(AT_ONCE)
    assert ending.left(changed(given, deletionGracePeriodSeconds=5), 112.0) == AT_ONCE
    assert ending.left(given, 200.0) == 0


@pytest.mark.parametrize(("own", "evicted", "expected"), [(0, None, 1), (30, None, 30), (30, 5, 5), (3, 60, 60)])
def test_where_a_grace_period_comes_from(own: int, evicted: float | None, expected: float) -> None:
    ending = Ending()
    if evicted is not None:
        ending.hasten(evicted)
    assert ending.left(pod(terminationGracePeriodSeconds=own), 0.0) == expected
