"""Init containers (sig-node)."""

from __future__ import annotations

import pytest

from conformance.node.pods import SLEEP, Pods, container, pod, state
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]


def initialized(name: str, policy: str, init: list[str], main: str) -> Object:
    inits = [container(script, name=f"init{i}") for i, script in enumerate(init, 1)]
    return pod(name, container(main, name="run1"), initContainers=inits, restartPolicy=policy)


LONG = "sleep 2"  # statuses tell whole seconds: of what ends at once they do not show that others waited for it
START = [
    initialized("never", "Never", [LONG, LONG], "true"),
    initialized("always", "Always", [LONG, LONG], SLEEP),
    initialized("never-fails", "Never", ["true", "false"], "true"),
    initialized("always-fails", "Always", ["false", "true"], SLEEP),
]


def condition(pod: Object, name: str) -> str:
    (found,) = [c["status"] for c in pod["status"]["conditions"] if c["type"] == name]
    return str(found)


def in_turn(pod: Object) -> None:
    """Each of the pod's containers has started when the one before it had ended."""
    times: list[str] = []
    for name in ("init1", "init2", "run1"):
        ((sort, found),) = state(pod, name)["state"].items()
        times += [found["startedAt"], *([found["finishedAt"]] if sort == "terminated" else [])]
    assert times == sorted(times)


def test_they_run_before_containers_that_end(pods: Pods) -> None:
    """Conformance: init-container-starts-app-restartnever-pod"""
    ended = pods.finished("never")
    for name in ("init1", "init2", "run1"):
        assert (state(ended, name)["state"]["terminated"]["exitCode"], state(ended, name)["restartCount"]) == (0, 0)
    in_turn(ended)
    assert state(ended, "init1")["ready"] and state(ended, "init2")["ready"]
    assert condition(ended, "Initialized") == "True"


def test_they_run_before_containers_that_run_on(pods: Pods) -> None:
    """Conformance: init-container-starts-app-restartalways-pod"""
    running = pods.until("always", lambda pod: pod["status"].get("phase") == "Running")
    assert condition(running, "Initialized") == "True"
    for name in ("init1", "init2"):
        assert state(running, name)["ready"] and state(running, name)["state"]["terminated"]["exitCode"] == 0
    in_turn(running)


def test_one_that_fails_ends_a_pod_that_is_never_restarted(pods: Pods) -> None:
    """Conformance: init-container-fails-stops-app-restartnever-pod"""
    failed = pods.finished("never-fails", "Failed")
    assert condition(failed, "Initialized") == "False"
    assert state(failed, "init1")["state"]["terminated"]["exitCode"] == 0
    assert state(failed, "init2")["state"]["terminated"]["exitCode"] == 1
    assert state(failed, "init2")["restartCount"] == 0
    assert "waiting" in state(failed, "run1")["state"] and not state(failed, "run1").get("containerID")


def test_one_that_fails_is_tried_again(pods: Pods) -> None:
    """Conformance: init-container-fails-stops-app-restartalways-pod"""
    # A few occurrences: the first restart comes at once, the second after ten seconds.
    found = pods.until("always-fails", lambda pod: state(pod, "init1").get("restartCount", 0) >= 2)
    assert found["status"]["phase"] == "Pending" and condition(found, "Initialized") == "False"
    assert state(found, "init1")["lastState"]["terminated"]["exitCode"] == 1
    for name in ("init2", "run1"):
        assert state(found, name)["state"]["waiting"]["reason"] == "PodInitializing"
        assert not state(found, name).get("containerID") and state(found, name)["restartCount"] == 0
