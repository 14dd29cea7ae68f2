"""What the control plane does for Ingresses: the default class, addresses in the status, certificates for the nodes."""

from __future__ import annotations

from typing import Any

import pytest

from integration.workloads import add_node
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


def ingress(name: str = "web", **spec: Any) -> Object:
    to = {"service": {"name": "web", "port": {"number": 80}}}
    head = {"kind": "Ingress", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": name}}
    return {**head, "spec": {"defaultBackend": to, **spec}}


async def ready(cluster: Cluster, node: str, address: str) -> None:
    await add_node(cluster, node)
    status = {"status": {"addresses": [{"type": "InternalIP", "address": address}]}}
    await cluster.patch(f"node/{node}", status, subresource="status")
    await cluster.settle()


async def shown(cluster: Cluster, name: str = "web") -> list[str]:
    found = (await cluster.get(f"ingress/{name}")).get("status", {}).get("loadBalancer") or {}
    return [each["ip"] for each in found.get("ingress") or ()]


async def test_an_ingress_without_a_class_gets_the_default(cluster: Cluster) -> None:
    await cluster.apply(ingress(), ingress("named", ingressClassName="other"))
    assert (await cluster.get("ingress/web"))["spec"]["ingressClassName"] == "longboat"
    assert (await cluster.get("ingress/named"))["spec"]["ingressClassName"] == "other"
    noted = ingress("noted")
    noted["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "nginx"}
    await cluster.apply(noted)
    assert "ingressClassName" not in (await cluster.get("ingress/noted"))["spec"]
    await cluster.patch("ingressclass/longboat", {"metadata": {"annotations": {
        "ingressclass.kubernetes.io/is-default-class": "false"}}})  # fmt: skip
    await cluster.apply(ingress("bare"))
    assert "ingressClassName" not in (await cluster.get("ingress/bare"))["spec"]


async def test_the_status_shows_the_ready_nodes(cluster: Cluster) -> None:
    await ready(cluster, "n1", "192.0.2.1")
    await cluster.apply(ingress(), ingress("foreign", ingressClassName="other"))
    await cluster.settle()
    assert await shown(cluster) == ["192.0.2.1"]
    await ready(cluster, "n2", "192.0.2.2")
    assert await shown(cluster) == ["192.0.2.1", "192.0.2.2"]
    failing = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    await cluster.patch("node/n1", failing, subresource="status")
    await cluster.settle()
    assert await shown(cluster) == ["192.0.2.2"]
    assert await shown(cluster, "foreign") == []


async def test_a_nodes_network_reads_the_certificates_that_ingresses_name_and_no_other_secret(cluster: Cluster) -> None:
    for name in ("named", "other"):
        await cluster.apply({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}})
    await cluster.apply(ingress(tls=[{"secretName": "named"}]))
    transport = cluster.api.transport("system:longboat:network:n1", "system:longboat:network", "system:authenticated")
    network = RestClient(transport, cluster.clock)
    assert await network.get_raw(kinds.SECRET, Key("default", "named"))
    for attempt in (
        network.get_raw(kinds.SECRET, Key("default", "other")),
        network.get_raw(kinds.SECRET, Key("kube-system", "named")),
        network.list_page(kinds.SECRET, namespace="default"),
        network.patch(kinds.SECRET, Key("default", "named"), {"data": {}}),
        network.delete(kinds.SECRET, Key("default", "named")),
    ):
        with pytest.raises(StatusError) as caught:
            await attempt
        assert caught.value.code == 403
    await cluster.patch("ingress/web", {"spec": {"tls": None}})
    with pytest.raises(StatusError):
        await network.get_raw(kinds.SECRET, Key("default", "named"))
