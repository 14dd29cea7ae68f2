"""The type check of expressions, told in a policy's status."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from unit.apiserver.harness import Api, play
from unit.apiserver.policies.bound import ADMISSION, RULE

POLICIES = f"{ADMISSION}/validatingadmissionpolicies"
MERGE = {"content_type": "application/merge-patch+json"}
APPS = {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"]}


async def status(api: Api, generation: int = 1) -> Any:
    """Once it is about this generation."""
    for _ in range(200):
        _, found = await api.ask("GET", f"{POLICIES}/p")
        if found.get("status", {}).get("observedGeneration") == generation:
            return found["status"]["typeChecking"]
        await asyncio.sleep(0.01)
    raise AssertionError(found)


async def make(api: Api, *rules: Any, rule: Any = None, **spec: Any) -> None:
    found = [{"expression": each} if isinstance(each, str) else each for each in rules]
    spec = {"matchConstraints": {"resourceRules": [RULE | (rule or {})]}, "validations": found, **spec}
    await api.make(POLICIES, {"metadata": {"name": "p"}, "spec": spec})


def undefined(kind: str, column: int, field: str, source: str) -> str:
    return f"{kind}: ERROR: <input>:1:{column}: undefined field '{field}'\n | {source}\n | {'.' * (column - 1)}^\n"


@pytest.mark.parametrize(
    ("rule", "spec", "warned"),
    [
        ({}, {}, {}),
        ({"expression": "object.data.x == 'y'"}, {}, {}),
        ({"expression": "oldObject.nope == 1"}, {},
         {"spec.validations[0].expression": undefined("/v1, Kind=ConfigMap", 10, "nope", "oldObject.nope == 1")}),
        ({"expression": "true", "messageExpression": "string(object.nope)"}, {"rule": APPS},
         {"spec.validations[0].messageExpression":
          undefined("apps/v1, Kind=Deployment", 14, "nope", "string(object.nope)") + "\n"
          + undefined("apps/v1, Kind=ReplicaSet", 14, "nope", "string(object.nope)")}),
        ({"expression": "object.nope == 1"}, {"rule": {"apiGroups": ["*"]}}, {}),
        ({"expression": "variables.v == 1"}, {"variables": [{"name": "v", "expression": "object.metadata.name"}]},
         {"spec.validations[0].expression": "/v1, Kind=ConfigMap: ERROR: <input>:1:13: found no matching overload for "
          "'_==_' applied to '(string, int)'\n | variables.v == 1\n | ............^\n"}),
        ({"expression": "params.spec.nope == 1"}, {"paramKind": {"apiVersion": "v1", "kind": "Node"}},
         {"spec.validations[0].expression": undefined("/v1, Kind=ConfigMap", 12, "nope", "params.spec.nope == 1")}),
        ({"expression": "authorizer.requestResource.check('get').allowed()"}, {}, {}),
    ],
)  # fmt: skip
def test_warnings(rule: Any, spec: Any, warned: dict[str, str]) -> None:
    async def scene(api: Api) -> None:
        await make(api, {"expression": "true"} | rule, **spec)
        found = await status(api)
        assert {each["fieldRef"]: each["warning"] for each in found.get("expressionWarnings", ())} == warned
        assert found == ({} if not warned else {"expressionWarnings": found["expressionWarnings"]})

    play(scene)


def test_each_generation_is_checked_and_a_status_is_no_generation() -> None:
    async def scene(api: Api) -> None:
        await make(api, "object.nope == 1")
        assert "expressionWarnings" in await status(api)
        await api.ask("PATCH", f"{POLICIES}/p", {"spec": {"validations": [{"expression": "true"}]}}, **MERGE)
        assert await status(api, 2) == {}

    play(scene)
