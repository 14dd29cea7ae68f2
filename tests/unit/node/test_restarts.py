"""Containers' own restart policies and rules, and the restart of all containers of a pod in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from longboat.api import restarts as rules
from longboat.api.restarts import RestartRule
from longboat.machinery.objects import Object
from longboat.node import restarts
from longboat.node.cri.interface import RuntimeFailure
from longboat.node.views.pod import Pod
from unit.node.build import Node, changed, container, pod
from unit.node.test_pod_workers import Simulated, on_a_node
from unit.node.test_sync import brief, observed, plan, ran, sandbox

IN_42 = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
NOT_IN_0 = [{"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [0]}}]
ALL_42 = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]


def own(name: str, policy: str, *command: str, rules: list[Object] | None = None, **more: Any) -> Object:
    return container(name, *command, restartPolicy=policy, restartPolicyRules=rules or [], **more)


@pytest.mark.parametrize(
    ("policy", "listed", "restarted"),
    [
        ("Never", [], set()),
        ("OnFailure", [], {1, 42}),
        ("Always", [], {0, 1, 42}),
        ("Never", IN_42, {42}),
        ("Never", NOT_IN_0, {1, 42}),
        ("OnFailure", IN_42, {1, 42}),
        ("Never", ALL_42, {42}),
        ("Never", [*NOT_IN_0, *ALL_42], {1, 42}),
        ("Never", [{"action": "Restart"}], set()),  # upstream asks for exit codes; without them no rule is about any
    ],
)
def test_who_is_started_again(policy: str, listed: list[Object], restarted: set[int]) -> None:
    found = msgspec.convert(listed, list[RestartRule])
    assert {code for code in (0, 1, 42) if rules.again(policy, found, code)} == restarted


def test_the_first_rule_that_matches_counts() -> None:
    found = msgspec.convert([*NOT_IN_0, *ALL_42], list[RestartRule])
    assert [rules.action(found, code) for code in (0, 42)] == ["", "Restart"]


PODS = {
    "own Never": pod("p", own("a", "Never")),
    "own Always": pod("p", own("a", "Always"), restartPolicy="Never"),
    "own OnFailure": pod("p", own("a", "OnFailure"), restartPolicy="Never"),
    "rule": pod("p", own("a", "Never", rules=IN_42), restartPolicy="Never"),
    "init": pod("p", container("a"), initContainers=[own("i", "Never", rules=IN_42)]),
    "mixed": pod("p", own("a", "Never"), own("b", "Always"), restartPolicy="OnFailure"),
}
CASES = {
    "Never, though the pod says Always": ("own Never", [ran("a", "exited", 1)], ["stop sandbox s0"]),
    "Always, though the pod says Never": ("own Always", [ran("a", "exited", 0)], ["start a 1"]),
    "OnFailure after a failure": ("own OnFailure", [ran("a", "exited", 1)], ["start a 1"]),
    "OnFailure after success": ("own OnFailure", [ran("a", "exited", 0)], ["stop sandbox s0"]),
    "a rule that matches": ("rule", [ran("a", "exited", 42)], ["start a 1"]),
    "and one that does not": ("rule", [ran("a", "exited", 41)], ["stop sandbox s0"]),
    "an init container's rule": ("init", [ran("i", "exited", 42)], ["start i 1"]),
    "an init container that may not": ("init", [ran("i", "exited", 1)], []),
    "each by its own": ("mixed", [ran("a", "exited", 1), ran("b", "exited", 0)], ["start b 1"]),
}


@pytest.mark.parametrize(("name", "seen", "expected"), CASES.values(), ids=CASES)
def test_what_comes_next(name: str, seen: list[Any], expected: list[str]) -> None:
    assert brief(plan(PODS[name], observed(*seen))) == expected


def test_a_dead_sandbox_is_made_again_for_those_alone_that_may_run_again() -> None:
    dead = [sandbox(ready=False)]
    assert brief(plan(PODS["own Always"], observed(ran("a"), sandboxes=dead))) == ["stop pod", "sandbox 1"]
    assert brief(plan(PODS["own Never"], observed(ran("a", "exited", 137), sandboxes=dead))) == []
    again = [sandbox("s1", 1), *dead]
    assert brief(plan(PODS["mixed"], observed(ran("a", "exited"), ran("b", "exited"), sandboxes=again))) == [
        "start b 1"
    ]


@on_a_node
async def test_a_rule_restarts_a_container_of_a_pod_that_never_restarts(node: Simulated) -> None:
    """As upstream's cases of container restart rules: a match restarts, a mismatch does not, with ever longer waits."""
    listed = (own("rule", "Never", "sh", "-c", "sleep 1; exit 42", rules=IN_42), container("main", "sleep", "900"))
    await node.run(pod("p", *listed, restartPolicy="Never"), 15)
    status = node.statuses.container()
    assert (node.statuses.phase(), status["restartCount"]) == ("Running", 2)
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["lastState"]["terminated"]["exitCode"] == 42


