"""Who may speak with whom: all pairs of three namespaces with three pods each, on two nodes, under policies."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import WEB

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(400)]

SPACES, NAMES, PORTS = ("x", "y", "z"), ("a", "b", "c"), (8080, 8081)
Pod = tuple[str, str]
ALL: list[Pod] = list(itertools.product(SPACES, NAMES))
Allows = Callable[[Pod, Pod, int], bool]


def pod(space: str, name: str, node: str) -> dict[str, Any]:
    serving = [
        {"name": f"p{port}", "image": WEB, "env": [{"name": "PORT", "value": str(port)}],
         "ports": [{"name": f"serve-{port}", "containerPort": port}]}
        for port in PORTS
    ]  # fmt: skip
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": f"policy-{space}", "labels": {"pod": name}},
        "spec": {"containers": serving, "nodeSelector": {"kubernetes.io/hostname": node},
                 "terminationGracePeriodSeconds": 1},
    }  # fmt: skip


@pytest.fixture(scope="module")
def matrix(cluster: Cluster) -> Iterator[dict[Pod, str]]:
    """The pods' addresses. Pods alternate between the nodes, so that pairs share one and do not."""
    nodes = itertools.cycle(n["metadata"]["name"] for n in cluster.get("nodes")["items"])
    for space in SPACES:
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": f"policy-{space}", "labels": {"space": space}},
            }
        )
    wait_for_accounts(cluster)
    cluster.apply(*(pod(space, name, next(nodes)) for space, name in ALL))
    for space in SPACES:
        cluster.kubectl(
            "wait", "-n", f"policy-{space}", "--for=condition=Ready", "pods", "--all", "--timeout=90s"
        ).quiet()
    yield {
        (space, p["metadata"]["name"]): p["status"]["podIP"]
        for space in SPACES
        for p in cluster.get("pods", "-n", f"policy-{space}")["items"]
    }
    for space in SPACES:
        cluster.kubectl("delete", "namespace", f"policy-{space}", "--wait=false").quiet()


def wait_for_accounts(cluster: Cluster) -> None:
    for space in SPACES:
        for _ in range(50):
            if cluster.kubectl("get", "serviceaccount", "default", "-n", f"policy-{space}").code == 0:
                break
            time.sleep(0.1)


@pytest.fixture
def apply(cluster: Cluster) -> Iterator[Callable[..., None]]:
    made: list[tuple[str, str]] = []

    def create(space: str, name: str, **spec: Any) -> None:
        spec.setdefault("podSelector", {})
        metadata = {"name": name, "namespace": f"policy-{space}"}
        cluster.apply(
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
        )
        made.append((space, name))

    yield create
    for space, name in made:
        cluster.kubectl("delete", "networkpolicy", name, "-n", f"policy-{space}").quiet()


def reached(cluster: Cluster, matrix: dict[Pod, str], source: Pod) -> set[tuple[Pod, int]]:
    """What this pod gets an answer from. All questions at once: those that are dropped take their time."""
    asked = [(other, port) for other in ALL for port in PORTS]
    script = "\n".join(
        f"(timeout 1 /fetch {matrix[other]} {port} >/dev/null 2>&1 && echo {number}) &"
        for number, (other, port) in enumerate(asked)
    )
    done = cluster.kubectl(
        "exec", "-n", f"policy-{source[0]}", source[1], "-c", "p8080", "--", "sh", "-c", f"{script}\nwait"
    )
    return {asked[int(number)] for number in done.quiet().split()}


def check(cluster: Cluster, matrix: dict[Pod, str], allows: Allows) -> None:
    """Within moments everybody reaches whom they may, and nobody else. A pod always reaches itself."""
    problems: list[str] = ["never looked"]
    for _ in range(5):
        problems = []
        for source in ALL:
            got = reached(cluster, matrix, source)
            wanted = {(o, port) for o in ALL for port in PORTS if o == source or allows(source, o, port)}
            problems += [f"{source} reaches {extra}" for extra in sorted(got - wanted)]
            problems += [f"{source} does not reach {missing}" for missing in sorted(wanted - got)]
        if not problems:
            return
    raise AssertionError(problems)


