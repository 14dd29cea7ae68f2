"""Resizing pods that run: who is given what, in which order it is put into force, and what is told of it (KEP-1287)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from longboat.aio.backoffs import BackOff
from longboat.api.resources import Resources
from longboat.machinery.objects import Object
from longboat.node import allocation, in_force, sync
from longboat.node.allocation import Allocation, Given
from longboat.node.checkpoints import Checkpoints
from longboat.node.cri import config, messages
from longboat.node.paths import Paths
from longboat.node.resize import Update, updates
from longboat.node.sync import Hold, ResizePod, StartContainer, StopContainer
from longboat.node.views.pod import Pod
from unit.node.build import container, pod
from unit.node.test_pod_workers import Simulated, on_a_node
from unit.node.test_sync import NOW, brief, observed, ran

MEGA = 1 << 20
RESTART = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]


def sized(cpu: str = "", memory: str = "", /, **limits: str) -> Object:
    asked = {"cpu": cpu, "memory": memory}
    return {"requests": {name: text for name, text in asked.items() if text}, "limits": limits}


def held(cpu: str = "", memory: str = "", /, **limits: str) -> Resources:
    return msgspec.convert(sized(cpu, memory, **limits), Resources)


def resized(before: Pod, generation: int = 2, **resources: Object) -> Pod:
    """The same pod, asking for something else."""
    spec = msgspec.structs.replace(
        before.spec,
        containers=[
            msgspec.structs.replace(c, resources=msgspec.convert(resources.get(c.name), Resources))
            if c.name in resources
            else c
            for c in before.spec.containers
        ],
    )
    meta = msgspec.structs.replace(before.metadata, generation=generation)
    return msgspec.structs.replace(before, spec=spec, metadata=meta)


def plan(given: Pod, behind: dict[str, Resources], *seen: Any, holds: Any = (), pod_behind: bool = True) -> sync.Plan:
    found = Allocation(allocation.asked(given), behind, pod_behind=pod_behind)
    return sync.plan(given, observed(*seen), {}, BackOff(), dict(holds), NOW, found)


A, B = container("a", resources=sized("200m")), container("b", resources=sized("100m"))
TWO = pod("p", A, B)


def test_running_containers_are_updated_with_the_pod_around_them() -> None:
    found = plan(TWO, {"a": held("100m")}, ran("a"), ran("b"))
    assert found.actions == [ResizePod([Update(TWO.spec.containers[0], "a-0", held("100m"))])]
    assert plan(TWO, {}, ran("a"), ran("b")).actions == [ResizePod([])]
    assert plan(TWO, {}, ran("a"), ran("b"), pod_behind=False).actions == []


def test_what_is_not_running_starts_with_what_was_given_once_the_pod_has_grown() -> None:
    found = plan(TWO, {"a": held("100m")}, ran("a", "exited", 1), ran("b"))
    assert [type(action) for action in found.actions] == [ResizePod, StartContainer]


def test_a_container_that_wants_a_restart_gets_one_between_its_ends() -> None:
    given = pod("p", container("a", resources=sized("200m"), resizePolicy=RESTART), B, restartPolicy="OnFailure")
    found = plan(given, {"a": held("100m")}, ran("a"), ran("b"))
    assert found.actions[0] == StopContainer(ran("a"), "Container a resize requires restart")
    assert [type(action) for action in found.actions] == [StopContainer, ResizePod, StartContainer]
    assert brief(found)[-1] == "start a 1"
    memory = plan(given, {"a": held("200m", "1Mi")}, ran("a"), ran("b"))
    assert [type(action) for action in memory.actions] == [ResizePod]


def test_sidecars_and_init_containers_follow_too() -> None:
    for policy in ({"restartPolicy": "Always"}, {}):
        init = container("i", resources=sized("200m"), **policy)
        found = plan(pod("p", B, initContainers=[init]), {"i": held("100m")}, ran("i"))
        (action,) = (action for action in found.actions if isinstance(action, ResizePod))
        assert [update.id for update in action.updates] == ["i-0"]


def test_after_a_failure_nothing_is_resized_for_a_while() -> None:
    from longboat.node.state import Waiting

    hold = {sync.RESIZE: Hold(Waiting(""), NOW + 5)}
    found = plan(TWO, {"a": held("100m")}, ran("a"), ran("b"), holds=hold)
    assert (found.actions, found.waiting, found.wake) == ([], {}, 5.0)


def test_who_shrinks_comes_first() -> None:
    given = pod("p", *(container(name, resources=sized("200m")) for name in ("grows", "shrinks", "stays")))
    before = (held("100m"), held("300m"), held("0.2"))
    found = [Update(c, c.name, had) for c, had in zip(given.spec.containers, before, strict=True)]
    assert [update.id for update in updates(found, "cpu")] == ["shrinks", "grows"]
    assert updates(found, "memory") == []


@pytest.mark.parametrize(
    ("asks", "others", "why"),
    [
        (sized("2"), [sized("2")], None),
        (sized("3", "1Mi"), [sized("2")],
         ("Deferred", "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000")),
        (sized("1", "6Mi"), [sized("1", "5Mi")],
         ("Deferred", "Node didn't have enough resource: memory, requested: 6291456, used: 5242880, "
                      "capacity: 10485760")),
        (sized("5"), [], ("Infeasible", "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000")),
        (sized("5", "11Mi"), [],
         ("Infeasible", "Node didn't have enough capacity: memory, requested: 11534336, capacity: 10485760")),
    ],
)  # fmt: skip
def test_what_a_node_can_give(asks: Object, others: list[Object], why: tuple[str, str] | None) -> None:
    found = allocation.refusal(
        pod("p", container(resources=asks)),
        [pod("o", container(resources=other)) for other in others],
        {"cpu": "4", "memory": "10Mi"},
    )
    assert (found and (found.reason, found.message)) == why


def test_who_waits_is_asked_in_turn() -> None:
    had = Given({"c": held("2")})
    waiting = {
        "later": (pod("later", container(resources=sized("3"))), 20.0),
        "sooner": (pod("sooner", container(resources=sized("3"))), 10.0),
        "important": (pod("important", container(resources=sized("3")), priority=5), 30.0),
        "guaranteed": (pod("g", container(resources=sized("3", "1Gi", cpu="3", memory="1Gi"))), 40.0),
        "shrinks": (pod("s", container(resources=sized("1"))), 50.0),
    }
    turns = sorted(waiting, key=lambda name: allocation.turn(waiting[name][0], had, waiting[name][1]))
    assert turns == ["shrinks", "important", "guaranteed", "sooner", "later"]


@pytest.mark.parametrize(
    ("given", "found", "shown"),
    [
        (held("100m", "1Mi", cpu="200m", memory="2Mi"), config.Resources(
            cpu_shares=51, cpu_quota=10_000, cpu_period=100_000, memory_limit=MEGA),
         held("50m", "1Mi", cpu="100m", memory="1Mi")),
        (held("0.1", cpu="0.2"), config.Resources(cpu_shares=102, cpu_quota=20_000, cpu_period=100_000),
         held("0.1", cpu="0.2")),
        (held("1m", cpu="5m"), config.Resources(cpu_shares=2, cpu_quota=1000, cpu_period=100_000),
         held("1m", cpu="5m")),
        (held(), config.Resources(cpu_shares=2), held()),
    ],
)  # fmt: skip
def test_what_is_in_force_is_what_the_runtime_says(given: Resources, found: config.Resources, shown: Resources) -> None:
    (one,) = pod("p", container("a", resources=msgspec.to_builtins(given))).spec.containers
    assert in_force.of(one, ran("a", resources=found), {}) == shown
    assert in_force.of(one, ran("a", "exited", resources=found), {}) == given
    assert in_force.of(one, ran("a"), {"a": held("7m")}) == held("7m")
    assert in_force.of(one, None, {}) == given


def test_containerd_tells_in_its_specification() -> None:
    limits = '{"memory":{"limit":-1},"cpu":{"shares":20,"quota":2000,"period":100000}}'
    found = messages.resources_of_spec(f'{{"runtimeSpec":{{"linux":{{"resources":{limits}}}}}}}')
    assert found == config.Resources(cpu_shares=20, cpu_quota=2000, cpu_period=100_000)
    assert messages.resources_of_spec("") is None and messages.resources_of_spec("{}") is None


def test_what_was_given_outlives_the_agent(tmp_path: Path) -> None:
    async def main() -> None:
        paths = Paths(tmp_path)
        kept = Allocation(Given({"c": held("2")}, held("3")), {"c": held("1")}, pod_behind=True)
        before = Checkpoints(paths)
        await before.keep("uid", Allocation())
        await before.keep("uid", kept)
        paths.pod("torn").mkdir()
        (paths.pod("torn") / "allocation.json").write_text("{")
        after = Checkpoints(paths)
        await after.load()
        assert after.take("uid") == kept and after.take("torn") is None and after.take("uid") is None

    asyncio.run(main())


# Whole lives, on the in-memory runtime.


def condition(node: Simulated, kind: str, name: str = "p") -> tuple[str, str, int] | None:
    found = (c for c in node.statuses.of[name]["conditions"] if c["type"] == kind)
    return next(((c["reason"] or "", c["message"] or "", c["observedGeneration"]) for c in found), None)


@on_a_node
async def test_a_resize_is_told_and_put_into_force(node: Simulated) -> None:
    node.workers.allocatable = {"cpu": "4", "memory": "1Gi"}
    one = pod("p", container("c", resources=sized("1", cpu="2")))
    await node.run(one)
    await node.run(resized(one, c=sized("1500m", cpu="3")), 1)
    status = node.statuses.container()
    assert status["resources"] == {"limits": {"cpu": "3"}, "requests": {"cpu": "1500m"}}
    assert (status["allocatedResources"], status["restartCount"]) == ({"cpu": "1500m"}, 0)
    told = '{"containers":[{"name":"c","resources":{"limits":{"cpu":"3"},"requests":{"cpu":"1500m"}}}],"generation":2}'
    assert node.told.of("ResizeStarted") == [f"Pod resize started: {told}"]
    assert node.told.of("ResizeCompleted") == [f"Pod resize completed: {told}"]
    assert condition(node, "PodResizeInProgress") is None
    history = [c for _, s in node.statuses.history for c in s["conditions"] if c["type"] == "PodResizeInProgress"]
    assert history and history[0]["status"] == "True" and history[0]["observedGeneration"] == 2
    (id,) = await node.ids()
    found = (await node.runtime.container_status(id)).resources
    assert found is not None and (found.cpu_shares, found.cpu_quota) == (1536, 300_000)


@on_a_node
async def test_a_restart_where_the_container_asks_for_it(node: Simulated) -> None:
    node.workers.allocatable = {"cpu": "4"}
    one = pod("p", container("c", resources=sized("1"), resizePolicy=RESTART), container("d"))
    await node.run(one)
    await node.run(resized(one, c=sized("2")), 1)
    restarts = [c["restartCount"] for c in node.statuses.of["p"]["containerStatuses"]]
    assert restarts == [1, 0] and node.statuses.container()["resources"] == {"requests": {"cpu": "2"}}
    assert node.told.reasons.count("ResizeCompleted") == 1


@on_a_node
async def test_what_does_not_fit_waits_for_room(node: Simulated) -> None:
    node.workers.allocatable = {"cpu": "4"}
    one, other = (pod(name, container("c", resources=sized("2")), metadata={"generation": 1}) for name in "pq")
    await node.run(one)
    await node.run(other)
    wanted = resized(one, c=sized("3"))
    await node.run(wanted, 1)
    why = "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000"
    assert condition(node, "PodResizePending") == ("Deferred", why, 2)
    status = node.statuses.container()
    assert status["allocatedResources"] == status["resources"]["requests"] == {"cpu": "2"}
    (said,) = node.told.of("ResizeDeferred")
    assert said.startswith("Pod resize Deferred: {") and f'"generation":2,"error":"{why}"' in said
    await node.run(resized(other, c=sized("1")), 1)
    assert condition(node, "PodResizePending") is None
    assert node.statuses.container()["allocatedResources"] == {"cpu": "3"}
    await node.run(resized(wanted, 3, c=sized("5")), 1)
    assert condition(node, "PodResizePending") == (
        "Infeasible", "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000", 3,
    )  # fmt: skip
    assert len(node.told.of("ResizeInfeasible")) == 1
    await node.run(resized(wanted, 4, c=sized("3")), 1)
    assert condition(node, "PodResizePending") is None


@on_a_node
async def test_a_pod_that_goes_makes_room(node: Simulated) -> None:
    node.workers.allocatable = {"cpu": "4"}
    one, other = (pod(name, container("c", resources=sized("2"))) for name in "pq")
    await node.run(one)
    await node.run(other)
    await node.run(resized(one, c=sized("4")), 1)
    assert condition(node, "PodResizePending") is not None
    node.workers.remove(other.uid)
    await node.clock.advance(1)
    assert node.statuses.container()["allocatedResources"] == {"cpu": "4"}


@on_a_node
async def test_an_heir_goes_on_from_what_was_given(node: Simulated) -> None:
    node.workers.allocatable = {"cpu": "4"}
    one = pod("p", container("c", resources=sized("2")))
    await node.run(one)
    await node.workers.close()
    from unit.node.build import Node

    folder = node.paths.root.parent / "heir"
    kept = Checkpoints(Paths(folder / "kubelet", folder / "pods", folder / "containers"))
    await kept.keep(one.uid, Allocation(allocation.asked(one)))
    await kept.load()
    heir = Node(node.runtime, node.clock, folder, on_disk=False, tools={"checkpoints": kept})
    heir.workers.allocatable = {"cpu": "4"}
    heir.workers.update(resized(one, c=sized("3")))
    await asyncio.sleep(0.2)
    await node.clock.advance(1)
    await asyncio.sleep(0.2)
    assert heir.told.reasons == ["ResizeStarted", "ResizeCompleted"]
    assert heir.statuses.container()["resources"] == {"requests": {"cpu": "3"}}
    fresh = Checkpoints(heir.paths)
    await fresh.load()
    assert fresh.take(one.uid) == Allocation(Given({"c": held("3")}))
    await heir.workers.close()
