"""What Ingresses ask for becomes one table: the older claim holds, and what cannot be done is said."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.client.interface import Key
from longboat.network.ingress import routing
from longboat.network.ingress.routing import Cluster, Problem
from longboat.network.ingress.views import Ingress, IngressClass
from longboat.network.views import EndpointSlice, Service

SERVICE = msgspec.convert({"spec": {"ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]}}, Service)
SLICE = msgspec.convert(
    {
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [
            {"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
        ],
    },
    EndpointSlice,
)  # fmt: skip
CLUSTER = Cluster(lambda key: SERVICE if key.name == "web" else None, lambda key: [SLICE])


def ingress(
    name: str, *paths: tuple[str, str, str], service: str = "web", port: Any = 80, namespace: str = "n", **spec: Any
) -> Ingress:
    """Each path: host, path, pathType."""
    to = {"service": {"name": service, "port": {"name" if isinstance(port, str) else "number": port}}}
    rules = [
        {"host": host, "http": {"paths": [{"path": path, "pathType": kind, "backend": to}]}}
        for host, path, kind in paths
    ]
    meta = {"namespace": namespace, "name": name, "creationTimestamp": f"2026-01-01T00:00:0{len(name)}Z"}
    return msgspec.convert({"metadata": meta, "spec": {"rules": rules, **spec}}, Ingress)


def test_places() -> None:
    made = routing.table(
        [ingress("i", ("A.b", "/x/", "Prefix"), ("A.b", "/x", "Exact"), ("*.b", "/", "Prefix"),
                 ("", "/y", "ImplementationSpecific"))],
        CLUSTER,
    )  # fmt: skip
    assert made.exact == {"a.b/x": "n_web_80"}
    assert made.prefix == {"a.b/x/": "n_web_80", "*.b/": "n_web_80", "*/y/": "n_web_80"}
    assert made.backends == {"n_web_80": (("10.0.0.1", 8080),)} and made.problems == []


def test_the_older_of_two_claims_holds_in_whatever_order_they_come() -> None:
    old, young = ingress("i", ("a", "/", "Prefix")), ingress("ii", ("a", "/", "Prefix"), port="http")
    for order in ([old, young], [young, old]):
        made = routing.table(order, CLUSTER)
        assert made.prefix == {"a/": "n_web_80"}
        assert made.problems == [Problem(Key("n", "ii"), "Conflict", "a/ is served for Ingress n/i already")]


def test_of_two_namespaces_the_older_has_the_host_the_wildcard_and_what_is_left() -> None:
    to = {"service": {"name": "web", "port": {"number": 80}}}
    old = ingress("i", ("a", "/x", "Prefix"), ("*.w", "/", "Prefix"), ("", "/x", "Exact"), defaultBackend=to)
    young = ingress(
        "ii", ("a", "/y", "Prefix"), ("b.w", "/", "Prefix"), ("c.b.w", "/", "Prefix"), ("", "/y", "Exact"),
        namespace="m", defaultBackend=to, tls=[{"hosts": ["a"], "secretName": "s"}, {"secretName": "t"}],
    )  # fmt: skip
    for order in ([old, young], [young, old]):
        made = routing.table(order, CLUSTER)
        assert made.exact == {"*/x": "n_web_80"} and made.default == "n_web_80"
        assert made.prefix == {"a/x/": "n_web_80", "*.w/": "n_web_80", "c.b.w/": "m_web_80"}
        assert made.certificates == {Key("m", "t"): ("c.b.w",)}
        why = "not served, for an older Ingress of another namespace has it: "
        lost = "a, b.w, rules without a host, the default backend"
        assert made.problems == [Problem(Key("m", "ii"), "Conflict", why + lost)]
        assert made.hosts.held() == {"a": "n", "*.w": "n", "c.b.w": "m"}


def test_hosts_that_are_shared_are_everybodys() -> None:
    old, young = ingress("i", ("a", "/x", "Prefix")), ingress("ii", ("a", "/y", "Prefix"), namespace="m")
    made = routing.table([old, young], CLUSTER, shares=lambda ingress: ingress is old)
    assert made.prefix == {"a/x/": "n_web_80", "a/y/": "m_web_80"} and made.hosts.held() == {"a": "*"}
    assert routing.table([old, young], CLUSTER, shares=lambda ingress: ingress is young).prefix == {"a/x/": "n_web_80"}


def test_a_path_longer_than_haproxy_reads_is_left_out() -> None:
    made = routing.table([ingress("i", ("a", "/" + "x" * 9000, "Exact"), ("a", "/", "Prefix"))], CLUSTER)
    assert made.exact == {} and made.prefix == {"a/": "n_web_80"}
    assert made.problems == [Problem(Key("n", "i"), "Unsupported", "a path of a is longer than 8192")]


def test_what_cannot_be_found_has_nobody_behind_it_and_is_told() -> None:
    made = routing.table(
        [ingress("i", ("a", "/", "Prefix"), service="none"), ingress("ii", ("b", "/", "Prefix"), port=82),
         ingress("iii", defaultBackend={"resource": {"kind": "Bucket", "name": "b"}})],
        CLUSTER,
    )  # fmt: skip
    assert set(made.backends.values()) == {()} and made.default == "n_none"
    assert [(p.reason, p.message) for p in made.problems] == [
        ("ServiceNotFound", 'Service "n/none" not found'),
        ("ServicePortNotFound", 'Service "n/web" has no port 82'),
        ("Unsupported", "resource backends are not served: name a Service"),
    ]


def test_a_path_cannot_leave_its_line() -> None:
    made = routing.table([ingress("i", ("a", "/x y\n* evil\té", "Exact"))], CLUSTER)
    (place,) = made.exact
    assert place == "a/x%20y%0A*%20evil%09%C3%A9"


def test_certificates_are_for_the_hosts_that_name_them_or_all_of_the_ingress() -> None:
    made = routing.table(
        [ingress("i", ("a", "/", "Prefix"), tls=[{"hosts": ["x", "y"], "secretName": "s"}, {"secretName": "t"}, {}])],
        CLUSTER,
    )  # fmt: skip
    assert made.certificates == {Key("n", "s"): ("x", "y"), Key("n", "t"): ("a",)}


def test_an_ingress_without_rules_comes_first_as_the_default() -> None:
    to = {"service": {"name": "web", "port": {"name": "admin"}}}
    with_rules = ingress("i", ("a", "/", "Prefix"), defaultBackend={"service": {"name": "web", "port": {"number": 80}}})
    assert routing.table([with_rules], CLUSTER).default == "n_web_80"
    assert routing.table([with_rules, ingress("ii", defaultBackend=to)], CLUSTER).default == "n_web_admin"


def test_only_our_classes_are_served() -> None:
    classes = {
        name: msgspec.convert({"metadata": {"name": name}, "spec": {"controller": controller}}, IngressClass)
        for name, controller in (("longboat", "longboat.dev/ingress"), ("nginx", "k8s.io/ingress-nginx"))
    }
    by_note = msgspec.convert({"metadata": {"annotations": {"kubernetes.io/ingress.class": "longboat"}}}, Ingress)
    assert routing.is_ours(ingress("i", ingressClassName="longboat"), classes)
    assert routing.is_ours(by_note, classes)
    assert not routing.is_ours(ingress("i", ingressClassName="nginx"), classes)
    assert not routing.is_ours(ingress("i", ingressClassName="gone"), classes)
    assert not routing.is_ours(ingress("i"), classes)
