"""The enforcer beside a policy whose rules cannot be made: nothing opens, and the others are enforced."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from longboat.api.view import Meta
from longboat.client.informer import Informers
from longboat.machinery.objects import Object
from longboat.network.families import IPV4
from longboat.network.policy import rules
from longboat.network.policy.enforcer import Enforcer
from longboat.network.policy.views import NetworkPolicy
from longboat.network.ruleset import Ruleset
from longboat.testing.cluster import Cluster


def policy(name: str, app: str, **spec: object) -> Object:
    head = {"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": name}}
    return {**head, "spec": {"podSelector": {"matchLabels": {"app": app}}, **spec}}


async def pod(cluster: Cluster, app: str, ip: str, notes: Path) -> None:
    """On the node, and attached there."""
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n", "automountServiceAccountToken": False}
    await cluster.apply({"kind": "Pod", "metadata": {"name": app, "labels": {"app": app}}, "spec": spec})
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}
    await cluster.patch(f"pod/{app}", {"status": status}, subresource="status")
    made = await cluster.get(f"pod/{app}")
    args = [["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", app], ["K8S_POD_UID", made["metadata"]["uid"]]]
    ends = [{"name": f"veth-{app}"}, {"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/x"}]
    note = {"containerId": app, "cniArgs": args, "result": {"interfaces": ends, "ips": [{"address": f"{ip}/24"}]}}
    (notes / f"longboat-{app}-eth0").write_text(json.dumps(note))


def test_what_cannot_be_read_isolates_and_hides_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make, choose = rules.policy_rules, rules.picks

    def fails_for_odd(policy: NetworkPolicy, *rest: object) -> Ruleset:
        if policy.metadata.name == "odd":
            raise ValueError("odd")
        return make(policy, *rest)  # type: ignore[arg-type]

    def fails_for_lost(policy: NetworkPolicy, labels: Mapping[str, str]) -> bool:
        if labels["app"] == "lost":
            raise ValueError("lost")
        return choose(policy, labels)

    monkeypatch.setattr(rules, "policy_rules", fails_for_odd)
    monkeypatch.setattr(rules, "picks", fails_for_lost)
    applied: list[str] = []

    def apply(text: str) -> str:
        applied.append(text)
        return ""

    async def main() -> None:
        async with Cluster() as cluster:
            await cluster.apply(policy("odd", "guarded", ingress=[{}]), policy("good", "other", ingress=[]))
            for number, app in enumerate(("guarded", "other", "lost")):
                await pod(cluster, app, f"10.244.0.{number + 1}", tmp_path)
            informers = Informers(cluster.client, cluster.clock, "network")
            enforcer = Enforcer(informers, cluster.clock, "n", apply, {IPV4: "10.244.0.0/16"}, tmp_path)
            running = asyncio.create_task(enforcer.run())
            informers.start()
            while not enforcer.synced.is_set():  # rules are applied in a thread
                await cluster.clock.advance(0.1)
                await asyncio.sleep(0.001)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await informers.close()

    asyncio.run(main())
    (text,) = applied
    odd = NetworkPolicy(metadata=Meta(name="odd", namespace="default"))
    for direction in rules.DIRECTIONS:
        own = [line for line in text.splitlines() if f"{rules.chain_of(odd, direction)}" in line]
        assert any(line.startswith("add chain") for line in own)
        assert not any("accept" in line for line in own)
    assert "10.244.0.1 : goto" in text and "10.244.0.2 : goto" in text
    assert text.count("10.244.0.3 : drop") == 2
