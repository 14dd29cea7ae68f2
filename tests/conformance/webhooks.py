"""Webhooks in a pod behind a Service, with certificates from a Secret; and configurations that name it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.node.api import Refused
from conformance.node.pods import Pods, until
from conformance.work import Work
from e2e.certificates import self_signed
from images import debian
from longboat.machinery.objects import Object

SERVER = Path(debian.__file__).with_name("webhook_server.py")
SERVICE, PORT, INSIDE = "e2e-test-webhook", 8443, 8444
CERTIFICATES = "/webhook.local.config/certificates"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Server:
    """The webhook's Service, and who signed for it."""

    def __init__(self, pods: Pods, folder: Path) -> None:
        self.namespace = pods.namespace
        host = f"{SERVICE}.{pods.namespace}.svc"
        certificate, key = (path.read_bytes() for path in self_signed(folder, "webhook", host))
        self.ca = base64.b64encode(certificate).decode()
        self._deploy(pods, certificate, key)

    def _deploy(self, pods: Pods, certificate: bytes, key: bytes) -> None:
        data = {"tls.crt": self.ca, "tls.key": base64.b64encode(key).decode()}
        pods.create(
            {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "certs"}, "type": "Opaque", "data": data},
            {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "program"},
             "data": {"server.py": SERVER.read_text()}},
            {"kind": "Service", "apiVersion": "v1", "metadata": {"name": SERVICE, "labels": {"test": "webhook"}},
             "spec": {"selector": {"webhook": "true"}, "ports": [{"port": PORT, "targetPort": INSIDE}]}},
        )  # fmt: skip
        ready = {"httpGet": {"scheme": "HTTPS", "port": INSIDE, "path": "/readyz"}, "periodSeconds": 1}
        container = {
            "name": "sample-webhook", "image": debian.name("python"), "readinessProbe": ready,
            "command": ["python3", "/program/server.py", CERTIFICATES, str(INSIDE)],
            "ports": [{"containerPort": INSIDE}],
            "volumeMounts": [{"name": "certs", "mountPath": CERTIFICATES, "readOnly": True},
                             {"name": "program", "mountPath": "/program"}],
        }  # fmt: skip
        labels = {"app": "sample-webhook", "webhook": "true"}
        spec = {
            "containers": [container], "terminationGracePeriodSeconds": 0,
            "volumes": [{"name": "certs", "secret": {"secretName": "certs"}},
                        {"name": "program", "configMap": {"name": "program"}}],
        }  # fmt: skip
        template = {"metadata": {"labels": labels}, "spec": spec}
        deployment = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        deployments = f"/apis/apps/v1/namespaces/{pods.namespace}/deployments"
        pods.api.post(deployments, {"metadata": {"name": "sample-webhook"}, "spec": deployment})
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{pods.namespace}/endpointslices"

        def paired() -> bool:
            found = [end for each in pods.api.get(slices)["items"] for end in each.get("endpoints") or ()]
            return bool(found) and found[0]["conditions"]["ready"]

        until(paired, lambda: f"the webhook's pod is not ready: {pods.every()}")


