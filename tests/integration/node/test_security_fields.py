"""What pods say in their security contexts holds in real containers (docs/security-fields.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.node.machine import Machine
from integration.node.test_pods import inside, on_the_machine, running
from longboat.machinery.objects import Object
from longboat.node.cri.config import Seccomp
from unit.node.build import Node, container, pod

pytestmark = [pytest.mark.containers, pytest.mark.slow]
CHOWN, NET_ADMIN, NET_RAW = 1 << 0, 1 << 12, 1 << 13  # linux/capability.h


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.close()


def idle(name: str, **context: object) -> Object:
    return container(name, "sleep", "1000", securityContext=context)


async def status(node: Node, name: str) -> dict[str, str]:
    """/proc/self/status in a container."""
    lines = (await inside(node, "cat", "/proc/self/status", name=name)).splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


@on_the_machine
async def test_users_groups_capabilities_and_privileges(node: Node) -> None:
    listed = [
        idle("plain"),
        idle("narrow", runAsUser=7, runAsGroup=8, readOnlyRootFilesystem=True, allowPrivilegeEscalation=False,
             capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}),
        idle("wide", privileged=True),
    ]  # fmt: skip
    whole = {"runAsUser": 0, "fsGroup": 9, "supplementalGroups": [10], "runAsGroup": 11}
    await running(node, pod("p", *listed, securityContext=whole))
    plain, narrow, wide = [await status(node, name) for name in ("plain", "narrow", "wide")]
    assert (plain["Uid"].split()[0], plain["Gid"].split()[0]) == ("0", "11")
    assert {"9", "10"} <= set(plain["Groups"].split())
    assert (narrow["Uid"].split()[0], narrow["Gid"].split()[0]) == ("7", "8")
    assert int(plain["CapBnd"], 16) & NET_RAW and not int(plain["CapBnd"], 16) & NET_ADMIN
    assert int(narrow["CapBnd"], 16) == NET_ADMIN
    assert int(wide["CapBnd"], 16) & (NET_ADMIN | CHOWN) == NET_ADMIN | CHOWN
    assert (plain["NoNewPrivs"], narrow["NoNewPrivs"]) == ("0", "1")
    write = ("sh", "-c", "touch /here 2>&1 && echo done; true")
    assert "Read-only file system" in await inside(node, *write, name="narrow")
    assert "done" in await inside(node, *write, name="plain")
    core = ("sh", "-c", "test -w /proc/sys/kernel/core_pattern && head -c1 /proc/kcore | wc -c; true")
    assert (await inside(node, *core, name="plain")).strip() in ("", "0")


@on_the_machine
async def test_seccomp_profiles(node: Node) -> None:
    rule = {"names": ["uname"], "action": "SCMP_ACT_ERRNO"}
    profile = node.paths.seccomp / "profiles" / "no-name.json"
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    local = {"type": "Localhost", "localhostProfile": "profiles/no-name.json"}
    kinds = ("RuntimeDefault", "Unconfined")
    listed = [idle(kind.lower(), seccompProfile={"type": kind}) for kind in kinds]
    await running(node, pod("p", *listed, idle("none"), securityContext={"seccompProfile": local}))
    filtered = [(await status(node, name))["Seccomp"] for name in ("runtimedefault", "unconfined", "none")]
    assert filtered == ["2", "0", "2"]
    ask = ("sh", "-c", "uname -s 2>&1; true")
    assert [await inside(node, *ask, name=name) for name in ("runtimedefault", "none")] == [
        "Linux\n", "\n"
    ]  # fmt: skip


@on_the_machine
async def test_namespaces_shared_with_the_machine_or_among_containers(node: Node) -> None:
    async def shared(given: str, *kinds: str) -> list[bool]:
        found = [await inside(node, "readlink", f"/proc/self/ns/{kind}", name=given) for kind in kinds]
        return [
            text.strip() == str(Path(f"/proc/self/ns/{kind}").readlink())
            for kind, text in zip(kinds, found, strict=True)
        ]

    await running(node, pod("a", idle("own")))
    await running(node, pod("b", idle("host"), hostPID=True, hostIPC=True, hostNetwork=True))
    await running(node, pod("c", idle("one"), idle("two"), shareProcessNamespace=True))
    kinds = ("pid", "ipc", "net")
    assert await shared("own", *kinds) == [False, False, False]
    assert await shared("host", *kinds) == [True, True, True]
    one, two = [await inside(node, "readlink", "/proc/self/ns/pid", name=name) for name in ("one", "two")]
    assert one == two and await shared("one", "pid") == [False]


def test_who_names_no_profile_gets_the_runtimes_where_the_node_says_so(machine: Machine) -> None:
    async def filtered(node: Node) -> None:
        await running(node, pod("p", idle("none"), idle("open", seccompProfile={"type": "Unconfined"})))
        assert [(await status(node, name))["Seccomp"] for name in ("none", "open")] == ["2", "0"]

    on_the_machine(filtered, default_seccomp=Seccomp(kind="RuntimeDefault"))(machine)
