"""The rules of NetworkPolicies. Pure.

Two base chains see what is forwarded: one asks who began the connection, one whom with. Both ask for every packet of
it, in either direction (connection tracking knows the two ends whichever way a packet goes, and after translation): so
what a policy no longer allows ends. A pod that no policy selects may do everything. For one that is selected, a chain
of its combination of policies tries each; what none accepts is dropped. To accept ends one base chain only, so both
ends of a connection must agree. What comes from the pods' bridge, or goes there, and is of no pod that has been
admitted is not forwarded. What a node itself sends to its own pods is not forwarded either, and so always reaches them
(NetworkPolicy API reference).

There is one table for each IP family, alike but for what IPv6 must have let through, or kept from passing, first.

    forward → egress  → map from-pods  who began → chain e-<policies> → jump p-<policy>-egress … → drop
            → ingress → map to-pods    whom with → chain i-<policies> → jump p-<policy>-ingress … → drop
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longboat.machinery import selectors
from longboat.network.families import IPV4, IPV6, Family
from longboat.network.overlay import vxlan
from longboat.network.overlay.cni import BRIDGE
from longboat.network.policy.views import NetworkPolicy, Peer, Pod, PolicyPort, Rule
from longboat.network.ruleset import Chain, Ruleset, Table

TABLE, WITNESS = "longboat-policies", "ingress"
INGRESS, EGRESS = "Ingress", "Egress"
DIRECTIONS = (INGRESS, EGRESS)
TO, FROM = "to-pods", "from-pods"
MAPS = {INGRESS: TO, EGRESS: FROM}
PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}

PodsOf = Callable[[str], Iterable[Pod]]
"""namespace → its pods."""
Namespaces = Callable[[], Iterable[tuple[str, dict[str, str]]]]
"""Name and labels of every namespace."""


NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept"
NOBODY = {  # has that address: said at once, as who asks for it would else have to wait for an answer
    "IPv4": "reject with icmp type host-unreachable",
    "IPv6": "reject with icmpv6 type addr-unreachable",
}
UNROUTED = ("ip6 saddr fe80::/10 drop", "ip6 daddr { fe80::/10, ff00::/8 } drop")


def began(family: Family) -> str:
    """Matches the address of who began a connection."""
    return f"ct original {family.word} saddr"


def reached(family: Family) -> str:
    """Matches the address of whom it is with: the pod, where a Service was asked."""
    return f"ct reply {family.word} saddr"


def base(family: Family = IPV4, pods: str = "") -> Ruleset:
    """What is there before any policy. `pods` is the range of all pods.

    With IPv6, pods of one node find each other through the bridge as ARP lets them in IPv4 (what came through a router
    has a lower hop limit). But their link-local addresses and groups, which policies know nothing of, lead nowhere.
    """
    word, first = family.word, (NEIGHBOURS, *UNROUTED) if family is IPV6 else ()
    abroad = f"{word} daddr != {pods} " if pods else ""
    # To the nodes' tunnel nobody speaks but nodes: what comes out of it is taken for other nodes' pods'.
    tunnel = f'iifname "{BRIDGE}" {abroad}udp dport {vxlan.PORT} drop'
    stray = "ct state invalid,untracked"  # belongs to no connection
    hook = "type filter hook {} priority filter + {}; policy accept;"
    egress = (
        tunnel,
        f"{stray} {word} saddr vmap @{FROM}",
        f"{began(family)} vmap @{FROM}",
        f'{stray} iifname "{BRIDGE}" drop',
        f'ct direction original iifname "{BRIDGE}" drop',
    )
    ingress = (
        f"{stray} {word} daddr vmap @{TO}",
        f"{reached(family)} vmap @{TO}",
        f'{stray} oifname "{BRIDGE}" drop',
        f'ct direction original oifname "{BRIDGE}" {NOBODY[family.name]}',
    )
    chains = {
        "egress": Chain((*first, *egress), hook.format("forward", 0)),
        "ingress": Chain((*first, *ingress), hook.format("forward", 1)),
        "node": Chain((tunnel,), hook.format("input", 0)),
    }
    maps = {name: Table("map", f"type {family.address} : verdict;") for name in (TO, FROM)}
    return Ruleset(chains, maps, {name: {} for name in maps})


def directions(policy: NetworkPolicy) -> tuple[str, ...]:
    """The directions in which the policy isolates the pods it selects."""
    types = policy.spec.policyTypes or [INGRESS, *([EGRESS] if policy.spec.egress else [])]
    return tuple(direction for direction in DIRECTIONS if direction in types)


def selects(policy: NetworkPolicy, pod: Pod) -> bool:
    return policy.metadata.namespace == pod.metadata.namespace and picks(policy, pod.metadata.labels)


def picks(policy: NetworkPolicy, labels: Mapping[str, str]) -> bool:
    """Whether it selects a pod of its namespace with these labels."""
    return selectors.from_api(policy.spec.podSelector).matches(labels)


def concerns(policy: NetworkPolicy, pod: Pod, labels: dict[str, str]) -> bool:
    """Whether the policy's rules may name this pod; `labels` are those of its namespace."""
    if selects(policy, pod):
        return True
    return any(is_peer(peer, policy, pod, labels) for rule in policy.rules for peer in rule.peers)


