"""An address that is none, or another than it looks: kernel rules are text, and one transaction for all of a node."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.network.families import FAMILIES, IPV6
from longboat.network.overlay.routes import wanted
from longboat.network.overlay.vxlan import peers
from longboat.network.policy.rules import policy_rules
from longboat.network.policy.views import NetworkPolicy
from longboat.network.proxy import rules
from longboat.network.proxy.endpoints import targets
from longboat.network.ruleset import create
from longboat.network.views import EndpointSlice, Node, Service, ServicePort
from longboat.node.host_ports import host_ports
from longboat.node.views.pod import Pod
from unit.apiserver.harness import Api, play

# The first made a table of the attacker's on a node with IPv6, as root; with the second no policy could
# change any more; the last are addresses that rules of their family cannot match.
HOSTILE = (
    "fd00::1 . tcp . 1 : fd00::2 . 1 }\nadd table ip evil\nadd element ip6 longboat host-address-ports { fd00::5",
    "fe80::%x",
    "fe80::1%lo accept",
    "1.2.3.4 }",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
)
CIDRS = (*(f"{each}/64" for each in HOSTILE[:4]), "::ffff:10.0.0.0/104", "10.0.0.0/255.0.0.0", "10.0.0.0/08")
WEB = {"name": "http", "port": 80, "protocol": "TCP"}


def text_of(made: Any) -> str:
    return create(made)


@pytest.mark.parametrize("address", HOSTILE)
def test_nothing_but_addresses_gets_into_rules(address: str) -> None:
    """Also where it is stored already, or is never checked, as a container's hostIP."""
    for family in FAMILIES:
        pod_ip = "fd00::9" if family is IPV6 else "10.244.0.9"
        port = rules.HostPort("TCP", 8080, pod_ip, 80, address)
        assert address not in text_of(rules.base(rules.NodeInfo("n", family=family, host_ports=(port,))))
        piece = {"metadata": {"name": "s"}, "addressType": family.name, "ports": [WEB]}
        piece["endpoints"] = [{"addresses": [address]}]
        found = targets([msgspec.convert(piece, EndpointSlice)], msgspec.convert(WEB, ServicePort), "n", family)
        assert found.cluster == ()
        service = {
            "metadata": {"name": "s", "namespace": "d"},
            "spec": {
                "type": "LoadBalancer", "clusterIPs": ["fd01::1" if family is IPV6 else "10.96.0.5"], "ports": [WEB],
                "loadBalancerSourceRanges": [f"{address}/64", " 10.0.0.0/8 "],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}},
        }  # fmt: skip
        made = rules.service_rules(msgspec.convert(service, Service), [], rules.NodeInfo("n", family=family))
        assert address not in text_of(made)
    published = {"name": "c", "ports": [{"containerPort": 80, "hostPort": 80, "hostIP": address}]}
    pod = {"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [published]}}
    assert host_ports(msgspec.convert(pod, Pod), ["10.244.0.9", "fd00::9"]) == []


@pytest.mark.parametrize("cidr", CIDRS)
def test_a_policy_of_one_tenant_leaves_those_of_the_others_alone(cidr: str) -> None:
    """nft refused the whole transaction: no policy and no Service of anybody's changed on any node from then on."""
    peer = {"ipBlock": {"cidr": cidr, "except": [cidr]}}
    whole = {"ipBlock": {"cidr": "0.0.0.0/0", "except": [cidr, "10.1.0.0/16"]}}
    body = {"metadata": {"name": "p"}, "spec": {"podSelector": {}, "ingress": [{"from": [peer, whole]}]}}
    for family in FAMILIES:
        assert cidr not in text_of(policy_rules(msgspec.convert(body, NetworkPolicy), lambda _: [], list, family))


@pytest.mark.parametrize("address", ["", "n2.example", "1.2.3.4 }", "fe80::1%x", "10.0.0.0/8", "1" * 100])
def test_what_one_node_says_of_itself_keeps_no_other_from_its_routes(address: str) -> None:
    """A Node's addresses are its own words. One that is none ended the overlay, and so the agent, of all others."""

    def node(name: str, ip: str, number: int) -> Node:
        status = {"addresses": [{"type": "InternalIP", "address": ip}]}
        return msgspec.convert(
            {"metadata": {"name": name}, "spec": {"podCIDR": f"10.244.{number}.0/24"}, "status": status}, Node
        )

    nodes = [node("evil", address, 1), node("far", "192.0.2.7", 2), node("near", "172.30.0.13", 3)]
    assert wanted(nodes, "own", "172.30.0.0/24") == {"10.244.3.0/24": "172.30.0.13"}
    assert list(peers(nodes, "own", "172.30.0.0/24", "172.30.0.11")) == ["10.244.2.0/24"]


def test_what_is_no_address_is_not_stored(tmp_path: Any) -> None:
    async def scene(api: Api) -> None:
        for cidr in CIDRS:
            policy = {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": cidr}}]}]}
            path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
            assert (await api.ask("POST", path, {"metadata": {"name": "p"}, "spec": policy}))[0] == 422, cidr
            service = {"type": "LoadBalancer", "ports": [{"port": 80}], "loadBalancerSourceRanges": [cidr]}
            path = "/api/v1/namespaces/default/services"
            assert (await api.ask("POST", path, {"metadata": {"name": "s"}, "spec": service}))[0] == 422, cidr
        for address in (*HOSTILE, "::FFFF:a9fe:a9fe", "FF02::1"):
            piece = {"addressType": "IPv6", "ports": [{"port": 80}], "endpoints": [{"addresses": [address]}]}
            path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
            assert (await api.ask("POST", path, {"metadata": {"name": "s"}, **piece}))[0] == 422, address
            endpoints = {"subsets": [{"addresses": [{"ip": address}], "ports": [{"port": 80}]}]}
            path = "/api/v1/namespaces/default/endpoints"
            assert (await api.ask("POST", path, {"metadata": {"name": "s"}, **endpoints}))[0] == 422, address

    play(scene)
