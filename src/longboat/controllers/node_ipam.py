"""Gives each node a range of pod addresses of its own, or one of each IP family."""

from __future__ import annotations

import ipaddress
from typing import ClassVar

from longboat.api import kinds
from longboat.api.families import split
from longboat.api.view import Part, View
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.kinds import Kind

IPV4_BITS, IPV6_BITS = 24, 64  # size of a node's range (kube-controller-manager, --node-cidr-mask-size)


class Spec(Part):
    podCIDR: str = ""
    podCIDRs: list[str] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: Spec = Spec()


def free_range(cluster: str, used: set[str]) -> str | None:
    """The first range of the cluster's that no node has; None when all are given away."""
    network = ipaddress.ip_network(cluster)
    bits = IPV4_BITS if network.version == 4 else IPV6_BITS
    if network.prefixlen > bits:
        bits = network.prefixlen
    taken = {ipaddress.ip_network(each) for each in used}
    for candidate in network.subnets(new_prefix=bits):
        if not any(candidate.version == t.version and candidate.overlaps(t) for t in taken):
            return str(candidate)
    return None


def free_ranges(clusters: str, used: set[str]) -> list[str]:
    """One of each of the cluster's; none where one of them is used up."""
    found = [free_range(cluster, used) for cluster in split(clusters)]
    return [] if None in found else [cidr for cidr in found if cidr]


class NodeIpam(Controller):
    """One worker: two at once might give one range away twice."""

    name = "node-ipam"
    account = "node-controller"
    component = "cidrAllocator"
    options = ("pod_cidr",)
    watches = (Watch(Node, own_key),)
    workers = 1
    pod_cidr: str = "10.244.0.0/16"  # or two, with a comma between

    def setup(self) -> None:
        self._given: dict[str, list[str]] = {}  # not yet seen in the copy

    async def reconcile(self, key: Key) -> Requeue | None:
        node = self.cache(Node).get(key)
        if node is None or node.spec.podCIDR:
            self._given.pop(key.name, None)
            return None
        used = {cidr for each in self.cache(Node).values() for cidr in (*each.spec.podCIDRs, each.spec.podCIDR) if cidr}
        used |= {cidr for name, given in self._given.items() if name != key.name for cidr in given}
        cidrs = self._given.get(key.name) or free_ranges(self.pod_cidr, used)
        if not cidrs:
            self.events.event(node, "Normal", "CIDRNotAvailable", f"Node {key.name} status is now: CIDRNotAvailable")
            return Requeue(10.0)
        self._given[key.name] = cidrs
        patch = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
        await self.client.patch(kinds.NODE, key, patch)
        return None
