"""The rules of NetworkPolicies say what the API's reference says."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.network.policy import rules
from longboat.network.policy.views import NetworkPolicy, Pod

LABELS = {"a": {"team": "red"}, "b": {"team": "blue"}}


def pod(namespace: str, name: str, ip: str, labels: dict[str, str] | None = None, **spec: Any) -> Pod:
    ports = [{"name": "web", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]
    return msgspec.convert(
        {
            "metadata": {"namespace": namespace, "name": name, "labels": labels or {"app": name}},
            "spec": {"containers": [{"ports": ports}], **spec},
            "status": {"podIP": ip, "phase": "Running"},
        },
        Pod,
    )


PODS = [
    pod("a", "x", "10.0.0.1"),
    pod("a", "y", "10.0.0.2"),
    pod("b", "x", "10.0.1.1"),
    pod("b", "host", "1.1.1.1", hostNetwork=True),
]


def policy(**spec: Any) -> NetworkPolicy:
    spec.setdefault("podSelector", {"matchLabels": {"app": "x"}})
    return msgspec.convert({"metadata": {"namespace": "a", "name": "p"}, "spec": spec}, NetworkPolicy)


def compiled(**spec: Any) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """Lines of the ingress and egress chains (None: there is no such chain), and the members of each set."""
    made = policy(**spec)
    found = rules.policy_rules(
        made, lambda ns: [p for p in PODS if p.metadata.namespace == ns], lambda: list(LABELS.items())
    )
    names = [rules.chain_of(made, direction) for direction in rules.DIRECTIONS]
    chains = [list(found.chains[name].rules) if name in found.chains else ["absent"] for name in names]
    prefix = names[0].rsplit("-", 1)[0]
    shown = [[line.replace(prefix, "p") for line in chain] for chain in chains]
    return shown[0], shown[1], {name.replace(prefix, "p"): list(e) for name, e in found.elements.items()}


def test_isolation_follows_the_types() -> None:
    assert rules.directions(policy()) == ("Ingress",)
    assert rules.directions(policy(egress=[{}])) == ("Ingress", "Egress")
    assert rules.directions(policy(policyTypes=["Egress"])) == ("Egress",)


def test_no_rules_let_nothing_in_and_an_empty_rule_everything() -> None:
    assert compiled()[0] == []
    assert compiled(ingress=[{}])[0] == ["accept"]
    assert compiled(policyTypes=["Egress"], egress=[{}]) == (["absent"], ["accept"], {})


def test_selectors_become_sets_of_addresses() -> None:
    peers = [{"podSelector": {"matchLabels": {"app": "y"}}}, {"namespaceSelector": {"matchLabels": {"team": "blue"}}}]
    lines, _, sets = compiled(ingress=[{"from": peers}])
    assert lines == ["ct original ip saddr @p-ingress-0 accept"]
    assert sets == {
        "p-ingress-0": ["10.0.0.2", "10.0.1.1"]
    }  # one that shares its node's network has no address of its own
    both = [{"podSelector": {"matchLabels": {"app": "y"}}, "namespaceSelector": {}}]
    assert compiled(ingress=[{"from": both}])[2] == {"p-ingress-0": ["10.0.0.2"]}
    nobody = [{"podSelector": {"matchLabels": {"app": "z"}}}]
    assert compiled(ingress=[{"from": nobody}])[2] == {"p-ingress-0": []}


def test_blocks_ranges_and_names() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}}
    ports = [{"port": 80}, {"port": 8000, "endPort": 8010, "protocol": "UDP"}, {"protocol": "SCTP"}]
    made = policy(ingress=[{"from": [block], "ports": ports}])
    chains = rules.policy_rules(made, lambda ns: [], lambda: []).chains
    name = rules.chain_of(made, "Ingress")
    out = "ct original ip saddr != { 10.1.0.0/16, 10.2.0.0/16 }"
    assert chains[name].rules == (
        f"ct original ip saddr @{name}-0 jump {name}-0-ports",
        f"ct original ip saddr 10.0.0.0/8 {out} jump {name}-0-ports",
    )
    assert chains[f"{name}-0-ports"].rules == (
        "ct protocol tcp ct reply proto-src 80 accept",
        "ct protocol udp ct reply proto-src 8000-8010 accept",
        "ct protocol sctp accept",
    )
    _, _, sets = compiled(ingress=[{"ports": [{"port": "web"}]}])
    assert sets == {"p-ingress-0-port-0": ["10.0.0.1 . 8080"]}  # the number it has in the pods selected
    to = [
        {
            "to": [{"namespaceSelector": {"matchLabels": {"team": "blue"}}}],
            "ports": [{"port": "dns", "protocol": "UDP"}],
        }
    ]
    _, lines, sets = compiled(policyTypes=["Egress"], egress=to)
    assert lines == [
        "ct reply ip saddr @p-egress-0 ct protocol udp ct reply ip saddr . ct reply proto-src @p-egress-0-port-0 accept"
    ]
    assert sets["p-egress-0-port-0"] == ["10.0.1.1 . 53"]  # the number it has in the pods at the other end


def test_a_pod_goes_through_all_policies_that_select_it_and_then_nowhere() -> None:
    first, second = policy(ingress=[{}]), policy(egress=[{}], policyTypes=["Egress"])
    isolated = rules.isolation([first, second])
    found = rules.assignment(["10.0.0.1"], isolated).elements
    (to,) = found[rules.TO].values()
    (out,) = found[rules.FROM].values()
    assert isolated.chains[to.removeprefix("goto ")].rules == (f"jump {rules.chain_of(first, 'Ingress')}", "drop")
    assert isolated.chains[out.removeprefix("goto ")].rules == (f"jump {rules.chain_of(second, 'Egress')}", "drop")
    free, unknown = rules.isolation([]), rules.isolation(None)
    assert rules.assignment(["10.0.0.1"], free).elements[rules.TO] == {"10.0.0.1": "accept"}
    assert rules.assignment(["10.0.0.1"], unknown).elements[rules.FROM] == {"10.0.0.1": "drop"}
    assert rules.assignment([], free).elements == {}


def test_excepted_ranges_may_overlap_and_a_policy_does_not_grow_by_products() -> None:
    """What the kernel would refuse, and 4,000,000 lines where 4,000 say the same."""
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/16"]}}
    assert compiled(ingress=[{"from": [block]}])[0][1].endswith("!= { 10.0.0.0/15 } accept")
    blocks = [{"ipBlock": {"cidr": f"10.{i // 250}.{i % 250}.0/24"}} for i in range(2000)]
    made = policy(ingress=[{"from": blocks, "ports": [{"port": port} for port in range(1, 2001)]}])
    found = rules.policy_rules(made, lambda ns: [], lambda: [])
    assert sum(len(chain.rules) for chain in found.chains.values()) == 4001
