from __future__ import annotations

from typing import Any

import pytest

from unit.registry.kinds.checks import BY_RESOURCE, cells, changed, made, said, said_of_update

SERVICE = BY_RESOURCE["services"]
WEB: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
P = "spec__ports__0__"


def test_defaults() -> None:
    found = made(SERVICE, WEB)
    assert found["spec"] == {
        "selector": {"app": "web"}, "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }  # fmt: skip
    assert found["status"] == {"loadBalancer": {}}
    found = made(SERVICE, changed(WEB, spec__type="LoadBalancer", spec__sessionAffinity="ClientIP"))
    assert found["spec"]["externalTrafficPolicy"] == "Cluster"
    assert found["spec"]["allocateLoadBalancerNodePorts"] is True
    assert found["spec"]["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


INVALID: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"spec__ports": []}, ["spec.ports: Required value"]),
    ({"spec__ports": [], "spec__clusterIP": "None"}, []),
    ({P + "port": 0}, [
        "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive"]),
    ({P + "targetPort": "a_b"}, [
        'spec.ports[0].targetPort: Invalid value: "a_b": must contain only alpha-numeric characters (a-z, 0-9), and '
        "hyphens (-)"]),
    ({"spec__ports": [{"port": 80}, {"port": 81}]}, [
        "spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]),
    ({"spec__ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}, [
        'spec.ports[1].name: Duplicate value: "a"']),
    ({P + "nodePort": 30000}, ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
    ({"spec__type": "Magic"}, [
        'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
        '"NodePort"']),
    ({"spec__type": "ExternalName"}, ["spec.externalName: Required value"]),
    ({"spec__type": "ExternalName", "spec__externalName": "example.com"}, []),
    ({"spec__type": "NodePort", "spec__clusterIP": "None"}, [
        "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"]),
    ({"spec__sessionAffinity": "Sometimes"}, [
        'spec.sessionAffinity: Unsupported value: "Sometimes": supported values: "ClientIP", "None"']),
    ({"spec__clusterIP": "10.0.0"}, [
        'spec.clusterIPs[0]: Invalid value: "10.0.0": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']),
    ({"spec__clusterIPs": ["10.0.0.1"], "spec__clusterIP": "10.0.0.2"}, [
        'spec.clusterIPs: Invalid value: ["10.0.0.1"]: first value must match `clusterIP`']),
    ({"spec__ipFamilies": ["IPv5"]}, [
        'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"']),
    ({"spec__externalIPs": ["127.0.0.1"]}, [
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)']),
    ({"spec__externalTrafficPolicy": "Local"}, [
        'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services']),
    ({"spec__internalTrafficPolicy": "Near"}, [
        'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"']),
    ({"spec__loadBalancerSourceRanges": ["10.0.0.0/8"]}, [
        "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), INVALID, ids=lambda value: str(value)[:60])
def test_validation(change: dict[str, Any], expected: list[str]) -> None:
    assert said(SERVICE, changed(WEB, **change)) == expected


GIVEN = changed(
    WEB, spec__clusterIP="10.96.0.5", spec__clusterIPs=["10.96.0.5"], spec__ipFamilies=["IPv4"],
    spec__ipFamilyPolicy="SingleStack",
)  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [
    ({}, []),
    ({"spec__clusterIP": None, "spec__clusterIPs": None}, []),
    ({"spec__clusterIP": "10.96.0.6"}, ['spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set']),
    ({"spec__type": "ExternalName", "spec__externalName": "a.b"}, []),
    ({"spec__type": "NodePort"}, []),
], ids=str)  # fmt: skip
def test_update(change: dict[str, Any], expected: list[str]) -> None:
    assert said_of_update(SERVICE, GIVEN, changed(GIVEN, **change)) == expected


@pytest.mark.parametrize(("change", "expected"), [
    ({}, ("ClusterIP", "10.96.0.5", "<none>", "80/TCP")),
    ({"spec__type": "NodePort", P + "nodePort": 30080}, ("NodePort", "10.96.0.5", "<none>", "80:30080/TCP")),
    ({"spec__type": "LoadBalancer"}, ("LoadBalancer", "10.96.0.5", "<pending>", "80/TCP")),
    ({"spec__type": "LoadBalancer", "status__loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
     ("LoadBalancer", "10.96.0.5", "1.2.3.4", "80/TCP")),
    ({"spec__type": "ExternalName", "spec__externalName": "a.b", "spec__clusterIP": None, "spec__ports": None},
     ("ExternalName", "<none>", "a.b", "<none>")),
], ids=str)  # fmt: skip
def test_columns(change: dict[str, Any], expected: tuple[str, ...]) -> None:
    obj = changed(GIVEN, **change)
    SERVICE.default(obj)
    row = cells(SERVICE, obj)
    assert tuple(row[name] for name in ("Type", "Cluster-IP", "External-IP", "Port(s)")) == expected
    assert row["Selector"] == "app=web"
