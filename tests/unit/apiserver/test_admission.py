"""Admission: what is done to pods before they are stored, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from suites.objects import pod
from unit.apiserver.harness import Api, play

PODS = "/api/v1/namespaces/default/pods"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


async def account(api: Api, name: str = "default", **more: Any) -> None:
    await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": name}, **more})


def test_a_pod_finds_its_token_where_clients_look() -> None:
    async def scene(api: Api) -> None:
        await account(api, imagePullSecrets=[{"name": "registry"}])
        spec = (await api.make(PODS, pod(initContainers=[{"name": "i", "image": "i"}])))["spec"]
        assert spec["serviceAccountName"] == "default"
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        (volume,) = spec["volumes"]
        assert volume["name"].startswith("kube-api-access-") and len(volume["name"]) == len("kube-api-access-") + 5
        field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
        assert volume["projected"] == {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
            ],
            "defaultMode": 420,
        }
        mount = {"name": volume["name"], "readOnly": True, "mountPath": TOKEN_PATH}
        for container in spec["containers"] + spec["initContainers"]:
            assert container["volumeMounts"] == [mount]

    play(scene)


@pytest.mark.parametrize(
    ("of_account", "of_pod", "mounted"),
    [({}, {}, True), ({"automountServiceAccountToken": False}, {}, False),
     ({"automountServiceAccountToken": False}, {"automountServiceAccountToken": True}, True),
     ({}, {"automountServiceAccountToken": False}, False)],
)  # fmt: skip
def test_the_pod_has_the_last_word_on_its_token(of_account: Any, of_pod: Any, mounted: bool) -> None:
    async def scene(api: Api) -> None:
        await account(api, **of_account)
        spec = (await api.make(PODS, pod(**of_pod)))["spec"]
        assert bool(spec.get("volumes")) == mounted

    play(scene)


def test_a_mount_of_the_container_s_own_stays() -> None:
    async def scene(api: Api) -> None:
        await account(api)
        own = {"name": "mine", "mountPath": TOKEN_PATH}
        containers = [{"name": "c", "image": "i", "volumeMounts": [own]}]
        made = await api.make(PODS, pod(containers=containers, volumes=[{"name": "mine", "emptyDir": {}}]))
        assert made["spec"]["containers"][0]["volumeMounts"] == [own]
        assert [volume["name"] for volume in made["spec"]["volumes"]] == ["mine"]

    play(scene)


def test_a_pod_needs_its_account() -> None:
    async def scene(api: Api) -> None:
        code, status = await api.ask("POST", PODS, pod(serviceAccountName="robot"))
        assert (code, status["message"]) == (
            403,
            'pods "p" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found',
        )

    play(scene)


def test_a_pod_bears_a_lost_node_for_five_minutes() -> None:
    async def scene(api: Api) -> None:
        await account(api)
        own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
        spec = (await api.make(PODS, pod(tolerations=[own])))["spec"]
        unreachable = {**own, "key": "node.kubernetes.io/unreachable", "tolerationSeconds": 300}
        assert spec["tolerations"] == [own, unreachable]
        everything = {"operator": "Exists"}
        spec = (await api.make(PODS, pod("q", tolerations=[everything])))["spec"]
        assert spec["tolerations"] == [everything]

    play(scene)


@pytest.mark.parametrize("how", ["put", "merge", "json"])
def test_a_replaced_list_of_tolerations_still_bears_a_lost_node(how: str) -> None:
    """Who replaces the tolerations, or leaves out what admission has set, need not know of it."""

    async def scene(api: Api) -> None:
        await account(api)
        own = {"key": "example.com/a", "operator": "Exists"}
        made = await api.make(PODS, pod())
        before = made["spec"]["tolerations"]
        if how == "put":
            changed = {**made, "spec": {**made["spec"], "tolerations": [own]}}
            for field in ("priority", "preemptionPolicy"):
                del changed["spec"][field]
            code, found = await api.ask("PUT", f"{PODS}/p", changed)
        elif how == "merge":
            body: Any = {"spec": {"tolerations": [own]}}
            code, found = await api.ask("PATCH", f"{PODS}/p", body, content_type="application/merge-patch+json")
        else:
            body = [{"op": "replace", "path": "/spec/tolerations", "value": [own]}]
            code, found = await api.ask("PATCH", f"{PODS}/p", body, content_type="application/json-patch+json")
        assert code == 200, found
        assert found["spec"]["tolerations"] == [own, *before]
        assert (found["spec"]["priority"], found["spec"]["preemptionPolicy"]) == (0, "PreemptLowerPriority")

    play(scene)


def test_priority_comes_from_its_class() -> None:
    async def scene(api: Api) -> None:
        await account(api)
        classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
        await api.make(classes, {"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"})
        spec = (await api.make(PODS, pod("a")))["spec"]
        assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
        spec = (await api.make(PODS, pod("b", priorityClassName="high")))["spec"]
        assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")
        spec = (await api.make(PODS, pod("c", priorityClassName="system-node-critical")))["spec"]
        assert spec["priority"] == 2000001000
        await api.make(classes, {"metadata": {"name": "usual"}, "value": 5, "globalDefault": True})
        spec = (await api.make(PODS, pod("d")))["spec"]
        assert (spec["priority"], spec["priorityClassName"]) == (5, "usual")
        for wrong, why in (
            ({"priorityClassName": "nope"}, "no PriorityClass with name nope was found"),
            ({"priority": 7}, "the integer value of priority (7) must not be provided in pod spec; priority admission "
             "controller computed 5 from the given PriorityClass name"),
        ):  # fmt: skip
            code, status = await api.ask("POST", PODS, pod("e", **wrong))
            assert (code, status["message"]) == (403, f'pods "e" is forbidden: {why}')

    play(scene)


def test_nothing_is_made_where_there_is_no_namespace() -> None:
    async def scene(api: Api) -> None:
        code, status = await api.ask("POST", "/api/v1/namespaces/nope/configmaps", {"metadata": {"name": "a"}})
        assert (code, status["reason"], status["message"]) == (404, "NotFound", 'namespaces "nope" not found')

    play(scene)


def test_nothing_new_in_a_namespace_that_goes() -> None:
    async def scene(api: Api) -> None:
        await api.make("/api/v1/namespaces", {"metadata": {"name": "going"}})
        inside = "/api/v1/namespaces/going/configmaps"
        await api.make(inside, {"metadata": {"name": "before", "finalizers": ["example.com/hold"]}})
        assert (await api.ask("DELETE", "/api/v1/namespaces/going"))[1]["status"]["phase"] == "Terminating"
        code, status = await api.ask("POST", inside, {"metadata": {"name": "after"}})
        assert (code, status["message"]) == (
            403,
            'configmaps "after" is forbidden: unable to create new content in namespace going because it is being '
            "terminated",
        )
        assert status["details"]["causes"] == [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace going is being terminated",
                "field": "metadata.namespace",
            }
        ]
        merge = {"content_type": "application/merge-patch+json"}
        assert (await api.ask("PATCH", f"{inside}/before", {"data": {"a": "b"}}, **merge))[0] == 200

    play(scene)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_some_namespaces_stay(name: str) -> None:
    async def scene(api: Api) -> None:
        code, status = await api.ask("DELETE", f"/api/v1/namespaces/{name}")
        message = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
        assert (code, status["message"]) == (403, message)

    play(scene)


def test_a_new_node_takes_no_pods_yet() -> None:
    async def scene(api: Api) -> None:
        own = {"key": "own", "effect": "NoExecute"}
        made = await api.make("/api/v1/nodes", {"metadata": {"name": "n"}, "spec": {"taints": [own]}})
        assert made["spec"]["taints"] == [own, {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]

    play(scene)


def test_the_class_of_service_is_that_of_the_pod_as_admission_leaves_it() -> None:
    async def scene(api: Api) -> None:
        await account(api)
        limits = [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]
        await api.make(
            "/api/v1/namespaces/default/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": limits}}
        )
        assert (await api.make(PODS, pod()))["status"]["qosClass"] == "Burstable"

    play(scene)


def test_what_changes_a_write_is_called_before_there_is_a_name() -> None:
    async def scene(api: Api) -> None:
        nameless = {**pod(), "metadata": {"generateName": "web-"}}
        code, status = await api.ask(
            "POST", PODS, {**nameless, "spec": {**nameless["spec"], "serviceAccountName": "x"}}
        )
        assert (code, status["message"].partition(":")[0]) == (403, 'pods "web-" is forbidden')

    play(scene)


def test_an_account_refuses_secrets_before_the_pod_is_validated() -> None:
    async def scene(api: Api) -> None:
        own_only = {"kubernetes.io/enforce-mountable-secrets": "true"}
        await account(api, metadata={"name": "default", "annotations": own_only})
        wish = pod(volumes=[{"name": "v", "secret": {"secretName": "not-its-own"}}], restartPolicy="Wrong")
        code, answer = await api.ask("POST", PODS, wish)
        assert code == 403
        assert "not-its-own" in answer["message"]

    play(scene)


def test_one_priority_class_is_the_default() -> None:
    async def scene(api: Api) -> None:
        path = "/apis/scheduling.k8s.io/v1/priorityclasses"
        first = await api.make(path, {"metadata": {"name": "first"}, "value": 1, "globalDefault": True})
        await api.make(path, {"metadata": {"name": "second"}, "value": 2})
        code, answer = await api.ask("POST", path, {"metadata": {"name": "third"}, "value": 3, "globalDefault": True})
        assert code == 403
        assert "PriorityClass first is already marked as default. Only one default can exist" in answer["message"]
        again = {"globalDefault": True}
        patch = {"content_type": "application/merge-patch+json"}
        assert (await api.ask("PATCH", f"{path}/second", again, **patch))[0] == 403
        assert (await api.ask("PUT", f"{path}/first", first))[0] == 200

    play(scene)