@pytest.mark.parametrize(("code", "phase"), [(1, "Failed"), (0, "Succeeded")])
def test_a_container_that_may_not_run_again_ends_its_pod(tmp_path: Path, code: int, phase: str) -> None:
    @on_a_node
    async def scene(node: Simulated) -> None:
        await node.run(pod("p", own("a", "Never", "sh", "-c", f"sleep 1; exit {code}"), restartPolicy="Always"), 5)
        assert (node.statuses.phase(), node.statuses.container()["restartCount"]) == (phase, 0)

    scene(tmp_path)


@on_a_node
async def test_a_pod_goes_on_while_another_of_its_containers_may(node: Simulated) -> None:
    listed = (own("once", "Never", "sh", "-c", "sleep 1; exit 1"), container("main", "sleep", "900"))
    await node.run(pod("p", *listed, restartPolicy="Always"), 30)
    assert (node.statuses.phase(), node.statuses.container()["restartCount"]) == ("Running", 0)
    assert node.statuses.container()["state"]["terminated"]["exitCode"] == 1
    assert node.statuses.condition("Ready") == "False"


@on_a_node
async def test_an_init_container_that_may_not_run_again_fails_its_pod(node: Simulated) -> None:
    await node.run(pod("p", container(), initContainers=[own("i", "Never", "false")]), 2)
    assert node.statuses.phase() == "Failed"


@on_a_node
async def test_an_init_container_is_tried_again_by_its_rule(node: Simulated) -> None:
    init = own("i", "Never", "sh", "-c", "exit 42", rules=IN_42)
    await node.run(pod("p", container(), restartPolicy="Never", initContainers=[init]), 15)
    assert node.statuses.phase() == "Pending"
    assert node.statuses.of["p"]["initContainerStatuses"][0]["restartCount"] == 2


def restarted_together(*containers: Object, **spec: Any) -> Pod:
    inits = [container("i", "true"), container("side", restartPolicy="Always")]
    return pod("p", *containers, **{"initContainers": inits, "restartPolicy": "Never", **spec})


SOURCE = own("source", "Never", "sh", "-c", "sleep 5; exit 42", rules=ALL_42)


def counts(status: Object) -> dict[str, int]:
    listed = [*status.get("initContainerStatuses", ()), *status["containerStatuses"]]
    return {each["name"]: each["restartCount"] for each in listed}


def restarting(status: Object) -> Object:
    return next(c for c in status["conditions"] if c["type"] == restarts.CONDITION)


