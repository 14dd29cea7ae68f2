"""Lives of imagined containers on a node, as their pods' annotations and the runtime's rules have them."""

from __future__ import annotations

import json
from typing import Any

from longboat.machinery.objects import Object
from longboat.node.serve.log_stream import LogOptions, remembered
from longboat.node.simulated.behaviour import Behaviour, Exec, Selector, Stage
from longboat.node.simulated.rules import Rules
from longboat.node.views.pod import Pod
from unit.node.build import pod
from unit.node.test_pod_workers import Simulated, on_a_node

SERVER: Object = {"name": "c", "image": "registry.example.com/web:1", "command": ["serve"]}


def server(*stages: Object, probes: Object | None = None, notes: dict[str, str] | None = None, **spec: Any) -> Pod:
    """A pod with what is to become of it in its annotation."""
    told = {"simulated.longboat.io/behaviour": json.dumps([{"stages": stages}])} if stages else {}
    return pod("p", {**SERVER, **(probes or {})}, metadata={"annotations": {**told, **(notes or {})}}, **spec)


def use(node: Simulated, *stages: Stage, **more: Any) -> None:
    node.runtime.use(Rules([Behaviour(stages=stages, **more)]))


@on_a_node
async def test_what_nobody_speaks_of_runs_on_and_sets_no_timer(node: Simulated) -> None:
    await node.run(server(), 3600)
    assert node.statuses.condition("Ready") == "True"
    assert [c.timer for c in node.runtime._containers.values()] == [None]
    assert node.statuses.container()["image"] == "registry.example.com/web:1"


@on_a_node
async def test_it_gets_ready_and_then_runs_out_of_memory(node: Simulated) -> None:
    await node.run(server({"delay": "30s", "ready": True}, {"delay": 60, "exitCode": 137, "reason": "OOMKilled"}), 29)
    assert (node.statuses.phase(), node.statuses.condition("Ready")) == ("Running", "False")
    await node.clock.advance(2)
    assert node.statuses.condition("Ready") == "True"
    await node.clock.advance(65)
    ended = node.statuses.container()["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"], node.statuses.condition("Ready")) == ("OOMKilled", 137, "False")


@on_a_node
async def test_probes_follow_the_script_by_their_own_kind(node: Simulated) -> None:
    probe = {"httpGet": {"port": 80, "scheme": "HTTPS"}, "periodSeconds": 1, "failureThreshold": 2}
    probes = {"readinessProbe": probe, "livenessProbe": probe}
    await node.run(server({"delay": 10, "ready": False}, {"delay": 10, "live": False}, probes=probes), 9)
    assert node.statuses.condition("Ready") == "True"
    await node.clock.advance(5)
    assert (node.statuses.condition("Ready"), node.statuses.container()["restartCount"]) == ("False", 0)
    assert set(node.told.of("Unhealthy")) == {"Readiness probe failed: HTTP probe failed with statuscode: 503"}
    await node.clock.advance(10)
    assert node.statuses.container()["restartCount"] == 1
    assert "Container c failed liveness probe, will be restarted" in node.told.of("Killing")


@on_a_node
async def test_a_slow_start_is_waited_for_by_the_startup_probe(node: Simulated) -> None:
    startup = {"exec": {"command": ["check"]}, "periodSeconds": 5, "failureThreshold": 30}
    await node.run(server({"delay": "1m", "started": True}, probes={"startupProbe": startup}), 55)
    assert node.statuses.container()["started"] is False
    await node.clock.advance(10)
    assert (node.statuses.container()["started"], node.statuses.container()["restartCount"]) == (True, 0)


@on_a_node
async def test_the_first_attempts_fail(node: Simulated) -> None:
    use(node, Stage(delay=1, exitCode=1, message="no database"), selector=Selector(attempts=2))
    await node.run(server(), 120)
    assert (node.statuses.phase(), node.statuses.container()["restartCount"]) == ("Running", 2)
    assert node.statuses.container()["lastState"]["terminated"]["message"] == "no database"


