"""The rules of NetworkPolicies. Pure.

Two base chains see what is forwarded: one asks where it comes from, one where it goes to. A pod that no policy selects
is in neither's map, and nothing is asked. For one that is selected, a chain of its combination of policies tries each;
what none accepts is dropped. To accept ends one base chain only, so both ends of a connection must agree. What a node
itself sends to its own pods is not forwarded, and so always reaches them (NetworkPolicy API reference).

There is one table for each IP family, alike but for what IPv6 must have let through, or kept from passing, first.

    forward → egress  → map from-pods  source → chain e-<policies> → jump p-<policy>-egress … → drop
            → ingress → map to-pods    destination → chain i-<policies> → jump p-<policy>-ingress … → drop
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from longboat.machinery import selectors
from longboat.network.families import IPV4, IPV6, Family
from longboat.network.policy.views import NetworkPolicy, Peer, Pod, PolicyPort, Rule
from longboat.network.proxy.ruleset import Chain, Ruleset, Table

TABLE = "longboat-policies"
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
UNROUTED = ("ip6 saddr fe80::/10 drop", "ip6 daddr { fe80::/10, ff00::/8 } drop")


def base(family: Family = IPV4) -> Ruleset:
    """What is there before any policy.

    With IPv6, pods of one node find each other through the bridge as ARP lets them in IPv4 (what came through a router
    has a lower hop limit). But their link-local addresses and groups, which policies know nothing of, lead nowhere.
    """
    chains = {}
    for number, (direction, address) in enumerate(((EGRESS, "saddr"), (INGRESS, "daddr"))):
        hook = f"type filter hook forward priority filter + {number}; policy accept;"
        known = "ct state established,related accept"  # what has been let in may be answered
        first = (known, NEIGHBOURS, *UNROUTED) if family is IPV6 else (known,)
        chains[direction.lower()] = Chain((*first, f"{family.word} {address} vmap @{MAPS[direction]}"), hook)
    maps = {name: Table("map", f"type {family.address} : verdict;") for name in (TO, FROM)}
    return Ruleset(chains, maps, {name: {} for name in maps})


def directions(policy: NetworkPolicy) -> tuple[str, ...]:
    """The directions in which the policy isolates the pods it selects."""
    types = policy.spec.policyTypes or [INGRESS, *([EGRESS] if policy.spec.egress else [])]
    return tuple(direction for direction in DIRECTIONS if direction in types)


def selects(policy: NetworkPolicy, pod: Pod) -> bool:
    if policy.metadata.namespace != pod.metadata.namespace:
        return False
    return selectors.from_api(policy.spec.podSelector).matches(pod.metadata.labels)


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


def assignment(pod: Pod, policies: Sequence[NetworkPolicy], family: Family = IPV4) -> Ruleset:
    """What a pod of this node, selected by these policies, goes through."""
    own = pod.address(family)
    chains: dict[str, Chain] = {}
    elements: dict[str, dict[str, str]] = {}
    for direction in DIRECTIONS:
        names = sorted(chain_of(policy, direction) for policy in policies if direction in directions(policy))
        if not names or not own:
            continue
        combined = f"{direction[0].lower()}-{_digest(*names)}"
        chains[combined] = Chain((*(f"jump {name}" for name in names), "drop"))
        elements[MAPS[direction]] = {own: f"goto {combined}"}
    return Ruleset(chains, {}, elements)


def nothing(policy: NetworkPolicy) -> Ruleset:
    """The chains of a policy that cannot be read: they let nothing in or out."""
    return Ruleset({chain_of(policy, direction): Chain(()) for direction in DIRECTIONS})


def isolation(pod: Pod, family: Family = IPV4) -> Ruleset:
    """For a pod of which it cannot be told what it is allowed: nothing."""
    own = pod.address(family)
    if not own:
        return Ruleset()
    chain = f"alone-{_digest(pod.metadata.namespace, pod.metadata.name)}"
    return Ruleset({chain: Chain(("drop",))}, {}, {name: {own: f"goto {chain}"} for name in MAPS.values()})


def chain_of(policy: NetworkPolicy, direction: str) -> str:
    return f"p-{_digest(policy.metadata.namespace, policy.metadata.name)}-{direction.lower()}"


class _Compiler:
    def __init__(self, policy: NetworkPolicy, pods: PodsOf, namespaces: Namespaces, family: Family) -> None:
        self._policy, self._pods, self._namespaces, self._family = policy, pods, namespaces, family
        self._tables: dict[str, Table] = {}
        self._elements: dict[str, dict[str, str]] = {}

    def result(self) -> Ruleset:
        chains = {}
        for direction in directions(self._policy):
            spec = self._policy.spec
            rules: Sequence[Rule] = spec.ingress if direction == INGRESS else spec.egress
            name = chain_of(self._policy, direction)
            lines = [line for i, rule in enumerate(rules) for line in self._lines(f"{name}-{i}", direction, rule)]
            chains[name] = Chain(tuple(lines))
        return Ruleset(chains, self._tables, self._elements)

    def _lines(self, name: str, direction: str, rule: Rule) -> Iterator[str]:
        """One line for each way of matching a peer, times each of matching a port."""
        peers, ports, family = rule.peers, rule.ports, self._family
        address = f"{family.word} {'saddr' if direction == INGRESS else 'daddr'}"
        chosen = [pod for peer in peers if peer.ipBlock is None for pod in self._peers(peer)] if peers else []
        wheres = [""]
        if peers:
            wheres = [f"{address} @{self._set(name, family.address, {p.address(family) for p in chosen})}"]
        for peer in peers:
            if peer.ipBlock is not None and family.has(peer.ipBlock.cidr):
                out = ", ".join(filter(family.has, peer.ipBlock.excluding))
                but = f" {address} != {{ {out} }}" if out else ""
                wheres.append(f"{address} {peer.ipBlock.cidr}{but}")
        for number, port in enumerate(ports or (None,)):
            what = self._port(f"{name}-port-{number}", direction, port, chosen, peers)
            for where in wheres:
                yield " ".join(filter(None, (where, what, "accept")))

    def _port(
        self, name: str, direction: str, port: PolicyPort | None, chosen: list[Pod], peers: list[Peer]
    ) -> str:  # fmt: skip
        if port is None:
            return ""
        protocol = PROTOCOLS[port.protocol]
        if port.port is None:
            return f"meta l4proto {protocol}"
        if isinstance(port.port, int):
            return f"{protocol} dport {port.port}" + (f"-{port.endPort}" if port.endPort else "")
        # A name stands for the number it has in the pod at the other end of the arrow.
        at = self._selected() if direction == INGRESS else (chosen if peers else self._everybody())
        pairs = {
            f"{pod.address(self._family)} . {number}"
            for pod in at
            if (number := pod.named_ports().get((port.protocol, str(port.port)))) is not None
        }
        members = self._set(name, f"{self._family.address} . inet_service", pairs)
        return f"meta l4proto {protocol} {self._family.word} daddr . th dport @{members}"

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


def _digest(*parts: str) -> str:
    """A short name for a chain (nft allows 127 bytes, names in the API are longer together)."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
