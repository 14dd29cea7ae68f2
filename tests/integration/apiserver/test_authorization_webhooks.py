"""Whoever else is asked whether something may be done: what they are told, what follows, and what hanging costs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.webhook_backend import Backend, Exchange, backend
from longboat.apiserver.authz import live
from longboat.apiserver.authz.configuration import parse
from longboat.machinery.user import User
from unit.apiserver.harness import Api, api_server, user

MAPS = "/api/v1/namespaces/default/configmaps"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
JANE = User("jane", ("dev", "system:authenticated"), "7", {"a": ("b",)})
Scene = Callable[[Api, "Oracle"], Awaitable[None]]


class Oracle:
    """Says what `status` says; `specs` and `reviews`: what it was asked."""

    def __init__(self, server: Backend) -> None:
        self.server, self.specs, self.reviews = server, list[Any](), list[Any]()
        self.status: dict[str, Any] = {"allowed": True}
        self.hangs = False
        server.behave = self._behave

    async def _behave(self, exchange: Exchange) -> None:
        self.specs.append(exchange.review["spec"])
        self.reviews.append(exchange.review)
        if self.hangs:
            await exchange.reader.read(1)
            return
        exchange.say(json.dumps(exchange.review | {"status": self.status}).encode())


def kubeconfig(server: Backend, folder: Path) -> str:
    cluster = {"server": f"https://127.0.0.1:{server.port}/authorize", "certificate-authority-data": server.ca}
    found = {
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": {}}],
    }  # fmt: skip
    file = folder / "webhook.kubeconfig"
    file.write_text(json.dumps(found))
    return str(file)


def configured(server: Backend, folder: Path, *before: str, **said: Any) -> bytes:
    webhook = {
        "timeout": "0.5s", "failurePolicy": "NoOpinion", "subjectAccessReviewVersion": "v1",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": kubeconfig(server, folder)}, **said,
    }  # fmt: skip
    authorizers = [
        *({"type": each, "name": each.lower()} for each in before),
        {"type": "Webhook", "name": "w", "webhook": webhook},
        {"type": "RBAC", "name": "rbac"},
    ]  # fmt: skip
    whole = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    return json.dumps(whole | {"authorizers": authorizers}).encode()


def run(folder: Path, scene: Scene, *before: str, **said: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), backend() as server:
            found = parse(configured(server, folder, *before, **said))
            async with api_server(authorization=live.Settings(found)) as api:
                await scene(api, Oracle(server))

    asyncio.run(main())


async def review(api: Api, who: User, **said: Any) -> Any:
    asked = {"verb": "get", "resource": "pods", **said}
    spec = {"user": who.name, "groups": list(who.groups), "resourceAttributes": asked}
    return (await api.make(REVIEWS, {"spec": spec}))["status"]


def test_it_is_told_who_and_what(tmp_path: Path) -> None:
    async def scene(api: Api, oracle: Oracle) -> None:
        target = f"{MAPS}?fieldSelector=metadata.name%21%3Da&labelSelector=x+in+%28b%2Ca%29%2C%21y"
        assert (await api.ask("GET", target, who=JANE))[0] == 200
        assert oracle.reviews[0]["apiVersion"] == "authorization.k8s.io/v1"
        assert oracle.specs[0] == {
            "user": "jane", "groups": ["dev", "system:authenticated"], "uid": "7", "extra": {"a": ["b"]},
            "resourceAttributes": {
                "namespace": "default", "verb": "list", "version": "v1", "resource": "configmaps",
                "fieldSelector": {"requirements": [{"key": "metadata.name", "operator": "NotIn", "values": ["a"]}]},
                "labelSelector": {"requirements": [{"key": "x", "operator": "In", "values": ["a", "b"]},
                                                   {"key": "y", "operator": "DoesNotExist"}]},
            },
        }  # fmt: skip
        await api.ask("GET", "/version/x", who=JANE)
        assert oracle.specs[1]["nonResourceAttributes"] == {"path": "/version/x", "verb": "get"}
        assert (await api.ask("GET", MAPS))[0] == 200  # of system:masters nobody is asked
        assert len(oracle.specs) == 2

    run(tmp_path, scene)


def test_its_answers_decide_and_are_kept(tmp_path: Path) -> None:
    async def scene(api: Api, oracle: Oracle) -> None:
        for _ in range(3):
            assert (await api.ask("GET", f"{MAPS}/a", who=JANE))[0] == 404
        assert len(oracle.specs) == 1
        await asyncio.sleep(0.45)
        oracle.status = {"allowed": False, "reason": "not you"}
        for _ in range(2):
            code, said = await api.ask("GET", f"{MAPS}/a", who=JANE)
            told = 'configmaps "a" is forbidden: User "jane" cannot get resource "configmaps" in API group "" in the '
            assert (code, said["message"]) == (403, f'{told}namespace "default": not you')
        assert len(oracle.specs) == 2
        assert (await api.ask("GET", "/version", who=JANE))[0] == 200  # RBAC allows what nobody denies
        oracle.status = {"allowed": False, "denied": True, "reason": "never"}
        assert (await api.ask("GET", "/version", who=user("joe")))[0] == 403
        assert await review(api, JANE, name="x") == {"allowed": False, "denied": True, "reason": "never"}

    run(tmp_path, scene, authorizedTTL="0.4s")


@pytest.mark.parametrize("policy", ["NoOpinion", "Deny"])
def test_where_it_hangs_only_who_needs_it_waits(tmp_path: Path, policy: str) -> None:
    """And not for longer than its timeout: then its policy says what follows."""

    async def scene(api: Api, oracle: Oracle) -> None:
        oracle.hangs = True
        begun = time.monotonic()
        waiting = asyncio.ensure_future(api.response("GET", f"{MAPS}/a", who=JANE))
        await asyncio.sleep(0.05)
        assert (await api.ask("GET", MAPS))[0] == 200
        assert not waiting.done()
        failed = await waiting
        assert 0.4 < time.monotonic() - begun < 2
        url = f"https://127.0.0.1:{oracle.server.port}/authorize"
        told = f'Internal Server Error: "{MAPS}/a": Post "{url}": context deadline exceeded\n'
        assert (failed.status, failed.whole().decode()) == (500, told)
        code = (await api.response("GET", "/version", who=JANE)).status
        assert code == (200 if policy == "NoOpinion" else 500)
        status = await review(api, JANE)
        assert status.pop("evaluationError") == f'Post "{url}": context deadline exceeded'
        assert status == ({"allowed": False} if policy == "NoOpinion" else {"allowed": False, "denied": True})
        _, figures = await api.ask("GET", "/metrics")
        assert 'apiserver_authorization_webhook_evaluations_total{name="w",result="timeout"} 3' in figures
        opened = 'apiserver_authorization_webhook_evaluations_fail_open_total{name="w",result="timeout"} 3'
        assert (opened in figures) == (policy == "NoOpinion")

    run(tmp_path, scene, failurePolicy=policy)


def test_conditions_say_what_it_is_asked_about(tmp_path: Path) -> None:
    async def scene(api: Api, oracle: Oracle) -> None:
        for name, asked in (("a", False), ("secret", True)):
            await api.ask("GET", f"{MAPS}/{name}", who=JANE)
            assert bool(oracle.specs) == asked
        await api.ask("GET", "/version/x", who=JANE)
        assert len(oracle.specs) == 1
        _, figures = await api.ask("GET", "/metrics")
        assert 'apiserver_authorization_match_condition_exclusions_total{name="w",type="Webhook"} 2' in figures
        code, said = await api.ask("GET", f"{MAPS}/broken", who=JANE)
        assert code == 500
        assert "no such key: nothing" in said

    run(
        tmp_path, scene, matchConditionSubjectAccessReviewVersion="v1",
        matchConditions=[
            {"expression": "has(request.resourceAttributes)"},
            {"expression": "request.resourceAttributes.name in ['secret', 'broken']"},
            {"expression": "request.resourceAttributes.name != 'broken' || request.extra['nothing'] == ['']"},
        ],
    )  # fmt: skip


def test_everything_that_asks_for_rights_asks_it(tmp_path: Path) -> None:
    """Impersonation, creating by a PUT, escalation, and expressions of policies."""

    async def scene(api: Api, oracle: Oracle) -> None:
        def last() -> Any:
            return oracle.specs[-1]["resourceAttributes"]

        code, _ = await api.ask("GET", f"{MAPS}/a", who=JANE, impersonate_user="bob")
        assert code == 404
        verbs = [(each["user"], each["resourceAttributes"]["verb"]) for each in oracle.specs]
        assert verbs == [("jane", "impersonate"), ("bob", "get")]
        lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/n"
        code, said = await api.ask("PUT", lease, {"metadata": {"name": "n"}}, JANE)
        assert code == 201, said
        assert (last()["verb"], last()["resource"]) == ("create", "leases")
        role = {"metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}
        await api.make("/apis/rbac.authorization.k8s.io/v1/clusterroles", role, JANE)
        assert last()["verb"] == "escalate"
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        fly = "authorizer.group('').resource('pods').name('x').check('fly').allowed()"
        spec = {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": fly}],
        }
        kind = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
        await api.make(f"{kind}ies", {"metadata": {"name": "p"}, "spec": spec})
        bound = {"policyName": "p", "validationActions": ["Deny"]}
        await api.make(f"{kind}ybindings", {"metadata": {"name": "b"}, "spec": bound})
        await api.make(MAPS, {"metadata": {"name": "m"}}, JANE)
        assert (last()["verb"], last()["name"]) == ("fly", "x")

    run(tmp_path, scene)


def test_rules_are_said_to_be_incomplete(tmp_path: Path) -> None:
    async def scene(api: Api, oracle: Oracle) -> None:
        asked = {"spec": {"namespace": "default"}}
        made = await api.make("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", asked)
        assert made["status"]["incomplete"] is True
        assert made["status"]["evaluationError"] == "webhook authorizer does not support user rule resolution"

    run(tmp_path, scene)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longboat.aio.followed.LOOK_EVERY", 0.05)

    async def main() -> None:
        async with asyncio.timeout(60), backend() as server:
            file, data = tmp_path / "authz.json", configured(server, tmp_path)
            file.write_bytes(data)
            oracle = Oracle(server)
            async with api_server(authorization=live.Settings(parse(data), file, data)) as api:
                assert (await api.ask("GET", f"{MAPS}/a", who=JANE))[0] == 404
                for number, bad in enumerate((b"{", configured(server, tmp_path, "AlwaysAllow")), 1):
                    file.write_bytes(bad)
                    await counted(api, "failure", number)
                    assert (await api.ask("GET", f"{MAPS}/a", who=user("joe")))[0] == 404
                oracle.status = {"allowed": False}
                file.write_bytes(configured(server, tmp_path, unauthorizedTTL="1s"))
                await counted(api, "success", 1)
                assert (await api.ask("GET", f"{MAPS}/a", who=JANE))[0] == 403

    asyncio.run(main())


async def counted(api: Api, status: str, number: int) -> None:
    name = "apiserver_authorization_config_controller_automatic_reloads_total"
    while True:
        _, figures = await api.ask("GET", "/metrics")
        lines = [line for line in figures.splitlines() if line.startswith(name) and f'status="{status}"' in line]
        if lines and float(lines[0].rpartition(" ")[2]) == number:
            return
        await asyncio.sleep(0.05)


def test_selectors_that_cannot_be_read_are_told_of() -> None:
    async def main() -> None:
        async with asyncio.timeout(30), api_server() as api:
            for which, said, told in (
                ("fieldSelector", {"rawSelector": "a"}, "ignored"),
                ("fieldSelector", {"requirements": [{"key": "a", "operator": "In", "values": ["x"]},
                                                    {"key": "b", "operator": "Exists"}]}, "partially ignored"),
                ("labelSelector", {"rawSelector": "a in"}, "ignored"),
                ("labelSelector", {"rawSelector": "a in (b)"}, None),
            ):  # fmt: skip
                status = await review(api, JANE, **{which: said})
                wanted = f"spec.resourceAttributes.{which} {told} due to parse error" if told else None
                assert status.get("evaluationError") == wanted

    asyncio.run(main())
