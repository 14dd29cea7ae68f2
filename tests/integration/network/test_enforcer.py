"""Policies against a real API server, with the kernel in memory: who is let out when, and who stays shut in."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.apiserver.app import APIServer, Config
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.network.families import IPV4
from longboat.network.nftables import NftError
from longboat.network.policy import enforcer
from longboat.network.policy.enforcer import Enforcer
from longboat.network.policy.rules import FROM, TO
from longboat.storage.memory import MemoryStorage
from suites.objects import pod
from unit.network.kernel import Memory

SPACE = "default"


class Kernel:
    """Several tables; refuses commands with a certain word in them."""

    def __init__(self) -> None:
        self.tables: defaultdict[str, Memory] = defaultdict(Memory)
        self.refuses = ""

    def apply(self, commands: str) -> str:
        if commands.startswith("list "):
            return ""
        if self.refuses and self.refuses in commands:
            raise NftError("refused")
        by_table = defaultdict[str, list[str]](list)
        for line in commands.splitlines():
            by_table[" ".join(line.split(" ", 4)[2:4])].append(line)
        for place, lines in by_table.items():
            self.tables[place].run("\n".join(lines))
        return ""

    def verdicts(self, address: str) -> tuple[str, str]:
        """What becomes of what the pod at this address begins, and of what is begun with it: its chain's last word."""
        table = self.tables["ip longboat-policies"]
        return self._said(table, FROM, address), self._said(table, TO, address)

    @staticmethod
    def _said(table: Memory, name: str, address: str) -> str:
        verdict = table.elements.get(name, {}).get(address, "unknown")
        return "isolated" if verdict.startswith("goto ") else verdict

    @property
    def ports(self) -> set[str]:
        return set(self.tables["bridge longboat-ports"].elements.get("ports", {}))


class Node:
    """What CNI writes down on a node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def attach(self, sandbox: str, name: str, uid: str, address: str) -> None:
        interfaces = [{"name": "cni0", "mac": "02:00:00:00:00:fe"}, {"name": f"veth{sandbox}"},
                      {"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/x"}]  # fmt: skip
        args = [["K8S_POD_NAMESPACE", SPACE], ["K8S_POD_NAME", name], ["K8S_POD_UID", uid]]
        result = {"interfaces": interfaces, "ips": [{"address": f"{address}/24"}]}
        text = json.dumps({"containerId": sandbox, "cniArgs": args, "result": result})
        (self.folder / f"longboat-{sandbox}-eth0").write_text(text)

    def detach(self, sandbox: str) -> None:
        (self.folder / f"longboat-{sandbox}-eth0").unlink()


Scenario = Callable[[RestClient, Callable[[], Enforcer], Kernel, Node], Coroutine[Any, Any, None]]


def play(scenario: Scenario, folder: Path) -> None:
    """`start()` starts another enforcer, ending the one before, as a node's agent that restarts."""

    async def main() -> None:
        clock = SystemClock()
        server = APIServer(MemoryStorage(clock), clock, Config())
        await server.start()
        client, kernel = RestClient(server.transport("admin", "system:masters"), clock), Kernel()
        running = list[asyncio.Task[None]]()
        informers = list[Informers]()

        def start() -> Enforcer:
            for task in running:
                task.cancel()
            informers.append(Informers(client, clock))
            made = Enforcer(informers[-1], clock, "node-1", kernel.apply, {IPV4: "10.244.0.0/16"}, folder)
            informers[-1].start()
            running.append(asyncio.create_task(made.run()))
            return made

        try:
            async with asyncio.timeout(20):
                await client.create(kinds.SERVICE_ACCOUNT, {"metadata": {"name": "default"}}, namespace=SPACE)
                await scenario(client, start, kernel, Node(folder))
        finally:
            for task in running:
                task.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
            for each in informers:
                await each.close()
            await server.close()

    asyncio.run(main())


def policy(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"podSelector": {"matchLabels": {"app": "shy"}}, "policyTypes": ["Ingress", "Egress"], **spec}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


async def create_pod(client: RestClient, name: str) -> str:
    wanted = pod(name, labels={"app": name}, nodeName="node-1", terminationGracePeriodSeconds=0)
    made = json.loads(await client.create(kinds.POD, wanted, namespace=SPACE))
    return str(made["metadata"]["uid"])


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the kernel in memory tells nobody
        await asyncio.sleep(0.002)


ISOLATED, FREE, SHUT, UNKNOWN = ("isolated",) * 2, ("accept",) * 2, ("drop",) * 2, ("unknown",) * 2


