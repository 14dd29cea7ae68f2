"""What a write rests on: resourceVersions and uids, as a client names them, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from unit.apiserver.harness import Api, play

DEFAULT = "/api/v1/namespaces/default"
CONFIGS = f"{DEFAULT}/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
MERGE = "application/merge-patch+json"
STALE = "the object has been modified; please apply your changes to the latest version and try again"


def obj(kind: str, version: str, name: str = "x", *, spec: Any = None, **meta: Any) -> Any:
    found: Any = {"kind": kind, "apiVersion": version, "metadata": {"name": name, **meta}}
    return found if spec is None else {**found, "spec": spec}


def config(name: str = "x", **meta: Any) -> Any:
    return obj("ConfigMap", "v1", name, **meta)


BUDGET = obj("PodDisruptionBudget", "policy/v1", spec={"selector": {}})

REQUIRED = [  # kinds whose updates name the version that they rest on
    (BUDGETS, BUDGET),
    (LEASES, obj("Lease", "coordination.k8s.io/v1", spec={})),
    ("/apis/storage.k8s.io/v1/csidrivers", obj("CSIDriver", "storage.k8s.io/v1", spec={})),
    ("/apis/storage.k8s.io/v1/csinodes", obj("CSINode", "storage.k8s.io/v1", spec={"drivers": []})),
    ("/apis/storage.k8s.io/v1/namespaces/default/csistoragecapacities",
     {**obj("CSIStorageCapacity", "storage.k8s.io/v1"), "storageClassName": "s"}),
    ("/apis/storage.k8s.io/v1/volumeattachments",
     obj("VolumeAttachment", "storage.k8s.io/v1",
         spec={"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "p"}})),
    ("/apis/node.k8s.io/v1/runtimeclasses", {**obj("RuntimeClass", "node.k8s.io/v1"), "handler": "h"}),
    ("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
     obj("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1")),
    ("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
     obj("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), REQUIRED, ids=lambda each: each if isinstance(each, str) else "")
def test_some_kinds_are_never_updated_unconditionally(path: str, body: Any) -> None:
    async def scene(api: Api) -> None:
        made = await api.make(path, body)
        for version in (None, "", "0"):
            code, status = await api.ask(
                "PUT", f"{path}/x", {**made, "metadata": {"name": "x", "resourceVersion": version}}
            )
            assert (code, status["reason"]) == (422, "Invalid")
            resource = path.rpartition("/")[2]
            assert status["details"]["kind"] == resource
            assert status["message"].startswith(f"{resource}.")
            assert status["message"].endswith(
                ' "x" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
            )
        assert (await api.ask("PUT", f"{path}/x", made))[0] == 200
        code, status = await api.ask("PATCH", f"{path}/x", {"metadata": {"resourceVersion": None}}, content_type=MERGE)
        assert (code, status["details"]["kind"]) == (422, path.rpartition("/")[2])

    play(scene)


VERSIONS = [  # of an update: what is sent, and what is said
    ("0", 200, None),
    ("abc", 500, 'strconv.ParseUint: parsing "abc": invalid syntax'),
    ("-1", 500, 'strconv.ParseUint: parsing "-1": invalid syntax'),
    ("+1", 500, 'strconv.ParseUint: parsing "+1": invalid syntax'),
    ("1" * 21, 500, f'strconv.ParseUint: parsing "{"1" * 21}": value out of range'),
    (str(1 << 64), 500, f'strconv.ParseUint: parsing "{1 << 64}": value out of range'),
    ("1", 409, f'Operation cannot be fulfilled on configmaps "x": {STALE}'),
    (str((1 << 64) - 1), 409, f'Operation cannot be fulfilled on configmaps "x": {STALE}'),
]


@pytest.mark.parametrize(("version", "code", "message"), VERSIONS, ids=lambda each: str(each)[:24])
def test_versions_of_an_update(version: str, code: int, message: str | None) -> None:
    async def scene(api: Api) -> None:
        made = await api.make(CONFIGS, config())
        got, status = await api.ask("PUT", f"{CONFIGS}/x", config(resourceVersion=version))
        assert (got, status.get("message")) == (code, message)
        if code == 500:
            assert "reason" not in status
        for patch, content_type in (
            ({"metadata": {"resourceVersion": version}}, MERGE),
            ([{"op": "replace", "path": "/metadata/resourceVersion", "value": version}], "application/json-patch+json"),
        ):
            got, status = await api.ask("PATCH", f"{CONFIGS}/x", patch, content_type=content_type)
            assert (got, status.get("message")) == (code, message)
        assert (await api.ask("GET", f"{CONFIGS}/x"))[1] == made  # none of it changed anything

    play(scene)


def test_a_new_object_has_no_version() -> None:
    async def scene(api: Api) -> None:
        code, status = await api.ask("POST", CONFIGS, config(resourceVersion="5"))
        assert (code, status["message"]) == (500, "resourceVersion should not be set on objects to be created")
        assert "reason" not in status and (await api.ask("GET", f"{CONFIGS}/x"))[0] == 404
        assert (await api.ask("POST", f"{CONFIGS}?dryRun=All", config(resourceVersion="5")))[0] == 201
        for name, version in (("none", "0"), ("no-number", "abc")):
            assert (await api.ask("POST", CONFIGS, config(name, resourceVersion=version)))[0] == 201

    play(scene)


def test_an_update_of_another_object_is_a_conflict() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(CONFIGS, config())
        for name, current in (("x", made["metadata"]["uid"]), ("gone", "")):
            code, status = await api.ask("PUT", f"{CONFIGS}/{name}", config(name, uid="mine"))
            assert (code, status["reason"]) == (409, "Conflict")
            assert status["message"] == (
                f'Operation cannot be fulfilled on configmaps "{name}": StorageError: invalid object, Code: 4, '
                f"Key: /registry/configmaps/default/{name}, ResourceVersion: 0, AdditionalErrorMsg: "
                f"Precondition failed: UID in precondition: mine, UID in object meta: {current}"
            )
        assert (await api.ask("PUT", f"{CONFIGS}/gone", config("gone")))[0] == 404
        code, status = await api.ask("PATCH", f"{CONFIGS}/x", {"metadata": {"uid": "mine"}}, content_type=MERGE)
        assert (code, status["details"]["causes"][0]["field"]) == (422, "metadata.uid")

    play(scene)


CREATES = [
    (LEASES, obj("Lease", "coordination.k8s.io/v1", spec={})),
    (f"{DEFAULT}/endpoints", obj("Endpoints", "v1")),
    (f"{DEFAULT}/limitranges", obj("LimitRange", "v1", spec={"limits": []})),
    (f"{DEFAULT}/services", obj("Service", "v1", spec={"ports": [{"port": 1}]})),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", obj("ClusterRole", "rbac.authorization.k8s.io/v1")),
]


@pytest.mark.parametrize(("path", "body"), CREATES, ids=lambda each: each if isinstance(each, str) else "")
def test_put_of_an_absent_name_creates(path: str, body: Any) -> None:
    async def scene(api: Api) -> None:
        sent = {**body, "metadata": {"name": "x", "resourceVersion": "7"}}  # of what it once was, or was never
        code, made = await api.ask("PUT", f"{path}/x", sent)
        assert (code, made["metadata"]["name"]) == (201, "x")
        sent["metadata"] = {"name": "y", "uid": "mine"}
        assert (await api.ask("PUT", f"{path}/y", sent))[0] == 409

    play(scene)


def test_a_name_that_is_taken() -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config(finalizers=["example.com/hold"]))
        code, status = await api.ask("POST", CONFIGS, config())
        assert (code, status["message"]) == (409, 'configmaps "x" already exists')
        await api.ask("DELETE", f"{CONFIGS}/x")
        code, status = await api.ask("POST", CONFIGS, config())
        assert (code, status["reason"]) == (409, "AlreadyExists")
        assert status["message"] == 'object is being deleted: configmaps "x" already exists'
        await api.make(CONFIGS, config("y"))
        code, status = await api.ask("POST", CONFIGS, config("y", generateName="y"))
        assert status["message"] == (
            'configmaps "y" already exists, the server was not able to generate a unique name for the object'
        )
        assert (code, status["details"]["retryAfterSeconds"]) == (409, 1)

    play(scene)


def test_preconditions_of_a_deletion() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(BUDGETS, BUDGET)
        uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
        mismatch = (
            "the {0} in the precondition ({1}) does not match the {0} in record ({2}). The object might have been {3}"
        )
        for wanted, why in (
            ({"uid": ""}, mismatch.format("UID", "", uid, "deleted and then recreated")),
            ({"resourceVersion": "1"}, mismatch.format("ResourceVersion", "1", version, "modified")),
        ):
            options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": wanted}
            for path in (f"{BUDGETS}/x", BUDGETS):
                code, status = await api.ask("DELETE", path, options)
                assert (code, status["reason"]) == (409, "Conflict")
                expected = f'Operation cannot be fulfilled on PodDisruptionBudget.policy "x": {why}'
                assert status["message"] == expected
                assert status["details"] == {"name": "x", "group": "policy", "kind": "PodDisruptionBudget"}

    play(scene)


def test_put_needs_a_name() -> None:
    async def scene(api: Api) -> None:
        code, status = await api.ask("PUT", f"{CONFIGS}/x", {"kind": "ConfigMap", "apiVersion": "v1"})
        why = "the name of the object (x based on URL) was undeterminable: name must be provided"
        assert (code, status["message"]) == (400, why)

    play(scene)


def test_what_an_update_cannot_say_of_metadata() -> None:
    """(apiserver, registry/rest, BeforeUpdate)"""

    async def scene(api: Api) -> None:
        made = await api.make(CONFIGS, config(generateName="x"))
        code, changed = await api.ask(
            "PUT", f"{CONFIGS}/x", config(creationTimestamp="2001-01-01T00:00:00Z", generation=7)
        )
        assert code == 200 and "generateName" not in changed["metadata"] and "generation" not in changed["metadata"]
        assert changed["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
        for field, value, shown in (
            ("deletionTimestamp", "2001-01-01T00:00:00Z", "2001-01-01 00:00:00 +0000 UTC"),
            ("deletionGracePeriodSeconds", 5, "5"),
        ):
            code, status = await api.ask("PUT", f"{CONFIGS}/x", config(**{field: value}))
            why = f"metadata.{field}: Invalid value: {shown}: field is immutable"
            assert (code, status["message"]) == (422, f'ConfigMap "x" is invalid: {why}')
        role = obj("ClusterRole", "rbac.authorization.k8s.io/v1", namespace="default")
        roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        assert "namespace" not in (await api.make(roles, role))["metadata"]
        code, changed = await api.ask("PUT", f"{roles}/x", role)
        assert code == 200 and "namespace" not in changed["metadata"]

    play(scene)
