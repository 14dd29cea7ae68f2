"""What upstream warns about, kind by kind, in its words and order (GetWarningsFor…, and the strategies' own)."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.user import User
from longboat.registry import judging
from longboat.registry.kinds import notes
from longboat.registry.write import Write
from unit.registry.kinds.checks import BY_RESOURCE, NOW, STRATEGIES, made

USE_OS = 'deprecated since v1.14; use "kubernetes.io/os" instead'
OS = 'beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead'
OLD_OS = {"key": "beta.kubernetes.io/os", "operator": "In", "values": ["linux"]}
CLASS = "volume.beta.kubernetes.io/storage-class"
USE_CLASS = f'metadata.annotations[{CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead'
HALVES = {"resources": {"requests": {"storage": "1500m"}, "limits": {"storage": "2500m"}}}
FUTURE = "will be considered invalid in a future Kubernetes release"
ZEROS = f'non-standard IP address "010.0.0.1" {FUTURE}: use "10.0.0.1"'
LONG_IP = "2001:db8:0::1"
LONG = 'IPv6 address "2001:db8:0::1" should be in RFC 5952 canonical format ("2001:db8::1")'
BITS = 'CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)'


def halves(path: str) -> list[str]:
    return [
        f'{path}.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
        f'{path}.resources.limits[storage]: fractional byte value "2500m" is invalid, must be an integer',
    ]


@pytest.mark.parametrize(
    ("resource", "obj", "expected"),
    [
        ("persistentvolumes", {
            "metadata": {"annotations": {CLASS: "", "volume.beta.kubernetes.io/mount-options": ""}},
            "spec": {
                "persistentVolumeReclaimPolicy": "Recycle", "storageos": {},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [OLD_OS]}]}},
            },
        }, [
            USE_CLASS,
            "metadata.annotations[volume.beta.kubernetes.io/mount-options]: "
            'deprecated since v1.31; use "mountOptions" attribute instead',
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning.",
            f"spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: {OS}",
            "spec.storageOS: deprecated in v1.22, non-functional in v1.25+",
        ]),
        ("persistentvolumes", {"spec": {"cephfs": {}}}, ["spec.cephfs: deprecated in v1.28, non-functional in v1.31+"]),
        ("persistentvolumeclaims", {"metadata": {"annotations": {CLASS: "a"}}, "spec": HALVES}, [
            USE_CLASS, *halves("spec")]),
        ("persistentvolumeclaims", {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}, []),
        ("statefulsets.apps", {"spec": {"volumeClaimTemplates": [{"spec": HALVES}]}}, halves(
            "spec.volumeClaimTemplates[0]")),
        ("pods", {"spec": {"volumes": [{"ephemeral": {"volumeClaimTemplate": {"spec": HALVES}}}]}}, halves(
            "spec.volumes[0].ephemeral.volumeClaimTemplate.spec")),
        ("endpoints", {"subsets": [{"addresses": [{"ip": "010.0.0.1"}], "notReadyAddresses": [{"ip": LONG_IP}]}]},
         [f"subsets[0].addresses[0].ip: {ZEROS}", f"subsets[0].notReadyAddresses[0].ip: {LONG}"]),
        ("endpoints", {
            "metadata": {"labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}},
            "subsets": [{"addresses": [{"ip": "010.0.0.1"}]}],
        }, []),
        ("endpointslices.discovery.k8s.io", {"endpoints": [{}, {"addresses": ["10.0.0.1", "010.0.0.1"]}]}, [
            f"endpoints[1].addresses[1]: {ZEROS}"]),
        ("endpointslices.discovery.k8s.io", {
            "metadata": {"labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}},
            "endpoints": [{"addresses": ["010.0.0.1"]}],
        }, []),
        ("networkpolicies.networking.k8s.io", {"spec": {
            "ingress": [{"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.1/8", "except": ["10.0.0.1/8"]}}]}],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}],
        }}, [
            f"spec.ingress[0].from[1].ipBlock.cidr: {BITS}",
            f"spec.ingress[0].from[1].ipBlock.except[0]: {BITS}",
            f"spec.egress[0].to[0].ipBlock.cidr: {BITS}",
        ]),
        ("nodes", {"spec": {"externalID": "a", "podCIDRs": ["10.0.0.0/24", "10.0.0.1/8"]}}, [
            "spec.externalID: this field is deprecated, and is unused by Kubernetes", f"spec.podCIDRs[1]: {BITS}"]),
        ("ingresses.networking.k8s.io", {"metadata": {"annotations": {"kubernetes.io/ingress.class": "a"}}}, [
            "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"]),
        ("ingresses.networking.k8s.io", {
            "metadata": {"annotations": {"kubernetes.io/ingress.class": "a"}}, "spec": {"ingressClassName": "a"},
        }, []),
        ("runtimeclasses.node.k8s.io", {"scheduling": {"nodeSelector": {"beta.kubernetes.io/os": "a"}}}, [
            f'scheduling.nodeSelector: {USE_OS}']),
        ("storageclasses.storage.k8s.io", {"allowedTopologies": [{"matchLabelExpressions": [OLD_OS]}]}, [
            f'allowedTopologies[0].matchLabelExpressions[0].key: {USE_OS}']),
        ("csistoragecapacities.storage.k8s.io", {"nodeTopology": {
            "matchExpressions": [OLD_OS], "matchLabels": {"beta.kubernetes.io/os": "a"},
        }}, [
            f"nodeTopology.matchExpressions[0].key: {OS}",
            f'nodeTopology.matchLabels.beta.kubernetes.io/os: {USE_OS}',
        ]),
    ],
)  # fmt: skip
def test_warnings(resource: str, obj: dict[str, Any], expected: list[str]) -> None:
    assert BY_RESOURCE[resource].warnings({"metadata": {"name": "a"}} | obj, None) == expected


@pytest.mark.parametrize(
    ("resource", "status", "expected"),
    [
        ("pods", {"podIPs": [{"ip": "010.0.0.1"}], "hostIPs": [{"ip": "2001:db8:0::1"}]}, [
            f"status.podIPs[0].ip: {ZEROS}", f"status.hostIPs[0].ip: {LONG}"]),
        ("services", {"loadBalancer": {"ingress": [{"hostname": "a"}, {"ip": "010.0.0.1"}]}}, [
            f"status.loadBalancer.ingress[1]: {ZEROS}"]),
    ],
)  # fmt: skip
def test_warnings_about_a_status(resource: str, status: dict[str, Any], expected: list[str]) -> None:
    assert BY_RESOURCE[resource].status_warnings({"metadata": {"name": "a"}, "status": status}) == expected


def test_a_status_write_is_not_warned_of_what_the_spec_says() -> None:
    volumes = BY_RESOURCE["persistentvolumes"]
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/a"}}
    volume = {"metadata": {"name": "a", "uid": "u"}, "spec": spec | {"persistentVolumeReclaimPolicy": "Recycle"}}
    old, new = made(volumes, volume), made(volumes, volume)
    part = next(part for part in volumes.parts().values() if part.name == "status")
    write = Write(now=NOW, user=User("somebody"), subresource="status")
    assert judging.judge_change(volumes, part, new, old, "a", write) == []
    write.subresource = ""
    assert len(judging.judge_change(volumes, None, new, old, "a", write)) == 1


def test_there_are_no_more_than_a_header_holds() -> None:
    many = {"metadata": {"name": "a"}, "endpoints": [{"addresses": ["010.0.0.1"] * 1000}]}
    assert len(BY_RESOURCE["endpointslices.discovery.k8s.io"].warnings(many, None)) == notes.MOST


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.kind.resource)
def test_nothing_is_said_of_an_object_that_says_nothing(strategy: Any) -> None:
    assert strategy.warnings({"metadata": {"name": "a"}}, None) == []
    assert strategy.status_warnings({"metadata": {"name": "a"}}) == []
