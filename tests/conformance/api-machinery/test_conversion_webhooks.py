"""Custom objects in versions that a webhook in a pod makes of one another (sig-api-machinery)."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.beside import Scenes, beside, started
from conformance.node.api import Api, Refused
from conformance.node.pods import Pods, namespaced, until
from conformance.work import Work
from e2e.certificates import self_signed
from e2e.host import Cluster
from images import debian
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(240)]

PROGRAM = Path(debian.__file__).with_name("conversion_server.py")
SERVICE, PORT, INSIDE = "e2e-test-crd-conversion-webhook", 9443, 9444
CERTIFICATES = "/webhook.local.config/certificates"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TEXT: Object = {"type": "string"}
clients: list[Object] = []


@pytest.fixture(scope="module")
def scenes(
    cluster: Cluster, api: Api, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scenes]:
    cluster.import_image(debian.build(("python",))["python"])
    with namespaced(cluster, api, "conversion-webhook") as pods:
        clients.append(deployed(pods, tmp_path_factory.mktemp("webhook")))
        with started(cluster, api, request) as scenes:
            yield scenes


def deployed(pods: Pods, folder: Path) -> Object:
    """The webhook behind its Service: how a definition names it."""
    certificate, key = (
        base64.b64encode(path.read_bytes()).decode()
        for path in self_signed(folder, "webhook", f"{SERVICE}.{pods.namespace}.svc")
    )
    pods.create(
        {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "certs"},
         "data": {"tls.crt": certificate, "tls.key": key}},
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "program"},
         "data": {"server.py": PROGRAM.read_text()}},
        {"kind": "Service", "apiVersion": "v1", "metadata": {"name": SERVICE, "labels": {"test": "crd-webhook"}},
         "spec": {"selector": {"crd-webhook": "true"}, "ports": [{"port": PORT, "targetPort": INSIDE}]}},
    )  # fmt: skip
    ready = {"httpGet": {"scheme": "HTTPS", "port": INSIDE, "path": "/readyz"}, "periodSeconds": 1}
    container = {
        "name": "sample-crd-conversion-webhook", "image": debian.name("python"), "readinessProbe": ready,
        "command": ["python3", "/program/server.py", CERTIFICATES, str(INSIDE)],
        "volumeMounts": [{"name": "certs", "mountPath": CERTIFICATES, "readOnly": True},
                         {"name": "program", "mountPath": "/program"}],
    }  # fmt: skip
    labels = {"app": "sample-crd-conversion-webhook", "crd-webhook": "true"}
    volumes = [{"name": "certs", "secret": {"secretName": "certs"}},
               {"name": "program", "configMap": {"name": "program"}}]  # fmt: skip
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "volumes": volumes}
    template = {"metadata": {"labels": labels}, "spec": spec}
    deployment = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    deployments = f"/apis/apps/v1/namespaces/{pods.namespace}/deployments"
    pods.api.post(deployments, {"metadata": {"name": "sample-crd-conversion-webhook"}, "spec": deployment})
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{pods.namespace}/endpointslices"

    def paired() -> bool:
        found = [end for each in pods.api.get(slices)["items"] for end in each.get("endpoints") or ()]
        return bool(found) and found[0]["conditions"]["ready"]

    until(paired, lambda: f"the webhook's pod is not ready: {pods.every()}")
    service = {"namespace": pods.namespace, "name": SERVICE, "path": "/crdconvert", "port": PORT}
    return {"caBundle": certificate, "service": service}


def versions(stored: str = "v1", *, selectable: bool = False) -> list[Object]:
    fields = {"v1": ("hostPort",), "v2": ("host", "port")}
    return [
        {
            "name": name, "served": True, "storage": name == stored,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": dict.fromkeys(own, TEXT)}},
            **({"selectableFields": [{"jsonPath": f".{field}"} for field in own]} if selectable else {}),
        }
        for name, own in fields.items()
    ]  # fmt: skip


class Kind:
    """A definition of the work's own, and its objects."""

    def __init__(self, work: Work) -> None:
        self.work, self.api = work, work.api
        self.group = f"{work.namespace}.stable.example.com"
        self.path = f"{DEFINITIONS}/e2e-tests.{self.group}"

    def at(self, version: str, name: str = "") -> str:
        return f"/apis/{self.group}/{version}/namespaces/{self.work.namespace}/e2e-tests{name and '/'}{name}"

    def object(self, version: str, name: str, **fields: str) -> Object:
        return {"kind": "E2e-test", "apiVersion": f"{self.group}/{version}", "metadata": {"name": name}, **fields}

    def create(self, version: str, name: str, **fields: str) -> Object:
        return self.api.post(self.at(version), self.object(version, name, **fields))

    def names(self, version: str, selector: str) -> set[str]:
        found = self.api.get(f"{self.at(version)}?fieldSelector={selector}")["items"]
        return {each["metadata"]["name"] for each in found}

    def ready(self) -> None:
        """Objects that have to be converted can be made."""

        def established() -> bool:
            told = self.api.get(self.path).get("status", {}).get("conditions") or ()
            return any(each["type"] == "Established" and each["status"] == "True" for each in told)

        def made() -> bool:
            try:
                self.create("v2", "stub")
            except Refused:
                return False
            return True

        until(established, "the definition is not established")
        until(made, "no object that has to be converted can be made")
        self.api.ask("DELETE", self.at("v2", "stub"))


