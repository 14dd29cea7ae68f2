"""Managed fields and server-side apply, where recorded answers (tests/oracle, area apply) do not look."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.assembly import components
from longboat.registry.ownership import keep_valid
from longboat.registry.write import Write
from unit.apiserver.harness import Api, play, user

CONFIGS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


async def applied(api: Api, path: str, body: Any, manager: str = "m", *, more: str = "", code: int = 200) -> Any:
    status, found = await api.ask("PATCH", f"{path}?fieldManager={manager}{more}", body, content_type=APPLY)
    assert status == code, found
    return found


async def patched(api: Api, path: str, body: Any, **headers: str) -> Any:
    status, found = await api.ask("PATCH", path, body, content_type=MERGE, **headers)
    assert status == 200, found
    return found


def owners(obj: Any) -> dict[tuple[str, str, str], Any]:
    entries = obj["metadata"].get("managedFields", [])
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in entries}


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("kubectl/v1.36.2 (linux/amd64) kubernetes/abc", "kubectl"), ("curl", "curl"), ("", "unknown"),
        ("a\tb\u00e9/1", "ab\u00e9"), ("x" * 127 + "\u00e9/", "x" * 127), ("/nothing", "unknown"),
    ],
)  # fmt: skip
def test_who_gives_no_name_has_its_programs(agent: str, name: str) -> None:
    async def scene(api: Api) -> None:
        _, made = await api.ask("POST", CONFIGS, config(k="v"), user_agent=agent)
        assert list(owners(made)) == [(name, "Update", "")]
        _, made = await api.ask("PUT", f"{CONFIGS}/a?fieldManager=said", config(k="w"), user_agent=agent)
        assert ("said", "Update", "") in owners(made)

    play(scene)


@pytest.mark.parametrize(
    ("who", "name"),
    [
        ("system:kube-scheduler", "kube-scheduler"), ("system:node:n1", "kubelet"),
        ("system:serviceaccount:kube-system:job-controller", "kube-controller-manager"),
        ("system:longboat:network:n1", "kube-proxy"),
    ],
)  # fmt: skip
def test_components_have_the_names_of_upstreams(who: str, name: str) -> None:
    assert components.agent(who).partition("/")[0] == name


def test_objects_without_entries_stay_without_until_something_is_applied() -> None:
    async def scene(api: Api) -> None:
        await api.make(f"{CONFIGS}?fieldManager=one", config(k="v"))
        reset = await patched(api, f"{CONFIGS}/a", {"metadata": {"managedFields": [{}]}})
        assert owners(reset) == {}
        assert owners(await patched(api, f"{CONFIGS}/a?fieldManager=two", {"data": {"n": "1"}})) == {}
        _, put = await api.ask("PUT", f"{CONFIGS}/a?fieldManager=two", config(k="w"))
        assert owners(put) == {}
        found = owners(await applied(api, f"{CONFIGS}/a", config(k="w")))
        assert list(found) == [("m", "Apply", ""), ("before-first-apply", "Update", "")]
        found = owners(await patched(api, f"{CONFIGS}/a?fieldManager=two", {"data": {"n": "1"}}))
        assert found["two", "Update", ""] == {"f:data": {"f:n": {}}}

    play(scene)


def test_an_apply_that_changes_nothing_writes_nothing() -> None:
    clock = VirtualClock()

    async def scene(api: Api) -> None:
        quota = "/api/v1/namespaces/default/resourcequotas/q"
        body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"cpu": "1"}}}
        first = await applied(api, quota, body, code=201)
        clock.step(timedelta(seconds=5))
        assert await applied(api, quota, body) == first
        body["spec"] = {"hard": {"cpu": "1000m"}}  # the same in other words
        assert await applied(api, quota, body) == first

    play(scene, clock)


def test_a_heartbeat_moves_only_the_time_of_its_entry() -> None:
    async def scene(api: Api) -> None:
        leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
        spec = {"holderIdentity": "n", "renewTime": "2026-01-01T00:00:00.000000Z"}
        made = await api.make(f"{leases}?fieldManager=kubelet", {"metadata": {"name": "l"}, "spec": spec})
        renewed = await patched(
            api, f"{leases}/l?fieldManager=kubelet", {"spec": {"renewTime": "2026-01-01T00:00:10.000000Z"}}
        )
        assert owners(renewed) == owners(made)
        other = await patched(api, f"{leases}/l?fieldManager=x", {"spec": {"renewTime": "2026-01-01T00:00:20.000000Z"}})
        assert owners(other) == {
            ("kubelet", "Update", ""): {"f:spec": {"f:holderIdentity": {}}},
            ("x", "Update", ""): {"f:spec": {"f:renewTime": {}}},
        }

    play(scene)


def test_what_admission_and_bindings_add_is_nobodys() -> None:
    async def scene(api: Api) -> None:
        await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        made = await api.make(f"{PODS}?fieldManager=one", pod)
        assert made["spec"]["volumes"] and made["spec"]["serviceAccountName"] == "default"
        spec = owners(made)["one", "Update", ""]["f:spec"]
        assert not {"f:volumes", "f:serviceAccountName", "f:tolerations", "f:priority"} & spec.keys()
        await api.make(f"{PODS}/p/binding?fieldManager=two", {"metadata": {"name": "p"}, "target": {"name": "n"}})
        _, bound = await api.ask("GET", f"{PODS}/p")
        assert bound["spec"]["nodeName"] == "n" and list(owners(bound)) == [("one", "Update", "")]
        status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        run = await patched(api, f"{PODS}/p/status?fieldManager=kubelet", {**status, "spec": {"nodeName": "other"}})
        found = owners(run)["kubelet", "Update", "status"]
        assert list(found) == ["f:status"] and list(found["f:status"]["f:conditions"]) == ['k:{"type":"Ready"}']

    play(scene)


def test_entries_that_a_client_sends_are_taken_if_they_are_any() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(f"{CONFIGS}?fieldManager=one", config(k="v"))
        entry = made["metadata"]["managedFields"][0]
        mine = await patched(api, f"{CONFIGS}/a?fieldManager=x", {"metadata": {"managedFields": [
            {**entry, "manager": "other"}]}})  # fmt: skip
        assert list(owners(mine)) == [("other", "Update", "")]
        await patched(api, f"{CONFIGS}/a", {"metadata": {"managedFields": []}})
        for bad in ({"operation": "Nope"}, {"fieldsType": "V2"}, {"fieldsV1": {"nope": {}}}, {"apiVersion": ""}):
            kept = await patched(api, f"{CONFIGS}/a", {"metadata": {"managedFields": [{**entry, **bad}]}})
            assert list(owners(kept)) == [("other", "Update", "")], bad
        gone = await patched(api, f"{CONFIGS}/a", {"metadata": {"managedFields": [{**entry, "apiVersion": "nope/v1"}]}})
        assert owners(gone) == {}

    play(scene)


def test_entries_that_admission_has_spoilt_are_put_back() -> None:
    spoilt: list[Any] = [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                          "fieldsV1": {"nope": 1}}]  # fmt: skip
    obj, entries = config(), [{**spoilt[0], "fieldsV1": {"f:data": {}}}]
    write = Write()
    for before in (entries, None):
        obj["metadata"]["managedFields"] = spoilt
        keep_valid(obj, before, write)
        assert obj["metadata"].get("managedFields") == before
    obj["metadata"]["managedFields"] = entries
    keep_valid(obj, None, write)
    assert obj["metadata"]["managedFields"] == entries
    assert len(write.warnings) == 2 and "invalid state after admission" in write.warnings[0]


def test_many_may_apply_what_is_not_there_yet() -> None:
    async def scene(api: Api) -> None:
        async def one(number: int) -> None:
            await api.ask("PATCH", f"{CONFIGS}/a?fieldManager=m{number}", config(**{f"k{number}": "v"}),
                          content_type=APPLY)  # fmt: skip

        await asyncio.gather(*map(one, range(5)))
        _, found = await api.ask("GET", f"{CONFIGS}/a")
        assert set(found["data"]) == {f"k{n}" for n in range(5)} and len(owners(found)) == 5

    play(scene)


def test_creating_by_put_needs_the_right_to_create() -> None:
    async def scene(api: Api) -> None:
        group = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
        rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update", "patch"]}]
        await api.make(f"{group}/roles", {"metadata": {"name": "r"}, "rules": rules})
        rbac = "rbac.authorization.k8s.io"
        role, who = {"apiGroup": rbac, "kind": "Role", "name": "r"}, {"apiGroup": rbac, "kind": "User", "name": "u"}
        await api.make(f"{group}/rolebindings", {"metadata": {"name": "r"}, "roleRef": role, "subjects": [who]})
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
        path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
        for method, given in (("PUT", "application/json"), ("PATCH", APPLY)):
            code, told = await api.ask(method, f"{path}?fieldManager=m", lease, user("u"), content_type=given)
            assert code == 403 and 'cannot create resource "leases"' in told["message"], (method, told)

    play(scene)


def test_a_configuration_may_be_yaml_with_fractions_and_more_than_one_mistake() -> None:
    async def scene(api: Api) -> None:
        text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  k: v\n  k: w\n"
        code, told = await api.ask(
            "PATCH", f"{CONFIGS}/a?fieldManager=m&fieldValidation=Strict", text, content_type=APPLY
        )
        assert code == 400 and 'line 6: key "k" already set in map' in told["message"]
        response = await api.response("PATCH", f"{CONFIGS}/a?fieldManager=m", text, content_type=APPLY)
        assert response.status == 201 and 'key \\"k\\" already set' in " ".join(response.warnings)
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": []}}
        code, told = await api.ask("PATCH", f"{CONFIGS}/a?fieldManager=m", body, content_type=APPLY)
        assert (code, told["message"]) == (400, "metadata.managedFields must be nil")

    play(scene)


def test_kubectl_takes_over_what_it_applied_from_the_clients_side() -> None:
    async def scene(api: Api) -> None:
        note = '{"apiVersion":"v1","data":{"k":"v","l":"v"},"kind":"ConfigMap","metadata":{"name":"a"}}\n'
        name = "kubectl.kubernetes.io/last-applied-configuration"
        body = config(k="v", l="v")
        body["metadata"]["annotations"] = {name: note}
        await api.make(f"{CONFIGS}?fieldManager=kubectl-client-side-apply", body)
        await patched(api, f"{CONFIGS}/a?fieldManager=other", {"data": {"l": "w"}})
        told = await applied(api, f"{CONFIGS}/a", config(k="x", l="x"), "kubectl", code=409)
        assert [cause["field"] for cause in told["details"]["causes"]] == [".data.l"]
        new = await applied(api, f"{CONFIGS}/a", config(k="x"), "kubectl")
        assert new["metadata"]["annotations"][name] == (
            '{"apiVersion":"v1","data":{"k":"x"},"kind":"ConfigMap","metadata":{"name":"a"}}\n'
        )

    play(scene)


def test_who_scales_again_still_owns_the_replicas_without_a_time() -> None:
    async def scene(api: Api) -> None:
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}}  # fmt: skip
        await api.make(f"{DEPLOYMENTS}?fieldManager=one", {"metadata": {"name": "d"}, "spec": spec})
        for replicas in (3, 4, 5):
            await patched(api, f"{DEPLOYMENTS}/d/scale?fieldManager=s", {"spec": {"replicas": replicas}})
        _, found = await api.ask("GET", f"{DEPLOYMENTS}/d")
        assert owners(found)["s", "Update", "scale"] == {"f:spec": {"f:replicas": {}}}
        entry = next(each for each in found["metadata"]["managedFields"] if each["manager"] == "s")
        assert "time" not in entry and found["spec"]["replicas"] == 5

    play(scene)


def test_a_scale_that_nobody_owns_stays_so() -> None:
    async def scene(api: Api) -> None:
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}}  # fmt: skip
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
        await applied(api, f"{DEPLOYMENTS}/d", body, code=201)
        await patched(api, f"{DEPLOYMENTS}/d/scale?fieldManager=s", {"spec": {"replicas": 2}})
        await patched(api, f"{DEPLOYMENTS}/d/scale?fieldManager=s", {"spec": {"replicas": 3}})
        _, found = await api.ask("GET", f"{DEPLOYMENTS}/d")
        assert found["spec"]["replicas"] == 3 and list(owners(found)) == [("m", "Apply", "")]

    play(scene)
