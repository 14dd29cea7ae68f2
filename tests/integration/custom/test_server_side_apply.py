"""Upstream's own cases of server-side apply (test/e2e/apimachinery/apply.go, test/integration/apiserver/apply)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.custom.scene import ANYTHING, APPLY, KEEPS, MERGE, Kind, properties
from unit.apiserver.harness import Api, play

PODS, SERVICES = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/services"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "test-pod"},
    "spec": {"containers": [{"name": "test-container", "image": "test-image"}]},
}  # fmt: skip
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "test-svc"},
    "spec": {"ports": [{"port": 8080, "protocol": "UDP"}]},
}  # fmt: skip


def deployment(replicas: int | None = 3, *, hostname: str = "", **container: Any) -> Any:
    template: Any = {"containers": [{"name": "nginx", "image": "nginx:1", **container}]}
    spec: Any = {
        "selector": {"matchLabels": {"app": "nginx"}},
        "template": {"metadata": {"labels": {"app": "nginx"}}, "spec": template},
    }
    template |= {"hostname": hostname} if hostname else {}
    spec |= {} if replicas is None else {"replicas": replicas}
    meta = {"name": "deployment", "labels": {"app": "nginx"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


async def applied(api: Api, path: str, body: Any, manager: str = "apply_test", more: str = "") -> Any:
    name = body["metadata"]["name"]
    part = "/status" if "status" in more else ""
    target = f"{path}/{name}{part}?fieldManager={manager}" + more.removeprefix("status")
    code, found = await api.ask("PATCH", target, body, content_type=APPLY)
    assert code in (200, 201), found
    return found


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        (PODS, POD, {"f:spec": {"f:containers": {
            'k:{"name":"test-container"}': {".": {}, "f:image": {}, "f:name": {}}}}}),
        (SERVICES, SERVICE, {"f:spec": {"f:ports": {
            'k:{"port":8080,"protocol":"UDP"}': {".": {}, "f:port": {}, "f:protocol": {}}}}}),
    ],
)  # fmt: skip
def test_what_is_not_there_is_created_and_may_have_two_owners(path: str, body: Any, fields: Any) -> None:
    """should create an applied object if it does not already exist"""

    async def scene(api: Api) -> None:
        await api.make(ACCOUNTS, {"metadata": {"name": "default"}})
        target = f"{path}/{body['metadata']['name']}?fieldManager=apply_test"
        assert (await api.ask("PATCH", target, body, content_type=APPLY))[0] == 201
        assert (await api.ask("GET", f"{path}/{body['metadata']['name']}"))[0] == 200
        found = await applied(api, path, body, "apply_test_2")
        owned = {entry["manager"]: entry["fieldsV1"] for entry in found["metadata"]["managedFields"]}
        assert owned == {"apply_test": fields, "apply_test_2": fields}

    play(scene)


def test_subresources() -> None:
    """should work for subresources"""

    async def scene(api: Api) -> None:
        await api.make(ACCOUNTS, {"metadata": {"name": "default"}})
        await applied(api, PODS, POD)
        status = {**POD, "status": {"conditions": [{"type": "MyStatus", "status": "True"}]}}
        del status["spec"]

        async def told() -> bool:
            found = (await api.ask("GET", f"{PODS}/test-pod"))[1]
            return "MyStatus" in [each["type"] for each in found["status"].get("conditions", ())]

        await applied(api, PODS, status, "apply_test2")
        assert not await told()
        await applied(api, PODS, status, "apply_test2", "status")
        assert await told()

    play(scene)


def test_fields_that_are_given_up() -> None:
    """should remove a field if it is owned but removed in the apply request, … but not if others still own it, and
    should give up ownership of a field if forced applied by a controller"""

    async def scene(api: Api) -> None:
        port = [{"containerPort": 80, "protocol": "TCP"}]
        await applied(api, DEPLOYMENTS, deployment(ports=port))
        found = await applied(api, DEPLOYMENTS, deployment())
        assert "ports" not in found["spec"]["template"]["spec"]["containers"][0]

        await api.ask("DELETE", f"{DEPLOYMENTS}/deployment")
        for manager in ("shared_owner_1", "shared_owner_2"):
            await applied(api, DEPLOYMENTS, deployment(hostname="test-hostname"), manager)
        found = await applied(api, DEPLOYMENTS, deployment(None), "shared_owner_1")
        assert (found["spec"]["replicas"], found["spec"]["template"]["spec"]["hostname"]) == (3, "test-hostname")

        await api.ask("DELETE", f"{DEPLOYMENTS}/deployment")
        made = await applied(api, DEPLOYMENTS, deployment(), "test_applier")
        made["spec"]["replicas"] = 4
        assert (await api.ask("PUT", f"{DEPLOYMENTS}/deployment", made))[0] == 200
        found = await applied(api, DEPLOYMENTS, deployment(None), "test_applier")
        assert found["spec"]["replicas"] == 4

    play(scene)


def test_force() -> None:
    """should ignore conflict errors if force apply is used"""

    async def scene(api: Api) -> None:
        await applied(api, DEPLOYMENTS, deployment())
        await api.ask("PATCH", f"{DEPLOYMENTS}/deployment", {"spec": {"replicas": 5}}, content_type=MERGE)
        target = f"{DEPLOYMENTS}/deployment?fieldManager=apply_test"
        code, conflict = await api.ask("PATCH", target, deployment(), content_type=APPLY)
        assert (code, conflict["reason"]) == (409, "Conflict")
        assert [cause["field"] for cause in conflict["details"]["causes"]] == [".spec.replicas"]
        found = await applied(api, DEPLOYMENTS, deployment(), more="&force=true")
        assert found["spec"]["replicas"] == 3

    play(scene)


NOXU = properties(r"""
    spec:
      type: object
      x-kubernetes-preserve-unknown-fields: true
      properties:
        cronSpec: {type: string, pattern: '^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$'}
        ports:
          type: array
          x-kubernetes-list-type: map
          x-kubernetes-list-map-keys: [containerPort, protocol]
          items:
            type: object
            required: [containerPort, protocol]
            properties:
              containerPort: {type: integer, format: int32}
              hostIP: {type: string}
              hostPort: {type: integer, format: int32}
              name: {type: string}
              protocol: {type: string}