def test_without_policies_everybody_reaches_everybody(cluster: Cluster, matrix: dict[Pod, str]) -> None:
    check(cluster, matrix, lambda source, target, port: True)


def test_deny_all_ingress(cluster: Cluster, matrix: dict[Pod, str], apply: Callable[..., None]) -> None:
    apply("x", "deny", policyTypes=["Ingress"])
    check(cluster, matrix, lambda source, target, port: target[0] != "x")


def test_deny_all_egress(cluster: Cluster, matrix: dict[Pod, str], apply: Callable[..., None]) -> None:
    apply("x", "deny", policyTypes=["Egress"])
    check(cluster, matrix, lambda source, target, port: source[0] != "x")


def test_selectors_ports_and_names(cluster: Cluster, matrix: dict[Pod, str], apply: Callable[..., None]) -> None:
    """Into x: a takes b of its namespace on every port; b takes everybody of y on one named port; c takes nothing."""
    own = {"podSelector": {"matchLabels": {"pod": "b"}}}
    apply("x", "a", podSelector={"matchLabels": {"pod": "a"}}, ingress=[{"from": [own]}])
    y = {"namespaceSelector": {"matchExpressions": [{"key": "space", "operator": "In", "values": ["y"]}]}}
    apply(
        "x", "b", podSelector={"matchLabels": {"pod": "b"}}, ingress=[{"from": [y], "ports": [{"port": "serve-8081"}]}]
    )
    apply("x", "c", podSelector={"matchLabels": {"pod": "c"}}, ingress=[])

    def allows(source: Pod, target: Pod, port: int) -> bool:
        match target:
            case ("x", "a"):
                return source == ("x", "b")
            case ("x", "b"):
                return source[0] == "y" and port == 8081
            case ("x", "c"):
                return False
        return True

    check(cluster, matrix, allows)


def test_policies_add_up_and_both_ends_must_agree(
    cluster: Cluster, matrix: dict[Pod, str], apply: Callable[..., None]
) -> None:
    """x may be entered by y or, on a range of ports, by z; from y only 8080 may be called."""
    apply("x", "from-y", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"space": "y"}}}]}])
    ports = [{"port": 8081, "endPort": 8090}]
    apply("x", "from-z", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"space": "z"}}}], "ports": ports}])
    apply("y", "out", policyTypes=["Egress"], egress=[{"ports": [{"port": 8080}]}])

    def allows(source: Pod, target: Pod, port: int) -> bool:
        leaves = source[0] != "y" or port == 8080
        enters = target[0] != "x" or source[0] == "y" or (source[0] == "z" and port == 8081)
        return leaves and enters

    check(cluster, matrix, allows)


def test_blocks_of_addresses(cluster: Cluster, matrix: dict[Pod, str], apply: Callable[..., None]) -> None:
    out = {"ipBlock": {"cidr": "10.0.0.0/8", "except": [f"{matrix['z', 'a']}/32"]}}
    apply("x", "blocks", policyTypes=["Egress"], egress=[{"to": [out]}])
    check(cluster, matrix, lambda source, target, port: source[0] != "x" or target != ("z", "a"))


def test_rules_follow_labels(cluster: Cluster, matrix: dict[Pod, str], apply: Callable[..., None]) -> None:
    apply("x", "chosen", ingress=[{"from": [{"podSelector": {"matchLabels": {"chosen": "yes"}}}]}])
    check(cluster, matrix, lambda source, target, port: target[0] != "x")
    cluster.kubectl("label", "pod", "-n", "policy-x", "c", "chosen=yes").quiet()
    try:
        check(cluster, matrix, lambda source, target, port: target[0] != "x" or source == ("x", "c"))
    finally:
        cluster.kubectl("label", "pod", "-n", "policy-x", "c", "chosen-").quiet()
    assert json.loads(cluster.kubectl("get", "networkpolicy", "-n", "policy-x", "-o", "json").quiet())["items"]