@on_a_node
async def test_an_exit_restarts_all_containers_in_their_sandbox(node: Simulated) -> None:
    given = restarted_together(SOURCE, container("regular", "sleep", "900"), own("done", "Never", "true"))
    await node.run(given, 4)
    (before,) = await node.runtime.sandboxes()
    assert restarting(node.statuses.of["p"])["status"] == "False"
    await node.clock.advance(2)
    status = node.statuses.of["p"]
    assert counts(status) == {"i": 1, "side": 1, "source": 1, "regular": 1, "done": 1}
    assert status["phase"] == "Running"
    assert [s.id for s in await node.runtime.sandboxes()] == [before.id]
    for each in [*status["initContainerStatuses"], *status["containerStatuses"]]:
        ended = each["lastState"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("RestartingAllContainers", 137), each
    told = [restarting(status) for _, status in node.statuses.history]
    begun = next(condition for condition in told if condition["status"] == "True")
    assert (begun["reason"], begun["message"]) == (restarts.STARTED, restarts.MESSAGE)
    assert told[-1]["status"] == "False"


@on_a_node
async def test_a_status_tells_what_was_removed(node: Simulated) -> None:
    await node.run(restarted_together(SOURCE, container("regular", "sleep", "900")), 8)
    removed = {"reason": restarts.REMOVED, "message": restarts.REMOVED_MESSAGE}
    shown = [status for _, status in node.statuses.history if counts(status)["regular"] == 1]
    first = shown[0]
    assert all(each["state"] == {"waiting": removed} for each in first["containerStatuses"])
    assert "containerID" not in first["containerStatuses"][0]
    assert first["phase"] == "Pending"  # its init containers begin once more
    assert next(c["status"] for c in first["conditions"] if c["type"] == "Initialized") == "True"


@on_a_node
async def test_restarts_of_all_wait_ever_longer(node: Simulated) -> None:
    await node.run(restarted_together(SOURCE, container("regular", "sleep", "900")), 60)
    # After 5 s at once, then 10 s and 20 s after the exit: at 5, 20 and 45 seconds.
    assert counts(node.statuses.of["p"])["regular"] == 3
    state = node.statuses.container()["state"]["waiting"]
    assert state["reason"] == "CrashLoopBackOff"


@on_a_node
async def test_sidecars_and_init_containers_demand_it_too(node: Simulated) -> None:
    side = own("side", "Always", "sh", "-c", "sleep 5; exit 42", rules=ALL_42)
    await node.run(restarted_together(container("regular", "sleep", "900"), initContainers=[side]), 7)
    assert counts(node.statuses.of["p"]) == {"side": 1, "regular": 1}
    init = own("init", "Never", "sh", "-c", "sleep 5; exit 42", rules=ALL_42)
    listed = [container("side", restartPolicy="Always"), init]
    other = pod("q", container("regular", "sleep", "900"), initContainers=listed, restartPolicy="Never")
    await node.run(other, 7)
    assert counts(node.statuses.of["q"]) == {"side": 1, "init": 1, "regular": 0}


@on_a_node
async def test_ephemeral_containers_are_left_alone(node: Simulated) -> None:
    debug = [container("debug", "sleep", "900")]
    await node.run(restarted_together(SOURCE, ephemeralContainers=debug), 7)
    (status,) = node.statuses.of["p"]["ephemeralContainerStatuses"]
    assert (status["restartCount"], "running" in status["state"]) == (0, True)


@on_a_node
async def test_a_restart_of_all_is_finished_after_a_failure_of_the_runtime(node: Simulated) -> None:
    """And by the next agent: what is left of the old containers is not taken for new ones."""
    given = restarted_together(SOURCE, container("regular", "sleep", "900"))
    await node.run(given, 4)
    remove, removed = node.runtime.remove_container, list[str]()

    async def one_only(id: str) -> None:
        if removed:
            raise RuntimeFailure("ttrpc: closed", "Unknown")
        removed.append(id)
        await remove(id)

    node.runtime.remove_container = one_only  # type: ignore[method-assign]
    await node.clock.advance(4)
    halfway = node.statuses.of["p"]
    assert restarting(halfway)["status"] == "True" and sorted(counts(halfway).values()) == [0, 0, 0, 1]
    await node.workers.close()
    node.runtime.remove_container = remove  # type: ignore[method-assign]
    heir = Node(node.runtime, node.clock, Path("/nonexistent"), on_disk=False)
    conditions = [{k: v for k, v in c.items() if v is not None} for c in halfway["conditions"]]
    shown = msgspec.convert({**halfway, "conditions": conditions}, type(given.status))
    heir.workers.update(msgspec.structs.replace(given, status=shown))
    await node.clock.advance(3)
    assert counts(heir.statuses.of["p"]) == {"i": 1, "side": 1, "source": 1, "regular": 1}
    assert restarting(heir.statuses.of["p"])["status"] == "False"
    await heir.workers.close()


@on_a_node
async def test_a_container_that_was_restarted_before_restarts_all(node: Simulated) -> None:
    listed = own("source", "Always", rules=ALL_42), container("regular", "sleep", "900")
    await node.run(pod("p", *listed), 1)
    for code in (1, 42):
        (source,) = [c.id for c in await node.runtime.containers() if c.name == "source" and c.state == "running"]
        node.runtime.end(source, code)
        await node.clock.advance(12)
    assert counts(node.statuses.of["p"]) == {"source": 2, "regular": 1}
    assert len(await node.runtime.containers()) == 2


@on_a_node
async def test_a_pod_that_is_deleted_meanwhile_ends(node: Simulated) -> None:
    given = restarted_together(SOURCE, container("regular", "sleep", "900"))
    await node.run(given, 5.05)
    node.workers.update(changed(given, deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=30))
    await node.clock.advance(3)
    assert node.statuses.deleted == ["p"]


@on_a_node
async def test_a_finished_pod_says_that_nothing_restarts(node: Simulated) -> None:
    quick = own("source", "Never", "true", rules=ALL_42)
    await node.run(pod("p", quick, restartPolicy="Never"), 3)
    assert node.statuses.phase() == "Succeeded"
    assert restarting(node.statuses.of["p"])["reason"] == "PodCompleted"
