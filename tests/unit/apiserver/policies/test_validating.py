"""ValidatingAdmissionPolicy: what its rules see, and what follows where one does not hold."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from unit.apiserver.harness import Api, play, user
from unit.apiserver.policies.bound import ADMISSION, CONFIG_MAPS, RULE, config_map, validating

MERGE = {"content_type": "application/merge-patch+json"}


async def message(api: Api, body: Any, target: str = CONFIG_MAPS, method: str = "POST", **more: Any) -> str:
    """Why it is refused; "" where it is not."""
    code, found = await api.ask(method, target, body, **more)
    said: str = "" if code < 300 else found["message"]
    assert not said or "denied request: " in said, said
    return said.partition("denied request: ")[2]


async def held(asking: Coroutine[Any, Any, str]) -> tuple[str, float, float]:
    """What it comes to, how long it worked on the loop at a stretch, and how long it took in all, in seconds."""
    gc.collect()
    gc.disable()  # what other tests have left takes long to look through
    longest, before, begun = 0.0, time.thread_time(), time.perf_counter()
    task = asyncio.ensure_future(asking)
    while not task.done():
        await asyncio.sleep(0)
        longest, before = max(longest, time.thread_time() - before), time.thread_time()
    gc.enable()
    return task.result(), longest, time.perf_counter() - begun


def test_a_policy_is_in_force_with_the_next_request_and_gone_with_the_next() -> None:
    async def scene(api: Api) -> None:
        await validating(api, "p", {"expression": "object.metadata.name != 'a'", "message": "no a"})
        assert await message(api, config_map()) == "no a"
        policy = f"{ADMISSION}/validatingadmissionpolicies/p"
        other = {"spec": {"validations": [{"expression": "object.metadata.name != 'b'", "message": "no b"}]}}
        await api.ask("PATCH", policy, other, **MERGE)
        assert (await message(api, config_map()), await message(api, config_map("b"))) == ("", "no b")
        await api.ask("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/p")
        assert await message(api, config_map("b")) == ""

    play(scene)


@pytest.mark.parametrize("more", [{"failurePolicy": "Ignore"}, {}])
def test_what_cannot_be_evaluated_is_the_failure_policy_s(more: Any) -> None:
    async def scene(api: Api) -> None:
        await validating(api, "p", "object.nope == 1", **more)
        said = await message(api, config_map())
        assert said == ("" if more else "expression 'object.nope == 1' resulted in error: no such key: nope")

    play(scene)


def test_warnings_and_notes_are_told_and_refuse_nothing(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        note = {"key": "who", "valueExpression": "request.userInfo.username"}
        rule = {"expression": "false", "message": "so so"}
        await validating(api, "p", rule, actions=["Warn", "Audit"], auditAnnotations=[note])
        answer = await api.response("POST", CONFIG_MAPS, config_map())
        assert answer.status == 201
        told = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p': so so"
        assert told in " ".join(answer.warnings)

    play(scene, audit_log=tmp_path / "audit")
    found = [msgspec.json.decode(line) for line in (tmp_path / "audit").read_bytes().splitlines()]
    notes = next(each["annotations"] for each in found if each["requestURI"] == CONFIG_MAPS)
    assert notes["p/who"] == "admin"
    failure = msgspec.json.decode(notes["validation.policy.admission.k8s.io/validation_failure"])
    assert failure == [{
        "message": "so so", "policy": "p", "binding": "p", "expressionIndex": 0, "validationActions": ["Warn", "Audit"],
    }]  # fmt: skip


def test_a_note_that_cannot_be_made_refuses_whatever_the_action() -> None:
    async def scene(api: Api) -> None:
        note = {"key": "k", "valueExpression": "string(object.nope)"}
        await validating(api, "p", "true", actions=["Warn"], auditAnnotations=[note])
        assert (
            await message(api, config_map()) == "expression 'string(object.nope)' resulted in error: no such key: nope"
        )

    play(scene)


def test_parameters_of_the_object_s_namespace() -> None:
    async def scene(api: Api) -> None:
        ref = {"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}}
        rule = {"expression": "object.metadata.name == 'limits' || size(object.data) <= int(params.data.most)"}
        kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        await validating(api, "p", rule, binding=ref, paramKind=kind, matchConditions=[
            {"name": "others", "expression": "object.metadata.name != 'limits'"},
        ])  # fmt: skip
        assert "no params found" in await message(api, config_map(x="1"))
        await api.ask("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/p")
        await api.make(CONFIG_MAPS, config_map("limits", most="1"))
        binding = {"metadata": {"name": "q"}, "spec": {"policyName": "p", "validationActions": ["Deny"], **ref}}
        await api.make(f"{ADMISSION}/validatingadmissionpolicybindings", binding)
        assert await message(api, config_map(x="1")) == ""
        assert "failed expression" in await message(api, config_map("b", x="1", y="2"))

    play(scene)


def test_a_cluster_scoped_object_has_no_parameters_in_a_namespace() -> None:
    async def scene(api: Api) -> None:
        kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        ref = {"paramRef": {"name": "x", "parameterNotFoundAction": "Allow"}}
        nodes = {"resources": ["nodes"]}
        await validating(api, "p", "false", rule=nodes, paramKind=kind, binding=ref)
        said = await message(api, {"metadata": {"name": "n"}}, "/api/v1/nodes")
        why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        assert said == f"failed to configure binding: {why}"

    play(scene)


def test_who_may_do_what() -> None:
    async def scene(api: Api) -> None:
        may = "authorizer.group('').resource('secrets').namespace('default').check('get').allowed()"
        robot = "authorizer.serviceAccount('default', 'robot').group('').resource('pods').check('list').allowed()"
        own = "authorizer.requestResource.check('deletecollection').allowed()"
        await validating(
            api, "p", {"expression": may, "message": "secrets"}, {"expression": f"!{robot}", "message": "robot"},
            {"expression": own, "message": "own"},
        )  # fmt: skip
        assert await message(api, config_map()) == ""
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]
        await api.make("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": "r"}, "rules": rules})
        group = {"apiGroup": "rbac.authorization.k8s.io"}
        ref, jane = {**group, "kind": "ClusterRole", "name": "r"}, {**group, "kind": "User", "name": "jane"}
        body = {"metadata": {"name": "r"}, "roleRef": ref, "subjects": [jane]}
        await api.make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", body)
        assert await message(api, config_map("b"), who=user("jane")) == "secrets"

    play(scene)


def test_a_dear_policy_holds_nobody_else() -> None:
    async def scene(api: Api) -> None:
        many = f"[{','.join(map(str, range(40)))}]"
        dear = f"{many}.all(a, {many}.all(b, {many}.all(c, a + b + c >= 0)))"
        variable = {"name": "dear", "expression": dear}
        await validating(api, "p", "variables.dear && variables.dear", variables=[variable])
        await message(api, config_map("warm"))
        said, longest, took = await held(message(api, config_map()))
        assert said == ""
        assert longest < took / 2

    play(scene)


def test_versions_of_a_resource() -> None:
    async def scene(api: Api) -> None:
        rule = {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]}
        seen = {"expression": "false", "messageExpression": "object.apiVersion + ' ' + request.requestKind.version"}
        await validating(api, "p", seen, rule=rule)
        target_ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
        scaler = {"metadata": {"name": "s"}, "spec": {"maxReplicas": 1, "scaleTargetRef": target_ref}}
        target = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
        assert await message(api, scaler, target) == "autoscaling/v1 v2"
        exactly = {"spec": {"matchConstraints": {"matchPolicy": "Exact", "resourceRules": [RULE | rule]}}}
        await api.ask("PATCH", f"{ADMISSION}/validatingadmissionpolicies/p", exactly, **MERGE)
        assert await message(api, scaler, target) == ""

    play(scene)


def test_figures() -> None:
    async def scene(api: Api) -> None:
        only = {"name": "n", "expression": "object.metadata.name != 'c'"}
        await validating(api, "p", "object.metadata.name != 'a'", matchConditions=[only])
        for name in "abc":
            await message(api, config_map(name))
        _, shown = await api.ask("GET", "/metrics")
        labels = 'enforcement_action="deny",error_type="no_error",policy="p",policy_binding="p"'
        assert f"apiserver_validating_admission_policy_check_total{{{labels}}} 1\n" in shown
        assert f"apiserver_validating_admission_policy_check_duration_seconds_count{{{labels}}} 1\n" in shown
        labels = 'kind="policy",name="p",operation="CREATE",type="validate"'
        assert f"apiserver_admission_match_condition_exclusions_total{{{labels}}} 1\n" in shown
        assert f"apiserver_admission_match_condition_evaluation_seconds_count{{{labels}}} 3\n" in shown

    play(scene)


def test_many_policies_are_compiled_in_turns() -> None:
    async def scene(api: Api) -> None:
        for i in range(40):
            await validating(api, f"p{i}", *[f"object.metadata.name != 'x{n}' && {n} < {n + 1}" for n in range(10)])
        await asyncio.sleep(0.2)  # their types are checked
        said, longest, _ = await held(message(api, config_map()))
        assert said == ""
        assert longest < 0.03  # it takes some twice as long to compile them all

    play(scene)
