from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors
from longboat.registry.kinds.core.pod import images, update
from unit.registry.kinds.checks import BY_RESOURCE, cells, changed, made, said, said_of_update

POD, POD_TEMPLATE = BY_RESOURCE["pods"], BY_RESOURCE["podtemplates"]
SIMPLE: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
}
C = "spec__containers__0__"


def test_defaults() -> None:
    found = made(POD, changed(SIMPLE, **{
        C + "ports": [{"containerPort": 80}],
        C + "livenessProbe": {"httpGet": {"port": 80}},
        C + "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
        C + "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "spec__serviceAccount": "me",
        "spec__volumes": [{"name": "a"}, {"name": "b", "secret": {"secretName": "s"}},
                          {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
    }))  # fmt: skip
    spec = found["spec"]
    assert spec["containers"] == [{
        "name": "web", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "ports": [{"containerPort": 80, "protocol": "TCP"}],
        "livenessProbe": {
            "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        },
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP", "apiVersion": "v1"}}}],
    }]  # fmt: skip
    assert spec["volumes"] == [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "t", "projected": {
            "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}], "defaultMode": 420,
        }},
    ]  # fmt: skip
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "me"
    rest = {k: v for k, v in spec.items() if k not in ("containers", "volumes", "serviceAccountName", "serviceAccount")}
    assert rest == {
        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30, "securityContext": {}, "enableServiceLinks": True,
    }  # fmt: skip
    assert found["status"] == {"phase": "Pending", "qosClass": "Burstable"}


@pytest.mark.parametrize(("image", "policy"), [
    ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1", "IfNotPresent"),
    ("localhost:5000/nginx", "Always"), ("localhost:5000/nginx:1", "IfNotPresent"),
    ("nginx@sha256:00", "IfNotPresent"), ("", "IfNotPresent"),
])  # fmt: skip
def test_pull_policy(image: str, policy: str) -> None:
    assert images.pull_policy(image) == policy


@pytest.mark.parametrize(("given", "policy"), [
    ({"reference": "data"}, "Always"), ({"reference": "data:1", "pullPolicy": ""}, "IfNotPresent"),
    ({"reference": "data:1", "pullPolicy": "Never"}, "Never"),
])  # fmt: skip
def test_pull_policy_of_an_image_volume(given: dict[str, Any], policy: str) -> None:
    found = made(POD, changed(SIMPLE, spec__volumes=[{"name": "v", "image": given}]))
    assert found["spec"]["volumes"] == [{"name": "v", "image": {**given, "pullPolicy": policy}}]


def test_an_image_volume_of_a_template_may_be_filled_in_later() -> None:
    template = {"metadata": {"name": "t"}, "template": {"metadata": {}, "spec": changed(
        SIMPLE, spec__volumes=[{"name": "v", "image": {}}])["spec"]}}  # fmt: skip
    spec = made(POD_TEMPLATE, template)["template"]["spec"]
    assert spec["volumes"] == [{"name": "v", "image": {"pullPolicy": "IfNotPresent"}}]
    spec["volumes"][0]["image"]["pullPolicy"] = "Often"
    assert said(POD_TEMPLATE, {**template, "template": {"metadata": {}, "spec": spec}}) == [
        'template.spec.volumes[0].image.pullPolicy: Unsupported value: "Often": supported values: "Always", '
        '"IfNotPresent", "Never"'
    ]


def test_host_network_maps_every_port() -> None:
    pod = changed(SIMPLE, spec__hostNetwork=True, **{C + "ports": [{"containerPort": 80}]})
    assert made(POD, pod)["spec"]["containers"][0]["ports"][0]["hostPort"] == 80
    assert said(POD, changed(pod, **{C + "ports__0__hostPort": 81})) == [
        "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"
    ]


def at(container: str, message: str) -> list[str]:
    return [f"spec.containers[0].{container}: {message}"]


QUALIFIED_SAYS = names.qualified_name("a b")[0]
LABEL_SAYS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)

SUBDOMAIN_SAYS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)

