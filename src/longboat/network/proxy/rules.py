"""Services as rules: what a node's kernel does with a packet for a ClusterIP, NodePort or host port. Pure.

A packet's way: `services` looks its destination up in `service-addresses` (address, protocol, port) or, if the
destination is the node itself, in `node-ports`; both name a chain per service port, which picks an endpoint at
random and translates. What is still addressed to a ClusterIP after that, even to one that no Service has (any more),
has nobody behind it and is refused. Only the first packet of a connection takes this way; the rest follows connection
tracking, so rules may change under it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from longboat.network.families import IPV4, Family
from longboat.network.overlay.addresses import last_pod, nth
from longboat.network.proxy.endpoints import Target, Targets, targets
from longboat.network.ruleset import Chain, Ruleset, Table, merge
from longboat.network.views import SERVICE_NAME, EndpointSlice, Service, ServicePort

MASQUERADE = "meta mark set mark or 0x4000"  # the bit upstream uses, so that other tools keep off it
LONGEST_NAME = 60  # of what is legible in a chain's name: with hash, address and port it must fit into nft's 127


@dataclass(frozen=True, order=True)
class HostPort:
    """A container port published on the node (a container's hostPort). `host_ip` "" means every address."""

    protocol: str
    port: int
    pod_ip: str
    pod_port: int
    host_ip: str = ""


@dataclass(frozen=True)
class NodeInfo:
    """What the rules of one family need to know of the node they are for. Ranges are CIDRs, "" where unknown."""

    name: str
    family: Family = IPV4
    pod_cidr: str = ""  # this node's share
    cluster_cidr: str = ""  # all pods
    service_cidrs: tuple[str, ...] = ()  # all services
    host_ports: tuple[HostPort, ...] = ()
    own_services: tuple[tuple[str, int], ...] = ()  # service addresses and ports that the node itself answers at
    addresses: tuple[str, ...] = ()  # its own
    others: frozenset[str] = frozenset()  # other nodes' own: what goes there is theirs to decide
    taken: frozenset[tuple[str, int]] = frozenset()  # protocols and ports at which the node itself listens
    taken_inside: frozenset[tuple[str, int]] = frozenset()  # of its host ports' those where it does so at loopback


def rules(services: Iterable[Service], slices: Iterable[EndpointSlice], node: NodeInfo) -> Ruleset:
    """The whole ruleset of a node."""
    by_service: dict[tuple[str, str], list[EndpointSlice]] = {}
    for piece in slices:
        owner = (piece.metadata.namespace, piece.metadata.labels.get(SERVICE_NAME, ""))
        by_service.setdefault(owner, []).append(piece)
    parts = [
        service_rules(service, by_service.get((service.metadata.namespace, service.metadata.name), ()), node)
        for service in services
    ]
    return merge([base(node), *parts])


def base(node: NodeInfo) -> Ruleset:
    """What is there whatever the services are."""
    ip, address = node.family.word, node.family.address
    destination = f"{ip} daddr . meta l4proto . th dport"
    loopback = node.family.loopback
    here = f"fib daddr type local {ip} daddr != {loopback}"
    # Where the node itself listens no Service or pod hides it; and what other nodes listen at only they know.
    theirs = f"{ip} daddr @other-nodes return"
    listens = "meta l4proto . th dport @taken-ports return"
    ours = f"{ip} daddr @node-addresses {listens}"
    own_asked = f"meta l4proto {{ tcp, udp }} {ip} daddr . th dport @own-services notrack"
    own_replies = f"meta l4proto {{ tcp, udp }} {ip} saddr . th sport @own-services notrack"
    chains = {
        # Resets where possible: the kernel sends only a few ICMP errors a second to one client.
        "refused": Chain(("meta l4proto tcp reject with tcp reset", "reject")),
        "services": Chain(
            (
                theirs,
                ours,
                f"{destination} vmap @service-addresses",
                f"{here} {listens}",
                f"{here} meta l4proto . th dport vmap @node-ports",
                f"{here} jump host-ports",
            )
        ),
        "host-ports": Chain(_host_port_rules(ip)),
        "refuse": Chain(
            (
                theirs,
                ours,
                f"{destination} vmap @refused-addresses",
                f"fib daddr type local {listens}",
                "fib daddr type local meta l4proto . th dport vmap @refused-ports",
                f"{ip} daddr @cluster-addresses goto refused",
                *(f"{ip} daddr {each} goto refused" for each in node.service_cidrs),
            )
        ),
        "translate-in": Chain(("jump services",), "type nat hook prerouting priority dstnat; policy accept;"),
        "translate-out": Chain(
            ("jump services", *_inside_rules(node.family)), "type nat hook output priority -100; policy accept;"
        ),
        "no-loopback": Chain(_loopback_guard(node.family), "type filter hook prerouting priority raw; policy accept;"),
        # After translation: what still goes to a service's address has nobody behind it.
        "refuse-in": Chain(("ct state new jump refuse",), "type filter hook prerouting priority -90; policy accept;"),
        "refuse-out": Chain(("ct state new jump refuse",), "type filter hook output priority -90; policy accept;"),
        "source": Chain(_source_rules(node), "type nat hook postrouting priority srcnat; policy accept;"),
        # What the node answers itself is neither translated nor refused, so it need not be tracked either.
        "own-in": Chain((own_asked,), "type filter hook prerouting priority raw; policy accept;"),
        "own-out": Chain((own_asked, own_replies), "type filter hook output priority raw; policy accept;"),
    }
    key = f"{address} . inet_proto . inet_service"
    tables = {
        "service-addresses": Table("map", f"type {key} : verdict;"),
        "node-ports": Table("map", "type inet_proto . inet_service : verdict;"),
        "host-address-ports": Table("map", f"type {key} : {address} . inet_service;"),
        "host-ports": Table("map", f"type inet_proto . inet_service : {address} . inet_service;"),
        "cluster-addresses": Table("set", f"type {address};"),
        "refused-addresses": Table("map", f"type {key} : verdict;"),
        "refused-ports": Table("map", "type inet_proto . inet_service : verdict;"),
        "own-pods": Table("set", f"type {address} . {address};"),
        "own-services": Table("set", f"type {address} . inet_service;"),
        "node-addresses": Table("set", f"type {address};"),
        "other-nodes": Table("set", f"type {address};"),
        "taken-ports": Table("set", "type inet_proto . inet_service;"),
        "taken-inside": Table("set", "type inet_proto . inet_service;"),
    }
    elements: dict[str, dict[str, str]] = {name: {} for name in tables}
    return Ruleset(chains, tables, elements | _base_elements(node))


def _base_elements(node: NodeInfo) -> dict[str, dict[str, str]]:
    family = node.family
    elements: dict[str, dict[str, str]] = {"host-ports": {}, "host-address-ports": {}}
    elements["node-addresses"] = {each: "" for each in node.addresses if family.has(each)}
    elements["other-nodes"] = {each: "" for each in node.others - {*node.addresses} if family.has(each)}
    elements["taken-ports"] = {f"{protocol.lower()} . {port}": "" for protocol, port in node.taken}
    elements["taken-inside"] = {f"{protocol.lower()} . {port}": "" for protocol, port in node.taken_inside}
    elements["own-services"] = {f"{address} . {port}": "" for address, port in node.own_services if family.has(address)}
    for item in node.host_ports:
        if not family.has(item.pod_ip):
            continue
        key, value = f"{item.protocol.lower()} . {item.port}", f"{item.pod_ip} . {item.pod_port}"
        if item.host_ip in ("", family.anywhere):
            elements["host-ports"][key] = value
        elif family.has(item.host_ip):
            elements["host-address-ports"][f"{item.host_ip} . {key}"] = value
    if node.pod_cidr:
        addresses = (nth(node.pod_cidr, index) for index in range(1, last_pod(node.pod_cidr) + 1))
        elements["own-pods"] = {f"{address} . {address}": "" for address in addresses}
    return elements


def _host_port_rules(ip: str) -> tuple[str, ...]:
    protocols = "meta l4proto { tcp, udp, sctp }"
    return (
        f"{protocols} dnat {ip} to {ip} daddr . meta l4proto . th dport map @host-address-ports",
        f"{protocols} dnat {ip} to meta l4proto . th dport map @host-ports",
    )


def _inside_rules(family: Family) -> tuple[str, ...]:
    """What the node asks itself at loopback, where it does not listen there.

    From an IPv6 loopback address the kernel lets nothing out to a pod, and has no setting for it.
    """
    ip, loopback = family.word, family.loopback
    from_elsewhere = "" if family is IPV4 else f"{ip} saddr != {loopback} "
    asked = f"{from_elsewhere}{ip} daddr {loopback}"
    return f"{asked} meta l4proto . th dport @taken-inside return", f"{asked} jump host-ports"


def _loopback_guard(family: Family) -> tuple[str, ...]:
    """What comes in by a wire is neither for loopback nor from there (`lead_out` of `loopback` lets such answers in).

    Before connection tracking puts the addresses of these answers right.
    """
    ip, loopback = family.word, family.loopback
    return tuple(f'iifname != "lo" {ip} {end} {loopback} drop' for end in ("daddr", "saddr"))


def _source_rules(node: NodeInfo) -> tuple[str, ...]:
    ip = node.family.word
    found = [
        "meta mark & 0x4000 == 0x4000 masquerade fully-random",
        # A pod that reaches itself through a service must see another source, or it would answer itself directly.
        f"ct status dnat {ip} saddr . {ip} daddr @own-pods masquerade fully-random",
    ]
    if node.family is IPV4:
        found.append(f"ct status dnat {ip} saddr {node.family.loopback} masquerade fully-random")
    if node.cluster_cidr:
        # Nobody outside knows the way back to a pod.
        inside = node.cluster_cidr
        found.append(f"{ip} saddr {inside} {ip} daddr != {inside} masquerade fully-random")
    return tuple(found)


def service_rules(service: Service, slices: Iterable[EndpointSlice], node: NodeInfo) -> Ruleset:
    """One service's share of the node's family: its chains, and its elements of the common maps."""
    address = node.family.first(service.spec.addresses)
    if service.spec.type == "ExternalName" or not address:
        return Ruleset()  # headless, of the other family, or nothing but a name
    found = list(slices)
    ports = [
        _port_rules(service, address, port, targets(found, port, node.name, node.family), node)
        for port in service.spec.ports
    ]
    return merge([Ruleset(elements={"cluster-addresses": {address: ""}}), *ports])


def _port_rules(service: Service, address: str, port: ServicePort, found: Targets, node: NodeInfo) -> Ruleset:
    spec, protocol, family = service.spec, port.protocol.lower(), node.family
    name = _chain_name(service, port)
    chains: dict[str, Chain] = {}
    tables: dict[str, Table] = {}
    elements: dict[str, dict[str, str]] = {"service-addresses": {}, "node-ports": {}, "refused-addresses": {}}
    elements["refused-ports"] = {}

    def balance(kind: str, chosen: tuple[Target, ...], first: tuple[str, ...] = ()) -> str:
        """Add a chain that spreads over `chosen`; returns the verdict that leads there."""
        own = f"{kind}-{name}"
        spread = _affine(own, chosen, service, protocol, family) if spec.sessionAffinity == "ClientIP" else None
        if spread is None:
            chains[own] = Chain((*first, *_random(chosen, protocol, family)))
        else:
            chains[own] = Chain((*first, *spread.chains[own].rules))
            chains.update({key: chain for key, chain in spread.chains.items() if key != own})
            tables.update(spread.tables)
        return f"goto {own}"

    inside = found.local if spec.internalTrafficPolicy == "Local" else found.cluster
    key = f"{address} . {protocol} . {port.port}"
    if inside:
        foreign = (f"{family.word} saddr != {node.cluster_cidr} {MASQUERADE}",) if node.cluster_cidr else ()
        elements["service-addresses"][key] = balance("svc", inside, foreign)
    elif found.cluster:
        elements["refused-addresses"][key] = "drop"  # there are endpoints, but by policy not for this node

    outer = [
        ("service-addresses", f"{ip} . {protocol} . {number}") if ip else ("node-ports", f"{protocol} . {number}")
        for ip, number in entrances(service, port, family)
    ]
    if outer:
        local_only = spec.externalTrafficPolicy == "Local"
        outside = _outside(name, found, local_only, node, balance, chains)
        guarded = _guarded(name, outside, spec.loadBalancerSourceRanges, family, chains)
        for table, entrance in outer:
            if outside:
                elements[table][entrance] = outside if table == "node-ports" else guarded
            else:
                refused = "refused-ports" if table == "node-ports" else "refused-addresses"
                elements[refused][entrance] = "drop" if found.cluster else "goto refused"
    return Ruleset(chains, tables, elements)


def clashes(service: Service, node: NodeInfo) -> list[str]:
    """Which of a Service's ports this node does not serve, since it listens there itself."""
    found = []
    at_node = service.spec.type == "LoadBalancer" and any(
        point.ip in node.addresses for point in service.status.loadBalancer.ingress
    )
    for port in service.spec.ports:
        if at_node and (port.protocol, port.port) in node.taken:
            found.append(f"port {port.port}/{port.protocol}")
        if service.spec.type in ("NodePort", "LoadBalancer") and (port.protocol, port.nodePort) in node.taken:
            found.append(f"node port {port.nodePort}/{port.protocol}")
    return found


def entrances(service: Service, port: ServicePort, family: Family) -> Iterable[tuple[str, int]]:
    """Where traffic from outside the cluster comes in: addresses ("": any of the node's) and ports."""
    if service.spec.type in ("NodePort", "LoadBalancer") and port.nodePort:
        yield "", port.nodePort
    if service.spec.type == "LoadBalancer":
        for ingress in service.status.loadBalancer.ingress:
            if family.has(ingress.ip) and ingress.ipMode == "VIP":
                yield ingress.ip, port.port


def _guarded(name: str, verdict: str, sources: list[str], family: Family, chains: dict[str, Chain]) -> str:
    """The verdict for a load balancer's address, which only some may come to (loadBalancerSourceRanges)."""
    allowed = [each for each in map(str.strip, sources) if family.has(each)]
    if not sources or not verdict:
        return verdict
    listed = f"{family.word} saddr {{ {', '.join(allowed)} }} {verdict}"
    chains[f"from-{name}"] = Chain((listed, "drop") if allowed else ("drop",))
    return f"goto from-{name}"


class Balance(Protocol):
    def __call__(self, kind: str, chosen: tuple[Target, ...], first: tuple[str, ...] = ()) -> str: ...


def _outside(
    name: str,
    found: Targets,
    local_only: bool,
    node: NodeInfo,
    balance: Balance,
    chains: dict[str, Chain],
) -> str:
    """The verdict for traffic from outside: "" where nobody would take it."""
    if not local_only:
        return balance("ext", found.cluster, (MASQUERADE,)) if found.cluster else ""
    if not found.cluster:
        return ""
    # Pods and the node itself may go anywhere; what comes from outside stays here, with its source address kept.
    everywhere = balance("all", found.cluster)
    near = [f"{node.family.word} saddr {node.cluster_cidr} {everywhere}"] if node.cluster_cidr else []
    near.append(f"fib saddr type local {MASQUERADE} {everywhere}")
    here = balance("loc", found.local) if found.local else "drop"
    chains[f"ext-{name}"] = Chain((*near, here))
    return f"goto ext-{name}"


def _random(chosen: tuple[Target, ...], protocol: str, family: Family) -> tuple[str, ...]:
    """Rules that send a connection to one of the targets.

    The last rule catches what slips through the map: the kernel swaps rules and map elements at the same moment, but a
    packet that is half-way through the old rules looks into the map by the new generation, and finds it empty.
    """
    translate = f"meta l4proto {protocol} dnat {family.word} to"
    otherwise = f"{translate} {family.at(chosen[-1].address, chosen[-1].port)}"
    if len(chosen) == 1:
        return (otherwise,)
    choices = ", ".join(f"{i} : {target.address} . {target.port}" for i, target in enumerate(chosen))
    return (f"{translate} numgen random mod {len(chosen)} map {{ {choices} }}", otherwise)


def _affine(
    own: str, chosen: tuple[Target, ...], service: Service, protocol: str, family: Family
) -> Ruleset:  # fmt: skip
    """ClientIP affinity: a set per endpoint remembers its clients; the kernel forgets them after the timeout."""
    timeout = service.spec.sessionAffinityConfig.clientIP.timeoutSeconds
    chains, tables, known, spread = {}, {}, [], []
    for index, target in enumerate(chosen):
        end = f"{own}-{target.address.replace(':', '_')}/{target.port}"
        tables[end] = Table("set", f"type {family.address}; flags dynamic,timeout; timeout {timeout}s;")
        translate = f"meta l4proto {protocol} dnat {family.word} to {family.at(target.address, target.port)}"
        chains[end] = Chain((f"update @{end} {{ {family.word} saddr }}", translate))
        known.append(f"{family.word} saddr @{end} goto {end}")
        spread.append(f"{index} : goto {end}")
    balance = f"numgen random mod {len(chosen)} vmap {{ {', '.join(spread)} }}"
    chains[own] = Chain((*known, balance, f"goto {end}"))  # the last as in `_random`
    return Ruleset(chains, tables)


def _chain_name(service: Service, port: ServicePort) -> str:
    """Readable, and unique by the hash (names may be long, and `-` may stand anywhere in them)."""
    text = f"{service.metadata.namespace}/{service.metadata.name}/{port.protocol.lower()}/{port.port}"
    return f"{hashlib.sha256(text.encode()).hexdigest()[:8]}-{text[:LONGEST_NAME]}"
