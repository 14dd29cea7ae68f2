"""The sample API server behind the aggregator, in a pod (sig-api-machinery)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.node.api import Api, Refused
from conformance.node.pods import Pods, namespaced, until
from e2e.host import Cluster
from images import debian, extension
from longboat.aio.clock import SystemClock
from longboat.api import certificates
from longboat.apiserver.pki import Pki
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]

GROUP, VERSION = "wardle.example.com", "v1alpha1"
NAME = f"{VERSION}.{GROUP}"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PORT = 7443
CERTIFICATES = "/apiserver.local.config/certificates"
ACCOUNT = {"kind": "ServiceAccount", "name": "default"}


def role(kind: str, name: str) -> Object:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def deployment(image: str) -> Object:
    """As upstream's, but that it keeps what it is given in memory rather than in an etcd of its own."""
    container = {
        "name": "sample-apiserver", "image": image,
        "args": ["--secure-port=443", f"--tls-cert-file={CERTIFICATES}/tls.crt",
                 f"--tls-private-key-file={CERTIFICATES}/tls.key"],
        "volumeMounts": [{"name": "apiserver-certs", "readOnly": True, "mountPath": CERTIFICATES}],
        "readinessProbe": {"httpGet": {"scheme": "HTTPS", "port": 443, "path": "/readyz"}, "periodSeconds": 1},
    }  # fmt: skip
    volume = {"name": "apiserver-certs", "secret": {"secretName": "sample-apiserver-secret"}}
    labels = {"app": "sample-apiserver", "apiserver": "true"}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": [volume]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {"metadata": {"name": "sample-apiserver-deployment"},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}}  # fmt: skip


@pytest.fixture
def sample(cluster: Cluster, api: Api, tmp_path: Path) -> Iterator[Pods]:
    """The sample API server's namespace, with everything in it, and what it may."""
    cluster.import_image(extension.build(("sample-apiserver",))["sample-apiserver"])
    with namespaced(cluster, api, "aggregator") as pods:
        namespace = pods.namespace
        pki = Pki(tmp_path / "pki", SystemClock())
        host = f"sample-api.{namespace}.svc"
        pair = pki.ca.issue(pki.pair("s"), SystemClock(), host, usages=certificates.SERVER, hosts=[host])
        data = {"tls.crt": pair.certificate, "tls.key": pair.key}
        encoded = {key: base64.b64encode(path.read_bytes()).decode() for key, path in data.items()}
        api.post(f"{pods.base}/secrets", {"metadata": {"name": "sample-apiserver-secret"}, "data": encoded})
        reader = f"sample-apiserver-reader-{namespace}"
        subjects = [{**ACCOUNT, "namespace": namespace}]
        read = {"verbs": ["get", "list", "watch"]}
        api.post(f"{RBAC}/clusterroles", {"metadata": {"name": reader}, "rules": [
            {**read, "apiGroups": [""], "resources": ["namespaces"]},
            {**read, "apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"]},
            {**read, "apiGroups": ["flowcontrol.apiserver.k8s.io"],
             "resources": ["prioritylevelconfigurations", "flowschemas"]},
        ]})  # fmt: skip
        bindings = {
            f"wardler:{namespace}{reader}": reader,
            f"wardler:{namespace}:auth-delegator": "system:auth-delegator",
        }
        for name, held in bindings.items():
            binding = {"metadata": {"name": name}, "roleRef": role("ClusterRole", held), "subjects": subjects}
            api.post(f"{RBAC}/clusterrolebindings", binding)
        apps = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        api.post(apps, deployment(debian.name("sample-apiserver")))
        ports = [{"protocol": "TCP", "port": PORT, "targetPort": 443}]
        service = {"selector": {"apiserver": "true"}, "ports": ports}
        api.post(f"{pods.base}/services", {"metadata": {"name": "sample-api", "labels": {"test": "aggregator"}},
                                           "spec": service})  # fmt: skip
        api.post(f"{pods.base}/serviceaccounts", {"metadata": {"name": "sample-apiserver"}})
        authentication = f"{RBAC}/namespaces/kube-system/rolebindings"
        annotations = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
        api.post(authentication, {
            "metadata": {"name": f"wardler-auth-reader-{namespace}", "annotations": annotations},
            "roleRef": role("Role", "extension-apiserver-authentication-reader"), "subjects": subjects})  # fmt: skip

        def complete() -> bool:
            status = api.get(f"{apps}/sample-apiserver-deployment").get("status", {})
            return bool(status.get("availableReplicas") == 1 == status.get("updatedReplicas"))

        def why() -> str:
            return json.dumps([(each["status"], pods.log(name)) for name, each in pods.every().items()])

        until(complete, why)
        bundle = base64.b64encode(pki.ca.pair.certificate.read_bytes()).decode()
        api.post(SERVICES, {"metadata": {"name": NAME}, "spec": {
            "service": {"namespace": namespace, "name": "sample-api", "port": PORT}, "group": GROUP, "version": VERSION,
            "caBundle": bundle, "groupPriorityMinimum": 2000, "versionPriority": 200}})  # fmt: skip
        try:
            yield pods
        finally:
            made = [f"{RBAC}/clusterrolebindings/{name}" for name in bindings]
            made += [f"{authentication}/wardler-auth-reader-{namespace}", f"{RBAC}/clusterroles/{reader}"]
            for path in (f"{SERVICES}/{NAME}", *made):
                api.answer("DELETE", path)


