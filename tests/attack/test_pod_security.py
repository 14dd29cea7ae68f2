"""What a pod's security context asks for holds, or the pod does not run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.node.machine import Machine
from integration.node.test_pods import log, on_the_machine, until
from unit.node.build import Node, container, pod

pytestmark = [pytest.mark.containers, pytest.mark.slow]
UNMASKED = {"procMount": "Unmasked"}
WRITE = (
    "cat /proc/sys/kernel/core_pattern >/tmp/c; cat /tmp/c >/proc/sys/kernel/core_pattern && echo written; sleep 1000"
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.close()


async def containers_of(node: Node, uid: str) -> list[str]:
    return [c.name for c in await node.runtime.containers(uid)]


@on_the_machine
async def test_a_pod_with_users_of_its_own_never_runs_as_the_hosts_root(node: Node) -> None:
    """KEP-127: root inside would be root outside; with /proc unmasked it names the program that the kernel runs."""
    attack = pod("p", container("c", "sh", "-c", WRITE, securityContext=UNMASKED), hostUsers=False)
    node.workers.update(attack)
    await until(lambda: node.told.of("FailedCreatePodSandBox"))
    why = "can't set `spec.hostUsers: false`, runtime does not support user namespaces"
    assert node.told.of("FailedCreatePodSandBox")[0] == f"Failed to create pod sandbox: {why}"
    assert node.statuses.phase() == "Pending"
    assert await containers_of(node, attack.uid) == []


@on_the_machine
async def test_no_container_has_an_unmasked_proc_on_the_hosts_users(node: Node) -> None:
    """The API refuses it; a container that came by another way does not get it either, not even a debugging one."""
    plain = container("plain", "sleep", "1000")
    debugger = container("debugger", "sh", "-c", WRITE, securityContext=UNMASKED)
    attack = pod(
        "p", container("c", "sh", "-c", WRITE, securityContext=UNMASKED), plain, ephemeralContainers=[debugger]
    )
    node.workers.update(attack)
    await until(lambda: len(node.told.of("Failed")) >= 2 and node.told.of("Started"))
    assert set(node.told.of("Failed")) == {"Error: `hostUsers` must be false to use `Unmasked`"}
    assert await containers_of(node, attack.uid) == ["plain"]


@pytest.mark.parametrize("where", ["pod", "container", "init", "annotation"])
def test_a_pod_does_not_run_without_the_profile_it_asks_for(machine: Machine, where: str) -> None:
    profile = {"appArmorProfile": {"type": "Localhost", "localhostProfile": "deny-all"}}
    own = profile if where in ("container", "init") else {}
    listed = [container("c", "sleep", "1000", securityContext=own if where == "container" else {})]
    annotation = {"container.apparmor.security.beta.kubernetes.io/c": "localhost/deny-all"}
    attack = pod(
        "p", *listed,
        initContainers=[container("i", "true", securityContext=own)] if where == "init" else [],
        securityContext=profile if where == "pod" else {},
        metadata={"annotations": annotation if where == "annotation" else {}},
    )  # fmt: skip

    async def refused(node: Node) -> None:
        node.workers.update(attack)
        await until(lambda: node.statuses.phase() in ("Running", "Failed"))
        assert (node.statuses.of["p"]["phase"], node.statuses.of["p"].get("reason")) == ("Failed", "AppArmor")
        why = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
        assert node.statuses.of["p"]["message"] == f"Pod was rejected: {why}"
        assert node.told.of("AppArmor") == [why]
        assert await containers_of(node, attack.uid) == []

    on_the_machine(refused)(machine)


@pytest.mark.parametrize("where", ["pod", "container"])
def test_a_profile_that_is_not_there_keeps_a_container_from_starting(machine: Machine, where: str) -> None:
    profile = {"seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/nowhere.json"}}
    own = container("c", "sleep", "1000", securityContext=profile if where == "container" else {})
    attack = pod("p", own, securityContext=profile if where == "pod" else {})

    async def refused(node: Node) -> None:
        node.workers.update(attack)
        await until(lambda: node.told.of("Failed") or node.statuses.phase() == "Running")
        assert "nowhere.json" in node.told.of("Failed")[0]
        assert await containers_of(node, attack.uid) == []

    on_the_machine(refused)(machine)


@on_the_machine
async def test_groups_of_the_image_are_not_taken_along_where_that_is_forbidden(node: Node) -> None:
    """KEP-3619."""
    node.workers.update(pod("p", securityContext={"supplementalGroupsPolicy": "Strict"}))
    await until(lambda: node.statuses.phase() in ("Running", "Failed"))
    status = node.statuses.of["p"]
    assert (status["phase"], status.get("reason")) == ("Failed", "SupplementalGroupsPolicyNotSupported")
    assert status["message"] == "Pod was rejected: SupplementalGroupsPolicy=Strict is not supported in this node"


@on_the_machine
async def test_mounts_beneath_a_read_only_one_are_not_left_writable(node: Node) -> None:
    """KEP-3857."""
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": "Enabled"}
    attack = pod("p", container("c", "sleep", "1000", volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])
    node.workers.update(attack)
    await until(lambda: node.told.of("Failed") or node.statuses.phase() == "Running")
    assert await containers_of(node, attack.uid) == []
    assert "recursive read-only" in node.told.of("Failed")[0]


@on_the_machine
async def test_labels_that_nothing_enforces_are_told_of(node: Node) -> None:
    """As upstream, the pod runs; whoever looks at it learns that SELinux does not guard it."""
    attack = pod(
        "p", container("c", "sh", "-c", "echo up; sleep 1000", securityContext={"seLinuxOptions": {"level": "s0:c1"}})
    )
    node.workers.update(attack)
    await until(lambda: node.statuses.phase() == "Running")
    assert await log(node) == "up\n"
    assert [kind for kind, reason, _ in node.told.events if reason == "SELinuxNotEnabled"] == ["Warning"]


def test_a_pod_that_forks_without_end_ends_nobody_else(machine: Machine) -> None:
    """CIS 4.2.13: its processes are counted, all containers together, and it gets no more than its share."""
    fork = "i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i+1)); done; echo all"

    async def bounded(node: Node) -> None:
        bomb = pod("bomb", container("a", "sh", "-c", fork), container("b", "sleep", "1000"), restartPolicy="Never")
        node.workers.update(bomb)
        await until(lambda: node.told.reasons.count("Started") == 2)
        place = Path(f"/sys/fs/cgroup/pids{machine.cgroup}/kubepods/besteffort/pod{bomb.uid}")
        assert (place / "pids.max").read_text() == "20\n"
        await until(lambda: "terminated" in node.statuses.container("bomb")["state"])  # the shell gives up
        assert int((place / "pids.current").read_text()) <= 20
        said = await log(node, "a")
        assert "can't fork" in said and "all" not in said
        node.workers.update(pod("other"))
        await until(lambda: node.statuses.phase("other") == "Running")

    on_the_machine(bounded, pids=20)(machine)
