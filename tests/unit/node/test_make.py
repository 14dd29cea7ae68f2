"""From a pod's spec to what the runtime is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.node.cri.config import DNS
from longboat.node.cri.interface import Image
from longboat.node.make import cgroups, dns, env, fields, security
from longboat.node.make.config import completes
from longboat.node.make.dns import Resolver
from longboat.node.make.env import Sources
from longboat.node.make.expansion import expand, expand_strictly
from longboat.node.make.fields import Surroundings
from longboat.node.safeguards import Safeguards
from longboat.node.views.objects import ConfigMap, Secret, Service, ServicePort, ServiceSpec
from longboat.node.views.volumes import FieldRef, ResourceFieldRef
from unit.node.build import container, pod

AROUND = Surroundings(
    node_name="n", host_ips=("192.0.2.1",), pod_ips=("10.0.0.2",), allocatable={"cpu": "4", "memory": "1Gi"}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"), ("x$(A)y$(B)", "x1y2"), ("$$(A)", "$(A)"), ("$(C)", "$(C)"), ("$", "$"), ("$A", "$A"),
        ("$(", "$("), ("$$$(A)", "$1"), ("$$$$(A)", "$$(A)"), ("", ""), ("$(A", "$(A"), ("$()", "$()"),
    ],
)  # fmt: skip
def test_references_are_replaced(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


@given(st.text(alphabet="$()AB", max_size=12))
def test_expansion_never_fails(text: str) -> None:
    assert "$" in text or expand(text, {"A": "1"}) == text


def test_a_path_may_not_name_what_is_not_there() -> None:
    with pytest.raises(KeyError, match="C"):
        expand_strictly("a/$(C)", {"A": "1"})


def environment(sources: Sources = Sources(), services: list[Service] | None = None, **more: Any) -> dict[str, str]:
    given = pod("p", container("c", **more))
    return env.environment(given, given.spec.containers[0], sources, services or [], AROUND)


def test_variables_see_those_before_them() -> None:
    listed = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "C", "value": "3"}]
    assert environment(env=listed) == {"A": "1", "B": "1$(C)", "C": "3"}


def test_whole_objects_come_first_and_may_be_overridden() -> None:
    sources = Sources(
        config_maps={"cm": ConfigMap(data={"A": "cm", "B": "cm"})}, secrets={"s": Secret(data={"B": "cw=="})}
    )
    froms = [{"configMapRef": {"name": "cm"}}, {"prefix": "P_", "secretRef": {"name": "s"}}]
    assert environment(sources, envFrom=froms, env=[{"name": "A", "value": "own"}]) == {
        "A": "own",
        "B": "cm",
        "P_B": "s",
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found'),
        ({"secretKeyRef": {"name": "no", "key": "k"}}, 'secret "no" not found'),
        ({"configMapKeyRef": {"name": "cm", "key": "no"}}, "couldn't find key no in ConfigMap default/cm"),
        ({"secretKeyRef": {"name": "s", "key": "no"}}, "couldn't find key no in Secret default/s"),
        ({"fieldRef": {"fieldPath": "spec.nope"}}, "unsupported fieldPath: spec.nope"),
    ],
)
def test_what_is_missing_is_named_in_upstreams_words(source: dict[str, Any], message: str) -> None:
    sources = Sources(config_maps={"cm": ConfigMap(), "no": None}, secrets={"s": Secret(), "no": None})
    with pytest.raises(env.EnvError) as caught:
        environment(sources, env=[{"name": "X", "valueFrom": source}])
    assert str(caught.value) == message
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            source[kind]["optional"] = True
            assert environment(sources, env=[{"name": "X", "valueFrom": source}]) == {}


def service(name: str, namespace: str = "default", ip: str = "10.96.0.9") -> Service:
    from longboat.api.view import Meta

    ports = [ServicePort(name="web", port=80), ServicePort(name="dns", port=53, protocol="UDP")]
    return Service(metadata=Meta(name=name, namespace=namespace), spec=ServiceSpec(clusterIP=ip, ports=ports))


def test_services_of_the_namespace_are_told() -> None:
    made = environment(services=[service("my-db"), service("other", "elsewhere"), service("none", ip="None")])
    assert made == {
        "MY_DB_SERVICE_HOST": "10.96.0.9", "MY_DB_SERVICE_PORT": "80", "MY_DB_SERVICE_PORT_WEB": "80",
        "MY_DB_SERVICE_PORT_DNS": "53", "MY_DB_PORT": "tcp://10.96.0.9:80",
        "MY_DB_PORT_80_TCP": "tcp://10.96.0.9:80", "MY_DB_PORT_80_TCP_PROTO": "tcp", "MY_DB_PORT_80_TCP_PORT": "80",
        "MY_DB_PORT_80_TCP_ADDR": "10.96.0.9", "MY_DB_PORT_53_UDP": "udp://10.96.0.9:53",
        "MY_DB_PORT_53_UDP_PROTO": "udp", "MY_DB_PORT_53_UDP_PORT": "53", "MY_DB_PORT_53_UDP_ADDR": "10.96.0.9",
    }  # fmt: skip


def test_without_links_only_the_api_is_told() -> None:
    given = pod("p", container(), enableServiceLinks=False)
    made = env.service_variables(given, [service("db"), service("kubernetes")])
    assert {name.split("_")[0] for name in made} == {"KUBERNETES"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"), ("metadata.namespace", "default"), ("metadata.labels['a']", "1"),
        ("metadata.labels['no']", ""), ("metadata.labels", 'a="1"\nb="x\\"y"'), ("spec.nodeName", "n"),
        ("spec.serviceAccountName", "default"), ("status.podIP", "10.0.0.2"), ("status.hostIPs", "192.0.2.1"),
    ],
)  # fmt: skip
def test_fields(path: str, expected: str) -> None:
    given = pod("p", metadata={"labels": {"b": 'x"y', "a": "1"}})
    assert fields.field(given, FieldRef(fieldPath=path), AROUND) == expected


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.cpu", "0", "1"), ("limits.cpu", "1m", "500"), ("requests.cpu", "1m", "250"),
        ("limits.memory", "1Mi", "1024"), ("requests.memory", "1", "0"),
    ],
)  # fmt: skip
def test_resources(resource: str, divisor: str, expected: str) -> None:
    given = pod("p", container("c", resources={"requests": {"cpu": "250m"}, "limits": {"cpu": "500m"}}))
    assert fields.resource(given, ResourceFieldRef(resource=resource, divisor=divisor), "c", AROUND) == expected


@pytest.mark.parametrize(
    ("milli", "shares", "quota"), [(0, 2, 0), (1, 2, 1000), (250, 256, 25000), (4000, 4096, 400000)]
)
def test_processor_time(milli: int, shares: int, quota: int) -> None:
    assert (cgroups.shares(milli), cgroups.quota(milli)) == (shares, quota)


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"), ({"limits": BOTH}, "Guaranteed"), ({"limits": BOTH, "requests": BOTH}, "Guaranteed"),
        ({"requests": BOTH}, "Burstable"), ({"limits": {"cpu": "1"}}, "Burstable"),
    ],
)  # fmt: skip
def test_quality_of_service(resources: dict[str, Any], quality: str) -> None:
    given = pod("p", container("c", resources=resources))
    assert cgroups.qos(given) == quality
    parent = cgroups.pod_parent("/root", given)
    tail = f"pod{given.uid}" if quality == "Guaranteed" else f"{quality.lower()}/pod{given.uid}"
    assert parent == f"/root/kubepods/{tail}"


def test_a_pod_is_limited_only_where_all_its_containers_are() -> None:
    limits = {"limits": {"cpu": "500m", "memory": "64Mi"}}
    one = pod("p", container("a", resources=limits), container("b", resources=limits))
    assert cgroups.pod_limits(one) == cgroups.Limits(2, 100_000, 128 << 20)
    two = pod("p", container("a", resources=limits), container("b"))
    assert cgroups.pod_limits(two)[1:] == (0, 0)


@pytest.mark.parametrize(("memory", "score"), [("0", 999), ("4Gi", 500), ("8Gi", 3)])
def test_who_goes_first_when_memory_runs_out(memory: str, score: int) -> None:
    given = pod("p", container("c", resources={"requests": {"memory": memory, "cpu": "1"}}))
    assert cgroups.oom_score(given, given.spec.containers[0], 8 << 30) == score


@pytest.mark.parametrize(
    ("context", "image", "words"),
    [
        ({"runAsUser": 0}, Image(id="i", uid=7), "container's runAsUser breaks non-root policy"),
        ({}, Image(id="i", uid=0), "container has runAsNonRoot and image will run as root"),
        ({}, Image(id="i"), "container has runAsNonRoot and image will run as root"),
        ({}, Image(id="i", user="www"), "container has runAsNonRoot and image has non-numeric user (www), cannot"),
        ({"runAsUser": 5}, Image(id="i"), ""),
        ({}, Image(id="i", uid=5), ""),
    ],
)
def test_root_is_refused_where_the_pod_forbids_it(context: dict[str, Any], image: Image, words: str) -> None:
    given = pod("p", container("c", securityContext=context), securityContext={"runAsNonRoot": True})
    if not words:
        security.check_not_root(given, given.spec.containers[0], image)
        return
    with pytest.raises(security.NotPermitted) as caught:
        security.check_not_root(given, given.spec.containers[0], image)
    assert str(caught.value).startswith(words)
    assert str(caught.value).endswith(f'(pod: "{given}", container: c)')


def test_a_containers_own_context_wins() -> None:
    own = {"runAsUser": 1, "seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}}
    given = pod("p", container("c", securityContext=own),
                securityContext={"runAsUser": 2, "runAsGroup": 3, "fsGroup": 4, "supplementalGroups": [5]})  # fmt: skip
    made = security.for_container(given, given.spec.containers[0], Image(id="i"), Path("/seccomp"), can=Safeguards())
    assert (made.user, made.group, made.supplemental_groups) == (1, 3, (5, 4))
    assert made.seccomp is not None and made.seccomp.path == "/seccomp/a.json"
    assert made.masked_paths and made.read_only_paths


NODE = Resolver(node=DNS(servers=("9.9.9.9",), searches=("home",), options=("a",)), cluster_servers=("10.96.0.10",))


@pytest.mark.parametrize(
    ("spec", "servers", "searches"),
    [
        ({}, ("10.96.0.10",), ("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "home")),
        ({"dnsPolicy": "Default"}, ("9.9.9.9",), ("home",)),
        ({"hostNetwork": True}, ("9.9.9.9",), ("home",)),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["x"]}}, ("1.1.1.1",), ("x",)),
    ],
)
def test_name_servers(spec: dict[str, Any], servers: tuple[str, ...], searches: tuple[str, ...]) -> None:
    found, problems = dns.resolve(pod("p", **spec), NODE)
    assert (found.servers, found.searches, problems) == (servers, searches, [])


def test_too_many_name_servers_are_left_out_aloud() -> None:
    found, problems = dns.resolve(pod("p", dnsConfig={"nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3"]}), NODE)
    assert len(found.servers) == 3 and problems[0].startswith("Nameserver limits were exceeded")


def test_names_of_pods() -> None:
    assert dns.hostname(pod("x" * 62 + ".y"), NODE, "n") == "x" * 62
    full = pod("p", hostname="h", subdomain="s", setHostnameAsFQDN=True)
    assert dns.hostname(full, NODE, "n") == "h.s.default.svc.cluster.local"
    assert dns.hostname(pod("p", hostNetwork=True), NODE, "n") == "n"


def test_a_resolv_conf_is_read() -> None:
    text = "# c\nnameserver 1.1.1.1\nsearch a. b\noptions ndots:2 x\nnameserver ::1 ; y\n"
    assert dns.parse_resolv_conf(text) == DNS(servers=("1.1.1.1", "::1"), searches=("a", "b"), options=("ndots:2", "x"))


JOB = {"ownerReferences": [{"kind": "Job", "name": "j", "controller": True}]}
SERVES: dict[str, Any] = {"ports": [{"containerPort": 80}]}
COMPLETES: list[tuple[dict[str, Any], dict[str, Any], str, bool]] = [  # the pod's spec, the container, its list
    ({}, {}, "containers", False),
    ({}, {}, "initContainers", True),
    ({}, {"restartPolicy": "Always"}, "initContainers", False),
    ({"restartPolicy": "Never"}, {}, "ephemeralContainers", False),
    ({"restartPolicy": "Never"}, {}, "containers", True),
    ({"restartPolicy": "OnFailure"}, {}, "containers", True),
    ({"restartPolicy": "OnFailure"}, SERVES, "containers", False),
    ({"restartPolicy": "Never"}, {"readinessProbe": {"exec": {"command": ["a"]}}}, "containers", False),
    ({"restartPolicy": "Never", "metadata": JOB}, SERVES, "containers", True),
    ({"restartPolicy": "Never", "metadata": JOB}, {"stdin": True}, "containers", False),
    ({}, {"restartPolicy": "Never"}, "containers", True),
    ({"restartPolicy": "Never"}, {"restartPolicy": "Always"}, "containers", False),
]


@pytest.mark.parametrize(("spec", "fields", "listed", "expected"), COMPLETES)
def test_which_containers_are_meant_to_end(
    spec: dict[str, Any], fields: dict[str, Any], listed: str, expected: bool
) -> None:
    asked = {"name": "a", "image": "a", **fields}
    given = pod("p", asked, **spec) if listed == "containers" else pod("p", container(), **spec, **{listed: [asked]})
    found = given.container("a")
    assert found is not None and completes(given, found) is expected
