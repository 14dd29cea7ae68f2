"""MutatingAdmissionPolicy: what it makes of an object, and what follows where it cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longboat.api import kinds
from longboat.apiserver.admission.chain import Plugin
from longboat.registry.admission import Attributes
from suites.objects import pod
from unit.apiserver.harness import Api, play
from unit.apiserver.policies.bound import ADMISSION, CONFIG_MAPS, config_map, mutating, validating

PODS = "/api/v1/namespaces/default/pods"
ON_PODS = {"rule": {"resources": ["pods"]}}


async def made(api: Api, body: Any = None, target: str = CONFIG_MAPS) -> Any:
    return await api.make(target, body or config_map())


async def refusal(api: Api, body: Any, target: str = CONFIG_MAPS) -> tuple[int, str]:
    code, found = await api.ask("POST", target, body)
    assert code >= 400, found
    return code, found["message"]


def test_policies_run_in_turn_and_see_what_those_before_have_made() -> None:
    async def scene(api: Api) -> None:
        await mutating(api, "a", "Object{data: {'x': '1'}}", "Object{data: {'y': object.data.x + '2'}}")
        await mutating(api, "b", ["[JSONPatch{op: 'add', path: '/data/z', value: object.data.y}]"])
        await validating(api, "all", {"expression": "!has(object.data.z)", "message": "seen"})
        assert await refusal(api, config_map()) == (
            422,
            "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'all' with binding 'all' denied request: seen",
        )
        await api.ask("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/all")
        assert (await made(api))["data"] == {"x": "1", "y": "12", "z": "12"}

    play(scene)


def test_one_that_asks_for_it_sees_what_others_have_changed_after_it() -> None:
    async def scene(api: Api) -> None:
        seen = "Object{data: {'%s': string(has(object.data) && 'late' in object.data)}}"
        await mutating(api, "again", seen % "again", again="IfNeeded")
        await mutating(api, "never", seen % "never")
        await mutating(api, "z", "Object{data: {'late': 'x'}}")
        assert (await made(api))["data"] == {"again": "true", "never": "false", "late": "x"}

    play(scene)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'c', command: ['a']}]}}",
         "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
         ".spec.containers[0].command"),
        ("Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}",
         "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
         ".spec.nodeSelector"),
        ("Object{spec: Object.spec{hostname: Object.spec.wrong{}}}",
         'type mismatch: unexpected type name "Object.spec.wrong", expected "Object.spec.hostname", which matches '
         "field name path from root Object type"),
    ],
)  # fmt: skip
def test_configurations_that_do_not_fit(expression: str, why: str) -> None:
    async def scene(api: Api) -> None:
        await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        await mutating(api, "p", expression, **ON_PODS)
        code, said = await refusal(api, pod("x"), PODS)
        assert (code, said) == (403, f"policy 'p' with binding 'p' denied request: {why}")

    play(scene)


@pytest.mark.parametrize(
    ("patch", "code", "said"),
    [
        ("{op: 'remove', path: '/data/no'}", 403,
         "policy 'p' with binding 'p' denied request: JSON Patch: error in remove for path: '/data/no': Unable to "
         "remove nonexistent key: no: missing value"),
        ("{op: 'add', path: '/nope', value: 1}", 500,
         'Internal error occurred: strict decoding error: unknown field "nope"'),
        ("{op: 'add', path: '/immutable', value: 'x'}", 500, "Internal error occurred: json: cannot unmarshal string"),
        ("{op: 'test', path: '/data/k', value: 'other'}, JSONPatch{op: 'remove', path: '/data/k'}", 201, ""),
    ],
)  # fmt: skip
def test_json_patches(patch: str, code: int, said: str) -> None:
    async def scene(api: Api) -> None:
        await mutating(api, "p", [f"[JSONPatch{patch}]"])
        found, answer = await api.ask("POST", CONFIG_MAPS, config_map(k="v"))
        assert found == code
        assert answer["data"] == {"k": "v"} if found == 201 else answer["message"].startswith(said), answer

    play(scene)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Object.metadata.labels{a: 'b'}", ""),
        ("Object.metadata{labels: Object.spec.labels{a: 'b'}}",
         'type mismatch: unexpected type name "Object.spec.labels", expected "Object.metadata.labels", which matches '
         "field name path from root Object type"),
    ],
)  # fmt: skip
def test_objects_in_json_patches(value: str, said: str) -> None:
    async def scene(api: Api) -> None:
        path = "/metadata/labels" if not said else "/metadata"
        await mutating(api, "p", [f"[JSONPatch{{op: 'add', path: '{path}', value: {value}}}]"])
        if not said:
            assert (await made(api))["metadata"]["labels"] == {"a": "b"}
        else:
            code, told = await refusal(api, config_map())
            assert (code, told.partition("denied request: ")[2][: len(said)]) == (403, said)

    play(scene)


def test_what_fails_is_left_out_where_failures_are_ignored() -> None:
    async def scene(api: Api) -> None:
        await mutating(api, "p", "Object{data: {'x': object.nope}}", "Object{data: {'y': '1'}}", failurePolicy="Ignore")
        assert (await made(api))["data"] == {"y": "1"}

    play(scene)


def test_it_sees_another_version_and_changes_the_request_s() -> None:
    async def scene(api: Api) -> None:
        rule = {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]}
        patch = "Object{spec: Object.spec{targetCPUUtilizationPercentage: 33}}"  # which is v1's
        await mutating(api, "p", patch, rule=rule)
        ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
        scaler = {"metadata": {"name": "s"}, "spec": {"maxReplicas": 1, "scaleTargetRef": ref}}
        found = await made(api, scaler, "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers")
        assert found["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 33

    play(scene)


def test_a_parameter_is_laid_over_each_object() -> None:
    async def scene(api: Api) -> None:
        await made(api, config_map("defaults", team="red"))
        kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        ref = {"paramRef": {"name": "defaults", "namespace": "default", "parameterNotFoundAction": "Deny"}}
        await mutating(api, "p", "Object{data: params.data}", paramKind=kind, binding=ref)
        assert (await made(api))["data"] == {"team": "red"}

    play(scene)


def test_a_subresource_s_own_object_is_changed() -> None:
    async def scene(api: Api) -> None:
        await mutating(
            api, "p", "Object{spec: Object.spec{replicas: 3}}",
            rule={"apiGroups": ["apps"], "resources": ["deployments/scale"], "operations": ["UPDATE"]},
        )  # fmt: skip
        labels = {"a": "b"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        where = "/apis/apps/v1/namespaces/default/deployments"
        await api.make(where, {"metadata": {"name": "d"}, "spec": spec})
        code, scale = await api.ask("GET", f"{where}/d/scale")
        code, scale = await api.ask("PUT", f"{where}/d/scale", scale | {"spec": {"replicas": 9}})
        assert (code, scale["spec"]) == (200, {"replicas": 3})

    play(scene)


class Outside(Plugin):
    """Changes the object after policies, as a webhook does."""

    def mutate(self, attributes: Attributes) -> None:
        if attributes.kind == kinds.CONFIG_MAP and not attributes.round:
            assert attributes.obj is not None
            attributes.obj["data"] = {**attributes.obj.get("data", {}), "late": "x"}
            attributes.again = True


def test_what_a_webhook_has_changed_since_is_seen_by_those_that_ask_for_it() -> None:
    async def scene(api: Api) -> None:
        api.server.admission._mutating.append(Outside())
        seen = "Object{data: {'%s': string(has(object.data) && 'late' in object.data)}}"
        await mutating(api, "again", seen % "again", again="IfNeeded")
        await mutating(api, "never", seen % "never")
        assert (await made(api))["data"] == {"again": "true", "never": "false", "late": "x"}

    play(scene)


def test_custom_objects_are_changed_by_their_schema() -> None:
    async def scene(api: Api) -> None:
        fields = {"name": {"type": "string"}, "n": {"type": "integer"}}
        item = {"type": "object", "properties": fields, "required": ["name"]}
        keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        lists = {"type": "array", "items": item, **keyed}
        spec = {"type": "object", "properties": {"parts": lists, "size": {"type": "integer", "default": 3}}}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
        definition = {
            "metadata": {"name": "boats.sea.example.com"},
            "spec": {
                "group": "sea.example.com", "scope": "Namespaced", "names": {"plural": "boats", "kind": "Boat"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        }  # fmt: skip
        await api.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        boats = "/apis/sea.example.com/v1/namespaces/default/boats"
        for _ in range(200):
            if (await api.ask("GET", boats))[0] == 200:
                break
            await asyncio.sleep(0.01)
        rule = {"apiGroups": ["sea.example.com"], "resources": ["boats"]}
        patch = "Object{spec: Object.spec{parts: [Object.spec.parts{name: 'b', n: object.spec.size}]}}"
        await mutating(api, "p", patch, rule=rule)
        body = {"apiVersion": "sea.example.com/v1", "kind": "Boat", "metadata": {"name": "x"}}
        found = await made(api, body | {"spec": {"parts": [{"name": "a"}, {"name": "b", "n": 1}]}}, boats)
        assert found["spec"] == {"parts": [{"name": "a"}, {"name": "b", "n": 3}], "size": 3}
        await mutating(api, "q", "Object{spec: Object.spec{nope: 1}}", rule=rule)
        code, said = await refusal(api, body | {"metadata": {"name": "y"}, "spec": {}}, boats)
        assert (code, said.rpartition(": .")[2]) == (403, "spec.nope: field not declared in schema")

    play(scene)
