"""The smaller kinds of the core group, and those that every cluster needs."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.user import User
from longboat.registry.strategy import Deletion
from longboat.registry.write import Write
from unit.registry.kinds.checks import BY_RESOURCE, CTX, cells, changed, made, said, said_of_update

META = {"name": "x", "namespace": "default"}


def kind(resource: str) -> Any:
    return BY_RESOURCE[resource]


REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("configmaps", {"data": {"a": "1"}, "binaryData": {"a": "YQ=="}}, [
        'data[a]: Invalid value: "a": duplicate of key present in binaryData']),
    ("configmaps", {"data": {"a b": "1"}}, [
        'data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, \'-\', \'_\' or '
        "'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"]),
    ("configmaps", {"data": {"a": "x" * (1 << 20) + "y"}}, ["[]: Too long: may not be more than 1048576 bytes"]),
    ("secrets", {"type": "kubernetes.io/tls", "data": {"tls.crt": "YQ=="}}, ["data[tls.key]: Required value"]),
    ("secrets", {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}, []),
    ("secrets", {"type": "kubernetes.io/service-account-token"}, [
        "metadata.annotations[kubernetes.io/service-account.name]: Required value"]),
    ("secrets", {"stringData": {"a": "b"}}, []),
    ("nodes", {"spec": {"taints": [{"key": "a", "effect": "No"}]}}, [
        'metadata.taints[0].effect: Unsupported value: "No": supported values: "NoSchedule", '
        '"PreferNoSchedule", "NoExecute"']),
    ("nodes", {"spec": {"podCIDR": "10.0.0.0"}}, [
        'spec.podCIDRs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
    ]),
    ("endpoints", {"subsets": [{"ports": [{"port": 80}]}]}, [
        "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"]),
    ("endpointslices.discovery.k8s.io", {"addressType": "IPv4", "endpoints": [{"addresses": []}]}, [
        "endpoints[0].addresses: Required value: must contain at least 1 address"]),
    ("events", {"involvedObject": {"namespace": "other"}}, [
        'involvedObject.namespace: Invalid value: "other": does not match event.namespace']),
    ("events.events.k8s.io", {}, [
        "eventTime: Required value", 'type: Invalid value: "": has invalid value: ']),
    ("leases.coordination.k8s.io", {"spec": {"leaseDurationSeconds": 0}}, [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]),
    ("priorityclasses.scheduling.k8s.io", {"value": 2_000_000_000}, [
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"]),
    ("limitranges", {"spec": {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}}, [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1']),
    ("resourcequotas", {"spec": {"hard": {"bananas": "1"}}}, [
        'spec.hard[bananas]: Invalid value: "bananas": must be a standard resource type or fully qualified',
        'spec.hard[bananas]: Invalid value: "bananas": must be a standard resource for quota']),
    ("ingressclasses.networking.k8s.io", {"spec": {"controller": "nginx"}}, [
        'spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")']),
    ("cronjobs.batch", {"spec": {"schedule": "* * * *", "jobTemplate": {"spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "a", "image": "b:1"}]}}}}}}, [
        'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]']),
    ("jobs.batch", {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "b:1"}]}}}}, [
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"']),
    ("ingresses.networking.k8s.io", {"spec": {"rules": [{"http": {"paths": [{"path": "a", "pathType": "Prefix",
        "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}, [
        'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path']),
    ("networkpolicies.networking.k8s.io", {"spec": {"ingress": [{"from": [{}]}]}}, [
        "spec.ingress[0].from[0]: Required value: must specify a peer"]),
    ("persistentvolumeclaims", {"spec": {"accessModes": ["ReadWriteOnce"]}}, [
        "spec.resources[storage]: Required value"]),
    ("roles.rbac.authorization.k8s.io", {"rules": [{"verbs": [], "resources": ["pods"]}]}, [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group"]),
    ("roles.rbac.authorization.k8s.io", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}, [
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs']),
    ("clusterrolebindings.rbac.authorization.k8s.io", {
        "roleRef": {"kind": "Role", "name": "a"}, "subjects": [{"kind": "ServiceAccount", "name": "b"}]}, [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        "subjects[0].namespace: Required value"]),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "obj", "expected"), REFUSED, ids=lambda value: str(value)[:40])
def test_validation(resource: str, obj: dict[str, Any], expected: list[str]) -> None:
    assert said(kind(resource), {"metadata": dict(META, uid="u"), **obj}) == expected


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("configmaps", {"immutable": True, "data": {"a": "1"}}, {"data": {"a": "2"}}, [
        "data: Forbidden: field is immutable when `immutable` is set"]),
    ("secrets", {"type": "Opaque"}, {"type": "a/b"}, ['type: Invalid value: "a/b": field is immutable']),
    ("rolebindings.rbac.authorization.k8s.io", {"roleRef": {"kind": "Role", "name": "a"}},
     {"roleRef": {"kind": "Role", "name": "b"}}, [
        'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"b"}: cannot change '
        "roleRef"]),
    ("nodes", {"spec": {"podCIDR": "10.0.0.0/24"}}, {"spec": {"podCIDR": "10.0.1.0/24"}}, [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid']),
    ("priorityclasses.scheduling.k8s.io", {"value": 1}, {"value": 2}, [
        "value: Forbidden: may not be changed in an update."]),
    ("endpointslices.discovery.k8s.io", {"addressType": "IPv4"}, {"addressType": "IPv6"}, [
        'addressType: Invalid value: "IPv6": field is immutable']),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "old", "new", "expected"), CHANGES, ids=lambda value: str(value)[:40])
def test_update(resource: str, old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    before = {"metadata": META, **old}
    assert said_of_update(kind(resource), before, {**before, **new}) == expected


def test_string_data_becomes_data() -> None:
    assert made(kind("secrets"), {"metadata": META, "stringData": {"a": "b"}}) == {
        "metadata": META, "type": "Opaque", "data": {"a": "Yg=="},
    }  # fmt: skip


def test_a_namespace_lives_until_it_is_finalized() -> None:
    strategy = kind("namespaces")
    made_ = made(strategy, {"metadata": {"name": "x"}})
    assert made_ == {
        "metadata": {"name": "x", "labels": {"kubernetes.io/metadata.name": "x"}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    }  # fmt: skip
    assert strategy.held(made_)
    new = changed(made_, spec__finalizers=[])
    strategy.prepare_update(new, made_, CTX)
    assert new["spec"]["finalizers"] == ["kubernetes"]  # not by an ordinary write
    new = changed(made_, spec__finalizers=[])
    strategy.prepare_update(new, made_, Write(now=CTX.now, subresource="finalize"))
    assert not strategy.held(new)
    strategy.begin_delete(new, CTX)
    assert new["status"]["phase"] == "Terminating"
    assert Deletion().grace is None


def test_limit_range_defaults() -> None:
    item = {"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "1Mi"}}
    (found,) = made(kind("limitranges"), {"metadata": META, "spec": {"limits": [item]}})["spec"]["limits"]
    assert found["default"] == {"cpu": "1"}
    assert found["defaultRequest"] == {"cpu": "1", "memory": "1Mi"}


def test_a_job_selects_its_own_pods() -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b:1"}]}}
    job = made(kind("jobs.batch"), {"metadata": {**META, "uid": "u"}, "spec": {"template": template}})
    spec = job["spec"]
    assert job["metadata"]["labels"] == spec["template"]["metadata"]["labels"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    assert spec["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "x"
    assert (spec["parallelism"], spec["completions"], spec["backoffLimit"]) == (1, 1, 6)


SHOWN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("nodes", {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}, "spec": {"unschedulable": True},
               "status": {"conditions": [{"type": "Ready", "status": "True"}],
                          "addresses": [{"type": "InternalIP", "address": "10.0.0.2"}]}},
     {"Status": "Ready,SchedulingDisabled", "Roles": "control-plane", "Internal-IP": "10.0.0.2"}),
    ("endpoints", {"subsets": [{"addresses": [{"ip": f"10.0.0.{i}"} for i in range(1, 6)], "ports": [{"port": 80}]}]},
     {"Endpoints": "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."}),
    ("endpointslices.discovery.k8s.io", {"addressType": "IPv4", "ports": [{"port": 80}],
                                         "endpoints": [{"addresses": ["10.0.0.1"]}]},
     {"AddressType": "IPv4", "Ports": "80", "Endpoints": "10.0.0.1"}),
    ("events", {"involvedObject": {"kind": "Pod", "name": "p"}, "count": 3, "lastTimestamp": "2026-01-02T03:03:05Z",
                "message": "hi\n", "source": {"component": "c", "host": "h"}},
     {"Last Seen": "60s", "Object": "pod/p", "Count": 3, "Message": "hi", "Source": "c, h"}),
    ("jobs.batch", {"spec": {"completions": 3}, "status": {"succeeded": 1, "startTime": "2026-01-02T03:03:05Z"}},
     {"Status": "Running", "Completions": "1/3", "Duration": "60s"}),
    ("storageclasses.storage.k8s.io", {
        "metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}},
     {"Name": "fast (default)"}),
    ("resourcequotas", {"status": {"hard": {"pods": "5", "limits.cpu": "2"}, "used": {"pods": "1"}}},
     {"Request": "pods: 1/5", "Limit": "limits.cpu: 0/2"}),
    ("certificatesigningrequests.certificates.k8s.io", {
        "spec": {"expirationSeconds": 86400 * 3}, "status": {"conditions": [{"type": "Approved"}], "certificate": "x"}},
     {"Condition": "Approved,Issued", "RequestedDuration": "3d"}),
    ("ipaddresses.networking.k8s.io", {
        "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "kubernetes"}}},
     {"ParentRef": "services/default/kubernetes"}),
    ("rolebindings.rbac.authorization.k8s.io", {
        "roleRef": {"kind": "Role", "name": "r"}, "subjects": [
            {"kind": "ServiceAccount", "namespace": "n", "name": "s"}, {"kind": "User", "name": "u"}]},
     {"Role": "Role/r", "Users": "u", "ServiceAccounts": "n/s"}),
    ("horizontalpodautoscalers.autoscaling", {"spec": {"metrics": [{"type": "Resource", "resource": {
        "name": "cpu", "target": {"averageUtilization": 80}}}]}, "status": {"currentMetrics": [{"resource": {
            "current": {"averageUtilization": 20}}}]}},
     {"Targets": "cpu: 20%/80%"}),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "obj", "expected"), SHOWN, ids=lambda value: str(value)[:40])
def test_columns(resource: str, obj: dict[str, Any], expected: dict[str, Any]) -> None:
    row = cells(kind(resource), obj)
    assert {name: row[name] for name in expected} == expected


def test_who_asks_for_a_certificate_is_who_is_asking() -> None:
    strategy = kind("certificatesigningrequests.certificates.k8s.io")
    new: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"username": "root"}}
    strategy.prepare_create(new, Write(now=CTX.now, user=User("u", ("g",), "1", {"k": ("v",)})))
    assert new["spec"] == {"username": "u", "groups": ["g"], "uid": "1", "extra": {"k": ["v"]}}