@on_a_node
async def test_new_rules_are_for_what_runs_already_and_begin_now(node: Simulated) -> None:
    await node.run(server(restartPolicy="Never", notes={"simulated.longboat.io/run-seconds": "1000"}), 100)
    use(node, Stage(ready=False), Stage(delay=10, usage={"cpu": "500m", "memory": "1Gi"}))
    await node.clock.advance(1)
    assert node.statuses.condition("Ready") == "False"
    await node.clock.advance(19)
    (usage,) = await node.runtime.usage()
    assert (round(usage.cpu / 1e9, 1), usage.memory) == (5.0, 1 << 30)
    use(node, Stage(usage={"cpu": "1"}))
    await node.clock.advance(10)
    (usage,) = await node.runtime.usage()
    assert (round(usage.cpu / 1e9, 1), usage.memory) == (15.0, 0)
    assert node.statuses.condition("Ready") == "True"
    await node.clock.advance(860)
    assert node.statuses.phase() == "Running"
    await node.clock.advance(20)
    assert node.statuses.phase() == "Succeeded"


@on_a_node
async def test_what_it_says_is_in_its_log(node: Simulated) -> None:
    await node.run(server({"log": "one\ntwo"}, {"delay": 5, "log": "three"}, {"delay": 5, "exitCode": 0}), 6)
    (id,) = await node.ids()

    async def read(**options: Any) -> bytes:
        async def still_running() -> bool:
            return bool(await node.ids())

        lines = remembered(lambda: node.runtime.log(id), LogOptions(**options), node.clock, still_running)
        return b"".join([text async for text in lines])

    assert await read() == b"one\ntwo\nthree\n"
    assert await read(tail=2) == b"two\nthree\n"
    assert await read(tail=0) == b""
    assert await read(limit=5) == b"one\nt"
    assert (await read(tail=1, timestamps=True)).startswith(b"2026-01-01T00:00:05.")


@on_a_node
async def test_commands_are_answered_as_the_rules_say_and_succeed_else(node: Simulated) -> None:
    use(node, execs=(Exec(command=("pg_isready",), exitCode=2, stderr="no response"), Exec(command=("date",), delay=5)))
    probe = {"exec": {"command": ["pg_isready", "-q"]}, "periodSeconds": 1, "failureThreshold": 1}
    await node.run(server(probes={"readinessProbe": probe}), 2)
    assert node.statuses.condition("Ready") == "False"
    assert node.told.of("Unhealthy")[0] == "Readiness probe failed: no response"
    (id,) = await node.ids()
    assert (await node.runtime.exec_sync(id, ["psql"], 1)).code == 0


@on_a_node
async def test_annotations_that_make_no_sense_are_told_of(node: Simulated) -> None:
    await node.run(server(notes={"simulated.longboat.io/behaviour": '[{"stages": [{"dely": 1}]}]'}), 2)
    waiting = node.statuses.container()["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerError"
    assert "simulated.longboat.io/behaviour: Object contains unknown field `dely`" in waiting["message"]


@on_a_node
async def test_a_hook_that_names_a_port_which_is_not_there_fails(node: Simulated) -> None:
    await node.run(server(probes={"lifecycle": {"postStart": {"httpGet": {"port": "nope"}}}}), 1)
    assert "couldn't find port: nope" in node.told.of("FailedPostStartHook")[0]


@on_a_node
async def test_a_container_that_reads_its_input_once_ends_with_it(node: Simulated) -> None:
    shell = {**SERVER, "command": ["sh"], "stdin": True, "stdinOnce": True}
    await node.run(pod("p", shell, restartPolicy="Never"), 100)
    assert node.statuses.phase() == "Running"
    (id,) = await node.ids()
    session = await node.runtime.attach(id, stdin=True, tty=False, stderr=True)
    await session.write(b"hi")
    await session.end_input()
    assert [await session.read(), await session.read()] == [("stdout", b"hi"), None]
    await node.clock.advance(1)
    assert node.statuses.phase() == "Succeeded"


@on_a_node
async def test_what_crashes_again_and_again_leaves_two_containers_and_no_memory_of_more(node: Simulated) -> None:
    await node.run(server({"delay": 1, "exitCode": 1}), 1800)
    assert node.statuses.container()["restartCount"] > 7
    kept = await node.runtime.containers()
    assert len(kept) == 2
    assert len(node.relist._observer.owners) <= 4 and len(node.relist._observer._ended) <= 2
