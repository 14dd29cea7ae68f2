"""The enforcer beside a policy whose rules cannot be made: nothing opens, and the others are enforced."""

from __future__ import annotations

import asyncio

import pytest

from longboat.api.view import Meta
from longboat.client.informer import Informers
from longboat.machinery.objects import Object
from longboat.network.families import Family
from longboat.network.policy import rules
from longboat.network.policy.enforcer import Enforcer
from longboat.network.policy.views import NetworkPolicy
from longboat.network.proxy.ruleset import Ruleset
from longboat.testing.cluster import Cluster


def policy(name: str, app: str, **spec: object) -> Object:
    head = {"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": name}}
    return {**head, "spec": {"podSelector": {"matchLabels": {"app": app}}, **spec}}


async def pod(cluster: Cluster, app: str, ip: str) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n", "automountServiceAccountToken": False}
    await cluster.apply({"kind": "Pod", "metadata": {"name": app, "labels": {"app": app}}, "spec": spec})
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}
    await cluster.patch(f"pod/{app}", {"status": status}, subresource="status")


def test_what_cannot_be_read_isolates_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    make, choose = rules.policy_rules, rules.assignment

    def fails_for_odd(policy: NetworkPolicy, *rest: object) -> Ruleset:
        if policy.metadata.name == "odd":
            raise ValueError("odd")
        return make(policy, *rest)  # type: ignore[arg-type]

    def fails_for_lost(pod: rules.Pod, policies: list[NetworkPolicy], family: Family) -> Ruleset:
        if pod.metadata.name == "lost":
            raise ValueError("lost")
        return choose(pod, policies, family)

    monkeypatch.setattr(rules, "policy_rules", fails_for_odd)
    monkeypatch.setattr(rules, "assignment", fails_for_lost)
    applied: list[str] = []

    async def main() -> None:
        async with Cluster() as cluster:
            await cluster.apply(policy("odd", "guarded", ingress=[{}]), policy("good", "other", ingress=[]))
            for number, app in enumerate(("guarded", "other", "lost")):
                await pod(cluster, app, f"10.244.0.{number + 1}")
            informers = Informers(cluster.client, cluster.clock, "network")
            enforcer = Enforcer(informers, cluster.clock, "n", lambda text: applied.append(text) or "")
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
    for ip in ("10.244.0.1", "10.244.0.2", "10.244.0.3"):
        assert f"{ip} : goto" in text
    assert text.count("10.244.0.3 : goto alone-") == 2