def is_peer(peer: Peer, policy: NetworkPolicy, pod: Pod, labels: dict[str, str]) -> bool:
    if peer.ipBlock is not None:
        return False
    if peer.namespaceSelector is None:
        if pod.metadata.namespace != policy.metadata.namespace:
            return False
    elif not selectors.from_api(peer.namespaceSelector).matches(labels):
        return False
    return peer.podSelector is None or selectors.from_api(peer.podSelector).matches(pod.metadata.labels)


def policy_rules(policy: NetworkPolicy, pods: PodsOf, namespaces: Namespaces, family: Family = IPV4) -> Ruleset:
    """The chains of one policy, and the sets of addresses that they refer to."""
    return _Compiler(policy, pods, namespaces, family).result()


def nothing(policy: NetworkPolicy) -> Ruleset:
    """Its chains where it cannot be carried out: it isolates, and lets nothing through."""
    return Ruleset({chain_of(policy, direction): Chain(()) for direction in DIRECTIONS})


@dataclass(frozen=True)
class Isolation:
    """What a pod goes through in each direction: a verdict, and the chains of the combinations that these lead to."""

    verdicts: Mapping[str, str]
    chains: Mapping[str, Chain]


def isolation(policies: Sequence[NetworkPolicy] | None) -> Isolation:
    """Of a pod that these policies select. None: nobody knows which do, so nothing may pass."""
    if policies is None:
        return Isolation(dict.fromkeys(DIRECTIONS, "drop"), {})
    verdicts, chains = dict.fromkeys(DIRECTIONS, "accept"), dict[str, Chain]()
    for direction in DIRECTIONS:
        names = sorted(chain_of(policy, direction) for policy in policies if direction in directions(policy))
        if names:
            combined = f"{direction[0].lower()}-{_digest(*names)}"
            chains[combined] = Chain((*(f"jump {name}" for name in names), "drop"))
            verdicts[direction] = f"goto {combined}"
    return Isolation(verdicts, chains)


def assignment(addresses: Iterable[str], isolated: Isolation) -> Ruleset:
    """A pod's elements of the maps; the chains are shared with others."""
    own = list(addresses)
    return Ruleset(
        elements={MAPS[direction]: dict.fromkeys(own, verdict) for direction, verdict in isolated.verdicts.items()}
    ) if own else Ruleset()  # fmt: skip


def chain_of(policy: NetworkPolicy, direction: str) -> str:
    return f"p-{_digest(policy.metadata.namespace, policy.metadata.name)}-{direction.lower()}"