""")
PORT = {"name": "x", "containerPort": 80, "protocol": "TCP"}
WANTED: Any = {"cronSpec": "* * * * */5", "replicas": 1, "ports": [PORT]}


async def conflicts(kind: Kind, body: Any, manager: str = "apply_test") -> list[str]:
    code, refused = await kind.apply(body, manager)
    assert (code, refused["reason"]) == (409, "Conflict")
    return [cause["field"] for cause in refused["details"]["causes"]]


def test_custom_kinds() -> None:
    """should work for CRDs (TestApplyCRDStructuralSchema)"""

    async def scene(api: Api) -> None:
        noxu = Kind(api, "noxus", version="v1beta1")
        await noxu.define(NOXU, "v1beta2")
        finalizers = ["test-finalizer"]
        wanted = noxu.obj("mytest", spec=WANTED, metadata={"finalizers": finalizers})
        found = await noxu.applied(wanted)
        assert (found["metadata"]["finalizers"], found["spec"]) == (finalizers, WANTED)

        beta = noxu.at("v1beta2")
        found = await beta.applied(beta.obj("mytest", spec=WANTED))
        assert found["spec"] == WANTED
        finalizers = ["test-finalizer", "another-one"]
        found = await noxu.merged("mytest", {"metadata": {"finalizers": finalizers}})
        assert found["metadata"]["finalizers"] == finalizers
        assert (await noxu.applied(wanted))["metadata"]["finalizers"] == finalizers, "a set, whoever wrote which"

        assert (await noxu.merged("mytest", {"spec": {"replicas": 5}}))["spec"]["replicas"] == 5
        assert await conflicts(noxu, wanted) == [".spec.replicas"]
        assert (await noxu.applied(wanted, force=True))["spec"]["replicas"] == 1

        other = noxu.obj("mytest", spec={"ports": [PORT | {"name": "y"}]})
        item = '.spec.ports[containerPort=80,protocol="TCP"].name'
        assert await conflicts(noxu, other, "apply_test_2") == [item]
        new = PORT | {"name": "y", "containerPort": 8080}
        found = await noxu.applied(noxu.obj("mytest", spec={"ports": [new]}), "apply_test_2")
        assert found["spec"]["ports"] == [PORT, new]

        absent = noxu.obj("should-not-exist", spec=WANTED, protocol="TCP")
        code, refused = await api.ask("PUT", f"{noxu.path('should-not-exist')}?fieldManager=apply_test", absent)
        assert (code, refused["reason"]) == (404, "NotFound"), "a PUT creates no custom object"

    play(scene)


def test_custom_kinds_that_have_no_schema() -> None:
    """TestApplyCRDNoSchema"""

    async def scene(api: Api) -> None:
        noxu = Kind(api, "noxus")
        await noxu.define(ANYTHING)
        wanted = noxu.obj("mytest", spec={"replicas": 1})
        assert (await noxu.applied(wanted))["spec"] == {"replicas": 1}
        assert (await noxu.merged("mytest", {"spec": {"replicas": 5}}))["spec"] == {"replicas": 5}
        assert await conflicts(noxu, wanted) == [".spec.replicas"]
        assert (await noxu.applied(wanted, force=True))["spec"] == {"replicas": 1}

    play(scene)


def test_lists_as_one_value() -> None:
    """should work for CRDs: atomic lists"""

    async def scene(api: Api) -> None:
        kind = Kind(api)
        whole = {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}}
        await kind.define(properties("") | {"properties": {"spec": {
            "type": "object", "properties": {"atomicList": whole}, **KEEPS}}})  # fmt: skip
        found = await kind.applied(kind.obj("mytest", spec={"atomicList": ["item1"]}))
        assert found["spec"]["atomicList"] == ["item1"]
        other = kind.obj("mytest", spec={"atomicList": ["item2"]})
        assert await conflicts(kind, other, "apply_test_2") == [".spec.atomicList"]
        found = await kind.applied(other, "apply_test_2", force=True)
        assert found["spec"]["atomicList"] == ["item2"]

    play(scene)