INVALID: list[tuple[dict[str, Any], list[str]]] = [
    ({"spec__volumes": [{"name": "v", "csi": {"driver": "../../etc"}}]}, [
        f'spec.volumes[0].csi.driver: Invalid value: "../../etc": {SUBDOMAIN_SAYS}']),
    ({"spec__volumes": [{"name": "v", "csi": {"driver": "d.example.com", "nodePublishSecretRef": {}}}]}, [
        "spec.volumes[0].csi.nodePublishSecretRef.name: Required value"]),
    ({"spec__volumes": [{"name": "v", "image": {"pullPolicy": "Always"}}]}, [
        "spec.volumes[0].image.reference: Required value"]),
    ({"spec__volumes": [{"name": "v", "image": {"reference": "data:1", "pullPolicy": "Often"}}]}, [
        'spec.volumes[0].image.pullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", '
        '"Never"']),
    ({"spec__containers": []}, ["spec.containers: Required value"]),
    ({C + "name": "Web"}, at("name", f'Invalid value: "Web": {LABEL_SAYS}')),
    ({C + "image": None}, at("image", "Required value")),
    ({C + "image": " a "}, at("image", 'Invalid value: " a ": must not have leading or trailing whitespace')),
    ({C + "imagePullPolicy": "Sometimes"}, at(
        "imagePullPolicy", 'Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"')),
    ({"spec__restartPolicy": "No"}, [
        'spec.restartPolicy: Unsupported value: "No": supported values: "Always", "OnFailure", "Never"']),
    ({"spec__containers": [SIMPLE["spec"]["containers"][0]] * 2}, ['spec.containers[1].name: Duplicate value: "web"']),
    ({C + "ports": [{"containerPort": 0}]}, at("ports[0].containerPort", "Required value")),
    ({C + "ports": [{"containerPort": 65536}]}, at(
        "ports[0].containerPort", "Invalid value: 65536: must be between 1 and 65535, inclusive")),
    ({C + "ports": [{"containerPort": 1, "protocol": "HTTP"}]}, at(
        "ports[0].protocol", 'Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"')),
    ({C + "ports": [{"name": "a", "containerPort": 1}, {"name": "a", "containerPort": 2}]}, at(
        "ports[1].name", 'Duplicate value: "a"')),
    ({C + "ports": [{"containerPort": 1, "hostPort": 5}, {"containerPort": 2, "hostPort": 5}]}, at(
        "ports[1].hostPort", 'Duplicate value: "TCP//5"')),
    ({C + "env": [{"name": "a=b"}]}, at("env[0].name", (
        'Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other '
        "than '='"))),
    ({C + "env": [{"name": "A", "valueFrom": {}}]}, at("env[0].valueFrom", (
        'Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or '
        "`fileKeyRef`"))),
    ({C + "env": [{"name": "A", "value": "1", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]}, at(
        "env[0].valueFrom", 'Invalid value: "": may not be specified when `value` is not empty')),
    ({C + "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeNam"}}}]}, at(
        "env[0].valueFrom.fieldRef.fieldPath", (
            'Invalid value: "spec.nodeNam": error converting fieldPath: field label not supported: spec.nodeNam'))),
    *(({C + "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": wrong}}}]}, at(
        "env[0].valueFrom.fieldRef.fieldPath", (
            f'Invalid value: "{wrong}": error converting fieldPath: field label {why}: {wrong}')))
      for wrong, why in (("metadata.name['a']", "does not support subscript"), ("x['']", "does not support subscript"),
                         ("['a']", "not supported"), ("metadata.labels['a'", "not supported"))),
    ({C + "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a b']"}}}]}, at(
        "env[0].valueFrom.fieldRef", f'Invalid value: "a b": {QUALIFIED_SAYS}')),
    ({C + "env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}}]}, at(
        "env[0].valueFrom.resourceFieldRef.resource", (
            'Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", '
            '"limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"'))),
    ({C + "envFrom": [{}]}, at(
        "envFrom", 'Invalid value: "": must specify one of: `configMapRef` or `secretRef`')),
    ({C + "livenessProbe": {}}, at("livenessProbe", "Required value: must specify a handler type")),
    ({C + "livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}}, at(
        "livenessProbe.tcpSocket", "Forbidden: may not specify more than 1 handler type")),
    ({C + "livenessProbe": {"exec": {"command": ["a"]}, "successThreshold": 2}}, at(
        "livenessProbe.successThreshold", "Invalid value: 2: must be 1")),
    ({C + "readinessProbe": {"exec": {}, "periodSeconds": -1}}, [
        *at("readinessProbe.exec.command", "Required value"),
        *at("readinessProbe.periodSeconds", "Invalid value: -1: must be greater than or equal to 0")]),
    ({C + "lifecycle": {"preStop": {"sleep": {"seconds": 60}}}}, at(
        "lifecycle.preStop.sleep",
        "Invalid value: 60: must be non-negative and less than terminationGracePeriodSeconds (30)")),
    ({C + "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}, at(
        "resources.requests", 'Invalid value: "2": must be less than or equal to cpu limit of 1')),
    ({C + "resources": {"limits": {"cpu": "-1"}, "requests": {"cpu": "-1"}}}, [
        *at("resources.limits[cpu]", 'Invalid value: "-1": must be greater than or equal to 0'),
        *at("resources.requests[cpu]", 'Invalid value: "-1": must be greater than or equal to 0')]),
    ({C + "resources": {"requests": {"example.com/gpu": "1"}}}, at(
        "resources.limits", "Required value: Limit must be set for non overcommitable resources")),
    ({C + "volumeMounts": [{"name": "x", "mountPath": "/x"}]}, at("volumeMounts[0].name", 'Not found: "x"')),
    ({C + "volumeMounts": [{"name": "v", "mountPath": "/x"}] * 2, "spec__volumes": [{"name": "v"}]}, at(
        "volumeMounts[1].mountPath", 'Invalid value: "/x": must be unique')),
    ({C + "volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "../a"}], "spec__volumes": [{"name": "v"}]}, at(
        "volumeMounts.subPath", "Invalid value: \"../a\": must not contain '..'")),
    ({C + "securityContext": {"runAsUser": -1}}, at(
        "securityContext.runAsUser", "Invalid value: -1: must be between 0 and 2147483647, inclusive")),
    ({C + "securityContext": {"seccompProfile": {"type": "Localhost"}}}, at(
        "securityContext.seccompProfile.localhostProfile",
        "Required value: must be set when seccomp type is Localhost")),
    ({"spec__volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]}, [
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"]),
    ({"spec__volumes": [{"name": "v", "secret": {}}]}, ["spec.volumes[0].secret.secretName: Required value"]),
    ({"spec__volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 512}}]}, [
        "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both "
        "inclusive"]),
    ({"spec__volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]}, [
        "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"]),
    ({"spec__initContainers": [{"name": "i", "image": "b:1", "readinessProbe": {"exec": {"command": ["a"]}}}]}, [
        "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without "
        "restartPolicy=Always"]),
    ({"spec__ephemeralContainers": [{"name": "e", "image": "b:1"}]}, [
        "spec.ephemeralContainers: Forbidden: cannot be set on create"]),
    ({"spec__tolerations": [{"value": "x"}]}, [
        'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means '
        '"match all values and all keys"']),
    ({"spec__tolerations": [{"key": "a", "effect": "Never"}]}, [
        'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", '
        '"PreferNoSchedule", "NoExecute"']),
    ({"spec__topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
     ["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"]),
    ({"spec__affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}}, [
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: "
        "must have at least one node selector term"]),
    ({"spec__affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "z"}]}},
      "spec__activeDeadlineSeconds": 0}, [
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"]),
    ({"spec__dnsPolicy": "None"}, [
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"]),
    ({"spec__schedulingGates": [{"name": "a.b/c"}], "spec__nodeName": "n"}, [
        "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"]),
    ({"spec__hostAliases": [{"ip": "1"}]}, [
        'spec.hostAliases[0].ip: Invalid value: "1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), INVALID, ids=lambda value: str(value)[:60])
def test_invalid(change: dict[str, Any], expected: list[str]) -> None:
    assert said(POD, changed(SIMPLE, **change)) == expected


def test_an_ordinary_pod_is_fine_and_warned_of_nothing() -> None:
    assert said(POD, SIMPLE) == []
    assert POD.warnings(made(POD, SIMPLE), None) == []


BOUND = made(POD, changed(SIMPLE, spec__tolerations=[{"key": "a", "operator": "Exists"}], spec__nodeName="n"))

UPDATES: list[tuple[dict[str, Any], list[str]]] = [
    ({C + "image": "nginx:2"}, []),
    ({"spec__activeDeadlineSeconds": 5}, []),
    ({"spec__tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]}, []),
    ({"spec__tolerations": []}, [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"]),
    ({"spec__containers": []}, [
        "spec.containers: Required value", "spec.containers: Forbidden: pod updates may not add or remove containers"]),
    ({"metadata__labels": {"a": "b"}}, []),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), UPDATES, ids=str)
def test_update(change: dict[str, Any], expected: list[str]) -> None:
    assert said_of_update(POD, BOUND, changed(BOUND, **change)) == expected


@pytest.mark.parametrize("change", [{"spec__nodeName": "m"}, {C + "command": ["x"]}, {"spec__hostname": "h"}], ids=str)
def test_the_rest_may_not_change(change: dict[str, Any]) -> None:
    (cause,) = said_of_update(POD, BOUND, changed(BOUND, **change))
    assert cause.startswith(f"spec: Forbidden: {update.MAY_CHANGE}\n")


def test_debuggers_may_come_but_not_change() -> None:
    debugger = {"name": "d", "image": "busybox:1"}
    pod = changed(BOUND, spec__ephemeralContainers=[debugger])
    assert said_of_update(POD, BOUND, pod, "ephemeralcontainers") == []
    other = changed(BOUND, spec__ephemeralContainers=[{**debugger, "image": "alpine:1"}])
    (cause,) = said_of_update(POD, pod, other, "ephemeralcontainers")
    assert "may not be changed" in cause


def container(name: str = "web", **fields: Any) -> dict[str, Any]:
    return {"name": name, "restartCount": 0, "ready": False, **fields}


ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
RUNNING = {"running": {}}
SHOWN: list[tuple[dict[str, Any], dict[str, Any], tuple[str, str, str]]] = [
    ({}, {"phase": "Pending"}, ("0/1", "Pending", "0")),
    ({}, {"phase": "Running", "containerStatuses": [container(ready=True, state=RUNNING)]}, ("1/1", "Running", "0")),
    ({}, {"phase": "Running", "containerStatuses": [container(restartCount=3, state={
        "waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"finishedAt": "2026-01-02T03:01:05Z"}})]},
     ("0/1", "CrashLoopBackOff", "3 (3m ago)")),
    ({}, {"phase": "Succeeded", "containerStatuses": [container(state=ENDED)]}, ("0/1", "Completed", "0")),
    ({}, {"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
    ({}, {"phase": "Running", "containerStatuses": [container(state={"terminated": {"exitCode": 3}})]},
     ("0/1", "ExitCode:3", "0")),
    ({"spec__initContainers": [{"name": "a"}, {"name": "b"}]},
     {"phase": "Pending", "initContainerStatuses": [container("a", state=ENDED), container("b", state=RUNNING)]},
     ("0/1", "Init:1/2", "0")),
    ({"spec__initContainers": [{"name": "a"}]}, {"phase": "Pending", "initContainerStatuses": [
        container("a", restartCount=2, state={"waiting": {"reason": "CrashLoopBackOff"}})]},
     ("0/1", "Init:CrashLoopBackOff", "2")),
    ({"spec__initContainers": [{"name": "s", "restartPolicy": "Always"}]}, {
        "phase": "Running", "initContainerStatuses": [container("s", ready=True, started=True, state=RUNNING)],
        "containerStatuses": [container(ready=True, state=RUNNING)]}, ("2/2", "Running", "0")),
    ({"metadata__deletionTimestamp": "2026-01-02T03:04:05Z"}, {"phase": "Running"}, ("0/1", "Terminating", "0")),
    ({}, {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
     ("0/1", "SchedulingGated", "0")),
]  # fmt: skip


@pytest.mark.parametrize(("change", "status", "expected"), SHOWN, ids=lambda value: str(value)[:50])
def test_columns(change: dict[str, Any], status: dict[str, Any], expected: tuple[str, str, str]) -> None:
    row = cells(POD, {**changed(SIMPLE, **change), "status": status})
    assert (row["Ready"], row["Status"], row["Restarts"]) == expected


def test_wide_columns() -> None:
    pod = changed(SIMPLE, spec__nodeName="n1", spec__readinessGates=[{"conditionType": "a/b"}])
    pod["status"] = {"podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "a/b", "status": "True"}]}
    row = cells(POD, pod)
    assert [row[c] for c in ("IP", "Node", "Nominated Node", "Readiness Gates")] == ["10.0.0.1", "n1", "<none>", "1/1"]


def test_grace() -> None:
    pod = made(POD, SIMPLE)
    assert POD.grace_seconds(pod, None) == 0  # nobody runs it
    pod["spec"]["nodeName"] = "n"
    assert POD.grace_seconds(pod, None) == 30
    assert (POD.grace_seconds(pod, 5), POD.grace_seconds(pod, -3), POD.grace_seconds(pod, 0)) == (5, 1, 0)
    pod["status"]["phase"] = "Succeeded"
    assert POD.grace_seconds(pod, None) == 0


@pytest.mark.parametrize(("change", "expected"), [
    ({"metadata__name": "a.b"}, ["metadata.name: this is used in the Pod's hostname, which can result in surprising"]),
    ({"spec__nodeSelector": {"beta.kubernetes.io/os": "linux"}}, [
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']),
    ({C + "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, [
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply']),
    ({C + "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A):2"}]}, []),
    ({C + "resources": {"limits": {"memory": "100m"}}}, [
        'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
        'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer']),
    ({"spec__terminationGracePeriodSeconds": -1}, []),  # by then it is 1
    ({C + "ports": [{"containerPort": 80}, {"containerPort": 80}]}, [
        "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"]),
    ({C + "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]}, []),
    ({C + "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 80}]}, [
        "spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]"]),
    ({C + "ports": [{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}, {"containerPort": 80, "hostPort": 80},
                    {"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.2"}]}, [
        "spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]",
        "spec.containers[0].ports[2]: dangerously ambiguous port definition with spec.containers[0].ports[1]"]),
    ({C + "ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 80, "hostPort": 81}]}, []),
    ({C + "ports": [{"containerPort": 80, "hostIP": "10.0.0.1"}]}, [
        "spec.containers[0].ports[0]: hostIP set without hostPort: "
        "{Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:10.0.0.1}"]),
    ({"spec__containers": [{"name": n, "image": "i", "ports": [{"name": "web", "containerPort": p}]}
                           for n, p in (("a", 80), ("b", 81))]}, [
        'spec.containers[1].ports[0]: duplicate port name "web" with spec.containers[0].ports[0], services and']),
], ids=str)  # fmt: skip
def test_warnings(change: dict[str, Any], expected: list[str]) -> None:
    found = POD.warnings(made(POD, changed(SIMPLE, **change)), None)
    assert len(found) == len(expected)
    assert all(text.startswith(beginning) for text, beginning in zip(found, expected, strict=True))


def test_a_gated_pod_may_be_told_more_precisely_where_to_go() -> None:
    gated = changed(SIMPLE, spec__schedulingGates=[{"name": "a"}], spec__nodeSelector={"zone": "x"})
    assert said_of_update(POD, gated, changed(made(POD, gated), spec__nodeSelector={"zone": "x", "disk": "fast"})) == []
    assert said_of_update(POD, gated, changed(made(POD, gated), spec__schedulingGates=[])) == []
    assert said_of_update(POD, gated, changed(made(POD, gated), spec__nodeSelector={"zone": "y"})) == [
        'spec.nodeSelector: Invalid value: {"zone":"y"}: only additions to spec.nodeSelector are allowed (no mutations '
        "or deletions)"
    ]


def test_what_has_ended_has_ended() -> None:
    pod = made(POD, changed(SIMPLE, spec__restartPolicy="Never"))
    pod["status"]["containerStatuses"] = [container(state=ENDED)]
    again = changed(pod, status__containerStatuses=[container(state=RUNNING)])
    err = Errors()
    POD.validate_status(again, pod, err)
    assert [str(cause) for cause in err] == [
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    ]
    pod["spec"]["restartPolicy"] = "Always"
    err = Errors()
    POD.validate_status(again, pod, err)
    assert not err
