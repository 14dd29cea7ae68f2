"""Pods in real containers: what is promised in their specs holds inside."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.node.machine import ENDPOINT, Machine
from longboat.aio.clock import SystemClock
from longboat.client.interface import Key
from longboat.node import kernel
from longboat.node.serve.log_stream import LogOptions, stream
from longboat.node.views.objects import ConfigMap, Secret
from longboat.node.views.pod import Pod
from unit.node.build import Node, changed, container, pod

pytestmark = [pytest.mark.containers, pytest.mark.slow]
WEB = "longboat.local/web:1"
GONE = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 2}
Test = Callable[[Node], Awaitable[None]]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.close()


def on_the_machine(test: Test, **options: Any) -> Callable[[Machine], None]:
    """Run with workers on the machine's containerd; whatever runs at the end is removed. `options` are the Node's."""

    def run(machine: Machine) -> None:
        machine.inside(lambda: asyncio.run(_main(machine, test, **options)))

    run.__name__ = test.__name__
    return run


async def _main(machine: Machine, test: Test, **options: Any) -> None:
    node = make_node(machine, **options)
    node.start()
    try:
        await test(node)
    finally:
        await node.rest()
        await clear(node)
        await node.close()


async def clear(node: Node) -> None:
    """Remove what is left, and see that nothing is."""
    for sandbox in await node.runtime.sandboxes():
        await node.runtime.remove_sandbox(sandbox.id)
    assert (await node.runtime.sandboxes(), await node.runtime.containers()) == ([], [])


def make_node(machine: Machine, **options: Any) -> Node:
    from longboat.node.cri.grpc import GrpcRuntime

    return Node(GrpcRuntime(ENDPOINT), SystemClock(), Path("/var/lib"), on_disk=True, cgroup=machine.cgroup, **options)


async def until(condition: Callable[[], Any], seconds: float = 15) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


async def running(node: Node, given: Pod) -> None:
    node.workers.update(given)
    await until(lambda: node.statuses.phase(given.metadata.name) == "Running")


async def gone(node: Node, given: Pod) -> None:
    node.workers.update(changed(given, **GONE))
    await until(lambda: given.metadata.name in node.statuses.deleted)


async def inside(node: Node, *command: str, name: str = "c") -> str:
    """What a command says in the container that runs under this name."""
    (id,) = [c.id for c in await node.runtime.containers() if c.name == name and c.state == "running"]
    done = await node.runtime.exec_sync(id, command, 10)
    assert done.code == 0, done
    return done.stdout.decode()


async def log(node: Node, name: str = "c") -> str:
    found = max((c for c in await node.runtime.containers() if c.name == name), key=lambda c: c.created)
    status = await node.runtime.container_status(found.id)

    async def no() -> bool:
        return False

    return b"".join([text async for text in stream(Path(status.log_path), LogOptions(), node.clock, no)]).decode()


@on_the_machine
async def test_files_variables_and_users(node: Node) -> None:
    node.objects.config_maps[Key("default", "cm")] = ConfigMap(data={"a.txt": "hello", "K": "v"})
    node.objects.secrets[Key("default", "s")] = Secret(data={"pw": "czNjcmV0"})
    volumes = [
        {"name": "cm", "configMap": {"name": "cm"}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "disk", "emptyDir": {}},
        {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "down", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    mounts = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes]
    mounts.append({"name": "cm", "mountPath": "/one", "subPath": "a.txt"})
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2 $(NO) $$(A)"}]
    env.append({"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})  # type: ignore[dict-item]
    env.append({"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}})  # type: ignore[dict-item]
    own = container("c", "sleep", "1000", env=env, envFrom=[{"prefix": "P_", "configMapRef": {"name": "cm"}}],
                    volumeMounts=mounts, resources={"limits": {"cpu": "500m"}})  # fmt: skip
    security = {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000]}
    await running(node, pod("p", own, volumes=volumes, securityContext=security,
                            hostAliases=[{"ip": "1.2.3.4", "hostnames": ["foo", "bar"]}]))  # fmt: skip
    assert await inside(node, "id") == "uid=1000 gid=3000 groups=2000,3000,4000\n"
    assert await inside(node, "cat", "/cm/a.txt", "/one", "/s/pw", "/down/n") == "hellohellos3cretp"
    assert (await inside(node, "cat", "/t/token")).startswith("token of p")
    assert await inside(node, "sh", "-c", "touch /disk/x; stat -c %u:%g /disk/x") == "1000:2000\n"
    assert "size=1024k" in await inside(node, "grep", " /mem ", "/proc/mounts")
    variables = dict(line.split("=", 1) for line in (await inside(node, "env")).splitlines())
    assert (variables["B"], variables["P_K"], variables["CPU"]) == ("12 $(NO) $(A)", "v", "1")
    assert variables["IP"] == node.statuses.of["p"]["podIP"]
    hosts = await inside(node, "cat", "/etc/hosts")
    assert f"{variables['IP']}\tp\n" in hosts and "1.2.3.4\tfoo\tbar" in hosts


@on_the_machine
async def test_files_follow_their_config_map_at_once(node: Node) -> None:
    key = Key("default", "cm")
    node.objects.config_maps[key] = ConfigMap(data={"a": "1", "b": "1"})
    own = container("c", "sleep", "1000", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    given = pod("p", own, volumes=[{"name": "v", "configMap": {"name": "cm"}}])
    await running(node, given)
    node.objects.config_maps[key] = ConfigMap(data={"a": "2", "c": "2"})
    worker = node.workers.get(given.uid)
    assert worker is not None
    await node.volumes.set_up(given, worker.sight.surroundings(given, node.workers.allocatable))
    assert await inside(node, "sh", "-c", "cd /v; for f in *; do echo $f $(cat $f); done") == "a 2\nc 2\n"


@on_the_machine
async def test_a_sub_path_never_leads_out_of_its_volume(node: Node) -> None:
    Path("/run/secret-of-the-node").write_text("no")
    place = Path("/run/volume")
    place.mkdir()
    (place / "out").symlink_to("/run/secret-of-the-node")
    (place / "in").symlink_to("real")
    (place / "real").write_text("yes")
    volumes = [{"name": "h", "hostPath": {"path": str(place)}}]

    def mounting(part: str) -> Any:
        return container("c", "sleep", "9", volumeMounts=[{"name": "h", "mountPath": "/x", "subPath": part}])

    node.workers.update(pod("bad", mounting("out"), volumes=volumes))
    await until(lambda: node.told.of("Failed"))
    waiting = lambda: node.statuses.container("bad")["state"]["waiting"]  # noqa: E731
    await until(lambda: "failed to prepare subPath" in waiting().get("message", ""))
    await running(node, pod("good", mounting("in"), volumes=volumes))
    assert await inside(node, "cat", "/x") == "yes"
    new = pod(
        "new",
        container("n", "sleep", "9", volumeMounts=[{"name": "h", "mountPath": "/x", "subPath": "a/b"}]),
        volumes=volumes,
    )
    await running(node, new)
    assert (place / "a" / "b").is_dir()


@on_the_machine
async def test_a_pod_is_gone_without_a_trace(node: Node) -> None:
    own = container("c", "sleep", "1000", volumeMounts=[{"name": "m", "mountPath": "/m"}])
    given = pod("p", own, volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}])
    await running(node, given)
    place = node.paths.pod(given.uid)
    assert kernel.mount_points(place)
    await gone(node, given)
    await until(lambda: not node.paths.pod_logs(given).exists())
    assert not place.exists() and not kernel.mount_points(place)
    assert await node.runtime.sandboxes() == [] == await node.runtime.containers()
    assert not [p for p in Path("/sys/fs/cgroup").glob(f"*/longboat-test/*/kubepods/*/pod{given.uid}")]


@on_the_machine
async def test_a_pod_ends_gracefully_then_by_force(node: Node) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/1"]}}}
    polite = container("c", "sh", "-c", 'trap "echo bye; exit 0" TERM; sleep 1000 & wait', lifecycle=hook)
    given = pod("p", polite)
    await running(node, given)
    logs = (await node.runtime.container_status((await node.runtime.containers())[0].id)).log_path
    before = os.open(logs, os.O_RDONLY)
    await gone(node, given)
    said = os.read(before, 10_000).decode()
    assert [line.split(" ", 3)[3] for line in said.splitlines()] == ["hook", "bye"]
    assert node.statuses.container()["state"]["terminated"]["exitCode"] == 0
    stubborn = pod("q", container("c", "sh", "-c", 'trap "" TERM; while :; do sleep 1; done'))
    await running(node, stubborn)
    await gone(node, stubborn)
    assert node.statuses.container("q")["state"]["terminated"]["exitCode"] == 137


@on_the_machine
async def test_probes_of_every_kind(node: Node) -> None:
    own = {
        "name": "w", "image": WEB, "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "startupProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "livenessProbe": {
            "exec": {"command": ["sh", "-c", "test ! -e /tmp/bad"]}, "periodSeconds": 1, "failureThreshold": 1,
        },
    }  # fmt: skip
    await running(node, pod("p", own))
    await until(lambda: node.statuses.condition("Ready") == "True")
    await inside(node, "touch", "/tmp/bad", name="w")
    await until(lambda: node.statuses.container()["restartCount"] == 1)
    assert "Liveness probe failed: " in node.told.of("Unhealthy")  # and the startup probe's first attempts, perhaps
    await until(lambda: node.statuses.condition("Ready") == "True")
    closed = {
        **own,
        "readinessProbe": {"httpGet": {"path": "/", "port": 81}, "periodSeconds": 1},
        "livenessProbe": None,
    }
    await running(node, pod("q", closed))
    address = node.statuses.of["q"]["podIP"]
    refused = f'Get "http://{address}:81/": dial tcp {address}:81: connect: connection refused'
    await until(lambda: f"Readiness probe failed: {refused}" in node.told.of("Unhealthy"))


@on_the_machine
async def test_limits_reach_the_kernel(node: Node) -> None:
    resources = {"requests": {"cpu": "250m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "32Mi"}}
    given = pod("p", container("c", "sleep", "1000", resources=resources), status={"qosClass": "Burstable"})
    await running(node, given)
    assert await inside(node, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes") == f"{32 << 20}\n"
    assert await inside(node, "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us") == "50000\n"
    assert await inside(node, "cat", "/sys/fs/cgroup/cpu/cpu.shares") == "256\n"
    (whole,) = Path("/sys/fs/cgroup/memory").glob(f"longboat-test/*/kubepods/burstable/pod{given.uid}")
    assert (whole / "memory.limit_in_bytes").read_text() == f"{32 << 20}\n"


@on_the_machine
async def test_a_container_that_takes_too_much_memory_is_said_to_have(node: Node) -> None:
    greedy = container("c", "tail", "/dev/zero", resources={"limits": {"memory": "20Mi"}})
    node.workers.update(pod("p", greedy, restartPolicy="Never"))
    await until(lambda: node.statuses.phase() == "Failed")
    ended = node.statuses.container()["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


@on_the_machine
async def test_security_contexts(node: Node) -> None:
    strict = {"readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}
    await running(node, pod("p", container("c", "sleep", "1000", securityContext=strict)))
    assert "CapEff:\t0000000000000000" in await inside(node, "grep", "CapEff", "/proc/self/status")
    assert "NoNewPrivs:\t1" in await inside(node, "grep", "NoNewPrivs", "/proc/self/status")
    assert await inside(node, "sh", "-c", "touch /x 2>/dev/null || echo refused") == "refused\n"
    node.workers.update(pod("q", container("d", "true", securityContext={"runAsNonRoot": True})))
    await until(lambda: node.statuses.phase("q"))
    await until(lambda: node.statuses.container("q")["state"]["waiting"]["reason"] == "CreateContainerConfigError")
    message = node.statuses.container("q")["state"]["waiting"]["message"]
    assert message.startswith("container has runAsNonRoot and image will run as root (pod: ")


@on_the_machine
async def test_namespaces_may_be_shared(node: Node) -> None:
    shared = pod("p", container("c", "sleep", "1000"), container("d", "sleep", "2000"), shareProcessNamespace=True)
    await running(node, shared)
    assert "sleep 2000" in await inside(node, "ps")
    await running(node, pod("q", container("e", "sleep", "1000"), hostNetwork=True))
    assert "cni0" in await inside(node, "ip", "link", name="e")
    assert node.statuses.of["q"]["podIP"] == "192.0.2.1"


@on_the_machine
async def test_last_words(node: Node) -> None:
    told = container("c", "sh", "-c", "echo told > /dev/termination-log; exit 1")
    logged = container("d", "sh", "-c", "echo logged; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    node.workers.update(pod("p", told, logged, restartPolicy="Never"))
    await until(lambda: node.statuses.phase() == "Failed")
    messages = [node.statuses.container(index=i)["state"]["terminated"]["message"] for i in (0, 1)]
    assert messages == ["told\n", "logged\n"]


@on_the_machine
async def test_a_command_that_is_not_there_is_named(node: Node) -> None:
    node.workers.update(pod("p", container("c", "/nosuch")))
    await until(lambda: node.told.of("Failed"))
    assert "/nosuch: no such file or directory" in node.told.of("Failed")[0]
    await until(lambda: node.statuses.container()["state"].get("waiting", {}).get("reason") == "RunContainerError")
    assert node.statuses.container()["lastState"]["terminated"]["reason"] == "StartError"


@on_the_machine
async def test_killed_from_outside_it_comes_back(node: Node) -> None:
    given = pod()
    await running(node, given)
    first = node.statuses.container()["containerID"]
    for process in Path("/sys/fs/cgroup/memory").glob(f"longboat-test/*/kubepods/*/pod{given.uid}/*/cgroup.procs"):
        for pid in process.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    await until(lambda: node.statuses.container()["restartCount"] == 1)
    await until(lambda: node.statuses.condition("Ready") == "True")
    assert node.statuses.container()["containerID"] != first
    assert "SandboxChanged" in node.told.reasons


def test_the_next_agent_adopts_what_runs(machine: Machine) -> None:
    given = pod("p", container("c", "sleep", "1000"), container("d", "sh", "-c", "sleep 0.2; exit 1"))

    async def first() -> list[str]:
        node = make_node(machine)
        node.start()
        node.workers.update(given)
        await until(
            lambda: node.statuses.phase() == "Running" and node.statuses.container(index=1)["restartCount"] == 1
        )
        await node.close()
        return [c.id for c in await make_node(machine).runtime.containers() if c.name == "c"]

    async def second(node: Node) -> None:
        before = [c.id for c in await node.runtime.containers() if c.name == "c"]
        node.workers.update(given)
        await until(lambda: node.statuses.phase() == "Running")
        assert [node.statuses.container()["containerID"]] == [f"containerd://{id}" for id in before]
        assert node.statuses.container()["restartCount"] == 0
        assert node.statuses.container(index=1)["restartCount"] >= 1

    machine.inside(lambda: asyncio.run(_abandon(first)))
    machine.inside(lambda: asyncio.run(_main(machine, second)))


async def _abandon(work: Callable[[], Awaitable[object]]) -> None:
    await work()
