"""Whom containers run as, and what they may do (sig-node)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.node.pods import Pods, container, pod
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

LINK = "ip link add dummy0 type dummy || true"


def secured(name: str, script: str, **context: object) -> Object:
    return pod(name, container(script, securityContext=context))


START = [
    secured("user", "id -u", runAsUser=65534),
    secured("unprivileged", LINK, privileged=False),
    secured("privileged", LINK, privileged=True),
    secured("writable", "touch /checkfile && ls /checkfile", readOnlyRootFilesystem=False),
    secured("group", "id", runAsUser=1001, runAsGroup=2002),
    pod("group-of-pod", container("id"), securityContext={"runAsUser": 1001, "runAsGroup": 2002}),
]


@pytest.fixture(scope="module")
def rising(pods: Pods, tools: str) -> Iterator[Pods]:
    """Pods that run a set-uid program as somebody."""
    for name, allowed in (("may-not", False), ("may", True)):
        context = {"allowPrivilegeEscalation": allowed, "runAsUser": 1000}
        pods.create(pod(name, container(image=tools, command=["/euid"], securityContext=context)))
    yield pods


def test_another_user(pods: Pods) -> None:
    """Conformance: Security Context, runAsUser=65534"""
    assert pods.said("user") == ["65534"]


def test_no_privileges(pods: Pods) -> None:
    """Conformance: Security Context, privileged=false."""
    assert "Operation not permitted" in "".join(pods.said("unprivileged"))
    assert "Operation not permitted" not in "".join(pods.said("privileged"))


def test_a_writable_root(pods: Pods) -> None:
    """Conformance: Security Context, readOnlyRootFilesystem=false."""
    assert pods.said("writable") == ["/checkfile"]


def test_a_group_of_the_container(pods: Pods) -> None:
    """Conformance: Security Context, test RunAsGroup at container level"""
    (words,) = pods.said("group")
    assert words.split()[:2] == ["uid=1001", "gid=2002"]


def test_a_group_of_the_pod(pods: Pods) -> None:
    """Conformance: Security Context, test RunAsGroup at pod level"""
    (words,) = pods.said("group-of-pod")
    assert words.split()[:2] == ["uid=1001", "gid=2002"]


def test_no_escalation(rising: Pods) -> None:
    """Conformance: Security Context, allowPrivilegeEscalation=false."""
    assert rising.said("may-not") == ["Effective uid: 1000"]
    assert rising.said("may") == ["Effective uid: 0"]  # which the program would become, were it let
