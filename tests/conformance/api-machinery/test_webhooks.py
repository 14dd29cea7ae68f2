"""Webhooks that refuse and change, in a pod behind a Service (sig-api-machinery, AdmissionWebhook)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conformance.beside import Scenes, beside, started
from conformance.node.api import Api, Refused
from conformance.node.pods import container, namespaced, pod
from conformance.webhooks import DEFINITIONS, Scene, Server, version
from conformance.work import Work
from e2e.host import Cluster
from images import debian
from longboat.machinery.objects import Object

MARK, NO = "webhook-e2e-test", "webhook-disallow"
UNWANTED = "the configmap contains unwanted key and value"
servers: list[Server] = []


@pytest.fixture(scope="module")
def scenes(
    cluster: Cluster, api: Api, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scenes]:
    cluster.import_image(debian.build(("python",))["python"])
    with namespaced(cluster, api, "webhook-server") as pods:
        servers.append(Server(pods, tmp_path_factory.mktemp("webhook")))
        with started(cluster, api, request) as scenes:
            yield scenes


def on(work: Work) -> Scene:
    return Scene(work, servers[-1])


@beside
def test_discovery(work: Work) -> None:
    """Conformance: Admission webhook, discovery document"""
    group = "admissionregistration.k8s.io"
    (found,) = [each for each in work.api.get("/apis")["groups"] if each["name"] == group]
    assert "v1" in [each["version"] for each in found["versions"]]
    found = work.api.get(f"/apis/{group}")
    assert found["name"] == group
    assert "v1" in [each["version"] for each in found["versions"]]
    found = work.api.get(f"/apis/{group}/v1")
    assert found["groupVersion"] == f"{group}/v1"
    named = {each["name"] for each in found["resources"]}
    assert {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} <= named


@beside
def test_deny_create(work: Work) -> None:
    """Conformance: Admission webhook, deny create"""
    scene = on(work)
    pods = scene.hook("deny-unwanted-pod-container-name-and-label", "/pods", "pods")
    dead = scene.hook("fail-open", "/configmaps", ca=False, failurePolicy="Ignore")
    with scene.registered("validating", pods, scene.denying(), dead):
        wrong = pod("disallowed-pod", container(name=NO), labels={MARK: NO})
        both = "the pod contains unwanted container name", "the pod contains unwanted label"
        scene.denied(f"{work.base}/pods", wrong, *both)
        hanging = pod("hanging-pod", container(name="wait-forever"), labels={MARK: "wait-forever"})
        scene.denied(f"{work.base}/pods", hanging, "webhook", "deadline")
        assert not work.is_there("hanging-pod")
        unwanted = {"metadata": {"name": "disallowed-configmap"}, "data": {MARK: NO}}
        scene.denied(scene.maps, unwanted, UNWANTED)
        admitted = scene.config_map("allowed-configmap", admit="this")
        path = f"{scene.maps}/allowed-configmap"
        scene.denied(path, {**admitted, "data": {"admit": "this", MARK: NO}}, UNWANTED, method="PUT")
        with pytest.raises(Refused, match=UNWANTED):
            work.api.patch(path, {"data": {MARK: NO}}, "strategic")
        assert work.api.get(path)["data"] == {"admit": "this"}
        exempt = f"{scene.unique}-exempt"
        labels = {"skip-webhook-admission": "yes", scene.unique: "true"}
        work.api.post("/api/v1/namespaces", {"metadata": {"name": exempt, "labels": labels}})
        work.api.post(f"/api/v1/namespaces/{exempt}/configmaps", unwanted)


@beside
def test_deny_attach(work: Work) -> None:
    """Conformance: Admission webhook, deny attach"""
    scene = on(work)
    with scene.registered("validating", scene.hook("deny-attaching-pod", "/pods/attach", "pods/attach", "CONNECT")):
        work.create(pod("to-be-attached-pod", container(name="container1")))
        work.ready("to-be-attached-pod")
        done = work.cluster.kubectl("attach", "-n", work.namespace, "to-be-attached-pod", "-i", "-c=container1")
        assert done.code != 0
        assert "attaching to pod 'to-be-attached-pod' is not allowed" in done.err


@beside
def test_deny_custom_resources(work: Work) -> None:
    """Conformance: Admission webhook, deny custom resource create and delete"""
    scene, unwanted = on(work), "the custom resource contains unwanted data"
    scene.define()
    verbs = ("CREATE", "UPDATE", "DELETE")
    group = f"{scene.unique}.example.com"
    hook = scene.hook("deny-unwanted-custom-resource-data", "/custom-resource", "e2etests", *verbs, group=group)
    with scene.registered("validating", hook):
        scene.denied(scene.custom(), scene.object("cr-instance-1", **{MARK: NO}), unwanted)
        made = work.api.post(scene.custom(), scene.object("cr-instance-2", **{MARK: "webhook-nondeletable"}))
        path = scene.custom("cr-instance-2")
        scene.denied(path, {**made, "data": {MARK: NO}}, unwanted, method="PUT")
        why = "the custom resource cannot be deleted because it contains unwanted key and value"
        scene.denied(path, None, why, method="DELETE")
        work.api.put(path, {**made, "data": {MARK: "webhook-allow"}})
        work.api.ask("DELETE", path)


@beside
def test_fail_closed(work: Work) -> None:
    """Conformance: Admission webhook, fail closed"""
    scene = on(work)
    closed = {"matchLabels": {f"{scene.unique}-closed": "true"},
              "matchExpressions": [{"key": "fail-closed-webhook", "operator": "In", "values": ["yes"]}]}  # fmt: skip
    dead = scene.hook("fail-closed", "/configmaps", ca=False, failurePolicy="Fail", namespaceSelector=closed)
    with scene.registered("validating", dead):
        labels = {"fail-closed-webhook": "yes", f"{scene.unique}-closed": "true"}
        name = f"{scene.unique}-closed"
        work.api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        refused = scene.denied(f"/api/v1/namespaces/{name}/configmaps", {"metadata": {"name": "foo"}})
        assert refused.reason == "InternalError"


@beside
def test_ordered_mutation(work: Work) -> None:
    """Conformance: Admission webhook, ordered mutation"""
    scene = on(work)
    with scene.registered("mutating", scene.mutating(1), scene.mutating(2)):
        made = scene.config_map("to-be-mutated", **{"mutation-start": "yes"})
        assert made["data"] == dict.fromkeys(("mutation-start", "mutation-stage-1", "mutation-stage-2"), "yes")


@beside
def test_mutation_with_defaulting(work: Work) -> None:
    """Conformance: Admission webhook, mutation with defaulting"""
    scene = on(work)
    with scene.registered("mutating", scene.hook("adding-init-container", "/mutating-pods", "pods")):
        made = work.api.post(f"{work.base}/pods", pod("webhook-to-be-mutated", container(name="example")))
        (added,) = made["spec"]["initContainers"]
        assert added["name"] == "webhook-added-init-container"
        assert added["terminationMessagePolicy"] == "File"


@beside
def test_configurations_are_exempt(work: Work) -> None:
    """Conformance: Admission webhook, admission control not allowed on webhook configuration objects"""
    scene, names = on(work), ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
    hooks = []
    for name, path, verb in (
        ("deny-webhook-configuration-deletions", "/always-deny", "DELETE"),
        ("add-label-to-webhook-configurations", "/add-label", "CREATE"),
    ):
        hook = scene.hook(name, path, "", verb, group="admissionregistration.k8s.io", versions=("*",))
        hook["rules"][0]["resources"] = names
        # Beside all others: whatever names this scene's objects is about them, and nothing else is.
        about = {"namespaceSelector": {}, "objectSelector": scene.mine, "failurePolicy": "Fail"}
        hooks.append({**hook, **about})
    blocking = f"{scene.unique}-blocking"
    with (
        scene.registered("validating", hooks[0], name=blocking),
        scene.registered("mutating", hooks[1], name=blocking),
    ):
        for which in ("validating", "mutating"):
            dummy = scene.hook(f"dummy-{which}-webhook", "", "invalid", ca=False, failurePolicy="Ignore")
            made = scene.create(which, dummy, labels={scene.unique: "true"})
            assert "added-label" not in made["metadata"]["labels"]
            work.api.ask("DELETE", scene.path(which, scene.unique))


@beside
def test_mutate_custom_resource(work: Work) -> None:
    """Conformance: Admission webhook, mutate custom resource"""
    scene = on(work)
    scene.define()
    with scene.registered("mutating", *mutating_custom(scene)):
        made = work.api.post(scene.custom(), scene.object("cr-instance-1", **{"mutation-start": "yes"}))
        assert made["data"] == dict.fromkeys(("mutation-start", "mutation-stage-1", "mutation-stage-2"), "yes")


def mutating_custom(scene: Scene, *versions: str) -> list[Object]:
    """The first stage is for updates, too."""
    return [
        scene.hook(f"mutate-custom-resource-data-stage-{stage}", "/mutating-custom-resource", "e2etests", *verbs,
                   group=f"{scene.unique}.example.com", versions=versions or ("v1",))
        for stage, verbs in ((1, ("CREATE", "UPDATE")), (2, ("CREATE",)))
    ]  # fmt: skip


@beside
def test_deny_definition(work: Work) -> None:
    """Conformance: Admission webhook, deny custom resource definition"""
    scene = on(work)
    hook = scene.hook("deny-crd-with-unwanted-label", "/crd", "customresourcedefinitions",
                      group="apiextensions.k8s.io", versions=("*",))  # fmt: skip
    with scene.registered("validating", {**hook, "namespaceSelector": {}, "objectSelector": scene.mine}):
        group = f"{scene.unique}.example.com"
        names = {"plural": "denieds", "singular": "denied", "kind": "Denied", "listKind": "DeniedList"}
        open_ = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version("v1", True, open_)]}
        body = {"metadata": {"name": f"denieds.{group}", "labels": {scene.unique: "true", MARK: NO}}, "spec": spec}
        scene.denied(DEFINITIONS, body, "the crd contains unwanted label")


@beside
def test_mutate_stored_in_another_version(work: Work) -> None:
    """Conformance: Admission webhook, mutate custom resource with different stored version"""
    scene, open_ = on(work), {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    made = scene.define(version("v1", True, open_), version("v2", False, open_))
    with scene.registered("mutating", *mutating_custom(scene, "v1", "v2")):
        work.api.post(scene.custom(), scene.object("cr-instance-1", **{"mutation-start": "yes"}))
        moved = [version("v1", False, open_), version("v2", True, open_)]
        work.api.patch(f"{DEFINITIONS}/{made['metadata']['name']}", {"spec": {"versions": moved}})
        patch = [{"op": "add", "path": "/dummy", "value": "test"}]
        found = json.loads(
            work.api.ask("PATCH", scene.custom("cr-instance-1", "v2"), patch, "application/json-patch+json")
        )
        assert found["data"] == dict.fromkeys(("mutation-start", "mutation-stage-1", "mutation-stage-2"), "yes")
        assert found["dummy"] == "test"


@beside
def test_mutate_with_pruning(work: Work) -> None:
    """Conformance: Admission webhook, mutate custom resource with pruning"""
    scene = on(work)
    fields = {"mutation-start": {"type": "string"}, "mutation-stage-1": {"type": "string"}}
    narrow = {"type": "object", "properties": {"data": {"type": "object", "properties": fields}}}
    scene.define(version("v1", True, narrow), version("v2", False, narrow))
    with scene.registered("mutating", *mutating_custom(scene, "v1", "v2")):
        made = work.api.post(scene.custom(), scene.object("cr-instance-1", **{"mutation-start": "yes"}))
        assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}


@beside
def test_timeouts(work: Work) -> None:
    """Conformance: Admission webhook, honor timeout

    The four cases stand in namespaces of their own and wait beside each other.
    """
    scene = on(work)

    def slow(case: str, policy: str, timeout: Object) -> Refused | None:
        own = Api(Path(work.api.path))
        name = f"{scene.unique}-{case}"
        own.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": {name: "true"}}})
        selector = {"matchLabels": {name: "true"}}
        hook = scene.hook("allow-configmap-with-delay-webhook", "/always-allow-delay-5s", failurePolicy=policy,
                          namespaceSelector=selector, **timeout)  # fmt: skip
        own.post(scene.path("validating"), {"metadata": {"name": name}, "webhooks": [hook]})
        try:
            own.post(f"/api/v1/namespaces/{name}/configmaps", {"metadata": {"name": "e2e-test-slow-webhook-configmap"}})
        except Refused as refused:
            return refused
        finally:
            own.ask("DELETE", scene.path("validating", name))
            own.close()
        return None

    cases = [("short", "Fail", {"timeoutSeconds": 1}), ("ignored", "Ignore", {"timeoutSeconds": 1}),
             ("long", "Fail", {"timeoutSeconds": 10}), ("left-out", "Fail", {})]  # fmt: skip
    with ThreadPoolExecutor(len(cases)) as pool:
        refused, *others = pool.map(lambda case: slow(*case), cases)
    assert refused is not None
    assert "deadline" in str(refused)
    assert others == [None, None, None]


@beside
def test_update_validating(work: Work) -> None:
    """Conformance: Admission webhook, update validating webhook"""
    scene = on(work)
    unwanted = {"metadata": {"name": "unwanted"}, "data": {MARK: NO}}
    with scene.registered("validating", scene.denying()) as made:
        scene.denied(scene.maps, unwanted, "denied")
        path = scene.path("validating", scene.unique)
        made["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
        work.api.put(path, made)
        work.api.post(scene.maps, unwanted)
        work.api.ask("DELETE", f"{scene.maps}/unwanted")
        again = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]
        work.api.ask("PATCH", path, again, "application/json-patch+json")
        scene.denied(scene.maps, unwanted, "denied")


@beside
def test_update_mutating(work: Work) -> None:
    """Conformance: Admission webhook, update mutating webhook"""
    scene = on(work)
    with scene.registered("mutating", scene.mutating()) as made:
        path = scene.path("mutating", scene.unique)
        made["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
        work.api.put(path, made)
        assert "mutation-stage-1" not in scene.config_map("left", **{"mutation-start": "yes"})["data"]
        again = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]
        work.api.ask("PATCH", path, again, "application/json-patch+json")
        assert scene.config_map("changed", **{"mutation-start": "yes"})["data"]["mutation-stage-1"] == "yes"


@beside
def test_list_validating(work: Work) -> None:
    """Conformance: Admission webhook, list validating webhooks"""
    scene = on(work)
    selected = f"{scene.path('validating')}?labelSelector=e2e-list-test-uuid%3D{scene.unique}"
    unwanted = {"metadata": {"name": "unwanted"}, "data": {MARK: NO}}
    for i in range(10):
        scene.create(
            "validating", scene.denying(), name=f"{scene.unique}-{i}", labels={"e2e-list-test-uuid": scene.unique}
        )
    assert len(work.api.get(selected)["items"]) == 10
    scene.denied(scene.maps, unwanted, "denied")
    work.api.ask("DELETE", selected)
    assert not work.api.get(selected)["items"]
    work.api.post(scene.maps, unwanted)


@beside
def test_list_mutating(work: Work) -> None:
    """Conformance: Admission webhook, list mutating webhooks"""
    scene = on(work)
    selected = f"{scene.path('mutating')}?labelSelector=e2e-list-test-uuid%3D{scene.unique}"
    for i in range(10):
        scene.create(
            "mutating", scene.mutating(), name=f"{scene.unique}-{i}", labels={"e2e-list-test-uuid": scene.unique}
        )
    assert len(work.api.get(selected)["items"]) == 10
    assert scene.config_map("changed", **{"mutation-start": "yes"})["data"]["mutation-stage-1"] == "yes"
    work.api.ask("DELETE", selected)
    assert not work.api.get(selected)["items"]
    assert "mutation-stage-1" not in scene.config_map("left", **{"mutation-start": "yes"})["data"]


def stored_conditions(work: Work, which: str, path: str) -> None:
    scene = on(work)
    first = {"name": "expression-1", "expression": "object.metadata.namespace == 'production'"}
    second = {"name": "expression-2", "expression": "object.metadata.namespace == 'staging'"}
    with scene.registered(which, scene.hook("with-match-conditions.e2e", path, matchConditions=[first])):
        found = work.api.get(scene.path(which, scene.unique))
        assert found["webhooks"][0]["matchConditions"] == [first]
        found["webhooks"][0]["matchConditions"] = [first, second]
        work.api.put(scene.path(which, scene.unique), found)
        found = work.api.get(scene.path(which, scene.unique))
        assert found["webhooks"][0]["matchConditions"] == [first, second]


@beside
def test_validating_conditions(work: Work) -> None:
    """Conformance: Validating Admission webhook, create and update validating webhook configuration with matchConditions"""  # noqa: E501
    stored_conditions(work, "validating", "/always-deny")


@beside
def test_mutating_conditions(work: Work) -> None:
    """Conformance: Mutating Admission webhook, create and update mutating webhook configuration with matchConditions"""
    stored_conditions(work, "mutating", "/mutating-configmaps")


def invalid_conditions(work: Work, which: str, path: str) -> None:
    scene = on(work)
    wrong = {"name": "invalid-expression-1", "expression": "... [] bad expression"}
    hook = scene.hook("with-match-conditions.e2e", path, matchConditions=[wrong])
    body = {"metadata": {"name": scene.unique}, "webhooks": [hook]}
    scene.denied(scene.path(which), body, "compilation failed")


@beside
def test_invalid_validating_conditions(work: Work) -> None:
    """Conformance: Validing Admission webhook, reject validating webhook configurations with invalid matchConditions"""
    invalid_conditions(work, "validating", "/always-deny")


@beside
def test_invalid_mutating_conditions(work: Work) -> None:
    """Conformance: Mutating Admission webhook, reject mutating webhook configurations with invalid matchConditions"""
    invalid_conditions(work, "mutating", "/mutating-configmaps")


@beside
def test_skip_me(work: Work) -> None:
    """Conformance: Mutating Admission webhook, mutating webhook excluding object with specific name"""
    scene = on(work)
    unless = [{"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}]
    with scene.registered("mutating", scene.mutating(matchConditions=unless)):
        made = scene.config_map("any-name", **{"mutation-start": "yes"})
        assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}
        assert scene.config_map("skip-me", **{"mutation-start": "yes"})["data"] == {"mutation-start": "yes"}
