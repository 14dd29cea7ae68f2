"""Match conditions of webhooks, other versions of a resource, and what people and Prometheus are told."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from integration.apiserver.test_admission_webhooks import (
    CONFIGURATIONS,
    DEAD,
    MAPS,
    ROLES,
    added,
    config_map,
    configure,
    hook,
    replies,
    server,
)
from longboat.api import kinds
from longboat.registry.admission import Attributes
from longboat.registry.write import Write
from oracle.webhook import Webhooks
from unit.apiserver.harness import Api, play, user

__all__ = ["server"]
HPAS = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
EVENTS = "/api/v1/namespaces/default/events"


def conditions(*expressions: str) -> Any:
    return {"matchConditions": [{"name": f"c{i}", "expression": each} for i, each in enumerate(expressions)]}


BROKEN = "object.data.absent == 'x'"
ERROR = f"expression '{BROKEN}' resulted in error: no such key: absent"


# Policy, expressions, what a write is answered, whether the webhook is asked, what is said.
CASES: tuple[tuple[str, list[str], int, bool, str], ...] = (
    ("Fail", ["object.metadata.name == 'm'", "request.operation == 'CREATE'"], 201, True, ""),
    ("Fail", ["object.metadata.name == 'other'"], 201, False, ""),
    ("Fail", [BROKEN], 403, False, ERROR),
    ("Fail", [BROKEN, BROKEN], 403, False, ERROR),  # once, as upstream tells of errors that are the same
    ("Fail", [BROKEN, "object.data.gone == 'x'"], 403, False, f"[{ERROR}, {ERROR.replace('absent', 'gone')}]"),
    ("Fail", [BROKEN, "false"], 201, False, ""),  # what is false decides, wherever it stands
    ("Ignore", [BROKEN], 201, False, ""),
    ("Fail", ["oldObject == null && namespaceObject == null"], 201, True, ""),
    ("Fail", ["request.userInfo.groups.exists(g, g == 'system:masters')"], 201, True, ""),
    ("Fail", ["!has(request.subResource) && request.dryRun == true"], 201, True, ""),
    ("Fail", ["authorizer.group('').resource('pods').namespace('x').check('delete').allowed()"], 201, True, ""),
    ("Fail", ["authorizer.requestResource.check('impossible').allowed()"], 201, True, ""),  # who asks may do all
    ("Fail", ["authorizer.serviceAccount('x', 'y').requestResource.check('get').allowed()"], 0, False, ""),
    ("Fail", ["authorizer.serviceAccount('default', 'no').group('').resource('pods').check('get').allowed()"], 201,
         False, ""),
)  # fmt: skip


@pytest.mark.parametrize("which", ["validating", "mutating"])
def test_conditions(server: Webhooks, which: str) -> None:
    async def scene(api: Api) -> None:
        for policy, expressions, code, asked, says in CASES:
            replies(server, h={})
            one = hook(server, "/h", failurePolicy=policy, **conditions(*expressions))
            if not code:
                body = {"metadata": {"name": "c"}, "webhooks": [one]}
                found, status = await api.ask("POST", CONFIGURATIONS.format(which), body)
                assert (found, "compilation failed" in status["message"]) == (422, True), expressions
                continue
            await configure(api, which, one)
            found, status = await api.ask("POST", f"{MAPS}?dryRun=All", config_map())
            assert found == code, expressions
            if says:
                assert status["message"] == f'configmaps "m" is forbidden: {says}'
            assert bool(server.taken("s")) is asked, expressions
            await api.ask("DELETE", f"{CONFIGURATIONS.format(which)}/c")

    play(scene)


def test_conditions_know_what_the_user_may_do_beside_the_loop(server: Webhooks) -> None:
    """An expression that is dear goes to a thread; who decides is asked on the loop."""

    async def scene(api: Api) -> None:
        replies(server, h={})
        dear = "range.all(i, range.all(j, i + j >= 0))".replace("range", str(list(range(120))))
        may = "authorizer.requestResource.check('create').allowed()"
        never = "authorizer.requestResource.check('shred').allowed()"
        await configure(
            api, "validating", hook(server, "/h", **conditions(f"{dear} && {may}", f"{dear} && !({never})"))
        )
        role = {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]}
        await api.make(ROLES, {"metadata": {"name": "r"}, **role})
        binding = {"roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
                   "subjects": [{"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"}]}  # fmt: skip
        await api.make(ROLES.replace("roles", "rolebindings"), {"metadata": {"name": "b"}, **binding})
        await api.make(MAPS, config_map(), user("ann"))
        assert len(server.taken("s")) == 1

    play(scene)


def test_conditions_of_a_reinvoked_webhook_see_the_object_as_it_is_now(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        replies(server, a=added("a", "1"), b=added("b", "2"))
        again = {"reinvocationPolicy": "IfNeeded", **conditions("!has(object.data.b)")}
        await configure(
            api, "mutating", hook(server, "/a", **again), hook(server, "/b", **conditions("has(object.data.a)"))
        )
        assert (await api.make(MAPS, config_map()))["data"] == {"k": "v", "a": "1", "b": "2"}
        assert [each["hook"].partition("?")[0] for each in server.taken("s")] == ["/a", "/b"]

    play(scene)


def autoscaler(name: str, version: str) -> Any:
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    return {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
            "spec": {"scaleTargetRef": target, "maxReplicas": 5}}  # fmt: skip


@pytest.mark.parametrize(("written", "asked"), [("v2", "v1"), ("v1", "v2")])
def test_a_webhook_for_another_version_changes_the_object_in_its_own(
    server: Webhooks, written: str, asked: str
) -> None:
    async def scene(api: Api) -> None:
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": {
            "type": "Utilization", "averageUtilization": 55}}}]  # fmt: skip
        patch = {"v1": {"op": "add", "path": "/spec/targetCPUUtilizationPercentage", "value": 55},
                 "v2": {"op": "add", "path": "/spec/metrics", "value": metrics}}[asked]  # fmt: skip
        replies(server, h={"patch": [patch]})
        rule = {"apiGroups": ["autoscaling"], "apiVersions": [asked], "operations": ["CREATE"],
                "resources": ["horizontalpodautoscalers"]}  # fmt: skip
        seen = conditions(f"object.apiVersion == 'autoscaling/{asked}' && request.requestKind.version == '{written}'")
        await configure(api, "mutating", hook(server, "/h", rules=[rule], **seen))
        made = await api.make(HPAS.format(written), autoscaler("a", written))
        (review,) = server.taken("s")
        request = review["request"]
        assert [request[each]["version"] for each in ("kind", "resource", "requestKind", "requestResource")] == [
            asked, asked, written, written,
        ]  # fmt: skip
        assert request["object"]["apiVersion"] == f"autoscaling/{asked}"
        assert made["apiVersion"] == f"autoscaling/{written}"
        found = (await api.ask("GET", HPAS.format("v1") + "/a"))[1]
        assert found["spec"]["targetCPUUtilizationPercentage"] == 55

    play(scene)


def test_of_a_dead_webhook_people_are_told_once(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        dead = hook(server, "/dead", url=DEAD)
        made = await api.make(CONFIGURATIONS.format("validating"), {"metadata": {"name": "c"}, "webhooks": [dead]})
        everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["events"]}
        guard = {**hook(server, "/events", url=DEAD), "rules": [everything]}  # it keeps nobody from being told
        await api.make(CONFIGURATIONS.format("mutating"), {"metadata": {"name": "e"}, "webhooks": [guard]})
        for _ in range(3):
            assert (await api.ask("POST", MAPS, config_map()))[0] == 500
        await asyncio.sleep(0.1)
        (event,) = (await api.ask("GET", EVENTS))[1]["items"]
        about = {"kind": "ValidatingWebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1", "name": "c",
                 "uid": made["metadata"]["uid"]}  # fmt: skip
        assert (event["involvedObject"], event["reason"], event["type"]) == (about, "FailedCallingWebhook", "Warning")
        assert 'failed calling webhook "dead.example.com": failed to call webhook' in event["message"]
        assert event["message"].endswith("connection refused; what it was to be asked about is refused")

    play(scene)


def test_what_is_measured_has_upstreams_names(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        no = {"response": {"allowed": False, "status": {"code": 418}}}
        replies(server, yes={}, no=no, off={}, away={})
        off = hook(server, "/off", **conditions("false"))
        broken = hook(server, "/broken", failurePolicy="Ignore", **conditions(BROKEN))
        gone = hook(server, "/gone", url=DEAD, failurePolicy="Ignore")
        await configure(api, "validating", hook(server, "/yes"), hook(server, "/no"), off, broken, gone)
        assert (await api.ask("POST", MAPS, config_map()))[0] == 418
        text = (await api.ask("GET", "/metrics"))[1]
        for name, labels, value in (
            ("webhook_request_total", {"name": "yes", "code": "200", "rejected": "false"}, 1),
            ("webhook_request_total", {"name": "no", "code": "418", "rejected": "true"}, 1),
            ("webhook_request_total", {"name": "gone", "code": "503", "rejected": "false"}, 1),
            ("webhook_admission_duration_seconds_count", {"name": "yes", "type": "validating"}, 1),
            ("webhook_rejection_count", {"name": "no", "error_type": "no_error", "rejection_code": "418"}, 1),
            ("webhook_fail_open_count", {"name": "gone"}, 1),
            ("match_condition_exclusions_total", {"name": "off", "kind": "webhook", "type": "validate"}, 1),
            ("match_condition_evaluation_errors_total", {"name": "broken", "operation": "CREATE"}, 1),
            ("match_condition_evaluation_seconds_count", {"name": "off"}, 1),
        ):
            labels = {**labels, "name": f"{labels['name']}.example.com"}
            wanted = "".join(rf'(?=.*\b{key}="{re.escape(said)}")' for key, said in labels.items())
            assert re.search(rf"^apiserver_admission_{name}{{{wanted}.* {value}$", text, re.MULTILINE), name

    play(scene)


def test_a_patch_of_what_is_deleted_is_refused(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map())
        replies(server, h=added("a", "1"))
        await configure(api, "mutating", hook(server, "/h"))
        code, status = await api.ask("DELETE", f"{MAPS}/m")
        assert code == 500
        assert "attempted to modify the object, which is not supported for this operation" in status["message"]

    play(scene)


def test_what_an_audit_event_is_told(server: Webhooks) -> None:
    """Of each mutating call, of a patch, of what passed because a webhook could not be asked, and the webhook's own."""

    async def scene(api: Api) -> None:
        own = {"response": {"auditAnnotations": {"why": "because", "two/slashes": "left out"}}}
        replies(server, h={**added("a", "1"), **own})
        gone = hook(server, "/gone", url=DEAD, failurePolicy="Ignore")
        await configure(api, "mutating", hook(server, "/h", reinvocationPolicy="IfNeeded"), gone)
        write = Write(user=user("ann"), operation="CREATE")
        obj = {"kind": "ConfigMap", "apiVersion": "v1", **config_map()}
        await api.server.admission.mutate(Attributes(write, kinds.CONFIG_MAP, None, "default", "m", obj))
        names = {"configuration": "c", "webhook": "h.example.com"}
        found = {key: value if value[0] != "{" else json.loads(value) for key, value in write.annotations.items()}
        away = {"configuration": "c", "webhook": "gone.example.com", "mutated": False}
        assert found == {
            "h.example.com/why": "because",
            "mutation.webhook.admission.k8s.io/round_0_index_0": {**names, "mutated": True},
            "patch.webhook.admission.k8s.io/round_0_index_0": {
                **names, "patch": [{"op": "add", "path": "/data/a", "value": "1"}], "patchType": "JSONPatch",
            },
            "mutation.webhook.admission.k8s.io/round_0_index_1": away,
            "failed-open.mutation.webhook.admission.k8s.io/round_0_index_1": "gone.example.com",
        }  # fmt: skip

    play(scene)
