"""Unknown and repeated fields, by every way to write: refused, warned of or ignored, in upstream's words."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from tests.unit.apiserver.harness import Api, play

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
JSON, MERGE, STRATEGIC = (f"application/{kind}patch+json" for kind in ("json-", "merge-", "strategic-merge-"))
YAML = "application/yaml"
WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')
DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}},
}  # fmt: skip
SCALE = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "d"}, "spec": {"replicas": 1, "x": 1}}

WRITTEN_JSON = b"""{"apiVersion": "v1", "kind": "ConfigMap", "zz": {"a": 1}, "zz": 2,
 "metadata": {"name": "x", "b\\"q": 1, "labels": {"l": "1", "l": "2"}}, "data": {"a": "1", "a": "2", "a": "3"}}"""
ABOUT_JSON = [
    'unknown field "zz"', 'unknown field "metadata.b\\"q"', 'duplicate field "metadata.labels.l"',
    'duplicate field "data.a"',
]  # fmt: skip
WRITTEN_YAML = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: z}\ndata:\n  i: a\n  i: b\n  j: a\n  j: b\nzz: 1\n"
YAML_LINES = ['line 6: key "i" already set in map', 'line 8: key "j" already set in map']
NESTED = {
    "spec": {"zz": 1, "template": {"spec": {"aa": 2, "containers": [{"name": "c", "image": "j", "x": 1}]}}},
    "a": 1,
}
ABOUT_NESTED = [
    'unknown field "a"', 'unknown field "spec.template.spec.aa"', 'unknown field "spec.template.spec.containers[0].x"',
    'unknown field "spec.zz"',
]  # fmt: skip
ADDING = [
    {"op": "add", "path": "/spec/zz", "value": 1, "foo": 1},
    {"op": "add", "path": "/metadata/aa", "value": 1},
]

WRITES: list[tuple[str, str, str, Any, list[str]]] = [
    ("POST", MAPS, "application/json", WRITTEN_JSON, ABOUT_JSON),
    ("POST", MAPS, YAML, WRITTEN_YAML, [*YAML_LINES, 'unknown field "zz"']),
    ("PUT", f"{DEPLOYMENTS}/d", "application/json", DEPLOYMENT | {"zz": 1}, ['unknown field "zz"']),
    ("PUT", f"{DEPLOYMENTS}/d/status", "application/json", DEPLOYMENT | {"zz": 1}, ['unknown field "zz"']),
    ("PUT", f"{DEPLOYMENTS}/d/scale", "application/json", SCALE, ['unknown field "spec.x"']),
    ("PATCH", f"{DEPLOYMENTS}/d", MERGE, NESTED, ABOUT_NESTED),
    ("PATCH", f"{DEPLOYMENTS}/d", STRATEGIC, NESTED, ABOUT_NESTED),
    ("PATCH", f"{DEPLOYMENTS}/d/status", STRATEGIC, {"zz": 1}, ['unknown field "zz"']),
    ("PATCH", f"{DEPLOYMENTS}/d/scale", MERGE, {"spec": {"x": 1}}, ['unknown field "spec.x"']),
    ("PATCH", f"{DEPLOYMENTS}/d", MERGE, b'{"spec":{"replicas":2,"replicas":3,"zz":1}}',
     ['duplicate field "spec.replicas"', 'unknown field "spec.zz"']),
    ("PATCH", f"{DEPLOYMENTS}/d", JSON, ADDING,
     ['json patch unknown field "[0].foo"', 'unknown field "metadata.aa"', 'unknown field "spec.zz"']),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target", "content_type", "body", "about"), WRITES)
def test_every_way_to_write(method: str, target: str, content_type: str, body: Any, about: list[str]) -> None:
    async def scene(api: Api) -> None:
        await api.make(DEPLOYMENTS, DEPLOYMENT)

        async def write(validation: str) -> tuple[int, str, list[str]]:
            asked = f"{target}?dryRun=All&fieldValidation={validation}"
            response = await api.response(method, asked, body, content_type=content_type)
            told = WARNING.findall(" ".join(response.warnings))
            message = msgspec.json.decode(response.body).get("message", "")
            return response.status, message, [text.replace('\\"', '"').replace("\\\\", "\\") for text in told]

        assert (await write("Ignore"))[::2] == (201 if method == "POST" else 200, [])
        for validation in ("", "Warn"):
            code, _, told = await write(validation)
            assert (code, told) == (201 if method == "POST" else 200, about)
        code, message, told = await write("Strict")
        assert (code, told) == (422 if method == "PATCH" else 400, [])
        lines = about
        if content_type == YAML:
            lines = ["yaml: unmarshal errors:\n  " + "\n  ".join(YAML_LINES), *about[2:]]
        assert message.endswith(f"strict decoding error: {', '.join(lines)}")
        code, message, _ = await write("strict")
        supported = 'fieldValidation: Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn"'
        assert code == 422 and message.endswith(f'Options.meta.k8s.io "" is invalid: {supported}')

    play(scene)


def test_what_a_strategic_patch_does_not_fit_is_said_of_the_patch() -> None:
    cases = [
        ({"spec": {"replicas": "x"}}, "map[spec:map[replicas:x]]", "unrecognized type: int32"),
        ({"spec": {"replicas": 1.5}}, "map[spec:map[replicas:1.5]]", "cannot convert float64 to int32"),
        ({"spec": {"paused": "x"}}, "map[spec:map[paused:x]]", "unrecognized type: bool"),
        ({"metadata": {"labels": {"a": 1}}}, "map[metadata:map[labels:map[a:1]]]", "cannot convert int64 to string"),
        ({"metadata": {"labels": {"a": True}}}, "map[metadata:map[labels:map[a:true]]]", "unrecognized type: string"),
        ({"metadata": {"labels": "x"}}, "map[metadata:map[labels:x]]", "cannot restore map from string"),
        ({"metadata": {"finalizers": 1e6}}, "map[metadata:map[finalizers:1e+06]]", "cannot restore slice from float64"),
        ({"spec": {"template": [1, None]}}, "map[spec:map[template:[1 <nil>]]]", "cannot restore struct from: slice"),
    ]

    async def scene(api: Api) -> None:
        await api.make(DEPLOYMENTS, DEPLOYMENT)
        for patch, shown, why in cases:
            code, status = await api.ask("PATCH", f"{DEPLOYMENTS}/d", patch, content_type=STRATEGIC)
            assert (code, status["message"]) == (422, f' "" is invalid: patch: Invalid value: "{shown}": {why}')

    play(scene)


@pytest.mark.parametrize(
    ("content_type", "body", "validation", "code", "message"),
    [
        (MERGE, b"{", "Warn", 400, "error decoding patch: unexpected end of JSON input"),
        (MERGE, b"{", "Ignore", 400, "Invalid JSON Patch"),
        (MERGE, b"null", "Warn", 400, "Invalid JSON Patch"),
        (MERGE, b"[1]", "Warn", 400,
         "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (STRATEGIC, b"{", "Ignore", 400, "unexpected end of JSON input"),
        (STRATEGIC, b"null", "Warn", 200, None),
        (JSON, b"null", "Warn", 200, None),
        (JSON, b"[1]", "Strict", 400,
         "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (JSON, b"[1]", "Ignore", 400, "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
        (JSON, b"{}", "Ignore", 400, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        (JSON, b'[{"op":1,"path":"/a"}]', "Warn", 400,
         "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"),
        (JSON, b'[{"op":1,"path":"/a"}]', "Ignore", 422,
         "the server rejected our request due to an error in our request"),
        (JSON, b"[null]", "Warn", 422, "the server rejected our request due to an error in our request"),
        (JSON, b'[{"op":"replace","path":"","value":[1]}]', "Warn", 422, "couldn't get version/kind"),
    ],
)  # fmt: skip
def test_patches_that_are_none(content_type: str, body: bytes, validation: str, code: int, message: str | None) -> None:
    async def scene(api: Api) -> None:
        await api.make(DEPLOYMENTS, DEPLOYMENT)
        asked = f"{DEPLOYMENTS}/d?fieldValidation={validation}"
        found, status = await api.ask("PATCH", asked, body, content_type=content_type)
        assert (found, status.get("message")) == (code, message) or str(message) in status["message"]
        if message is not None:  # an object that is not there is told of before
            found, status = await api.ask("PATCH", asked.replace("/d?", "/n?"), body, content_type=content_type)
            assert (found, status["message"]) == (404, 'deployments.apps "n" not found')

    play(scene)