@contextmanager
def defined(work: Work, *, selectable: bool = False) -> Iterator[Kind]:
    kind = Kind(work)
    webhook = {"clientConfig": clients[-1], "conversionReviewVersions": ["v1", "v1beta1"]}
    names = {"plural": "e2e-tests", "singular": "e2e-test", "kind": "E2e-test", "listKind": "E2e-testList"}
    spec = {
        "group": kind.group, "scope": "Namespaced", "names": names, "versions": versions(selectable=selectable),
        "conversion": {"strategy": "Webhook", "webhook": webhook},
    }  # fmt: skip
    work.api.post(DEFINITIONS, {"metadata": {"name": f"e2e-tests.{kind.group}"}, "spec": spec})
    try:
        kind.ready()
        yield kind
    finally:
        work.api.ask("DELETE", kind.path)


def is_v1(found: Object) -> bool:
    return found["apiVersion"].endswith("/v1") and found["hostPort"] == "localhost:8080" and not (
        {"host", "port"} & found.keys()
    )  # fmt: skip


def is_v2(found: Object) -> bool:
    where = found["host"], found["port"]
    return found["apiVersion"].endswith("/v2") and where == ("localhost", "8080") and "hostPort" not in found


@beside
def test_conversion(work: Work) -> None:
    """Conformance: Custom Resource Definition Conversion Webhook, conversion custom resource"""
    with defined(work) as kind:
        kind.create("v1", "cr-instance-1", hostPort="localhost:8080")
        assert is_v2(work.api.get(kind.at("v2", "cr-instance-1")))


@beside
def test_mixed_list(work: Work) -> None:
    """Conformance: Custom Resource Definition Conversion Webhook, convert mixed version list"""
    with defined(work) as kind:
        kind.create("v1", "cr-instance-1", hostPort="localhost:8080")
        work.api.patch(kind.path, {"spec": {"versions": versions("v2")}})
        kind.create("v1", "cr-instance-2", hostPort="localhost:8080")
        for version, holds in (("v1", is_v1), ("v2", is_v2)):
            found = work.api.get(kind.at(version))["items"]
            assert {each["metadata"]["name"] for each in found} == {"cr-instance-1", "cr-instance-2"}
            assert all(map(holds, found))


class Seen:
    """What a watch tells until it is closed: the names that were added, and those that were deleted."""

    def __init__(self, work: Work, path: str, known: set[str]) -> None:
        self.added, self.deleted = set(known), set[str]()
        self._api = Api(work.api.path)
        self._thread = threading.Thread(target=self._run, args=(path,), daemon=True)
        self._thread.start()

    def _run(self, path: str) -> None:
        for event in self._api.watch(path):
            name = event["object"]["metadata"]["name"]
            {"ADDED": self.added, "DELETED": self.deleted}.get(event["type"], set()).add(name)

    def saw(self, added: set[str], deleted: set[str]) -> None:
        until(lambda: (self.added, self.deleted) == (added, deleted), lambda: f"{self.added} {self.deleted}")

    def ended(self) -> None:
        """With the definition."""
        self._thread.join(15)
        assert not self._thread.is_alive()
        self._api.close()


@beside
def test_selectable_fields(work: Work) -> None:
    """Conformance: custom-resource-definition-field-selectors-list-watch-register-informers"""
    with defined(work, selectable=True) as kind:

        def watching(version: str, selector: str) -> Seen:
            return Seen(work, f"{kind.at(version)}?watch=true&timeoutSeconds=20&fieldSelector={selector}", set())

        def informed(version: str, selector: str) -> Seen:
            """As an informer: a list, and a watch from there."""
            found = work.api.get(f"{kind.at(version)}?fieldSelector={selector}")
            since = found["metadata"]["resourceVersion"]
            path = f"{kind.at(version)}?watch=true&timeoutSeconds=20&fieldSelector={selector}&resourceVersion={since}"
            return Seen(work, path, {each["metadata"]["name"] for each in found["items"]})

        both, one = "host=host1", "host=host1,port=80"
        hosts, exact = [each("v2", both) for each in (watching, informed)], [
            watching("v2", one), watching("v1", "hostPort=host1:80"), informed("v2", one),
        ]  # fmt: skip
        kind.create("v2", "a", host="host1", port="80")
        kind.create("v2", "b", host="host1", port="8080")
        kind.create("v2", "c", host="host2")
        for version, selector, names in (
            ("v2", both, {"a", "b"}), ("v2", one, {"a"}), ("v1", "hostPort=host1:80", {"a"}),
            ("v1", "hostPort=host1:8080", {"b"}),
        ):  # fmt: skip
            assert kind.names(version, selector) == names
        expect(hosts, {"a", "b"}, set())
        expect(exact, {"a"}, set())
        work.api.ask("DELETE", f"{kind.at('v2')}?fieldSelector={one}", {"gracePeriodSeconds": 0})
        work.api.put(kind.at("v2", "b"), {**work.api.get(kind.at("v2", "b")), "host": "host2"})
        assert kind.names("v2", both) == kind.names("v2", one) == set()
        expect(hosts, {"a", "b"}, {"a", "b"})
        expect(exact, {"a"}, {"a"})
    for each in (*hosts, *exact):
        each.ended()


def expect(seen: list[Seen], added: set[str], deleted: set[str]) -> None:
    for each in seen:
        each.saw(added, deleted)
