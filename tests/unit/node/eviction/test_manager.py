"""What is done when a node runs short: room is made first, then one pod ends, and the next only when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from longboat.aio.clock import VirtualClock
from longboat.node import rules
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.eviction.manager import Eviction
from longboat.node.eviction.measure import Measure
from longboat.node.eviction.neighbours import Neighbours
from longboat.node.eviction.sensors import Sensors
from longboat.node.eviction.signals import MEMORY, NODEFS, PIDS, Observation
from longboat.node.eviction.thresholds import thresholds
from longboat.node.eviction.walk import Walks
from longboat.node.views.pod import Pod
from unit.node.build import Node, changed, container, pod
from unit.node.one_thread import settling

MI = 1 << 20
STUBBORN = {"longboat.dev/simulate": '{"ignoresTerm": true}'}


class Machine(Sensors):
    """How much is left is what the test says; `source` is whose it is."""

    def __init__(self, source: str = "") -> None:
        self.source = source
        self.left = {NODEFS: 1000, MEMORY: 1000, PIDS: 1000}
        self.dedicated = False
        self.enough: Callable[[], bool] = lambda: False

    def read(self) -> dict[str, Observation]:
        if self.enough():
            self.left[NODEFS] = 1000
        return {signal: Observation(left * MI, 1000 * MI, self.source) for signal, left in self.left.items()}


class Play:
    """A node of the in-memory runtime, in virtual time."""

    def __init__(
        self, folder: Path, clock: VirtualClock | None = None, shared: Path | None = None,
        make: type[MemoryRuntime] = MemoryRuntime, **settings: Any,
    ) -> None:  # fmt: skip
        self.clock = clock or VirtualClock()
        self.clock.settle = settling()
        self.node = Node(make(self.clock), self.clock, folder, on_disk=False)
        self.machine, self.told, self.reclaimed = Machine("disk 8:1" if shared else ""), self.node.told, 0
        self.gives_back = 0
        given = thresholds({NODEFS: "100Mi", MEMORY: "100Mi", PIDS: "100Mi"}, settings.pop("soft", {}),
                           settings.pop("grace", {}), settings.pop("reclaim", {}))  # fmt: skip
        measure = Measure(self.node.runtime, self.node.paths, Walks(self.clock))
        self.changes = 0
        self.eviction = Eviction(
            self.clock, rules.Eviction(thresholds=given, **settings), self.machine, measure, self.node.workers,
            self.told, self._reclaim, Neighbours(shared, folder.name, self.clock, 10.0), self._changed,
        )  # fmt: skip
        self.node.workers.pressed = self.eviction.refusal

    async def _reclaim(self) -> None:
        self.reclaimed += 1
        self.machine.left[NODEFS] += self.gives_back

    def _changed(self) -> None:
        self.changes += 1

    async def run(self, *pods: Pod) -> None:
        for each in pods:
            self.node.workers.update(each)
        await self.clock.advance(1)

    def phases(self) -> dict[str, str]:
        return {name: status["phase"] for name, status in sorted(self.node.statuses.of.items())}

    def write(self, given: Pod, size: int) -> None:
        place = self.node.paths.volumes(given.uid) / "kubernetes.io~empty-dir" / "v"
        place.mkdir(parents=True)
        (place / "file").write_bytes(b"x" * size)


@asynccontextmanager
async def playing(folder: Path, **more: Any) -> AsyncIterator[Play]:
    found = Play(folder, **more)
    found.node.tasks.spawn("events", found.node.relist.listen())
    watching = asyncio.ensure_future(found.eviction.watch())
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await found.node.close()


def play(folder: Path, scene: Callable[[Play], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        async with playing(folder, **settings) as found:
            await scene(found)

    asyncio.run(main())


def writer(name: str, **spec: Any) -> Pod:
    return pod(name, volumes=[{"name": "v", "emptyDir": {}}], **spec)


def test_what_nobody_needs_goes_first_and_may_be_enough(tmp_path: Path) -> None:
    async def scene(here: Play) -> None:
        await here.run(writer("p"))
        here.gives_back, here.machine.left[NODEFS] = 300, 50
        await here.clock.advance(10)
        assert here.reclaimed == 1 and here.phases() == {"p": "Running"}
        assert here.told.of("EvictionThresholdMet") == ["Attempting to reclaim ephemeral-storage"]
        assert here.eviction.conditions == ("DiskPressure",) and here.changes == 1
        await here.clock.advance(30)
        assert here.eviction.conditions == () and here.changes == 2 and here.reclaimed == 1

    play(tmp_path, scene, transition=20.0)


def test_pods_end_one_at_a_time_the_largest_first_and_the_critical_never(tmp_path: Path) -> None:
    async def scene(here: Play) -> None:
        small, large, vital = writer("small"), writer("large"), writer("vital", priority=2_000_001_000)
        await here.run(small, large, vital)
        for given, size in ((small, 5000), (large, 500_000), (vital, 5_000_000)):
            here.write(given, size)
        here.machine.left[NODEFS] = 50
        here.machine.enough = lambda: here.node.workers.is_cleared(large.uid)
        await here.clock.advance(20)
        assert here.phases() == {"small": "Running", "large": "Failed", "vital": "Running"}
        status = here.node.statuses.of["large"]
        said = "The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 50Mi. "
        assert (status["reason"], status["message"]) == ("Evicted", said)
        target = next(c for c in status["conditions"] if c["type"] == "DisruptionTarget")
        assert (target["reason"], target["message"]) == ("TerminationByKubelet", said)
        assert here.told.of("Evicted") == [said] and here.told.notes[0]["starved_resource"] == "ephemeral-storage"
        assert here.node.workers.is_cleared(large.uid) and len(await here.node.runtime.sandboxes()) == 2
        here.machine.enough = lambda: False
        here.machine.left[NODEFS] = 50
        await here.clock.advance(60)
        assert here.phases() == {"small": "Failed", "large": "Failed", "vital": "Running"}
        assert here.node.workers.evictions == {NODEFS: 2}

    play(tmp_path, scene)


def test_the_next_goes_only_when_what_the_last_had_is_free(tmp_path: Path) -> None:
    async def scene(here: Play) -> None:
        here.node.workers.is_cleared = lambda uid: False  # type: ignore[method-assign]
        await here.run(*(writer(name) for name in "abc"))
        here.machine.left[MEMORY] = 50
        await here.clock.advance(35)
        assert sorted(here.phases().values()) == ["Failed", "Running", "Running"], "half a minute is waited"
        await here.clock.advance(10)
        assert sorted(here.phases().values()) == ["Failed", "Failed", "Running"]
        assert here.reclaimed == 0, "images take no memory"

    play(tmp_path, scene)


def test_at_a_soft_threshold_pods_get_time(tmp_path: Path) -> None:
    async def scene(here: Play) -> None:
        await here.run(pod("p", terminationGracePeriodSeconds=60, metadata={"annotations": STUBBORN}))
        here.machine.left[PIDS] = 150
        await here.clock.advance(29)
        assert here.eviction.conditions == ("PIDPressure",) and here.told.of("Evicted") == []
        await here.clock.advance(12)
        assert len(here.told.of("Evicted")) == 1
        (grace,) = [worker._ending._asked for worker in here.node.workers._workers.values()]
        assert grace == 20

    play(tmp_path, scene, soft={PIDS: "200Mi"}, grace={PIDS: "30s"}, max_pod_grace=20)


class Stubborn(MemoryRuntime):
    """Its containers end when they are made to."""

    async def stop_container(self, id: str, grace: float) -> None:
        await self._clock.sleep(grace)
        await super().stop_container(id, grace)


def test_who_is_about_to_end_and_takes_long_is_evicted_too(tmp_path: Path) -> None:
    async def scene(here: Play) -> None:
        given = pod("p", terminationGracePeriodSeconds=3600)
        await here.run(given)
        leaving = changed(given, deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=3600)
        await here.run(leaving)
        assert here.phases() == {"p": "Running"}
        here.machine.left[MEMORY] = 50
        await here.clock.advance(15)
        assert here.node.statuses.of["p"]["reason"] == "Evicted" and here.node.statuses.deleted == ["p"]

    play(tmp_path, scene, make=Stubborn)


def test_what_an_evicted_pod_had_goes_though_the_agent_ended_before_it_could(tmp_path: Path) -> None:
    async def main() -> None:
        before, given = Play(tmp_path), writer("p")
        await before.run(given)
        runtime = before.node.runtime
        assert await runtime.containers()
        await before.node.rest()
        after = Node(runtime, before.clock, tmp_path, on_disk=False)
        evicted = msgspec.structs.replace(given.status, phase="Failed", reason="Evicted")
        after.workers.update(msgspec.structs.replace(given, status=evicted))
        await before.clock.advance(5)
        assert not await runtime.containers() and not await runtime.sandboxes()
        assert not after.statuses.deleted, "who looks at it can see why"
        await after.close()

    asyncio.run(main())


def test_while_it_lasts_pods_are_refused(tmp_path: Path) -> None:
    async def scene(here: Play) -> None:
        here.machine.left[MEMORY] = 50
        await here.clock.advance(10)
        asking = container("c", "x", resources={"requests": {"memory": "1Mi"}})
        await here.run(pod("careless"), pod("asking", asking))
        assert here.node.statuses.of["careless"]["message"] == (
            "Pod was rejected: The node had condition: [MemoryPressure]. "
        )
        assert here.node.statuses.of["careless"]["reason"] == "Evicted" and not here.node.statuses.phase("late")

    play(tmp_path, scene)


def test_of_nodes_that_share_a_disk_only_that_with_the_largest_pod_evicts(tmp_path: Path) -> None:
    async def main() -> None:
        clock, shared = VirtualClock(), tmp_path / "shared"
        both = (playing(tmp_path / name, clock=clock, shared=shared) for name in "ab")
        async with next(both) as a, next(both) as b:
            large = writer("large")
            await a.run(writer("small"))
            await b.run(large, writer("other"))
            b.write(large, 500_000)
            for here in (a, b):
                here.machine.left[NODEFS] = 50
                here.machine.enough = lambda: b.node.workers.is_cleared(large.uid)
            await clock.advance(60)
            assert a.phases() == {"small": "Running"}
            assert b.phases() == {"large": "Failed", "other": "Running"}
            assert a.reclaimed and b.reclaimed, "what nobody needs goes everywhere"
            assert a.eviction.conditions == b.eviction.conditions == ("DiskPressure",)

    asyncio.run(main())