def has_condition(obj: Object, kind: str, message: str) -> bool:
    wanted = {"type": kind, "status": "True", "reason": "E2E", "message": message}
    return any(wanted.items() <= each.items() for each in obj["status"]["conditions"])


def test_the_sample_api_server(sample: Pods, api: Api) -> None:
    """Conformance: aggregator-supports-the-sample-apiserver"""
    flunders = f"/apis/{GROUP}/{VERSION}/namespaces/default/flunders"

    def ready() -> bool:
        try:
            api.get(flunders)
        except (Refused, json.JSONDecodeError):  # `service unavailable` is no Status
            return False
        return True

    until(ready, lambda: f"{api.get(f'{SERVICES}/{NAME}')['status']}")

    def flunder(name: str, **labels: str) -> Any:
        return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": name, "labels": labels}}

    made = api.answer(
        "POST", flunders, json.dumps(flunder("rest-flunder", **{"sample-label": "true"})), "application/json"
    )
    assert made.status == 201
    created = json.loads(made.body)
    assert (created["apiVersion"], created["kind"]) == (f"{GROUP}/{VERSION}", "Flunder")
    assert created["metadata"]["name"] == "rest-flunder"
    assert [each["metadata"]["name"] for each in api.get(flunders)["items"]] == ["rest-flunder"]
    api.ask("DELETE", f"{flunders}/rest-flunder")
    assert api.get(flunders)["items"] == []

    # Found by discovery, and used by what that says.
    groups = api.get("/apis")["groups"]
    preferred = {each["name"]: each["preferredVersion"]["groupVersion"] for each in groups}[GROUP]
    resources = api.get(f"/apis/{preferred}")["resources"]
    [found] = [each for each in resources if each["name"] == "flunders" and each["namespaced"]]
    dynamic = f"/apis/{preferred}/namespaces/{sample.namespace}/{found['name']}"
    api.post(dynamic, {**flunder("dynamic-flunder"), "spec": {}})
    assert len(api.get(dynamic)["items"]) == 1

    one = f"{SERVICES}/{NAME}"
    assert api.get(f"{one}/status")["status"]["conditions"][0]["message"] == "all checks passed"
    assert api.patch(one, {"spec": {"versionPriority": 400}})["spec"]["versionPriority"] == 400
    assert NAME in [each["metadata"]["name"] for each in api.get(SERVICES)["items"]]
    api.patch(one, {"metadata": {"labels": {"e2e-apiservice": "patched"}}}, "strategic")
    assert api.get(one)["metadata"]["labels"] == {"e2e-apiservice": "patched"}

    def on_conflict_again(path: str, change: Any) -> Object:
        while True:
            try:
                return api.put(path, change(api.get(path)))
            except Refused as error:
                assert error.code == 409

    def updated(obj: Object) -> Object:
        condition = {"type": "StatusUpdated", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
        obj["status"]["conditions"].append(condition)
        return obj

    on_conflict_again(f"{one}/status", updated)
    assert has_condition(api.get(f"{one}/status"), "StatusUpdated", "Set from e2e test")

    def relabelled(obj: Object) -> Object:
        obj["metadata"]["labels"] = {NAME: "updated"}
        return obj

    assert on_conflict_again(one, relabelled)["metadata"]["labels"][NAME] == "updated"
    api.ask("DELETE", f"{dynamic}/dynamic-flunder")
    assert api.get(dynamic)["items"] == []
    api.post(dynamic, flunder("dynamic-flunder"))
    assert len(api.get(dynamic)["items"]) == 1

    conditions = api.get(f"{one}/status")["status"]["conditions"]
    more = {"type": "StatusPatched", "status": "True", "reason": "E2E", "message": "Set by e2e test"}
    api.patch(f"{one}/status", {"status": {"conditions": [*conditions, more]}})
    assert has_condition(api.get(f"{one}/status"), "StatusPatched", "Set by e2e test")

    selected = f"{SERVICES}?labelSelector={NAME}%3Dupdated"
    api.ask("DELETE", selected)
    until(lambda: not api.get(selected)["items"], "it is still there")
