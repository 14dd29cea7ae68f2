"""Nobody grants what they do not hold; and roles that gather others' rules."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longboat.apiserver.authz.aggregation import gathered
from longboat.apiserver.authz.escalation import described, missing
from longboat.apiserver.authz.rbac import Rule
from unit.apiserver.harness import ADMIN, Api, play, user

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def rule(verbs: str, resources: str, group: str = "", names: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return found | ({"resourceNames": names.split()} if names else {})


def urls(verbs: str, *paths: str) -> dict[str, Any]:
    return {"verbs": verbs.split(), "nonResourceURLs": list(paths)}


@pytest.mark.parametrize(
    ("held", "wanted", "lacking"),
    [
        ([rule("*", "*", "*")], rule("get", "pods"), ""),
        ([rule("get", "pods")], rule("get list", "pods"), '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}'),
        ([rule("get", "pods"), rule("list", "pods")], rule("get list", "pods"), ""),
        ([rule("get", "pods")], rule("*", "pods"), '{APIGroups:[""], Resources:["pods"], Verbs:["*"]}'),
        ([rule("get", "pods", names="a")], rule("get", "pods"), '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'),
        ([rule("get", "pods")], rule("get", "pods", names="a"), ""),
        (
            [rule("get", "pods", names="a")], rule("get", "pods", names="a b"),
            '{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]}',
        ),
        ([rule("update", "*/scale", "*")], rule("update", "deployments/scale", "apps"), ""),
        (
            [rule("get", "pods")], rule("get", "pods/log"),
            '{APIGroups:[""], Resources:["pods/log"], Verbs:["get"]}',
        ),
        ([urls("get", "/healthz/*")], urls("get", "/healthz/ping"), ""),
        ([urls("get", "/healthz")], urls("get", "/*"), '{NonResourceURLs:["/*"], Verbs:["get"]}'),
        ([rule("*", "*", "*")], urls("get", "/"), '{NonResourceURLs:["/"], Verbs:["get"]}'),
    ],
)  # fmt: skip
def test_what_is_missing(held: list[Any], wanted: Any, lacking: str) -> None:
    assert described(missing(map(Rule, held), [wanted])) == lacking


async def let(api: Api, who: str, *rules: Any, namespace: str = "") -> None:
    """Give a user these rules."""
    kind, base = ("Role", f"{RBAC}/namespaces/{namespace}") if namespace else ("ClusterRole", RBAC)
    name = f"of-{who}"
    await api.make(f"{base}/{kind.lower()}s", {"metadata": {"name": name}, "rules": list(rules)})
    binding = {
        "metadata": {"name": name}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": who}],
    }  # fmt: skip
    await api.make(f"{base}/{kind.lower()}bindings", binding)


MANAGES = [
    rule("create update get patch", "roles rolebindings clusterroles clusterrolebindings", "rbac.authorization.k8s.io")
]


def test_a_role_may_hold_no_more_than_its_author() -> None:
    async def scene(api: Api) -> None:
        await let(api, "jane", *MANAGES, rule("get", "pods"))
        jane = user("jane")
        roles = f"{RBAC}/namespaces/default/roles"
        assert (await api.ask("POST", roles, {"metadata": {"name": "a"}, "rules": [rule("get", "pods")]}, jane))[
            0
        ] == 201
        more = {"metadata": {"name": "b"}, "rules": [rule("get list", "pods"), rule("get", "secrets")]}
        code, status = await api.ask("POST", roles, more, jane)
        assert (code, status["reason"]) == (403, "Forbidden")
        assert status["message"] == (
            'roles.rbac.authorization.k8s.io "b" is forbidden: user "jane" (groups=["system:authenticated"]) is '
            "attempting to grant RBAC permissions not currently held:\n"
            '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n'
            '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
        )
        patch = {"rules": [rule("*", "*", "*")]}
        content = {"content_type": "application/merge-patch+json"}
        assert (await api.ask("PATCH", f"{roles}/a", patch, jane, **content))[0] == 403
        assert (await api.ask("PATCH", f"{roles}/a", {"metadata": {"labels": {"x": "y"}}}, jane, **content))[0] == 200
        assert (await api.ask("POST", roles, more, ADMIN))[0] == 201

    play(scene)


def test_escalate_and_bind_let_pass() -> None:
    async def scene(api: Api) -> None:
        group = "rbac.authorization.k8s.io"
        await let(api, "jane", *MANAGES)
        await let(
            api, "joan", *MANAGES, rule("escalate", "clusterroles", group), rule("bind", "clusterroles", group, "edit")
        )
        everything = {"metadata": {"name": "all"}, "rules": [rule("*", "*", "*")]}
        assert (await api.ask("POST", f"{RBAC}/clusterroles", everything, user("jane")))[0] == 403
        assert (await api.ask("POST", f"{RBAC}/clusterroles", everything, user("joan")))[0] == 201

        def binding(name: str) -> Any:
            ref = {"apiGroup": group, "kind": "ClusterRole", "name": name}
            return {"metadata": {"name": name}, "roleRef": ref, "subjects": []}

        bindings = f"{RBAC}/namespaces/default/rolebindings"
        assert (await api.ask("POST", bindings, binding("edit"), user("jane")))[0] == 403
        assert (await api.ask("POST", bindings, binding("edit"), user("joan")))[0] == 201
        assert (await api.ask("POST", bindings, binding("cluster-admin"), user("joan")))[0] == 403
        code, status = await api.ask("POST", bindings, binding("nope"), user("jane"))
        assert (code, status["message"]) == (404, 'rolebindings.rbac.authorization.k8s.io "nope" not found')

    play(scene)


@pytest.mark.parametrize("gathers", [True, False])
def test_a_server_without_controllers_leaves_gathering_roles_as_they_are(gathers: bool) -> None:
    async def scene(api: Api) -> None:
        chosen = {"clusterRoleSelectors": [{"matchLabels": {"gather": "me"}}]}
        await api.make(f"{RBAC}/clusterroles", {"metadata": {"name": "all"}, "aggregationRule": chosen})
        part = {"metadata": {"name": "part", "labels": {"gather": "me"}}, "rules": [rule("get", "pods")]}
        await api.make(f"{RBAC}/clusterroles", part)
        for _ in range(50):
            await asyncio.sleep(0.002)
            found = (await api.ask("GET", f"{RBAC}/clusterroles/all"))[1]["rules"]
            if found:
                break
        assert found == (part["rules"] if gathers else None)
        edit = (await api.ask("GET", f"{RBAC}/clusterroles/edit"))[1]
        assert edit["rules"], "those that every cluster has are there before a server is ready"

    play(scene, gathers_roles=gathers)


def test_only_who_may_everything_gathers() -> None:
    async def scene(api: Api) -> None:
        await let(api, "jane", *MANAGES)
        gathering = {
            "metadata": {"name": "g"}, "rules": [],
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]},
        }  # fmt: skip
        code, status = await api.ask("POST", f"{RBAC}/clusterroles", gathering, user("jane"))
        assert (code, status["message"]) == (
            403,
            'clusterroles.rbac.authorization.k8s.io "g" is forbidden: '
            "must have cluster-admin privileges to use an aggregationRule",
        )

    play(scene)


def test_the_users_roles_hold_what_they_gather_from_the_start() -> None:
    async def scene(api: Api) -> None:
        _, view = await api.ask("GET", f"{RBAC}/clusterroles/view")
        _, admin = await api.ask("GET", f"{RBAC}/clusterroles/admin")
        assert any("pods" in r["resources"] and "get" in r["verbs"] for r in view["rules"])
        assert not any("secrets" in r["resources"] for r in view["rules"])
        assert all(r in admin["rules"] for r in view["rules"])

    play(scene)


def test_a_role_that_fits_is_gathered_when_it_appears_and_let_go_when_it_leaves() -> None:
    async def scene(api: Api) -> None:
        async def names() -> list[str]:
            _, found = await api.ask("GET", f"{RBAC}/clusterroles/view")
            return [name for r in found["rules"] for name in r["resources"]]

        label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        widgets = {"metadata": {"name": "widgets", "labels": label}, "rules": [rule("get", "widgets", "example.com")]}
        await api.make(f"{RBAC}/clusterroles", widgets)
        async with asyncio.timeout(5):
            while "widgets" not in await names():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await api.ask("DELETE", f"{RBAC}/clusterroles/widgets")
            while "widgets" in await names():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    play(scene)


def test_gathering_takes_each_rule_once_and_never_its_own() -> None:
    def role(name: str, *rules: Any) -> Any:
        return {"metadata": {"name": name, "labels": {"x": "y"}}, "rules": list(rules)}

    gathering = role("b", rule("get", "own")) | {
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]}
    }
    others = [role("c", rule("get", "1"), rule("get", "2")), role("a", rule("get", "1")), gathering]
    assert [r["resources"] for r in gathered(gathering, others)] == [["1"], ["2"]]
