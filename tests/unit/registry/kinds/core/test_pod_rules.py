"""Rules that upstream's validation of pods has (pkg/apis/core/validation), in its words."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from unit.registry.kinds.checks import BY_RESOURCE, changed, made, said, said_of_update

POD, POD_TEMPLATE = BY_RESOURCE["pods"], BY_RESOURCE["podtemplates"]
SIMPLE: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
}
C = "spec__containers__0__"
V = "spec.volumes[0]."
MODE = "must be a number between 0 and 0777 (octal), both inclusive"


@pytest.mark.parametrize(("source", "expected"), [
    ({"gcePersistentDisk": {}}, ["persistentDisk.pdName: Required value"]),
    ({"awsElasticBlockStore": {"partition": 256}}, [
        "awsElasticBlockStore.volumeID: Required value",
        "awsElasticBlockStore.partition: Invalid value: 256: must be between 1 and 255, inclusive"]),
    ({"nfs": {"server": "s", "path": "data"}}, ['nfs.path: Invalid value: "data": must be an absolute path']),
    ({"iscsi": {"iqn": "other"}}, [
        "iscsi.targetPortal: Required value",
        'iscsi.iqn: Invalid value: "other": must be valid format starting with iqn, eui, or naa']),
    ({"fc": {"targetWWNs": ["w"]}}, ["fc.lun: Required value: lun is required if targetWWNs is specified"]),
    ({"azureFile": {}}, ["azureFile.secretName: Required value", "azureFile.shareName: Required value"]),
    ({"configMap": {"items": [{"key": "k", "path": "../x", "mode": 512}]}}, [
        "configMap.name: Required value",
        "configMap.items[0].path: Invalid value: \"../x\": must not contain '..'",
        f"configMap.items[0].mode: Invalid value: 512: {MODE}"]),
    ({"downwardAPI": {"items": [{"path": "..x", "fieldRef": {"fieldPath": "spec.nodeName"}}]}}, [
        "downwardAPI.path: Invalid value: \"..x\": must not start with '..'",
        'downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: '
        '"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"']),
    ({"projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}},
                                {"configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}}]}}, [
        'projected: Invalid value: "c": conflicting duplicate paths']),
    ({"projected": {"sources": [{"serviceAccountToken": {"path": "", "expirationSeconds": 599}}]}}, [
        "projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration "
        "less than 10 minutes",
        "projected.path: Required value"]),
    ({"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "n"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}}, [
        "ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set"]),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")  # fmt: skip
def test_volumes(source: dict[str, Any], expected: list[str]) -> None:
    found = said(POD, changed(SIMPLE, spec__serviceAccountName="a", spec__volumes=[{"name": "v", **source}]))
    assert found == [V + line for line in expected]


ANNOTATIONS = "metadata.annotations"
SECCOMP, APP_ARMOR = (
    "container.seccomp.security.alpha.kubernetes.io/",
    "container.apparmor.security.beta.kubernetes.io/",
)


@pytest.mark.parametrize(("annotations", "expected"), [
    ({"kubernetes.io/config.mirror": "m"}, [
        '[kubernetes.io/config.mirror]: Invalid value: "m": must set spec.nodeName if mirror pod annotation is set']),
    ({"controller.kubernetes.io/pod-deletion-cost": "+0"}, [
        '[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+0": must be a 32bit integer']),
    ({"controller.kubernetes.io/pod-deletion-cost": "2147483648"}, [
        '[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "2147483648": must be a 32bit integer']),
    ({"controller.kubernetes.io/pod-deletion-cost": "-7"}, []),
    ({SECCOMP + "web": "other"}, [f'.{SECCOMP}web: Invalid value: "other": must be a valid seccomp profile']),
    ({APP_ARMOR + "no": "unconfined"}, [f'[{APP_ARMOR}no]: Invalid value: "no": container not found']),
    ({APP_ARMOR + "web": "mine"}, [
        f'[{APP_ARMOR}web]: Invalid value: "mine": invalid AppArmor profile name: "mine"']),
    ({"scheduler.alpha.kubernetes.io/tolerations": '[{"key": "k", "operator": "Exists"}]'}, []),
])  # fmt: skip
def test_annotations(annotations: dict[str, str], expected: list[str]) -> None:
    assert said(POD, changed(SIMPLE, metadata__annotations=annotations)) == [ANNOTATIONS + line for line in expected]


@pytest.mark.parametrize("text", ["x", "{}", "[5]", '[{"key": 5}]', "[" * 100_000])
def test_tolerations_in_an_annotation_that_are_none(text: str) -> None:
    (found,) = said(POD, changed(SIMPLE, metadata__annotations={"scheduler.alpha.kubernetes.io/tolerations": text}))
    start = 'metadata.annotations: Invalid value: "scheduler.alpha.kubernetes.io/tolerations": '
    why = {"x": "invalid character 'x' looking for beginning of value", "[" * 100_000: "exceeded max depth",
           "{}": "json: cannot unmarshal object into Go value of type []core.Toleration"}  # fmt: skip
    assert found.startswith(start + why.get(text, "json: cannot unmarshal number into Go "))


def test_annotations_that_the_kubelet_has_read_stay() -> None:
    before = changed(SIMPLE, metadata__annotations={APP_ARMOR + "web": "unconfined"})
    after = changed(SIMPLE, metadata__annotations={"kubernetes.io/config.mirror": "m"}, spec__nodeName="n")
    assert said_of_update(POD, changed(before, spec__nodeName="n"), after) == [
        f"metadata.annotations[{APP_ARMOR}web]: Forbidden: may not remove or update AppArmor annotations",
        "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation",
    ]


WINDOWS = "spec.securityContext.windowsOptions."


@pytest.mark.parametrize(("options", "expected"), [
    ({"gmsaCredentialSpec": ""}, [
        'gmsaCredentialSpec: Invalid value: "": gmsaCredentialSpec cannot be an empty string']),
    ({"runAsUserName": ""}, ['runAsUserName: Invalid value: "": runAsUserName cannot be an empty string']),
    ({"runAsUserName": "a\\b\\c"}, [
        'runAsUserName: Invalid value: "a\\\\b\\\\c": runAsUserName cannot contain more than one backslash']),
    ({"runAsUserName": "do:main\\user"}, [
        'runAsUserName: Invalid value: "do:main\\\\user": runAsUserName\'s Domain doesn\'t match the NetBios nor the '
        "DNS format"]),
    ({"runAsUserName": "domain\\.."}, [
        'runAsUserName: Invalid value: "domain\\\\..": runAsUserName\'s User cannot contain only periods or spaces']),
    ({"runAsUserName": "NT AUTHORITY\\SYSTEM"}, []),
])  # fmt: skip
def test_windows_options(options: dict[str, Any], expected: list[str]) -> None:
    pod = changed(SIMPLE, spec__securityContext={"windowsOptions": options})
    assert said(POD, pod) == [WINDOWS + line for line in expected]


def test_all_of_a_pod_are_processes_of_the_windows_host_or_none() -> None:
    context = {"securityContext": {"windowsOptions": {"hostProcess": True}}}
    two = [{"name": "a", "image": "i", **context}, {"name": "b", "image": "i"}]
    assert said(POD, changed(SIMPLE, spec__containers=two)) == [
        'spec: Invalid value: "": If pod contains any hostProcess containers then all containers must be HostProcess '
        "containers",
        "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers",
    ]


def test_what_a_pod_for_one_system_may_not_have() -> None:
    context = {"runAsUser": 1, "windowsOptions": {"runAsUserName": "u"}}
    assert said(POD, changed(SIMPLE, spec__os={"name": "windows"}, **{C + "securityContext": context})) == [
        "spec.containers[0].securityContext.runAsUser: Forbidden: cannot be set for a windows pod"
    ]
    assert said(POD, changed(SIMPLE, spec__os={"name": "linux"}, **{C + "securityContext": context})) == [
        "spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"
    ]


def items(*paths: str) -> list[dict[str, str]]:
    return [{"key": "k", "path": path} for path in paths]


@pytest.mark.parametrize(("volume", "expected"), [
    ({"configMap": {"name": "c", "items": items("a", "a/b")}}, [
        'volume "v" (ConfigMap "c"): overlapping paths: "a/b" with "a"']),
    ({"projected": {"sources": [
        {"secret": {"name": "s", "items": items("a/b")}}, {"serviceAccountToken": {"path": "a"}}]}}, [
        'volume "v" (Projected): overlapping paths: "a" (ServiceAccountToken) with "a/b" (Secret "s")']),
    ({"projected": {"sources": [{}]}}, ['volume "v" (Projected) has no sources provided']),
    ({"projected": {"sources": [{"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                                {"secret": {"name": "s"}}]}}, []),
    ({"glusterfs": {"endpoints": "e", "path": "p"}}, [
        "spec.volumes[0].glusterfs: deprecated in v1.25, non-functional in v1.26+"]),
])  # fmt: skip
def test_warnings_about_volumes(volume: dict[str, Any], expected: list[str]) -> None:
    assert POD.warnings(made(POD, changed(SIMPLE, spec__volumes=[{"name": "v", **volume}])), None) == expected


def test_a_templates_negative_grace_is_warned_of() -> None:
    template = {"metadata": {"name": "t"}, "template": {
        "metadata": {}, "spec": changed(SIMPLE, spec__terminationGracePeriodSeconds=-1)["spec"]}}  # fmt: skip
    assert POD_TEMPLATE.warnings(made(POD_TEMPLATE, template), None) == [
        "template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated "
        "as 1"
    ]


RESOURCES = "spec.containers[0].resources."


@pytest.mark.parametrize(("resources", "expected"), [
    ({"claims": [{"name": "g"}]}, [
        'claims[0]: Not found: "g": must be one of the names in pod.spec.resourceClaims which is empty']),
    ({"requests": {"hugepages-2Mi": "1Mi"}, "limits": {"hugepages-2Mi": "1Mi", "memory": "1Gi"}}, [
        'limits[hugepages-2Mi]: Invalid value: "1Mi": 1Mi is not positive integer multiple of hugepages-2Mi',
        'requests[hugepages-2Mi]: Invalid value: "1Mi": 1Mi is not positive integer multiple of hugepages-2Mi']),
])  # fmt: skip
def test_resources(resources: dict[str, Any], expected: list[str]) -> None:
    found = said(POD, changed(SIMPLE, **{C + "resources": resources}))
    assert [line.removeprefix(RESOURCES) for line in found] == expected


def test_a_stop_signal_needs_to_know_the_system() -> None:
    pod = changed(SIMPLE, **{C + "lifecycle": {"stopSignal": "SIGHUP"}})
    assert said(POD, pod) == [
        "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`"
    ]
    assert said(POD, changed(pod, spec__os={"name": "linux"})) == []
    (why,) = said(POD, changed(pod, spec__os={"name": "windows"}))
    assert why.startswith('spec.containers[0].lifecycle.stopSignal: Unsupported value: "SIGHUP": supported values: ')


def said_of_status(pod: dict[str, Any], **status: Any) -> list[str]:
    old, err = made(POD, pod), Errors()
    POD.validate_status({**old, "status": status}, old, err)
    return [str(cause) for cause in err]


@pytest.mark.parametrize(("status", "expected"), [
    ({"conditions": [{"type": "Ready", "observedGeneration": -1}, {"type": "a b"}, {"type": "example.com/ok"}]}, [
        "status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer",
        'status.conditions[1].Type: Invalid value: "a b": name part must consist of alphanumeric characters']),
    ({"observedGeneration": -1}, ["status.observedGeneration: Invalid value: -1: must be a non-negative integer"]),
    ({"nominatedNodeName": "No"}, ['status.nominatedNodeName: Invalid value: "No": a lowercase RFC 1123 subdomain']),
    ({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "hostIP": "10.0.0.2", "hostIPs": [{"ip": "10.0.0.2"}]}, []),
    ({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}, [
        'status.podIPs: Invalid value: [{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]: may specify no more than one IP']),
    ({"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.2"}]}, [
        'status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`']),
    ({"resourceClaimStatuses": [{"name": "r", "resourceClaimName": "No"}]}, [
        'status.resourceClaimStatuses[0].name: Invalid value: "r": must match the name of an entry in `spec.resource',
        'status.resourceClaimStatuses[0].name: Invalid value: "No": a lowercase RFC 1123 subdomain']),
])  # fmt: skip
def test_statuses(status: dict[str, Any], expected: list[str]) -> None:
    found = said_of_status(SIMPLE, **status)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


def test_a_pod_that_is_held_back_is_told_more_at_the_end() -> None:
    def held(*keys: str) -> dict[str, Any]:
        terms = [{"matchExpressions": [{"key": key, "operator": "Exists"} for key in keys]}]
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
        return changed(SIMPLE, spec__schedulingGates=[{"name": "g"}], spec__affinity=affinity)

    assert said_of_update(POD, held("a"), held("a", "b")) == []
    (why,) = said_of_update(POD, held("a"), held("b", "a"))
    assert '.nodeSelectorTerms[0]: Invalid value: {"MatchExpressions":[{"Key":"b",' in why
    assert why.endswith("only additions are allowed (no mutations or deletions)")


def test_a_negative_grace_may_become_one() -> None:
    old = made(POD, changed(SIMPLE, spec__terminationGracePeriodSeconds=-1))
    old["spec"]["terminationGracePeriodSeconds"] = -1  # of an older server
    new, err = changed(old, spec__terminationGracePeriodSeconds=1), Errors()
    POD.validate_update(new, old, err)
    assert list(err) == []


def test_static_pods_have_no_ephemeral_containers() -> None:
    pod = changed(SIMPLE, metadata__annotations={"kubernetes.io/config.mirror": "m"}, spec__nodeName="n")
    more = changed(pod, spec__ephemeralContainers=[{"name": "e", "image": "i"}])
    assert said_of_update(POD, pod, more, "ephemeralcontainers") == [
        "[]: Forbidden: static pods do not support ephemeral containers"
    ]
    broken = changed(more, spec__ephemeralContainers__0__name="E")  # says no more than that
    assert len(said_of_update(POD, pod, broken, "ephemeralcontainers")) == 1
