"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy (sig-api-machinery)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.node.crud import Watched, check_discovery
from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

VERSION = "admissionregistration.k8s.io/v1"
LABEL, OURS = {"example-e2e": "policies"}, {"matchLabels": {"policies-e2e": "true"}}
DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
MATCH = {
    "resourceRules": [{**DEPLOYMENTS, "operations": ["CREATE", "UPDATE"]}],
    "namespaceSelector": OURS,
}
MUTATION = {"patchType": "ApplyConfiguration", "applyConfiguration": {
    "expression": "Object{metadata: Object.metadata{annotations: {'my-foo-annotation': 'myAnnotationValue'}}}",
}}  # fmt: skip


def workload(replicas: int) -> Object:
    labels = {"app": "nginx"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}}
    return {"spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}}


async def bound(cluster: Cluster, kind: str, spec: Object, **binding: Any) -> None:
    """A policy, in force in the namespace that is labelled for it."""
    await Verbs(cluster, "namespace").label("default", **OURS["matchLabels"])
    await Verbs(cluster, f"{kind}admissionpolicy").create("policy.example.com", {"spec": spec})
    binding = {"policyName": "policy.example.com", "matchResources": {"namespaceSelector": OURS}, **binding}
    await Verbs(cluster, f"{kind}admissionpolicybinding").create("binding.example.com", {"spec": binding})


async def refusal(verbs: Verbs, name: str, body: Object) -> str:
    with pytest.raises(StatusError) as refused:
        await verbs.create(name, body)
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    return refused.value.message


@inside
async def test_validate_a_deployment(cluster: Cluster) -> None:
    """Conformance: ValidatingAdmissionPolicy (should validate against a Deployment)"""
    rule = {
        "expression": "object.spec.replicas > 1",
        "messageExpression": "'wants replicas > 1, got ' + string(object.spec.replicas)",
    }
    await bound(cluster, "validating", {"matchConstraints": MATCH, "validations": [rule]}, validationActions=["Deny"])
    deployments = Verbs(cluster, "deployment")
    assert (await refusal(deployments, "marker", workload(1))).endswith("denied request: wants replicas > 1, got 1")
    await deployments.create("replicated", workload(2))
    await Verbs(cluster, "replicaset").create("non-replicated", workload(1))


@inside
async def test_refer_to_variables(cluster: Cluster) -> None:
    """Conformance: ValidatingAdmissionPolicy (should allow expressions to refer variables)"""
    variables = [
        {"name": "replicas", "expression": "object.spec.replicas"},
        {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
    ]
    rules = [
        {"expression": "variables.replicas > 1"},
        {"expression": "variables.oddReplicas", "messageExpression": "'wants an odd number, got ' + "
         "string(variables.replicas)"},
    ]  # fmt: skip
    spec = {"matchConstraints": MATCH, "variables": variables, "validations": rules}
    await bound(cluster, "validating", spec, validationActions=["Deny"])
    deployments = Verbs(cluster, "deployment")
    said = await refusal(deployments, "marker", workload(1))
    assert said.endswith("denied request: failed expression: variables.replicas > 1")
    await deployments.create("replicated", workload(3))
    said = await refusal(deployments, "even", workload(4))
    assert said.endswith("denied request: wants an odd number, got 4")
    await Verbs(cluster, "replicaset").create("non-replicated", workload(1))


@inside
async def test_mutate_a_deployment(cluster: Cluster) -> None:
    """Conformance: MutatingAdmissionPolicy (should mutate a Deployment)"""
    expression = "Object{spec: Object.spec{replicas: object.spec.replicas % 2 == 0 ? object.spec.replicas + 1 : 1}}"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
    await bound(
        cluster, "mutating", {"matchConstraints": MATCH, "mutations": [mutation], "reinvocationPolicy": "Never"}
    )
    deployments, sets = Verbs(cluster, "deployment"), Verbs(cluster, "replicaset")
    assert (await deployments.create("even", workload(2)))["spec"]["replicas"] == 3
    assert (await deployments.read("even"))["spec"]["replicas"] == 3
    assert (await sets.create("other", workload(2)))["spec"]["replicas"] == 2
    elsewhere = Verbs(cluster, "deployment", "kube-system")
    assert (await elsewhere.create("even", workload(2)))["spec"]["replicas"] == 2


@inside
async def test_mutate_a_deployment_s_annotations(cluster: Cluster) -> None:
    """Conformance: MutatingAdmissionPolicy (should mutate a Deployment with annotations)"""
    expression = 'Object{metadata: Object.metadata{annotations: {"mutated-by": "admission-policy"}}}'
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
    await bound(
        cluster, "mutating", {"matchConstraints": MATCH, "mutations": [mutation], "reinvocationPolicy": "Never"}
    )
    deployments = Verbs(cluster, "deployment")
    made = await deployments.create("test-deployment", workload(2), annotations={"mine": "x"})
    assert made["metadata"]["annotations"].items() >= {"mine": "x", "mutated-by": "admission-policy"}.items()
    assert (await deployments.patch("test-deployment", {"metadata": {"annotations": {"mutated-by": None}}}))[
        "metadata"
    ]["annotations"]["mutated-by"] == "admission-policy"


async def operations(cluster: Cluster, kind: str, spec: Object, change: Object) -> Verbs:
    """Create three, get, list, watch, patch, update, delete, delete the collection. `change`: of the spec."""
    verbs = Verbs(cluster, kind)
    for name in ("e2e-example-a", "e2e-example-b"):
        await verbs.create(name, {"spec": spec}, labels=LABEL)
    made = await verbs.create("e2e-example-c", {"spec": spec}, labels=LABEL)
    name, labels = made["metadata"]["name"], "example-e2e=policies"
    assert (await verbs.read(name))["metadata"]["uid"] == made["metadata"]["uid"]
    assert len(await verbs.list(labels)) == 3
    watched = Watched(cluster, verbs, labels, made["metadata"]["resourceVersion"])
    patched = await verbs.patch(name, {"metadata": {"annotations": {"patched": "true"}}, "spec": change})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert patched["spec"].items() >= change.items()

    def update(found: Object) -> None:
        found["metadata"]["annotations"]["updated"] = "true"
        found["spec"] |= {field: spec[field] for field in change}

    updated = await verbs.update(name, update)
    assert updated["metadata"]["annotations"]["updated"] == "true"
    assert all(updated["spec"][field] == spec[field] for field in change)
    while "updated" not in (await watched.expect("MODIFIED", name))["metadata"].get("annotations", {}):
        pass  # its status is told, too
    await watched.close()
    return verbs


async def removed(verbs: Verbs) -> None:
    await verbs.delete("e2e-example-c")
    assert await verbs.is_gone("e2e-example-c")
    assert len(await verbs.list("example-e2e=policies")) == 2
    await verbs.delete_collection("example-e2e=policies")
    assert await verbs.list("example-e2e=policies") == []


@inside
async def test_validating_policies(cluster: Cluster) -> None:
    """Conformance: ValidatingAdmissionPolicy API"""
    await check_discovery(cluster, VERSION, "validatingadmissionpolicies")
    await check_discovery(cluster, VERSION, "validatingadmissionpolicies/status", {"get", "patch", "update"})
    spec = {"matchConstraints": MATCH, "validations": [{"expression": "true"}], "failurePolicy": "Fail"}
    verbs = await operations(cluster, "validatingadmissionpolicy", spec, {"failurePolicy": "Ignore"})
    name = "e2e-example-c"
    ready = {"type": "StatusPatched", "status": "True", "reason": "E2E", "message": "Set from e2e test",
             "lastTransitionTime": "2001-01-01T00:00:00Z"}  # fmt: skip
    patched = await verbs.patch(
        name, {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [ready]}},
        subresource="status",
    )  # fmt: skip
    assert patched["status"]["conditions"] == [ready]
    updated = await verbs.update(
        name, lambda found: found["status"]["conditions"].append({**ready, "type": "StatusUpdate"}), "status"
    )
    assert [each["type"] for each in updated["status"]["conditions"]] == ["StatusPatched", "StatusUpdate"]
    assert (await verbs.read(name, "status"))["status"] == updated["status"]
    await removed(verbs)


@inside
async def test_validating_bindings(cluster: Cluster) -> None:
    """Conformance: ValidatingadmissionPolicyBinding API"""
    await check_discovery(cluster, VERSION, "validatingadmissionpolicybindings")
    spec = {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]}
    await removed(
        await operations(cluster, "validatingadmissionpolicybinding", spec, {"validationActions": ["Warn", "Audit"]})
    )


@inside
async def test_mutating_policies(cluster: Cluster) -> None:
    """Conformance: MutatingAdmissionPolicy API"""
    await check_discovery(cluster, VERSION, "mutatingadmissionpolicies")
    spec = {
        "matchConstraints": MATCH, "mutations": [MUTATION], "failurePolicy": "Fail", "reinvocationPolicy": "Never",
    }  # fmt: skip
    await removed(await operations(cluster, "mutatingadmissionpolicy", spec, {"failurePolicy": "Ignore"}))


@inside
async def test_mutating_bindings(cluster: Cluster) -> None:
    """Conformance: MutatingAdmissionPolicyBinding API"""
    await check_discovery(cluster, VERSION, "mutatingadmissionpolicybindings")
    spec = {"policyName": "policy.example.com"}
    await removed(
        await operations(cluster, "mutatingadmissionpolicybinding", spec, {"policyName": "other.example.com"})
    )
