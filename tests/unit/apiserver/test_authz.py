"""May they: RBAC's decisions and refusals, the bootstrap policy, the reviews that ask, and acting as somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.api.rights import GROUPS, rules
from longboat.apiserver.authn.identity import ANONYMOUS
from longboat.apiserver.authz import policy
from longboat.apiserver.authz.action import Action
from longboat.apiserver.authz.rbac import Rule
from longboat.assembly import rights
from longboat.machinery.user import User
from unit.apiserver.harness import ADMIN, Api, play, user

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"


@pytest.mark.parametrize(
    ("rule", "action", "allowed"),
    [
        ("get: pods", Action("get", "", "pods", namespace="a", name="b"), True),
        ("get: pods", Action("list", "", "pods"), False),
        ("get: pods", Action("get", "", "pods", "log"), False),
        ("get: pods/log", Action("get", "", "pods", "log"), True),
        ("get: pods/log", Action("get", "", "pods"), False),
        ("get: */*/scale", Action("get", "apps", "deployments", "scale"), True),
        ("get: */*/scale", Action("get", "apps", "deployments", "status"), False),
        ("get: apps/*", Action("get", "apps", "deployments", "status"), True),
        ("get: apps/*", Action("get", "batch", "jobs"), False),
        ("get: configmaps @ a b", Action("get", "", "configmaps", name="b"), True),
        ("get: configmaps @ a b", Action("get", "", "configmaps", name="c"), False),
        ("list: configmaps @ a", Action("list", "", "configmaps"), False),
        ("*: */*", Action("get", path="/metrics"), False),
        ("get: urls /healthz/*", Action("get", path="/healthz/ping"), True),
        ("get: urls /healthz/*", Action("get", path="/healthz"), False),
        ("get: urls /healthz", Action("post", path="/healthz"), False),
        ("*: urls *", Action("post", path="/anything"), True),
        ("*: urls *", Action("get", "", "pods"), False),
    ],
)
def test_what_a_rule_allows(rule: str, action: Action, allowed: bool) -> None:
    assert any(Rule(raw).allows(action) for raw in rules(rule)) == allowed


async def bind(api: Api, role: str, *subjects: str, namespace: str = "") -> None:
    base, kind = (f"{RBAC}/namespaces/{namespace}", "rolebindings") if namespace else (RBAC, "clusterrolebindings")
    binding = {
        "metadata": {"generateName": "b-"},
        "roleRef": {"apiGroup": policy.GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [policy.subject(s) for s in subjects],
    }
    await api.make(f"{base}/{kind}", binding)


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/api/v1/namespaces/default/pods",
         'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'),
        ("GET", "/api/v1/namespaces/default/pods/p",
         'pods "p" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "default"'),
        ("GET", "/api/v1/namespaces/a/pods/p/log",
         'pods "p" is forbidden: User "jane" cannot get resource "pods/log" in API group "" in the namespace "a"'),
        ("GET", "/apis/apps/v1/deployments?watch=1",
         'deployments.apps is forbidden: User "jane" cannot watch resource "deployments" in API group "apps" '
         "at the cluster scope"),
        ("DELETE", "/api/v1/nodes", 'nodes is forbidden: User "jane" cannot deletecollection resource "nodes" '
         'in API group "" at the cluster scope'),
        ("GET", "/metrics", 'forbidden: User "jane" cannot get path "/metrics"'),
        ("POST", "/x/../y", 'forbidden: User "jane" cannot post path "/x/../y"'),
    ],
)  # fmt: skip
def test_refusals_are_worded_as_upstream_s(method: str, path: str, message: str) -> None:
    async def scene(api: Api) -> None:
        code, status = await api.ask(method, path, who=user("jane"))
        assert (code, status["reason"], status["message"]) == (403, "Forbidden", message)

    play(scene)


def test_a_binding_counts_where_it_is_and_as_soon_as_it_is_there() -> None:
    async def scene(api: Api) -> None:
        jane, inside = user("jane"), "/api/v1/namespaces/default/configmaps"
        assert (await api.ask("GET", inside, who=jane))[0] == 403
        await bind(api, "view", "user:jane", namespace="default")
        assert (await api.ask("GET", inside, who=jane))[0] == 200
        assert (await api.ask("GET", "/api/v1/namespaces/kube-system/configmaps", who=jane))[0] == 403
        assert (await api.ask("GET", "/api/v1/namespaces/default/secrets", who=jane))[0] == 403
        assert (await api.ask("GET", "/api/v1/namespaces/default", who=jane))[0] == 200
        assert (await api.ask("POST", inside, {"metadata": {"name": "a"}}, jane))[0] == 403
        await api.ask("DELETE", f"{RBAC}/namespaces/default/rolebindings")
        assert (await api.ask("GET", inside, who=jane))[0] == 403

    play(scene)


def test_service_accounts_and_groups_are_subjects() -> None:
    async def scene(api: Api) -> None:
        await bind(api, "view", "sa:default/robot", "group:readers")
        robot = user("system:serviceaccount:default:robot", "system:serviceaccounts")
        for who, code in ((robot, 200), (user("x", "readers"), 200), (user("readers"), 403), (user("robot"), 403)):
            assert (await api.ask("GET", "/api/v1/pods", who=who))[0] == code

    play(scene)


@pytest.mark.parametrize(
    ("path", "anonymous", "authenticated"),
    [
        ("/livez", 200, 200), ("/readyz", 200, 200), ("/healthz", 200, 200), ("/version", 200, 200),
        ("/api", 403, 200), ("/apis", 403, 200), ("/apis/apps/v1", 403, 200), ("/openapi/v3", 403, 200),
        ("/readyz/ping", 403, 403), ("/metrics", 403, 403), ("/api/v1/namespaces", 403, 403), ("/", 403, 403),
    ],
)  # fmt: skip
def test_what_is_open(path: str, anonymous: int, authenticated: int) -> None:
    async def scene(api: Api) -> None:
        assert (await api.response("GET", path, who=ANONYMOUS)).status == anonymous
        assert (await api.response("GET", path, who=user("jane"))).status == authenticated

    play(scene)


@pytest.mark.parametrize(
    ("who", "can", "cannot"),
    [
        (user("system:kube-scheduler"), ["create pods/binding", "watch nodes"], ["create pods"]),
        (user("system:kube-controller-manager"), ["list secrets", "watch apps/deployments"], ["delete nodes"]),
        (user("system:node:a", "system:nodes"), ["create pods/eviction", "watch services"], ["get secrets"]),
        (user("system:kube-proxy"), ["watch discovery/endpointslices"], ["get secrets"]),
        (user("system:serviceaccount:kube-system:replicaset-controller"), ["create pods", "update apps/replicasets"],
         ["delete apps/deployments"]),
        (user("system:serviceaccount:kube-system:generic-garbage-collector"), ["delete example.com/widgets"],
         ["create pods"]),
        (user("x", "system:monitoring"), [], ["get nodes"]),
    ],
)  # fmt: skip
def test_components_have_upstream_s_rights(who: User, can: list[str], cannot: list[str]) -> None:
    def action(text: str) -> Action:
        verb, _, what = text.partition(" ")
        group, resource, subresource = "", what, ""
        if what.count("/") and what.split("/")[0] in GROUPS:
            group, _, resource = what.partition("/")
            group = GROUPS[group]
        elif "." in what:
            group, _, resource = what.partition("/")
        resource, _, subresource = resource.partition("/")
        return Action(verb, group, resource, subresource, "default")

    async def scene(api: Api) -> None:
        assert [text for text in can if not api.server.authorizer.decide(who, action(text)).allowed] == []
        assert [text for text in cannot if api.server.authorizer.decide(who, action(text)).allowed] == []

    play(scene)


def test_default_roles_are_mended_unless_told_otherwise() -> None:
    from longboat.apiserver.bootstrap import bootstrap

    async def scene(api: Api) -> None:
        merge = {"content_type": "application/merge-patch+json"}
        for name in ("system:discovery", "system:basic-user"):
            await api.ask("PATCH", f"{RBAC}/clusterroles/{name}", {"rules": [rules("get: things")[0]]}, **merge)
        off = {"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}}
        await api.ask("PATCH", f"{RBAC}/clusterroles/system:basic-user", off, **merge)
        await bootstrap(api.server.config, api.server.stores, api.server.clock)
        _, mended = await api.ask("GET", f"{RBAC}/clusterroles/system:discovery")
        _, left = await api.ask("GET", f"{RBAC}/clusterroles/system:basic-user")
        assert [rule["verbs"] for rule in mended["rules"]] == [["get"], ["get"]]
        assert [rule["resources"] for rule in left["rules"]] == [["things"]]

    play(scene)


def test_a_role_that_gives_all_is_left_however_its_rules_are_arranged() -> None:
    from longboat.apiserver.bootstrap import bootstrap

    async def scene(api: Api) -> None:
        target = f"{RBAC}/clusterroles/system:node-problem-detector"
        _, role = await api.ask("GET", target)
        events = role["rules"][2]
        apart = [{**events, "apiGroups": [group]} for group in events["apiGroups"]]
        role["rules"] = [*role["rules"][:2], *apart]
        _, made = await api.ask("PUT", target, role)
        await bootstrap(api.server.config, api.server.stores, api.server.clock)
        assert (await api.ask("GET", target))[1] == made

    play(scene)


def test_default_roles_do_not_keep_what_they_should_not_have_had() -> None:
    """In a cluster of a former version, whose roles say more; what somebody added to them stays."""
    from longboat.apiserver.bootstrap import bootstrap

    async def scene(api: Api) -> None:
        name = "system:controller:csi-controller"
        _, role = await api.ask("GET", f"{RBAC}/clusterroles/{name}")
        added = rules("get: things")
        role["rules"] = [*policy.withdrawn(name), *added]
        assert (await api.ask("PUT", f"{RBAC}/clusterroles/{name}", role))[0] == 200
        await bootstrap(api.server.config, api.server.stores, api.server.clock)
        controller = user("system:serviceaccount:kube-system:csi-controller")
        may = api.server.authorizer.decide
        assert not may(controller, Action("create", resource="nodes", subresource="proxy", name="n")).allowed
        assert may(controller, Action("create", resource="nodes", subresource="csi", name="n")).allowed
        assert may(controller, Action("get", resource="things")).allowed

    play(scene)


def test_the_policy_names_no_role_twice_and_binds_what_there_is() -> None:
    found = policy.bootstrap(rights.declared())
    roles = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in found if "rules" in o]
    assert len(roles) == len(set(roles))
    for obj in found:
        if "roleRef" in obj:
            namespace = obj["metadata"].get("namespace") if obj["roleRef"]["kind"] == "Role" else None
            assert (obj["roleRef"]["kind"], namespace, obj["roleRef"]["name"]) in roles


def access(verb: str, resource: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    return {"spec": {"resourceAttributes": {"verb": verb, "resource": resource, "namespace": namespace}, **spec}}


def test_reviews_answer_as_the_authorizer_would() -> None:
    async def scene(api: Api) -> None:
        await bind(api, "view", "user:jane", namespace="default")
        jane = user("jane")

        async def status(name: str, body: Any, who: User = ADMIN, base: str = AUTHORIZATION) -> Any:
            return (await api.make(f"{base}/{name}", body, who))["status"]

        assert (await status("selfsubjectaccessreviews", access("list", "pods"), jane))["allowed"] is True
        assert (await status("selfsubjectaccessreviews", access("delete", "pods"), jane))["allowed"] is False
        assert (await status("subjectaccessreviews", access("list", "pods", user="jane")))["allowed"] is True
        assert (await status("subjectaccessreviews", access("list", "pods", "other", user="jane")))["allowed"] is False
        assert (await status("subjectaccessreviews", access("list", "pods", groups=["system:masters"])))["allowed"]
        local = f"{AUTHORIZATION}/namespaces/default"
        assert (await status("localsubjectaccessreviews", access("list", "pods", user="jane"), base=local))["allowed"]
        rules = await status("selfsubjectrulesreviews", {"spec": {"namespace": "default"}}, jane)
        assert any("pods" in rule["resources"] for rule in rules["resourceRules"])
        assert any("/healthz" in rule["nonResourceURLs"] for rule in rules["nonResourceRules"])
        found = await status("selfsubjectreviews", {}, jane, "/apis/authentication.k8s.io/v1")
        assert found == {"userInfo": {"username": "jane", "groups": ["system:authenticated"]}}
        assert (await api.ask("POST", f"{AUTHORIZATION}/subjectaccessreviews", access("get", "x"), jane))[0] == 403
        assert (await api.ask("POST", f"{AUTHORIZATION}/subjectaccessreviews", {"spec": {"user": "x"}}))[0] == 422

    play(scene)


def test_decisions_say_through_what() -> None:
    async def scene(api: Api) -> None:
        base = f"{RBAC}/namespaces/default/rolebindings"
        binding = {
            "metadata": {"name": "reads"},
            "roleRef": {"apiGroup": policy.GROUP, "kind": "ClusterRole", "name": "view"},
            "subjects": [policy.subject("user:jane"), policy.subject("sa:default/robot")],
        }
        await api.make(base, binding)
        robot = "system:serviceaccount:default:robot"
        for who, subject in (("jane", 'User "jane"'), (robot, 'ServiceAccount "robot/default"')):
            review = await api.make(f"{AUTHORIZATION}/subjectaccessreviews", access("list", "pods", user=who))
            reason = f'RBAC: allowed by RoleBinding "reads/default" of ClusterRole "view" to {subject}'
            assert review["status"] == {"allowed": True, "reason": reason}

    play(scene)


def test_a_role_that_is_missing_is_told_to_whom_it_concerns() -> None:
    async def scene(api: Api) -> None:
        await bind(api, "nope", "user:jane", namespace="default")
        await bind(api, "neither", "user:jane")
        _, status = await api.ask("GET", "/api/v1/namespaces/default/pods", who=user("jane"))
        assert status["message"] == (
            'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default": '
            'RBAC: [clusterrole.rbac.authorization.k8s.io "neither" not found, '
            'clusterrole.rbac.authorization.k8s.io "nope" not found]'
        )
        _, status = await api.ask("GET", "/api/v1/pods", who=user("jane"))
        assert status["message"].endswith(': RBAC: clusterrole.rbac.authorization.k8s.io "neither" not found')
        _, status = await api.ask("GET", "/api/v1/pods", who=user("joe"))
        assert status["message"].endswith("at the cluster scope")

    play(scene)


def test_acting_as_somebody_else() -> None:
    async def scene(api: Api) -> None:
        await bind(api, "view", "user:jane", namespace="default")
        pods, as_jane = "/api/v1/namespaces/default/pods", {"impersonate_user": "jane"}
        assert (await api.ask("GET", pods, **as_jane))[0] == 200
        assert (await api.ask("GET", "/api/v1/nodes", **as_jane))[0] == 403
        code, status = await api.ask("GET", pods, who=user("joe"), **as_jane)
        assert (code, status["message"]) == (
            403,
            'users "jane" is forbidden: User "joe" cannot impersonate resource "users" in API group "" '
            "at the cluster scope",
        )
        masters = {"impersonate_user": "jane", "impersonate_group": "system:masters"}
        assert (await api.ask("GET", "/api/v1/nodes", **masters))[0] == 200
        robot = {"impersonate_user": "system:serviceaccount:default:robot"}
        review = await api.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, **robot)
        assert review[1]["status"]["userInfo"]["groups"] == [
            "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
        ]  # fmt: skip

    play(scene)
