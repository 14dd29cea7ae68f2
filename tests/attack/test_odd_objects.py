"""What one tenant or one node writes never ends a part of a node's agent, nor the agent."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.host import Cluster as RealCluster
from e2e.manifests import service, shell_pod, web_deployment
from e2e.test_ingress import fetch, ingress
from longboat.aio.tasks import Tasks
from longboat.client.informer import Informers
from longboat.network.loadbalancer.announcer import Announcer
from longboat.network.overlay.overlay import Overlay
from longboat.testing.cluster import Cluster

NONSENSE = ("no address", "10.0.0.300", "10.0.0.1;flush ruleset", "::ffff:10.0.0.1%$(id)", "1" * 5000, "\u0661.1.1.1")
NOT_UTF8 = b64encode(b"-----BEGIN CERTIFICATE-----\xff\xfe\x00\n").decode()


def reports(*addresses: str) -> dict[str, object]:
    return {"addresses": [{"type": "InternalIP", "address": each} for each in addresses]}


@pytest.mark.parametrize("address", NONSENSE)
def test_a_node_that_reports_nonsense_ends_no_other_nodes_network(tmp_path: Path, address: str) -> None:
    """A node writes its own status, and upstream takes any text for an address."""

    async def main() -> None:
        async with Cluster() as cluster:
            await cluster.apply(
                {"kind": "Node", "metadata": {"name": "n"}, "spec": {"podCIDR": "10.244.0.0/24"}},
                {"kind": "Node", "metadata": {"name": "evil"}, "spec": {"podCIDR": "10.244.1.0/24"}},
            )
            for name, own in (("n", "10.0.0.1"), ("evil", address)):
                await cluster.patch(f"node/{name}", {"status": reports(own)}, subresource="status")
            informers, tasks = Informers(cluster.client, cluster.clock, "network"), Tasks("node n")
            overlay = Overlay(
                informers, cluster.clock, node="n", address="10.0.0.1", on_link="10.0.0.0/24",
                conf_dir=tmp_path / "net.d", state_dir=tmp_path,
            )  # fmt: skip
            tasks.spawn("overlay", overlay.run())
            tasks.spawn("load balancers", Announcer(informers, cluster.clock, "n", lambda held: None).run())
            informers.start()
            await cluster.clock.advance(5)
            assert (tasks.failed, len(tasks)) == (0, 2)
            assert list((tmp_path / "net.d").iterdir())
            await tasks.close()
            await informers.close()

    asyncio.run(main())


def until(true: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def agents(cluster: RealCluster) -> dict[str, int]:
    """Process by node."""
    return {each["name"]: each["pid"] for each in cluster.status()["processes"] if each["name"].startswith("node-")}


def restarts(cluster: RealCluster, node: str) -> dict[str, str]:
    """Parts of a node's agent that have failed, and how often."""
    said = cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics").ok().out
    lines = [line.rsplit(" ", 1) for line in said.splitlines() if line.startswith("longboat_part_restarts_total")]
    assert lines
    return {what: count for what, count in lines if count != "0"}


@pytest.mark.containers
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_one_tenants_secret_ends_nobodys_agent(cluster: RealCluster, namespace: str) -> None:
    """Bytes that are no UTF-8 in an Ingress, as a variable and for an image; and a node that reports nonsense."""
    before = agents(cluster)
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    cluster.kubectl("create", "-f", "-", stdin=f"""
{{"kind": "List", "apiVersion": "v1", "items": [
  {{"kind": "Secret", "apiVersion": "v1", "metadata": {{"name": "odd"}}, "type": "kubernetes.io/tls",
    "data": {{"tls.crt": "{NOT_UTF8}", "tls.key": "{NOT_UTF8}"}}}},
  {{"kind": "Node", "apiVersion": "v1", "metadata": {{"name": "evil"}}, "spec": {{"podCIDR": "10.244.250.0/24"}}}}]}}
""").ok()  # fmt: skip
    try:
        status = '{"status": {"addresses": [{"type": "InternalIP", "address": "nonsense"}]}}'
        cluster.kubectl("patch", "node", "evil", "--subresource=status", "--type=merge", "-p", status).ok()
        host = f"{namespace[-40:].strip('-')}.example.com"
        variable = {"name": "ODD", "valueFrom": {"secretKeyRef": {"name": "odd", "key": "tls.crt"}}}
        victim = shell_pod("odd", imagePullSecrets=[{"name": "odd"}])
        victim["spec"]["containers"][0]["env"] = [variable]
        tls = [{"hosts": [f"odd.{host}"], "secretName": "odd"}]
        cluster.apply(
            web_deployment("web", 1), service("web"), victim,
            ingress("odd", (f"odd.{host}", "/", "Prefix", "web"), tls=tls),
            ingress("good", (host, "/", "Prefix", "web")),
        )  # fmt: skip
        until(lambda: fetch(cluster, host)[0] == 200, 60)
        # What changes later travels another way to HAProxy than what was there when it started.
        other = b64encode(b"\xff" * 64).decode()
        cluster.kubectl("patch", "secret", "odd", "--type=merge", "-p", f'{{"data": {{"tls.crt": "{other}"}}}}').ok()
        until(lambda: any(e["reason"] == "Failed" for e in cluster.get("events")["items"]))
        assert "invalid UTF-8" in str(cluster.get("events")["items"])
        cluster.kubectl("scale", "deploy/web", "--replicas=2").ok()
        cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s").ok()
        assert fetch(cluster, host)[0] == 200
        assert agents(cluster) == before
        for node in before:
            assert restarts(cluster, node) == {}
            ready = [c["status"] for c in cluster.get("node", node)["status"]["conditions"] if c["type"] == "Ready"]
            assert ready == ["True"]
    finally:
        cluster.kubectl("delete", "node", "evil").ok()
