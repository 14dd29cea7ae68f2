"""What is stored and not in force says so: in Warning headers, and in a document that is held against the table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from longboat.apiserver.admission.unenforced import Entries, Shape, Unenforced, rows
from longboat.apiserver.admission.unenforced_table import TABLE
from longboat.machinery.kinds import Kind
from longboat.machinery.types import schema
from longboat.machinery.types.shapes import List, Map, Scalar, Struct
from suites.objects import container, pod
from unit.apiserver.harness import Api, play

DOCUMENT = Path(__file__).parents[3] / "docs" / "not-in-force.md"
NS = "/api/v1/namespaces"
PODS = f"{NS}/default/pods"
FROM_FILE: dict[str, Any] = {
    "env": [{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "a.env", "key": "A"}}}]
}
VOLUMES: list[Any] = [{"name": "v", "emptyDir": {}}]


async def warned(api: Api, target: str, body: Any, method: str = "POST", **headers: str) -> list[str]:
    response = await api.response(method, target, body, **headers)
    assert response.status in (200, 201), response.whole()
    return re.findall(r'299 - "((?:[^"\\]|\\.)*)"', " ".join(response.warnings))


@pytest.mark.parametrize(
    ("spec", "where", "why"),
    [
        ({}, "", ""),
        ({"volumes": VOLUMES, "containers": [container(), container(name="d", **FROM_FILE)]},
         "spec.containers[1].env[0].valueFrom.fileKeyRef", "the variable is left out"),
        ({"containers": [container(resources={"limits": {"ephemeral-storage": "1Gi"}})]}, "", ""),
        ({"initContainers": [container(name="i", restartPolicy="Always")]}, "", ""),
        ({"initContainers": [container(name="i", restartPolicy="OnFailure")]}, "", ""),
        ({"resourceClaims": []}, "", ""),
    ],
)  # fmt: skip
def test_fields_of_pods_and_of_templates(spec: Any, where: str, why: str) -> None:
    async def scene(api: Api) -> None:
        await api.make(f"{NS}/default/serviceaccounts", {"metadata": {"name": "default"}})
        told = [f"{where}: stored, but not in force: {why}"] if where else []
        assert await warned(api, PODS, pod(**spec)) == told
        template = {"spec": pod(**spec)["spec"] | {"restartPolicy": "Never"}}
        job = {
            "metadata": {"name": "j"},
            "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}},
        }
        told = [f"spec.jobTemplate.spec.template.{text}" for text in told]
        assert await warned(api, "/apis/batch/v1/namespaces/default/cronjobs", job) == told

    play(scene)


def test_a_long_object_gets_a_short_warning() -> None:
    async def scene(api: Api) -> None:
        await api.make(f"{NS}/default/serviceaccounts", {"metadata": {"name": "default"}})
        many = [container(name=f"c{i}", **FROM_FILE) for i in range(500)]
        (text,) = await warned(api, PODS, pod(containers=many, volumes=VOLUMES))
        assert text.startswith("spec.containers[0].env")

    play(scene)


def test_updates_and_patches_are_warned_of_and_a_status_is_not() -> None:
    async def scene(api: Api) -> None:
        await api.make(f"{NS}/default/serviceaccounts", {"metadata": {"name": "default"}})
        made = await api.make(PODS, pod())
        key = "seccomp.security.alpha.kubernetes.io/pod"
        made["metadata"]["annotations"] = {key: "unconfined"}
        told = [f"metadata.annotations[{key}]: stored, but not in force: "
                "use the securityContext's seccompProfile instead"]  # fmt: skip
        one = f"{PODS}/p"
        assert await warned(api, one, made, "PUT") == told
        patch = {"metadata": {"annotations": {"a": "b"}}}
        merge = {"content_type": "application/merge-patch+json"}
        assert await warned(api, one, patch, "PATCH", **merge) == told
        assert await warned(api, f"{one}/status", patch, "PATCH", **merge) == []
        patch = {"metadata": {"annotations": {key: None}}}
        assert await warned(api, one, patch, "PATCH", **merge) == []

    play(scene)


def test_a_flag_turns_the_warnings_off() -> None:
    async def scene(api: Api) -> None:
        await api.make(f"{NS}/default/serviceaccounts", {"metadata": {"name": "default"}})
        assert await warned(api, PODS, pod(hostnameOverride="h")) == []

    play(scene, warn_unenforced=False)


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.name)
def test_the_table_speaks_of_fields_that_there_are(kind: Kind) -> None:
    found = schema.load().type(kind)
    assert found is not None
    _fits(TABLE[kind], found)


def _fits(shape: Shape, of: Any) -> None:
    while isinstance(of, List):
        of = of.item
    match shape:
        case Unenforced():
            assert isinstance(of, (Struct, Scalar, Map))
        case Entries():
            assert isinstance(of, Map)
        case _:
            assert isinstance(of, Struct)
            for field, below in shape.items():
                _fits(below, of.fields[field])


def test_the_document_lists_what_the_table_does() -> None:
    listed = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert listed == [
        f"| `{kind}` | `{path}` | {why} |" if path else f"| `{kind}` | | {why} |"
        for kind, path, why in rows(TABLE)
        if "template." not in path  # as in pods
    ]