class Scene:
    """Configurations that are about the work's namespace alone."""

    def __init__(self, work: Work, server: Server) -> None:
        self.work, self.api, self.server = work, work.api, server
        self.unique = work.namespace.removeprefix("api-machinery-")
        self.mine = {"matchLabels": {self.unique: "true"}}
        self.maps = f"/api/v1/namespaces/{work.namespace}/configmaps"
        labels = {"metadata": {"labels": {self.unique: "true"}}}
        self.api.patch(f"/api/v1/namespaces/{work.namespace}", labels)
        self.markers = f"{self.unique}-markers"
        self.api.post(
            "/api/v1/namespaces", {"metadata": {"name": self.markers, "labels": {f"{self.unique}-m": "true"}}}
        )

    def hook(self, name: str, path: str, resource: str = "configmaps", *operations: str, group: str = "",
             versions: tuple[str, ...] = ("v1",), ca: bool = True, **more: Any) -> Object:  # fmt: skip
        rule = {"operations": operations or ("CREATE",), "apiGroups": [group], "apiVersions": versions,
                "resources": [resource]}  # fmt: skip
        service = {"namespace": self.server.namespace, "name": SERVICE, "path": path, "port": PORT}
        return {
            "name": f"{name}.k8s.io", "rules": [rule], "sideEffects": "None", "namespaceSelector": self.mine,
            "admissionReviewVersions": ["v1", "v1beta1"],
            "clientConfig": {"service": service, **({"caBundle": self.server.ca} if ca else {})}, **more,
        }  # fmt: skip

    def denying(self, **more: Any) -> Object:
        return self.hook("deny-unwanted-configmap-data", "/configmaps", "configmaps", "CREATE", "UPDATE", **{
            "namespaceSelector": {**self.mine, "matchExpressions": [
                {"key": "skip-webhook-admission", "operator": "NotIn", "values": ["yes"]}
            ]}, **more,
        })  # fmt: skip

    def mutating(self, stage: int = 1, **more: Any) -> Object:
        return self.hook(f"adding-configmap-data-stage-{stage}", "/mutating-configmaps", **more)

    def path(self, which: str, name: str = "") -> str:
        return CONFIGURATIONS.format(which) + (f"/{name}" if name else "")

    def create(self, which: str, *hooks: Object, name: str = "", **metadata: Any) -> Object:
        """With one more hook, by which is seen that the configuration is in force: at once."""
        selector = {"matchLabels": {f"{self.unique}-m": "true"}}
        ready = self.hook(f"{which}-is-webhook-configuration-ready", "/always-deny", namespaceSelector=selector)
        body = {"metadata": {"name": name or self.unique, **metadata}, "webhooks": [*hooks, ready]}
        made = self.api.post(self.path(which), body)
        self.denied(f"/api/v1/namespaces/{self.markers}/configmaps", {"metadata": {"name": "marker"}}, "always denied")
        return made

    @contextmanager
    def registered(self, which: str, *hooks: Object, name: str = "", **metadata: Any) -> Iterator[Object]:
        made = self.create(which, *hooks, name=name, **metadata)
        try:
            yield made
        finally:
            self.api.ask("DELETE", self.path(which, made["metadata"]["name"]))

    def denied(self, path: str, body: Any, *says: str, method: str = "POST") -> Refused:
        with pytest.raises(Refused) as refused:
            self.api.ask(method, path, body)
        for each in says:
            assert each in str(refused.value), str(refused.value)
        return refused.value

    def config_map(self, name: str, **data: str) -> Object:
        return self.api.post(self.maps, {"metadata": {"name": name}, "data": data})

    def define(self, *versions: Object) -> Object:
        """A kind of the scene's own, served in these versions. It goes with the scene's namespace label's name."""
        open_ = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        plural, group = "e2etests", f"{self.unique}.example.com"
        found = versions or (version("v1", True, open_),)
        names = {"plural": plural, "singular": "e2etest", "kind": "E2eTest", "listKind": "E2eTestList"}
        made = self.api.post(DEFINITIONS, {"metadata": {"name": f"{plural}.{group}"}, "spec": {
            "group": group, "scope": "Namespaced", "names": names, "versions": list(found)}})  # fmt: skip

        def established() -> bool:
            status = self.api.get(f"{DEFINITIONS}/{plural}.{group}").get("status") or {}
            return any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or ())

        until(established, "the definition is not established")
        return made

    def custom(self, name: str = "", version: str = "v1") -> str:
        """Where the custom objects are."""
        base = f"/apis/{self.unique}.example.com/{version}/namespaces/{self.work.namespace}/e2etests"
        return f"{base}/{name}" if name else base

    def object(self, name: str, **data: str) -> Object:
        return {"apiVersion": f"{self.unique}.example.com/v1", "kind": "E2eTest", "metadata": {"name": name},
                "data": data}  # fmt: skip


def version(name: str, storage: bool, schema: Object) -> Object:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}}
