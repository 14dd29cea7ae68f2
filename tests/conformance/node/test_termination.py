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


def rules(action: str, *codes: int) -> list[Object]:
    return [{"action": action, "exitCodes": {"operator": "In", "values": list(codes)}}]


def own(script: str, policy: str, name: str = "main", *, rules: list[Object] | None = None, **fields: Object) -> Object:
    return container(script, name=name, restartPolicy=policy, restartPolicyRules=rules or [], **fields)


def together(name: str, containers: list[Object], inits: list[Object]) -> Object:
    """All of it start anew once a container has ended with 42."""
    volumes = [{"name": "work", "emptyDir": {}}]
    return pod(name, *containers, initContainers=inits, volumes=volumes)


def source(then: str, policy: str = "Never", *, first: str = "exit 42") -> Object:
    """Ends with 42 the first time it runs; afterwards it does something else."""
    script = f"if [ -f /work/done ]; then {then}; else touch /work/done; {first}; fi"
    mounts = [{"name": "work", "mountPath": "/work"}]
    return own(script, policy, "source", rules=rules("RestartAllContainers", 42), volumeMounts=mounts)


INIT, SIDE, REGULAR = container("exit 0", name="init"), own(SLEEP, "Always", "side"), container(name="regular")
TOGETHER = {
    "regular-restarts-all": together(
        "regular-restarts-all",
        [source(SLEEP), own(SLEEP, "Never", "regular", rules=rules("RestartAllContainers", 42))],
        [INIT, SIDE],
    ),
    "sidecar-restarts-all": together(
        "sidecar-restarts-all", [REGULAR], [INIT, SIDE, source(SLEEP, "Always", first="sleep 3; exit 42")]
    ),
    "init-restarts-all": together("init-restarts-all", [REGULAR], [SIDE, INIT, source("exit 0")]),
}

START = [
    deaf(),
    *TOGETHER.values(),
    pod("rule-match", own("exit 42", "Never", rules=rules("Restart", 42))),
    pod("rule-mismatch", own("exit 1", "Never", rules=rules("Restart", 42))),
    pod("own-never", own("exit 1", "Never"), restartPolicy="Always"),
    pod("own-always", own("exit 1", "Always")),
    pod("init-never", container(), initContainers=[own("exit 1", "Never", "init")], restartPolicy="Always"),
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


def test_container_restart_policies_and_rules(pods: Pods) -> None:
    """What upstream's cases of container restart rules see."""
    for name in ("rule-match", "own-always"):
        found = pods.until(name, lambda pod: state(pod).get("restartCount"))
        assert found["status"]["phase"] == "Running", name
    for name in ("rule-mismatch", "own-never"):
        assert state(pods.finished(name, "Failed"))["restartCount"] == 0, name
    assert state(pods.finished("init-never", "Failed"), "init")["restartCount"] == 0


@pytest.mark.parametrize("name", TOGETHER)
def test_all_containers_restart_in_place(pods: Pods, name: str) -> None:
    """What upstream's cases of RestartAllContainers see: everything starts anew once, on the same volumes."""
    names = [each["name"] for field in ("initContainers", "containers") for each in TOGETHER[name]["spec"][field]]
    if name.startswith("init"):
        names.remove("regular")  # it had not begun

    def restarted(pod: Object) -> bool:
        shown = [state(pod, each) for each in names]
        running = "running" in state(pod, "regular").get("state", {})
        return running and all(each.get("restartCount") and each["lastState"].get("terminated") for each in shown)

    found = pods.until(name, restarted)
    assert {state(found, each)["restartCount"] for each in names} == {1}
    told = {state(found, each)["lastState"]["terminated"]["reason"] for each in names}
    assert told == {"RestartingAllContainers"}
    pods.ready(name)


def test_containers_that_do_not_listen_share_one_grace_period(pods: Pods) -> None:
    """Of two seconds, and two more for the sidecars, whose turn comes when nothing is left of it."""

    def ended() -> bool:
        found = pods.get("deaf")
        return all("terminated" in state(found, name).get("state", {}) for name in ("main", "first", "second"))

    until(ended, lambda: f"it goes on: {pods.get('deaf')['status']}")
    found = pods.get("deaf")
    pods.api.patch(pods.path("deaf"), {"metadata": {"finalizers": None}})
    main, *sidecars = (
        parse_timestamp(state(found, name)["state"]["terminated"]["finishedAt"]) for name in ("main", "second", "first")
    )
    after = [(end - main).total_seconds() for end in sidecars]
    assert all(1 <= seconds <= 3 for seconds in after), after
    assert {state(found, name)["state"]["terminated"]["exitCode"] for name in ("main", "first", "second")} == {137}
