"""What a container leaves behind when it ends, and whether it is started again (sig-node)."""

from __future__ import annotations

import pytest

from conformance.node.pods import SLEEP, Pods, container, pod, state, until
from longboat.machinery.objects import Object, parse_timestamp

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

FALLBACK = "FallbackToLogsOnError"
PATH, CUSTOM = "/dev/termination-log", "/dev/termination-custom-log"


def ends(name: str, script: str, policy: str = "File", path: str = PATH, **fields: Object) -> Object:
    settings = {"terminationMessagePolicy": policy, "terminationMessagePath": path}
    return pod(name, container(script, **settings, **fields))


def counts(name: str, policy: str, *codes: int) -> Object:
    """Each run of the container ends with the next code; after the last one it sleeps."""
    cases = " ".join(f"{run}) exit {code};;" for run, code in enumerate(codes, 1))
    script = f"echo >> /count/runs; case $(wc -l < /count/runs) in {cases} *) sleep 1000000;; esac"
    mount = [{"name": "count", "mountPath": "/count"}]
    return pod(
        name, container(script, volumeMounts=mount), restartPolicy=policy, volumes=[{"name": "count", "emptyDir": {}}]
    )


def deaf() -> Object:
    """Nothing in it listens to a request to end; the finalizer keeps what the node has to say of its end."""
    script = f"trap '' TERM; {SLEEP}"
    sidecars = [container(script, name=name, restartPolicy="Always") for name in ("first", "second")]
    made = pod("deaf", container(script), initContainers=sidecars, terminationGracePeriodSeconds=2)
    made["metadata"]["finalizers"] = ["tests.longboat.io/hold"]
    return made


START = [
    deaf(),
    ends("log-succeeds", "echo DONE", FALLBACK),
    ends("log-fails", "echo DONE; exit 1", FALLBACK),
    ends("file-succeeds", f"echo not-this; printf OK > {PATH}", FALLBACK),
    ends("custom", f"printf DONE > {CUSTOM}", "File", CUSTOM, securityContext={"runAsUser": 1000}),
    counts("always-success", "Always", 0),
    counts("always-failure", "Always", 1),
    counts("on-failure", "OnFailure", 1, 0),
    counts("on-failure-success", "OnFailure", 0),
    counts("never", "Never", 1),
    counts("never-success", "Never", 0),
]


def message(pods: Pods, name: str, phase: str = "Succeeded") -> str | None:
    ended: str | None = state(pods.finished(name, phase))["state"]["terminated"].get("message")
    return ended


def test_an_end_begins_in_time_for_the_last_test(pods: Pods) -> None:
    pods.ready("deaf")
    pods.delete("deaf")


def test_no_message_of_success_from_the_log(pods: Pods) -> None:
    """Conformance: Container Runtime, TerminationMessage, from log output of succeeding container"""
    assert not message(pods, "log-succeeds")
    assert pods.log("log-succeeds") == "DONE\n"


def test_a_message_of_success_from_the_file(pods: Pods) -> None:
    """Conformance: Container Runtime, TerminationMessage, from file of succeeding container"""
    assert message(pods, "file-succeeds") == "OK"


def test_a_message_of_failure_from_the_log(pods: Pods) -> None:
    """Conformance: Container Runtime, TerminationMessage, from container's log output of failing container"""
    assert (message(pods, "log-fails", "Failed") or "").strip() == "DONE"


def test_a_message_from_another_file_by_another_user(pods: Pods) -> None:
    """Conformance: Container Runtime, TerminationMessagePath, non-root user and non-default path"""
    assert message(pods, "custom") == "DONE"


def test_restart_policies(pods: Pods) -> None:
    """Conformance: Container Runtime, Restart Policy, Pod Phases"""
    for name, phase, restarts in (
        ("on-failure", "Succeeded", 1),
        ("on-failure-success", "Succeeded", 0),
        ("never", "Failed", 0),
        ("never-success", "Succeeded", 0),
    ):
        status = state(pods.finished(name, phase))
        assert (status["restartCount"], status["ready"]) == (restarts, False), name
        assert "terminated" in status["state"]
    for name, code in (("always-success", 0), ("always-failure", 1)):
        found = pods.until(name, lambda pod: state(pod).get("restartCount") and state(pod)["ready"])
        assert found["status"]["phase"] == "Running" and "running" in state(found)["state"]
        assert (state(found)["restartCount"], state(found)["lastState"]["terminated"]["exitCode"]) == (1, code)


def test_containers_that_do_not_listen_share_one_grace_period(pods: Pods) -> None:
    """Of two seconds, and two more for the sidecars, whose turn comes when nothing is left of it."""

    def ended() -> bool:
        found = pods.get("deaf")
        return all("terminated" in state(found, name).get("state", {}) for name in ("main", "first", "second"))

    until(ended, lambda: f"it goes on: {pods.get('deaf')['status']}")
    found = pods.get("deaf")
    pods.api.patch(pods.path("deaf"), {"metadata": {"finalizers": None}})
    ends = [
        parse_timestamp(state(found, name)["state"]["terminated"]["finishedAt"]) for name in ("main", "second", "first")
    ]
    since = parse_timestamp(found["metadata"]["deletionTimestamp"])  # the end of the grace period
    after = [(end - since).total_seconds() for end in ends]
    assert -1 <= after[0] <= 1 and 1 <= after[1] <= 3 and 1 <= after[2] <= 3, after
    assert {state(found, name)["state"]["terminated"]["exitCode"] for name in ("main", "first", "second")} == {137}
