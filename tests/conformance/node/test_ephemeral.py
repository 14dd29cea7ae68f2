"""Ephemeral containers (sig-node)."""

from __future__ import annotations

import pytest

from conformance.node.pods import Pods, container, pod, state
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

WATCHED = "sleep 2000000"  # as none of those added sleeps
START = [pod("one", container(WATCHED)), pod("two")]


def debugger(name: str, script: str = "echo here; sleep 1000000", **fields: object) -> Object:
    return container(script, name=name, **fields)


def is_running(name: str) -> object:
    return lambda pod: "running" in state(pod, name).get("state", {})


def test_one_is_started(pods: Pods) -> None:
    """Conformance: Ephemeral Container Creation"""
    pods.ready("one")
    added = {"spec": {"ephemeralContainers": [debugger("debugger", targetContainerName="main")]}}
    pods.api.patch(pods.path("one", "ephemeralcontainers"), added, "strategic")
    found = pods.until("one", is_running("debugger"))
    assert state(found)["restartCount"] == 0
    assert pods.log("one", "debugger") == "here\n"
    assert WATCHED in pods.sh("one", "ps", "debugger")  # it sees the processes of its target


def test_another_is_added(pods: Pods) -> None:
    """Conformance: Ephemeral Container, update ephemeral containers"""
    pods.ready("two")
    added = {"spec": {"ephemeralContainers": [debugger("first")]}}
    pods.api.patch(pods.path("two", "ephemeralcontainers"), added, "strategic")
    found = pods.until("two", is_running("first"))
    assert [each["name"] for each in found["spec"]["ephemeralContainers"]] == ["first"]
    found["spec"]["ephemeralContainers"].append(debugger("second"))
    pods.api.put(pods.path("two", "ephemeralcontainers"), found)
    found = pods.until("two", is_running("second"))
    assert [each["name"] for each in found["spec"]["ephemeralContainers"]] == ["first", "second"]
    assert len(found["status"]["ephemeralContainerStatuses"]) == 2
    assert pods.sh("two", "echo there", "second") == "there\n"
