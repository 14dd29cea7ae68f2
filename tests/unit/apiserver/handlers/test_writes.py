"""Creating, changing and deleting, as a client sees it: codes, reasons, messages, and what is stored afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longboat.api import kinds
from unit.apiserver.harness import Api, play

CONFIGS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def config(name: str = "x", **meta: Any) -> Any:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, **meta}, "data": {"a": "b"}}


def deployment(**spec: Any) -> Any:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "d"}, "spec": body}


def test_the_server_sets_what_is_its_own() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(CONFIGS, config(uid="mine", resourceVersion="", creationTimestamp="2001-01-01T00:00:00Z"))
        meta = made["metadata"]
        assert meta["uid"] != "mine" and meta["creationTimestamp"] > "2001-01-02"
        assert meta["namespace"] == "default" and int(meta["resourceVersion"]) > 0
        assert (await api.ask("GET", f"{CONFIGS}/x"))[1] == made

    play(scene)


REFUSED = [
    (
        "POST",
        CONFIGS,
        config("X"),
        422,
        "Invalid",
        'ConfigMap "X" is invalid: metadata.name: Invalid value: "X": a lowercase',
    ),
    ("POST", CONFIGS, config("a" * 254), 422, "Invalid", "must be no more than 253"),
    (
        "POST",
        CONFIGS,
        {"metadata": {}},
        422,
        "Invalid",
        "metadata.name: Required value: name or generateName is required",
    ),
    ("POST", CONFIGS, config(namespace="other"), 400, "BadRequest", "does not match the namespace"),
    ("POST", "/api/v1/namespaces/none/configmaps", config(), 404, "NotFound", 'namespaces "none" not found'),
    ("POST", CONFIGS, b"{bad", 400, "BadRequest", "invalid character 'b' looking for beginning of object key string"),
    ("POST", CONFIGS, b"[]", 400, "BadRequest", ""),
    (
        "POST",
        CONFIGS,
        b'{"metadata":{"name":"x"},"data":{"a":1}}',
        400,
        "BadRequest",
        "json: cannot unmarshal number into",
    ),
    ("POST", f"{CONFIGS}/x", config(), 405, "MethodNotAllowed", "the server does not allow this method"),
    ("POST", f"{CONFIGS}?dryRun=Some", config(), 422, "Invalid", "dryRun: Unsupported value"),
    ("POST", f"{CONFIGS}?fieldValidation=Loose", config(), 422, "Invalid", "fieldValidation: Unsupported value"),
    (
        "PUT",
        f"{CONFIGS}/y",
        config("x"),
        400,
        "BadRequest",
        "the name of the object (x) does not match the name on the URL (y)",
    ),
    ("PUT", f"{CONFIGS}/x", config("x"), 404, "NotFound", 'configmaps "x" not found'),
    ("DELETE", f"{CONFIGS}/x", None, 404, "NotFound", 'configmaps "x" not found'),
    (
        "GET",
        "/api/v1/namespaces/default/nothings",
        None,
        404,
        "NotFound",
        "the server could not find the requested resource",
    ),
    ("GET", f"{CONFIGS}?resourceVersion=abc", None, 400, "BadRequest", "resourceVersion"),
    ("GET", f"{CONFIGS}?fieldSelector=spec.x%3Dy", None, 400, "BadRequest", "spec.x"),
    ("GET", f"{CONFIGS}?labelSelector=a%20b", None, 400, "BadRequest", "unable to parse requirement"),
    ("GET", f"{CONFIGS}?continue=%25%25", None, 400, "BadRequest", "continue key is not valid"),
]


@pytest.mark.parametrize(("method", "target", "body", "code", "reason", "says"), REFUSED, ids=lambda v: None)
def test_refusals(method: str, target: str, body: Any, code: int, reason: str, says: str) -> None:
    async def scene(api: Api) -> None:
        found, status = await api.ask(method, target, body)
        assert (found, status["reason"], status["kind"]) == (code, reason, "Status"), status
        assert says in status["message"], status["message"]

    play(scene)


def test_media_types_that_cannot_be_read_or_given() -> None:
    async def scene(api: Api) -> None:
        code, status = await api.ask("POST", CONFIGS, b"x", content_type="text/plain")
        assert (code, status["reason"]) == (415, "UnsupportedMediaType")
        code, status = await api.ask("GET", CONFIGS, accept="image/png")
        assert (code, status["reason"]) == (406, "NotAcceptable")
        await api.make(CONFIGS, config())
        code, status = await api.ask("PATCH", f"{CONFIGS}/x", {}, content_type="application/other-patch+yaml")
        assert (code, status["reason"]) == (415, "UnsupportedMediaType")

    play(scene)


def test_the_same_name_twice() -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config())
        code, status = await api.ask("POST", CONFIGS, config())
        assert (code, status["reason"]) == (409, "AlreadyExists")
        assert status["message"] == 'configmaps "x" already exists'
        assert status["details"] == {"name": "x", "kind": "configmaps"}

    play(scene)


def test_generated_names_differ_and_keep_their_base() -> None:
    async def scene(api: Api) -> None:
        names = set()
        for _ in range(20):
            made = await api.make(CONFIGS, {"metadata": {"generateName": "g-"}})
            names.add(made["metadata"]["name"])
        assert len(names) == 20 and all(n.startswith("g-") and len(n) == 7 for n in names)

    play(scene)


def test_a_stale_update_changes_nothing() -> None:
    async def scene(api: Api) -> None:
        first = await api.make(CONFIGS, config())
        code, second = await api.ask("PUT", f"{CONFIGS}/x", {**first, "data": {"a": "c"}})
        assert code == 200
        code, status = await api.ask("PUT", f"{CONFIGS}/x", {**first, "data": {"a": "lost"}})
        assert (code, status["reason"]) == (409, "Conflict")
        assert status["message"] == (
            'Operation cannot be fulfilled on configmaps "x": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )
        assert (await api.ask("GET", f"{CONFIGS}/x"))[1] == second

    play(scene)


def test_an_update_that_changes_nothing_writes_nothing() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(CONFIGS, config())
        assert (await api.ask("PUT", f"{CONFIGS}/x", made))[1] == made
        patch = {"data": {"a": "b"}}
        code, same = await api.ask("PATCH", f"{CONFIGS}/x", patch, content_type="application/merge-patch+json")
        assert code == 200 and same == made

    play(scene)


def test_an_unconditional_update_wins() -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config())
        code, changed = await api.ask("PUT", f"{CONFIGS}/x", {**config(), "data": {"z": "1"}})
        assert code == 200 and changed["data"] == {"z": "1"}

    play(scene)


def test_generation_counts_spec_changes_alone() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(DEPLOYMENTS, deployment(replicas=1))
        assert made["metadata"]["generation"] == 1
        merge = "application/merge-patch+json"
        target = f"{DEPLOYMENTS}/d"
        _, labelled = await api.ask("PATCH", target, {"metadata": {"labels": {"x": "y"}}}, content_type=merge)
        assert labelled["metadata"]["generation"] == 1
        _, scaled = await api.ask("PATCH", target, {"spec": {"replicas": 2}}, content_type=merge)
        assert scaled["metadata"]["generation"] == 2
        _, reported = await api.ask("PATCH", f"{target}/status", {"status": {"replicas": 2}}, content_type=merge)
        assert reported["metadata"]["generation"] == 2 and reported["status"]["replicas"] == 2

    play(scene)


def test_status_and_spec_are_written_apart() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(DEPLOYMENTS, {**deployment(replicas=1), "status": {"replicas": 7}})
        assert "replicas" not in made.get("status", {})
        target = f"{DEPLOYMENTS}/d"
        both = {**made, "spec": {**made["spec"], "replicas": 5}, "status": {"replicas": 3}}
        _, reported = await api.ask("PUT", f"{target}/status", both)
        assert (reported["spec"]["replicas"], reported["status"]["replicas"]) == (1, 3)
        both["metadata"] = reported["metadata"]
        both["status"] = {"replicas": 9}
        _, scaled = await api.ask("PUT", target, both)
        assert (scaled["spec"]["replicas"], scaled["status"]["replicas"]) == (5, 3)

    play(scene)


def test_scale() -> None:
    async def scene(api: Api) -> None:
        await api.make(DEPLOYMENTS, deployment(replicas=2))
        target = f"{DEPLOYMENTS}/d/scale"
        _, shown = await api.ask("GET", target)
        assert (shown["kind"], shown["apiVersion"], shown["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 2})
        assert shown["status"]["selector"] == "a=b"
        as_table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        _, table = await api.ask("GET", target, accept=as_table)
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
        assert table["rows"][0]["cells"][:3] == ["d", 2, 0]
        as_metadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
        _, named = await api.ask("GET", target, accept=as_metadata)
        assert (named["kind"], named["metadata"]) == ("PartialObjectMetadata", shown["metadata"])
        shown["spec"]["replicas"] = 4
        code, scaled = await api.ask("PUT", target, shown)
        assert (code, scaled["spec"]["replicas"]) == (200, 4)
        code, status = await api.ask("PUT", target, shown)
        assert (code, status["reason"]) == (409, "Conflict"), "it rests on an old version"
        merge = "application/merge-patch+json"
        code, zero = await api.ask("PATCH", target, {"spec": {"replicas": 0}}, content_type=merge)
        assert code == 200 and zero["spec"] == {}
        code, status = await api.ask("PATCH", target, {"spec": {"replicas": -1}}, content_type=merge)
        assert (code, status["reason"]) == (422, "Invalid")

    play(scene)


def test_a_dry_run_leaves_no_trace() -> None:
    async def scene(api: Api) -> None:
        code, rehearsed = await api.ask("POST", f"{CONFIGS}?dryRun=All", config())
        assert code == 201 and rehearsed["metadata"]["uid"]
        assert (await api.ask("GET", f"{CONFIGS}/x"))[0] == 404
        made = await api.make(CONFIGS, config())
        _, changed = await api.ask("PUT", f"{CONFIGS}/x?dryRun=All", {**config(), "data": {"q": "1"}})
        assert changed["data"] == {"q": "1"}
        assert (await api.ask("DELETE", f"{CONFIGS}/x?dryRun=All"))[0] == 200
        assert (await api.ask("GET", f"{CONFIGS}/x"))[1] == made

    play(scene)


def test_finalizers_hold_an_object_until_they_are_gone() -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config(finalizers=["example.com/hold"]))
        code, going = await api.ask("DELETE", f"{CONFIGS}/x")
        assert code == 200 and going["metadata"]["deletionTimestamp"]
        merge = "application/merge-patch+json"
        more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
        code, status = await api.ask("PATCH", f"{CONFIGS}/x", more, content_type=merge)
        assert (code, status["reason"]) == (422, "Invalid")
        assert "no new finalizers can be added if the object is being deleted" in status["message"]
        code, _ = await api.ask("PATCH", f"{CONFIGS}/x", {"metadata": {"finalizers": []}}, content_type=merge)
        assert code == 200
        assert (await api.ask("GET", f"{CONFIGS}/x"))[0] == 404

    play(scene)


def test_events_wait_for_nothing_when_they_are_deleted() -> None:
    """They own nothing, and no collector would take their finalizer away (core, eventStrategy: Unsupported)."""

    async def scene(api: Api) -> None:
        events = "/api/v1/namespaces/default/events"
        about = {"kind": "Pod", "namespace": "default", "name": "p"}
        for policy in ("Foreground", "Orphan"):
            await api.make(events, {"metadata": {"name": "e"}, "involvedObject": about})
            code, status = await api.ask("DELETE", f"{events}/e?propagationPolicy={policy}")
            assert (code, status["status"]) == (200, "Success")
            assert (await api.ask("GET", f"{events}/e"))[0] == 404

    play(scene)


def test_delete_preconditions() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(CONFIGS, config())
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}}
        code, status = await api.ask("DELETE", f"{CONFIGS}/x", options)
        assert (code, status["reason"]) == (409, "Conflict")
        assert status["message"] == (
            'Operation cannot be fulfilled on ConfigMap "x": the UID in the precondition (other) does not match the '
            f"UID in record ({made['metadata']['uid']}). The object might have been deleted and then recreated"
        )
        assert status["details"] == {"name": "x", "kind": "ConfigMap"}
        options["preconditions"] = {"uid": made["metadata"]["uid"]}
        code, status = await api.ask("DELETE", f"{CONFIGS}/x", options)
        assert (code, status["status"], status["details"]["name"]) == (200, "Success", "x")

    play(scene)


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Orphan", ["orphan"]), ("Foreground", ["foregroundDeletion"])], ids=str
)
def test_propagation_policies_become_finalizers(policy: str, finalizer: list[str]) -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config())
        _, going = await api.ask("DELETE", f"{CONFIGS}/x?propagationPolicy={policy}")
        assert going["metadata"]["finalizers"] == finalizer

    play(scene)


def test_a_pod_goes_gracefully() -> None:
    pods = "/api/v1/namespaces/default/pods"
    pod = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n", "terminationGracePeriodSeconds": 20},
    }

    async def scene(api: Api) -> None:
        await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        await api.make(pods, pod)
        _, going = await api.ask("DELETE", f"{pods}/p")
        assert going["metadata"]["deletionGracePeriodSeconds"] == 20
        _, longer = await api.ask("DELETE", f"{pods}/p?gracePeriodSeconds=60")
        assert longer["metadata"]["deletionGracePeriodSeconds"] == 20, "asking again never lengthens it"
        _, again = await api.ask("DELETE", f"{pods}/p?propagationPolicy=Foreground")
        assert again == longer == going, "what it has begun with stays"
        _, shorter = await api.ask("DELETE", f"{pods}/p?gracePeriodSeconds=5")
        assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
        assert shorter["metadata"]["deletionTimestamp"] <= going["metadata"]["deletionTimestamp"]
        await api.ask("DELETE", f"{pods}/p?gracePeriodSeconds=0")
        assert (await api.ask("GET", f"{pods}/p"))[0] == 404

    play(scene)


def test_binding_happens_once() -> None:
    pods = "/api/v1/namespaces/default/pods"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    binding = {
        "kind": "Binding",
        "apiVersion": "v1",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n"},
    }

    async def scene(api: Api) -> None:
        await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        await api.make(pods, pod)
        code, status = await api.ask("POST", f"{pods}/p/binding", binding)
        assert (code, status["status"]) == (201, "Success")
        _, bound = await api.ask("GET", f"{pods}/p")
        assert bound["spec"]["nodeName"] == "n" and bound["metadata"]["generation"] == 1  # nobody has edited it
        assert {c["type"]: c["status"] for c in bound["status"]["conditions"]}["PodScheduled"] == "True"
        code, status = await api.ask("POST", f"{pods}/p/binding", binding)
        assert (code, status["reason"]) == (409, "Conflict")
        assert 'pod p is already assigned to node "n"' in status["message"]

    play(scene)


PATCHES = [
    ("application/json-patch+json", [{"op": "add", "path": "/data/n", "value": "1"}], {"a": "b", "n": "1"}),
    ("application/merge-patch+json", {"data": {"a": None, "n": "1"}}, {"n": "1"}),
    ("application/strategic-merge-patch+json", {"data": {"$patch": "replace", "n": "1"}}, {"n": "1"}),
]


@pytest.mark.parametrize(("media_type", "patch", "data"), PATCHES, ids=[p[0] for p in PATCHES])
def test_patches(media_type: str, patch: Any, data: Any) -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config())
        code, changed = await api.ask("PATCH", f"{CONFIGS}/x", patch, content_type=media_type)
        assert code == 200 and changed["data"] == data

    play(scene)


EMPTY = {"nodeName": "", "hostNetwork": False, "volumes": [], "nodeSelector": {}, "priorityClassName": ""}


def test_what_is_empty_changes_nothing_whoever_stored_it() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(DEPLOYMENTS, deployment())
        assert made["status"] == {}
        (container,) = made["spec"]["template"]["spec"]["containers"]
        assert container["resources"] == {}
        wordy = deployment(paused=False, minReadySeconds=0)
        wordy["spec"]["template"]["spec"].update(EMPTY)
        template = [{"op": "add", "path": f"/spec/template/spec/{key}", "value": value} for key, value in EMPTY.items()]
        patch = {"spec": {"paused": False, "template": {"spec": EMPTY}}}
        for media_type, body in (
            ("", wordy), ("application/json-patch+json", template), ("application/merge-patch+json", patch),
            ("application/strategic-merge-patch+json", patch),
        ):  # fmt: skip
            method = "PATCH" if media_type else "PUT"
            code, found = await api.ask(method, f"{DEPLOYMENTS}/d", body, content_type=media_type or "application/json")
            assert (code, found) == (200, made), media_type
        # An older version stored it so: the first write puts it right, and is no new generation.
        store = api.server.stores[kinds.DEPLOYMENT]
        entry = store.get("default", "d")
        stored = json.loads(entry.body)
        stored["spec"]["template"]["spec"].update(EMPTY)
        del stored["status"]
        await store.cache.wait_for(
            await api.server.storage.update(entry.key, json.dumps(stored).encode(), expect=entry.revision)
        )
        for _ in range(2):
            code, found = await api.ask("PUT", f"{DEPLOYMENTS}/d", wordy)
            assert code == 200 and found["metadata"].pop("resourceVersion") > made["metadata"]["resourceVersion"]
            assert found == {**made, "metadata": {k: v for k, v in made["metadata"].items() if k != "resourceVersion"}}

    play(scene)


def test_a_json_patch_may_name_a_null_that_was_shown() -> None:
    async def scene(api: Api) -> None:
        roles, rule = (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
            {"verbs": ["get"], "resources": ["x"]},
        )
        made = await api.make(roles, {"metadata": {"name": "r"}})
        assert made["rules"] is None
        patch = [{"op": "test", "path": "/rules", "value": None}, {"op": "replace", "path": "/rules", "value": [rule]}]
        rule["apiGroups"] = [""]
        code, found = await api.ask("PATCH", f"{roles}/r", patch, content_type="application/json-patch+json")
        assert code == 200 and found["rules"] == [rule]

    play(scene)


def test_strict_validation_refuses_what_warnings_only_tell() -> None:
    async def scene(api: Api) -> None:
        odd = {**config(), "colour": "red"}
        code, status = await api.ask("POST", f"{CONFIGS}?fieldValidation=Strict", odd)
        assert code == 400
        assert status["message"] == (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "colour"'
        )
        response = await api.response("POST", f"{CONFIGS}?fieldValidation=Warn", odd)
        assert response.status == 201 and 'unknown field \\"colour\\"' in response.warnings[0]
        response = await api.response(
            "POST", f"{CONFIGS}?fieldValidation=Ignore", {**odd, **config("y"), "colour": "red"}
        )
        assert response.status == 201 and not response.warnings

    play(scene)
