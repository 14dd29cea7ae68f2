"""Rights are declared by those who need them: what comes of that in a new cluster, and what a test notices."""

from __future__ import annotations

import asyncio
import difflib
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from longboat.api.rights import Rights, rules, together
from longboat.api.view import View
from longboat.apiserver.authz import policy, policy_controllers
from longboat.apiserver.authz.action import Action
from longboat.apiserver.authz.policy_components import CLUSTER_ROLES
from longboat.apiserver.authz.rbac import Rule
from longboat.assembly import rights
from longboat.controllers.catalog import controllers
from longboat.controllers.service_account import ServiceAccountController
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.network import rights as network
from longboat.network import views
from longboat.network.ingress import views as ingress
from longboat.network.policy import views as enforced
from longboat.testing.cluster import Cluster, Refused

GOLDEN, OWN = (Path(__file__).parents[2] / "golden" / file for file in ("rights.txt", "own_rights.txt"))


# Roles that are not upstream's at all, though the tables beside upstream's have them.
OURS = frozenset((
    "kube-public/system:longboat:cluster-info", "system:longboat:metrics-reader",
    "system:certificates.k8s.io:certificatesigningrequests:selfnetworkclient",
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeserver",
))  # fmt: skip


def name(role: Object) -> str:
    return "/".join(filter(None, (role["metadata"].get("namespace"), role["metadata"]["name"])))


def said(role: Object) -> Iterator[str]:
    """A line for each group's resource, however its rules are arranged."""
    found: dict[str, set[str]] = {}
    for rule in role["rules"]:
        names = " @" + ",".join(sorted(rule["resourceNames"])) if "resourceNames" in rule else ""
        for what in rule.get("nonResourceURLs", ()):
            found.setdefault(what, set()).update(rule["verbs"])
        for group in rule.get("apiGroups", ()):
            for resource in rule["resources"]:
                found.setdefault(f"{group or 'core'}:{resource}{names}", set()).update(rule["verbs"])
    return (f"{name(role)} | {what} | {' '.join(sorted(verbs))}" for what, verbs in sorted(found.items()))


def given(rights: Iterable[Rights]) -> list[Object]:
    return [each for each in policy.bootstrap(rights) if "rules" in each]


def hold(file: Path, found: Iterable[str]) -> None:
    """The file is a test's output, not a source: who widens a role shows it there."""
    difference = "\n".join(difflib.unified_diff(file.read_text().splitlines(), sorted(found), lineterm="", n=0))
    assert not difference, difference


def test_every_role_gives_what_the_file_says() -> None:
    hold(GOLDEN, (line for each in given(rights.granted()) for line in said(each)))


def test_what_is_longboats_own_is_what_the_file_says() -> None:
    """All else is upstream's default policy, to the letter: each rule, what it names, and their order."""
    upstream = {name(each): each["rules"] for each in given(policy_controllers.rights())}
    own = []
    for each in given(rights.granted()):
        theirs = upstream.get(name(each), [])
        assert each["rules"][: len(theirs)] == theirs
        own += said({**each, "rules": each["rules"][len(theirs) :]} if name(each) not in OURS else each)
    hold(OWN, own)


def test_rules_are_arranged_as_upstreams() -> None:
    """Verbs, groups, resources and names sorted; one rule for all groups that have a resource."""
    found = {name(each): each["rules"] for each in given(rights.granted())}
    assert found["system:controller:daemon-set-controller"][1] == {
        "verbs": ["update"], "apiGroups": ["apps", "extensions"], "resources": ["daemonsets/status"],
    }  # fmt: skip
    assert found["system:controller:certificate-controller"][3] == {
        "verbs": ["sign"], "apiGroups": ["certificates.k8s.io"], "resources": ["signers"],
        "resourceNames": [
            "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet",
            "kubernetes.io/kubelet-serving", "kubernetes.io/legacy-unknown",
        ],
    }  # fmt: skip
    assert found["system:aggregate-to-edit"][2]["resources"] == [
        "pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy",
    ]  # fmt: skip
    assert found["system:node"][6]["apiGroups"] == ["", "events.k8s.io"]


def test_in_tests_controllers_may_do_no_more_than_they_declare() -> None:
    narrow = {name(each): set(said(each)) for each in given(rights.declared())}
    assert set(narrow) == {name(each) for each in given(rights.granted())}
    assert not any("extensions" in line for line in narrow["system:controller:daemon-set-controller"])


def test_every_controller_declares_what_it_may_do() -> None:
    assert [c.name for c in controllers() if not (c.rights or c.rights_within)] == []


def viewed(module: ModuleType) -> Iterator[Kind]:
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, View) and found.__module__ == module.__name__ and hasattr(found, "KIND"):
            yield found.KIND


def test_the_network_may_read_what_it_has_views_of() -> None:
    lines = together((*(each.lines for each in network.declared()), CLUSTER_ROLES["system:node-proxier"]))
    allowed = [Rule(rule) for rule in rules(lines)]
    kinds = {kind for module in (views, ingress, enforced) for kind in viewed(module)}
    assert len(kinds) > 5
    for kind in kinds:
        if kind.name == "Secret":  # one by one, those that an Ingress names: the ingress authorizer's
            continue
        for verb in ("get", "list", "watch"):
            action = Action(verb, group=kind.group, resource=kind.plural)
            assert any(rule.allows(action) for rule in allowed), (verb, kind.plural)


def test_a_component_that_does_more_than_it_declared_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServiceAccountController, "rights", "get list watch: serviceaccounts namespaces")

    async def main() -> None:
        async with Cluster():
            pass

    with pytest.raises(Refused, match="service-account-controller: POST /api/v1/namespaces/default/serviceaccounts"):
        asyncio.run(main())


def test_lines_that_several_say_are_said_once() -> None:
    assert (
        together(("get: pods\nlist: pods", "", "  list: pods\n watch: nodes")) == "get: pods\nlist: pods\nwatch: nodes"
    )
