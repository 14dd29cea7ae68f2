"""The quick part of `long/test_holds.py`: requests of 3 MiB that hold nobody else up, of each kind one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from attack.holding import MOST, longest, prepared
from attack.hostile import CONFIGMAPS, CORPUS, NAMESPACE, Hostile
from attack.measured import MeasuredPlane


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredPlane]:
    with prepared(tmp_path_factory.mktemp("plane")) as found:
        yield found


@pytest.mark.parametrize("hostile", [each for each in CORPUS if each.quick], ids=lambda hostile: hostile.name)
def test_the_loop_goes_on(plane: MeasuredPlane, hostile: Hostile) -> None:
    assert longest(plane, hostile)[1] <= MOST


def test_a_rule_that_stands_for_a_million_million_is_not_written_out(plane: MeasuredPlane) -> None:
    """Groups times resources times verbs times names, of which none is held: 16 KB that were 10^12 comparisons."""
    thousand = [f"x{i}" for i in range(1000)]
    rule = {"apiGroups": thousand, "resources": thousand, "verbs": thousand, "resourceNames": thousand}
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    jane = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}]
    binding = {"metadata": {"name": "jane"}, "roleRef": ref, "subjects": jane}
    assert plane.ask("POST", f"{rbac}/rolebindings", binding)[0] == 201
    plane.hold()
    role = {"metadata": {"name": "all"}, "rules": [rule]}
    code, said, _ = plane.ask("POST", f"{rbac}/roles", role, Impersonate_User="jane")
    assert (code, said["reason"]) == (403, "Forbidden")
    assert plane.hold() <= MOST


def test_warnings_are_bounded_together(plane: MeasuredPlane) -> None:
    """A hundred thousand variables of one name, and a warning of each: megabytes of header, joined one by one."""
    env = [{"name": "E"} for _ in range(100_000)]
    pod = {"metadata": {"name": "warned"}, "spec": {"containers": [{"name": "a", "image": "a", "env": env}]}}
    code, _, headers = plane.ask("POST", "/api/v1/namespaces/default/pods?dryRun=All", pod)
    assert code == 201 and len(headers["warning"]) < 8192
    assert plane.hold() <= MOST


ORDINARY = 0.01  # seconds of the processor
CONTAINER = {"name": "c", "image": "i", "env": [{"name": f"E{i}", "value": "v"} for i in range(30)]}
POD = {"metadata": {"name": "p"}, "spec": {"containers": [CONTAINER]}}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]}
DEPLOYMENT = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}
MERGE = {"Content_Type": "application/merge-patch+json"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("GET", f"{CONFIGMAPS}/c1", None, {}),
        ("GET", CONFIGMAPS, None, {}),  # 300 of them
        ("GET", f"{CONFIGMAPS}?labelSelector=l1=v,l2!=w", None, {}),
        ("POST", f"{NAMESPACE}/pods?dryRun=All", POD, {}),
        ("POST", "/apis/apps/v1/namespaces/default/deployments?dryRun=All", DEPLOYMENT, {}),
        ("PATCH", f"{CONFIGMAPS}/c1", {"data": {"a": "b"}}, MERGE),
        ("GET", "/apis", None, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ordinary_requests_hold_nobody_up(
    plane: MeasuredPlane, method: str, path: str, body: object, headers: dict[str, str]
) -> None:
    held = []
    for _ in range(3):  # the first may have types to make; a busy machine only ever adds
        plane.hold()
        assert plane.ask(method, path, body, **headers)[0] in (200, 201)
        held.append(plane.hold())
    assert min(held) <= ORDINARY
