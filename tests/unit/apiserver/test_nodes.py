"""What a node may read and write: the Node authorizer and NodeRestriction, through the whole chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Pki
from suites.objects import pod
from unit.apiserver.harness import ADMIN, Api, play, user

NODE, OTHER = user("system:node:n1", "system:nodes"), user("system:node:n2", "system:nodes")
CORE = "/api/v1/namespaces/default"


WITH_EVERYTHING = {
    "serviceAccountName": "robot",
    "imagePullSecrets": [{"name": "s-pull"}],
    "containers": [
        {
            "name": "c", "image": "i",
            "envFrom": [{"secretRef": {"name": "s-from"}}, {"configMapRef": {"name": "c-from"}}],
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s-env", "key": "k"}}}],
        }
    ],
    "initContainers": [
        {
            "name": "i", "image": "i",
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s-init", "key": "k"}}}],
        }
    ],
    "volumes": [
        {"name": "a", "secret": {"secretName": "s-vol"}},
        {"name": "b", "projected": {"sources": [{"secret": {"name": "s-proj"}}, {"configMap": {"name": "c-proj"}}]}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "d", "csi": {"driver": "d.example", "nodePublishSecretRef": {"name": "s-inline"}}},
    ],
}  # fmt: skip
SECRETS = ("s-pull", "s-from", "s-env", "s-init", "s-vol", "s-proj", "s-inline", "s-stage")


async def furnish(api: Api) -> None:
    """A pod on n1 that refers to all there is, one on n2 that refers to nothing."""
    await api.make(f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}})
    await api.make(f"{CORE}/serviceaccounts", {"metadata": {"name": "robot"}})
    for name in (*SECRETS, "s-other"):
        await api.make(f"{CORE}/secrets", {"metadata": {"name": name}})
    for name in ("c-from", "c-proj", "c-other"):
        await api.make(f"{CORE}/configmaps", {"metadata": {"name": name}})
    for name, volume, stage in (("claim", "pv", "s-stage"), ("other", "pv2", "s-other")):
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": volume}
        await api.make(f"{CORE}/persistentvolumeclaims", {"metadata": {"name": name}, "spec": claim})
        secret = {"name": stage, "namespace": "default"}
        csi = {"driver": "d.example", "volumeHandle": volume, "nodeStageSecretRef": secret}
        spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": csi}
        await api.make("/api/v1/persistentvolumes", {"metadata": {"name": volume}, "spec": spec})
    await api.make(f"{CORE}/pods", pod("p", nodeName="n1", **WITH_EVERYTHING))
    await api.make(f"{CORE}/pods", pod("q", nodeName="n2"))


def test_a_node_reads_what_its_pods_refer_to_and_nothing_else() -> None:
    async def scene(api: Api) -> None:
        await furnish(api)
        reachable = [
            *(f"{CORE}/secrets/{name}" for name in SECRETS), f"{CORE}/configmaps/c-from", f"{CORE}/configmaps/c-proj",
            f"{CORE}/persistentvolumeclaims/claim", "/api/v1/persistentvolumes/pv", f"{CORE}/pods/p",
            f"{CORE}/secrets?fieldSelector=metadata.name=s-env", "/api/v1/pods?fieldSelector=spec.nodeName=n1",
        ]  # fmt: skip
        for path in reachable:
            assert (await api.ask("GET", path, who=NODE))[0] == 200, path
        for path in reachable[:-1]:
            code, answer = await api.ask("GET", path, who=OTHER)
            assert code == 403, path
            assert answer["message"].endswith("no relationship found between node 'n2' and this object"), answer
        for path in (f"{CORE}/secrets/s-other", f"{CORE}/configmaps/c-other", f"{CORE}/pods/q",
                     f"{CORE}/persistentvolumeclaims/other", "/api/v1/persistentvolumes/pv2"):  # fmt: skip
            assert (await api.ask("GET", path, who=NODE))[0] == 403, path
        unselected = "can only list/watch pods with spec.nodeName field selector"
        for path, why in (
            (f"{CORE}/secrets", "No Object name found"),
            ("/api/v1/secrets?fieldSelector=metadata.name=s-env", "can only read namespaced object of this type"),
            ("/api/v1/pods", unselected),
            ("/api/v1/pods?fieldSelector=spec.nodeName=n2", unselected),
            ("/api/v1/pods?fieldSelector=spec.nodeName!=n1", unselected),
            ("/api/v1/persistentvolumes", "can only get individual resources of this type"),
            ("/apis/coordination.k8s.io/v1/namespaces/default/leases/n1",
             'can only access leases in the "kube-node-lease" system namespace'),
        ):  # fmt: skip
            code, answer = await api.ask("GET", path, who=NODE)
            assert (code, answer["message"].partition(": ")[2].rpartition(": ")[2]) == (403, why), path

    play(scene)


def test_what_a_pod_no_longer_refers_to_is_closed_again() -> None:
    async def scene(api: Api) -> None:
        await furnish(api)
        assert (await api.ask("GET", f"{CORE}/secrets/s-env", who=NODE))[0] == 200
        assert (await api.ask("DELETE", f"{CORE}/pods/p?gracePeriodSeconds=0"))[0] == 200
        assert (await api.ask("GET", f"{CORE}/secrets/s-env", who=NODE))[0] == 403

    play(scene)


def mirror(**changes: Any) -> dict[str, Any]:
    made = pod("m", nodeName="n1")
    made["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    made["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "?", "controller": True}
    ]
    made["spec"].update(changes)
    return made


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"nodeName": "n2"}, "can only create pods with spec.nodeName set to itself"),
        ({"serviceAccountName": "robot"}, "a mirror pod may not reference service accounts"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "a mirror pod may not reference secrets"),
        ({"volumes": [{"name": "v", "configMap": {"name": "s"}}]}, "can not create pods that reference configmaps"),
        ({"resourceClaims": [{"name": "r", "resourceClaimName": "rc"}]}, "pods that reference resourceclaims"),
    ],
)  # fmt: skip
def test_a_mirror_pod_refers_to_nothing(change: dict[str, Any], why: str) -> None:
    async def scene(api: Api) -> None:
        await furnish(api)
        node = await api.make("/api/v1/nodes", {"metadata": {"name": "n1"}}, NODE)
        wish = mirror(**change)
        wish["metadata"]["ownerReferences"][0]["uid"] = node["metadata"]["uid"]
        code, answer = await api.ask("POST", f"{CORE}/pods", wish, NODE)
        assert code == 403  # also where the pod is invalid: who asks is looked at first
        assert why in answer["message"]

    play(scene)


def test_a_node_keeps_its_hands_off_others_and_off_its_own_restrictions() -> None:
    async def scene(api: Api) -> None:
        await furnish(api)
        hostname = {"kubernetes.io/hostname": "n1", "anything.example/x": "y", "node.kubernetes.io/own": "y"}
        await api.make("/api/v1/nodes", {"metadata": {"name": "n1", "labels": hostname}}, NODE)
        await api.make("/api/v1/nodes", {"metadata": {"name": "n2"}}, OTHER)
        merge = {"content_type": "application/merge-patch+json"}
        for path, patch, why in (
            ("/api/v1/nodes/n2", {"metadata": {"labels": {"a": "b"}}}, 'node "n1" is not allowed to modify node "n2"'),
            ("/api/v1/nodes/n2/status", {"status": {"phase": "x"}}, 'node "n1" is not allowed to modify node "n2"'),
            ("/api/v1/nodes/n1", {"spec": {"taints": []}}, 'node "n1" is not allowed to modify taints'),
            ("/api/v1/nodes/n1", {"metadata": {"labels": {"node-restriction.kubernetes.io/a": "b"}}},
             "is not allowed to modify labels: node-restriction.kubernetes.io/a"),
            ("/api/v1/nodes/n1", {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
             "is not allowed to modify labels: node-role.kubernetes.io/control-plane"),
            ("/api/v1/nodes/n1", {"metadata": {"ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}}, "ownerReferences"),
            (f"{CORE}/pods/q/status", {"status": {"phase": "Failed"}},
             'node "n1" can only update pod status for pods with spec.nodeName set to itself'),
            (f"{CORE}/pods/p/status", {"metadata": {"labels": {"a": "b"}}},
             'node "n1" cannot update labels through pod status'),
            (f"{CORE}/persistentvolumeclaims/claim/status", {"status": {"phase": "Lost"}},
             "is not allowed to update fields other than status.quantity and status.conditions"),
        ):  # fmt: skip
            code, answer = await api.ask("PATCH", path, patch, NODE, **merge)
            assert (code, why in answer["message"]) == (403, True), (path, answer)
        for path, patch in (
            ("/api/v1/nodes/n1", {"metadata": {"labels": {"anything.example/x": "z"}}}),
            (f"{CORE}/pods/p/status", {"status": {"phase": "Running"}}),
            (f"{CORE}/persistentvolumeclaims/claim/status", {"status": {"capacity": {"storage": "2Gi"}}}),
        ):
            code, answer = await api.ask("PATCH", path, patch, NODE, **merge)
            assert code == 200, answer
        assert (await api.ask("DELETE", f"{CORE}/pods/q", who=NODE))[0] == 403
        assert (await api.ask("POST", f"{CORE}/pods", pod("x", nodeName="n1"), NODE))[0] == 403
        lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        assert (await api.ask("POST", lease, {"metadata": {"name": "n2"}, "spec": {}}, NODE))[0] == 403
        await api.make(lease, {"metadata": {"name": "n1"}, "spec": {}}, NODE)
        nameless = user("system:node:", "system:nodes")
        code, answer = await api.ask("GET", f"{CORE}/secrets/s-env", who=nameless)
        assert code == 403
        assert 'unknown node for user "system:node:"' in answer["message"]

    play(scene)


def test_tokens_are_for_accounts_of_its_own_pods(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        await furnish(api)
        path = f"{CORE}/serviceaccounts/robot/token"
        _, mine = await api.ask("GET", f"{CORE}/pods/p", who=ADMIN)
        ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": mine["metadata"]["uid"]}
        assert (await api.ask("POST", path, {"spec": {"boundObjectRef": ref}}, NODE))[0] == 201
        code, answer = await api.ask("POST", path, {"spec": {}}, NODE)
        assert (code, "node requested token not bound to a pod" in answer["message"]) == (403, True)
        code, answer = await api.ask("POST", path, {"spec": {"boundObjectRef": {**ref, "uid": ""}}}, NODE)
        assert (code, "pod binding without a uid" in answer["message"]) == (403, True)
        assert (await api.ask("POST", path, {"spec": {"boundObjectRef": ref}}, OTHER))[0] == 403

    play(scene, service_account_key=Pki(tmp_path, SystemClock()).service_account_key)


@pytest.mark.parametrize(
    ("selector", "allowed"),
    [
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n1"]}]}, True),
        ({"rawSelector": "spec.nodeName=n1"}, True),
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n2"]}]}, False),
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n1", "n2"]}]}, False),
        ({"requirements": [{"key": "spec.nodeName", "operator": "NotIn", "values": ["n1"]}]}, False),
        ({"rawSelector": "spec.nodeName!=n1"}, False),
        ({"rawSelector": "no selector"}, False),
        (None, False),
    ],
)
def test_an_access_review_tells_what_a_selector_would_allow(selector: Any, allowed: bool) -> None:
    async def scene(api: Api) -> None:
        asked: dict[str, Any] = {"verb": "list", "resource": "pods", "version": "v1"}
        asked |= {"fieldSelector": selector} if selector else {}
        spec = {"user": NODE.name, "groups": list(NODE.groups), "resourceAttributes": asked}
        review = await api.make("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        assert bool(review["status"]["allowed"]) == allowed

    play(scene)