def test_a_pod_is_admitted_once_its_rules_are_in_force(tmp_path: Path) -> None:
    """Isolated or free: at that moment the kernel knows; and its port lets in nothing but its own."""

    async def scenario(client: RestClient, start: Callable[[], Enforcer], kernel: Kernel, node: Node) -> None:
        await client.create(kinds.NETWORK_POLICY, policy("quiet"), namespace=SPACE)
        guard = start()
        for sandbox, name, address in (("s1", "shy", "10.244.0.2"), ("s2", "bold", "10.244.0.3")):
            uid = await create_pod(client, name)
            node.attach(sandbox, name, uid, address)
            assert kernel.verdicts(address) == UNKNOWN
            await guard.admit(Key(SPACE, name), {"app": name}, sandbox)
            assert kernel.verdicts(address) == (ISOLATED if name == "shy" else FREE)
            assert f'"veth{sandbox}"' in kernel.ports
        node.attach("s3", "shy", "uid", "10.244.0.9")
        with pytest.raises(OSError, match="is default/shy's"):
            await guard.admit(Key(SPACE, "other"), {}, "s3")
        with pytest.raises(FileNotFoundError):
            await guard.admit(Key(SPACE, "shy"), {"app": "shy"}, "nowhere")

    play(scenario, tmp_path)


def test_nobody_is_admitted_while_policies_are_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforcer, "ADMITTED_WITHIN", 0.05)

    async def scenario(client: RestClient, start: Callable[[], Enforcer], kernel: Kernel, node: Node) -> None:
        node.attach("s1", "bold", "u", "10.244.0.2")
        informers = Informers(client, SystemClock())
        guard = Enforcer(informers, SystemClock(), "node-1", kernel.apply, {IPV4: ""}, tmp_path)
        with pytest.raises(TimeoutError, match="not in force yet"):
            await guard.admit(Key(SPACE, "bold"), {"app": "bold"}, "s1")
        assert kernel.verdicts("10.244.0.2") == UNKNOWN

    play(scenario, tmp_path)


def test_a_pod_that_is_gone_from_the_api_stays_isolated_until_its_sandbox_goes(tmp_path: Path) -> None:
    """Deleted by force its processes may run on; also an agent that never knew it frees nobody."""

    async def scenario(client: RestClient, start: Callable[[], Enforcer], kernel: Kernel, node: Node) -> None:
        await client.create(kinds.NETWORK_POLICY, policy("quiet"), namespace=SPACE)
        guard = start()
        for sandbox, name, address in (("s1", "shy", "10.244.0.2"), ("s2", "bold", "10.244.0.3")):
            node.attach(sandbox, name, await create_pod(client, name), address)
            await guard.admit(Key(SPACE, name), {"app": name}, sandbox)
            await client.delete(kinds.POD, Key(SPACE, name))
        node.attach("s3", "third", await create_pod(client, "third"), "10.244.0.4")
        await guard.admit(Key(SPACE, "third"), {"app": "third"}, "s3")
        assert [kernel.verdicts(f"10.244.0.{n}") for n in (2, 3, 4)] == [ISOLATED, FREE, FREE]
        await start().synced.wait()
        assert [kernel.verdicts(f"10.244.0.{n}") for n in (2, 3, 4)] == [SHUT, SHUT, FREE]
        node.detach("s1")
        await start().synced.wait()
        assert kernel.verdicts("10.244.0.2") == UNKNOWN and '"veths1"' not in kernel.ports

    play(scenario, tmp_path)


def test_an_address_that_is_used_again_has_the_rules_of_who_has_it_now(tmp_path: Path) -> None:
    async def scenario(client: RestClient, start: Callable[[], Enforcer], kernel: Kernel, node: Node) -> None:
        await client.create(kinds.NETWORK_POLICY, policy("quiet"), namespace=SPACE)
        guard = start()
        for sandbox, name, expected in (("s1", "bold", FREE), ("s2", "shy", ISOLATED), ("s3", "bold-2", FREE)):
            node.attach(sandbox, name, await create_pod(client, name), "10.244.0.2")
            await guard.admit(Key(SPACE, name), {"app": name}, sandbox)
            assert kernel.verdicts("10.244.0.2") == expected
            assert kernel.ports == {f'"veth{sandbox}"'}

    play(scenario, tmp_path)


def test_a_policy_that_the_kernel_refuses_holds_up_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It isolates, and lets nothing through; pods still start."""
    monkeypatch.setattr(enforcer, "RETRY", 0.01)

    async def scenario(client: RestClient, start: Callable[[], Enforcer], kernel: Kernel, node: Node) -> None:
        kernel.refuses = "198.51.100.0/24"
        bad = [{"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]}]
        await client.create(kinds.NETWORK_POLICY, policy("bad", egress=bad), namespace=SPACE)
        guard = start()
        for sandbox, name, address in (("s1", "shy", "10.244.0.2"), ("s2", "bold", "10.244.0.3")):
            node.attach(sandbox, name, await create_pod(client, name), address)
            await guard.admit(Key(SPACE, name), {"app": name}, sandbox)
        assert [kernel.verdicts(f"10.244.0.{n}") for n in (2, 3)] == [ISOLATED, FREE]
        good = {"spec": {"egress": [{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}]}}
        await client.patch(kinds.NETWORK_POLICY, Key(SPACE, "bad"), good)
        await until(lambda: "203.0.113.0/24" in str(kernel.tables["ip longboat-policies"].chains))

    play(scenario, tmp_path)