class _Compiler:
    def __init__(self, policy: NetworkPolicy, pods: PodsOf, namespaces: Namespaces, family: Family) -> None:
        self._policy, self._pods, self._namespaces, self._family = policy, pods, namespaces, family
        self._chains: dict[str, Chain] = {}
        self._tables: dict[str, Table] = {}
        self._elements: dict[str, dict[str, str]] = {}

    def result(self) -> Ruleset:
        for direction in directions(self._policy):
            spec = self._policy.spec
            rules: Sequence[Rule] = spec.ingress if direction == INGRESS else spec.egress
            name = chain_of(self._policy, direction)
            lines = [line for i, rule in enumerate(rules) for line in self._lines(f"{name}-{i}", direction, rule)]
            self._chains[name] = Chain(tuple(lines))
        return Ruleset(self._chains, self._tables, self._elements)

    def _lines(self, name: str, direction: str, rule: Rule) -> Iterator[str]:
        """Who, and on what. Where both are several, ways of matching a port have a chain of their own: the product of
        a thousand of each would be too much for anybody."""
        peers, family = rule.peers, self._family
        address = began(family) if direction == INGRESS else reached(family)
        chosen = [pod for peer in peers if peer.ipBlock is None for pod in self._peers(peer)] if peers else []
        wheres = [""]
        if peers:
            wheres = [f"{address} @{self._set(name, family.address, {p.address(family) for p in chosen})}"]
        for peer in peers:
            if peer.ipBlock is not None and family.has(peer.ipBlock.cidr):
                out = ", ".join(_apart(filter(family.has, peer.ipBlock.excluding)))
                but = f" {address} != {{ {out} }}" if out else ""
                wheres.append(f"{address} {peer.ipBlock.cidr}{but}")
        whats = [
            self._port(f"{name}-port-{number}", direction, port, chosen, peers)
            for number, port in enumerate(rule.ports or (None,))
        ]
        if len(wheres) > 1 and len(whats) > 1:
            self._chains[f"{name}-ports"] = Chain(tuple(f"{what} accept" for what in whats))
            yield from (f"{where} jump {name}-ports" for where in wheres)
            return
        for what in whats:
            for where in wheres:
                yield " ".join(filter(None, (where, what, "accept")))

    def _port(self, name: str, direction: str, port: PolicyPort | None, chosen: list[Pod], peers: list[Peer]) -> str:
        if port is None:
            return ""
        protocol = f"ct protocol {PROTOCOLS[port.protocol]}"
        if port.port is None:
            return protocol
        if isinstance(port.port, int):
            return f"{protocol} ct reply proto-src {port.port}" + (f"-{port.endPort}" if port.endPort else "")
        # A name stands for the number it has in the pod at the other end of the arrow.
        at = self._selected() if direction == INGRESS else (chosen if peers else self._everybody())
        pairs = {
            f"{pod.address(self._family)} . {number}"
            for pod in at
            if (number := pod.named_ports().get((port.protocol, str(port.port)))) is not None
        }
        members = self._set(name, f"{self._family.address} . inet_service", pairs)
        return f"{protocol} {reached(self._family)} . ct reply proto-src @{members}"

    def _set(self, name: str, kind: str, members: set[str]) -> str:
        self._tables[name] = Table("set", f"type {kind};")
        self._elements[name] = dict.fromkeys(sorted(members), "")
        return name

    def _selected(self) -> list[Pod]:
        found = self._pods(self._policy.metadata.namespace)
        return [pod for pod in found if pod.address(self._family) and selects(self._policy, pod)]

    def _everybody(self) -> list[Pod]:
        return [pod for name, _ in self._namespaces() for pod in self._pods(name) if pod.address(self._family)]

    def _peers(self, peer: Peer) -> list[Pod]:
        own = self._policy.metadata.namespace
        where = [(own, dict[str, str]())] if peer.namespaceSelector is None else list(self._namespaces())
        return [
            pod
            for name, labels in where
            for pod in self._pods(name)
            if pod.address(self._family) and is_peer(peer, self._policy, pod, labels)
        ]


def _apart(ranges: Iterable[str]) -> list[str]:
    """The same addresses, all of one family, in ranges that do not overlap."""
    found: list[Any] = [ipaddress.ip_network(each, strict=False) for each in ranges]
    return [str(each) for each in ipaddress.collapse_addresses(found)]


def _digest(*parts: str) -> str:
    """A short name for a chain (nft allows 127 bytes, names in the API are longer together)."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
