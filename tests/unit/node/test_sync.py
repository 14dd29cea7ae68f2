"""What is to be done next for a pod: cases in a table, and rules that hold whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from longboat.aio.backoffs import BackOff
from longboat.node import labels, sync
from longboat.node.cri.interface import ContainerStatus, Sandbox, SandboxNetwork
from longboat.node.state import Observed, Verdict, Waiting
from longboat.node.sync import CreateSandbox, Hold, Plan, StartContainer, StopContainer, StopPod, StopSandbox
from longboat.node.views.pod import Pod
from unit.node.build import container, pod

NOW = 1000.0
NETWORK = SandboxNetwork(ips=("10.0.0.2",))


def sandbox(id: str = "s0", attempt: int = 0, *, ready: bool = True) -> Sandbox:
    return Sandbox(id=id, uid="u", name="p", namespace="default", attempt=attempt, ready=ready, created=float(attempt))


def ran(
    name: str, state: str = "running", code: int = 0, attempt: int = 0, sandbox: str = "s0", **more: Any
) -> ContainerStatus:
    finished = NOW - 1 if state == "exited" else 0.0
    return ContainerStatus(
        id=f"{name}-{attempt}", name=name, attempt=attempt, state=state, created=float(attempt), started=1.0,
        finished=finished, exit_code=code, sandbox=sandbox, **more,
    )  # fmt: skip


def observed(*containers: ContainerStatus, sandboxes: Sequence[Sandbox] = (sandbox(),)) -> Observed:
    return Observed(sandboxes=tuple(sandboxes), containers=containers, network=NETWORK)


def plan(
    pod: Pod,
    seen: Observed,
    verdicts: dict[str, Verdict] | None = None,
    backoff: BackOff | None = None,
    holds: dict[str, Hold] | None = None,
) -> Plan:
    return sync.plan(pod, seen, verdicts or {}, backoff or BackOff(), holds or {}, NOW)


def brief(plan: Plan) -> list[str]:
    """Actions in a word or two each."""
    words = []
    for action in plan.actions:
        match action:
            case StartContainer(container, attempt):
                words.append(f"start {container.name} {attempt}")
            case StopContainer(status, _, _):
                words.append(f"stop {status.id}")
            case CreateSandbox(attempt):
                words.append(f"sandbox {attempt}")
            case StopPod():
                words.append("stop pod")
            case StopSandbox(found):
                words.append(f"stop sandbox {found.id}")
    return words


a, b = container("a"), container("b")
init1, init2 = container("i1"), container("i2")
sidecar = container("side", restartPolicy="Always", startupProbe={"exec": {"command": ["true"]}})
ONE, TWO, INITS = pod("p", a), pod("p", a, b), pod("p", a, initContainers=[init1, init2])
NEVER, ON_FAILURE = pod("p", a, b, restartPolicy="Never"), pod("p", a, b, restartPolicy="OnFailure")
SIDECAR = pod("p", a, initContainers=[sidecar, init2], restartPolicy="Never")
EPHEMERAL = pod("p", a, ephemeralContainers=[container("debug")])
DEAD = sandbox(ready=False)

CASES = {
    "a new pod gets a sandbox": (ONE, observed(sandboxes=()), ["sandbox 0"]),
    "then all its containers": (TWO, observed(), ["start a 0", "start b 0"]),
    "a running pod is left alone": (TWO, observed(ran("a"), ran("b")), []),
    "what has ended is started again": (ONE, observed(ran("a", "exited", 0)), ["start a 1"]),
    "also when it failed": (ONE, observed(ran("a", "exited", 2)), ["start a 1"]),
    "OnFailure only where it failed": (ON_FAILURE, observed(ran("a", "exited", 2), ran("b", "exited")), ["start a 1"]),
    "Never never": (NEVER, observed(ran("a", "exited", 2), ran("b")), []),
    "a pod that is done loses its sandbox": (
        NEVER, observed(ran("a", "exited", 2), ran("b", "exited")), ["stop sandbox s0"]),
    "a dead sandbox takes all with it": (
        TWO, observed(ran("a"), ran("b", "exited"), sandboxes=[DEAD]), ["stop pod", "sandbox 1"]),
    "restart counts go on in the next sandbox": (
        ONE, observed(ran("a", "exited", 137), sandboxes=[sandbox("s1", 1), DEAD]), ["start a 1"]),
    "a pod that is done needs no new sandbox": (NEVER, observed(ran("a", "exited"), sandboxes=[DEAD]), []),
    "two sandboxes are one too many": (
        ONE, observed(ran("a", sandbox="s1"), sandboxes=[sandbox("s1", 1), sandbox()]), ["stop sandbox s0"]),
    "init containers come first": (INITS, observed(), ["start i1 0"]),
    "one at a time": (INITS, observed(ran("i1")), []),
    "in their order": (INITS, observed(ran("i1", "exited")), ["start i2 0"]),
    "then the others": (INITS, observed(ran("i1", "exited"), ran("i2", "exited")), ["start a 0"]),
    "one that fails is tried again": (INITS, observed(ran("i1", "exited", 1)), ["start i1 1"]),
    "a new sandbox is initialized anew": (
        INITS, observed(ran("i1", "exited"), ran("i2", "exited"), ran("a", "exited"), sandboxes=[sandbox("s1", 1)]),
        ["start i1 1"]),
    "init containers that are gone are not missed": (INITS, observed(ran("a")), []),
    "a sidecar starts in its turn": (SIDECAR, observed(), ["start side 0"]),
    "what follows waits for its startup": (SIDECAR, observed(ran("side")), []),
    "a sidecar that ended runs again, whatever the policy": (
        SIDECAR, observed(ran("side", "exited"), ran("i2", "exited"), ran("a")), ["start side 1"]),
    "sidecars end after the others": (
        SIDECAR, observed(ran("side"), ran("i2", "exited"), ran("a", "exited")), ["stop pod"]),
    "and are not started again then": (
        SIDECAR, observed(ran("side", "exited"), ran("i2", "exited"), ran("a", "exited")), ["stop sandbox s0"]),
    "debug containers start once": (EPHEMERAL, observed(ran("a")), ["start debug 0"]),
    "and only once": (EPHEMERAL, observed(ran("a"), ran("debug", "exited", 1)), []),
    "another image replaces the container": (
        ONE, observed(ran("a", annotations={labels.HASH: "other"})), ["stop a-0"]),
    "a container the runtime has lost track of is stopped": (ONE, observed(ran("a", "unknown")), ["stop a-0"]),
}  # fmt: skip


@pytest.mark.parametrize(("pod", "seen", "expected"), CASES.values(), ids=CASES)
def test_what_comes_next(pod: Pod, seen: Observed, expected: list[str]) -> None:
    assert brief(plan(pod, seen)) == expected


def test_a_started_sidecar_lets_the_next_one_start() -> None:
    verdicts = {"side-0": Verdict(started=True)}
    assert brief(plan(SIDECAR, observed(ran("side")), verdicts)) == ["start i2 0"]


@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_a_failed_probe_stops_the_container_and_says_why(kind: str) -> None:
    found = plan(ONE, observed(ran("a")), {"a-0": Verdict(started=True, failed=kind)})
    assert found.actions == [StopContainer(ran("a"), f"Container a failed {kind} probe, will be restarted", kind)]


@pytest.mark.parametrize(("policy", "also"), [("Always", []), ("OnFailure", ["start a 1"]), ("Never", [])])
def test_a_container_that_is_stopped_for_its_probe_runs_again_though_it_ends_well(policy: str, also: list[str]) -> None:
    found = plan(
        pod("p", a, restartPolicy=policy), observed(ran("a")), {"a-0": Verdict(started=True, failed="liveness")}
    )
    assert brief(found) == ["stop a-0", *also]


def test_another_image_is_run_whatever_the_policy() -> None:
    changed = plan(pod("p", a, restartPolicy="Never"), observed(ran("a", annotations={labels.HASH: "other"})))
    assert brief(changed) == ["stop a-0", "start a 1"]
    assert changed.actions[0] == StopContainer(
        ran("a", annotations={labels.HASH: "other"}), "Container a definition changed, will be restarted"
    )


def test_waits_double_and_are_explained() -> None:
    backoff = BackOff()
    key = sync.backoff_key(ONE, ONE.spec.containers[0])
    backoff.count(key, NOW - 20)
    found = plan(ONE, observed(ran("a", "exited", 1)), backoff=backoff)
    message = f"back-off 10s restarting failed container=a pod=p_default({ONE.uid})"
    assert (found.actions, found.waiting) == ([], {"a": Waiting("CrashLoopBackOff", message)})
    assert found.wake == pytest.approx(9.0)


def test_what_failed_to_start_is_held_back_without_holding_others() -> None:
    hold = Hold(Waiting("ErrImagePull", "no"), NOW + 5)
    found = plan(TWO, observed(), holds={"a": hold})
    assert (brief(found), found.waiting, found.wake) == (["start b 0"], {"a": hold.waiting}, 5.0)
    assert brief(plan(ONE, observed(sandboxes=()), holds={sync.SANDBOX: hold})) == []


def test_a_pod_that_ran_once_and_may_not_again_stays_ended_when_the_runtime_forgets_it() -> None:
    was = pod("p", a, restartPolicy="Never", status={"containerStatuses": [{"name": "a", "containerID": "x"}]})
    assert brief(plan(was, observed(sandboxes=()))) == []


def test_restart_counts_survive_a_runtime_that_forgets() -> None:
    record = {"name": "a", "containerID": "x", "restartCount": 4}
    was = pod("p", a, status={"containerStatuses": [record]})
    assert brief(plan(was, observed())) == ["start a 5"]


@pytest.mark.parametrize(("seconds", "text"), [(10, "10s"), (80, "1m20s"), (300, "5m0s")])
def test_durations_read_as_go_prints_them(seconds: float, text: str) -> None:
    assert sync.duration(seconds) == text


class Life(RuleBasedStateMachine):
    """A runtime that does what is planned, and in which anything may end at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.backoff = BackOff()
        self.pod = pod("p", a, b, initContainers=[init1, container("side", restartPolicy="Always")])
        self.sandboxes: list[Sandbox] = []
        self.containers: list[ContainerStatus] = []
        self.quiet: Plan | None = None

    @rule(policy=st.sampled_from(["Always", "OnFailure", "Never"]))
    @precondition(lambda self: not self.sandboxes)
    def choose(self, policy: str) -> None:
        self.pod = msgspec.structs.replace(self.pod, spec=msgspec.structs.replace(self.pod.spec, restartPolicy=policy))

    @rule()
    def carry_out(self) -> None:
        found = self.plan()
        for action in found.actions:
            self.perform(action)

    def perform(self, action: sync.Action) -> None:
        match action:
            case CreateSandbox(attempt):
                assert not any(s.ready for s in self.sandboxes), "a second sandbox beside a living one"
                self.sandboxes.insert(0, sandbox(f"s{attempt}", attempt))
            case StopPod():
                self.end_all(lambda c: True)
                self.sandboxes = [msgspec.structs.replace(s, ready=False) for s in self.sandboxes]
            case StopSandbox(old):
                self.end_all(lambda c: c.sandbox == old.id)
                self.sandboxes = [msgspec.structs.replace(s, ready=s.ready and s.id != old.id) for s in self.sandboxes]
            case StopContainer(status, _, _):
                self.end_all(lambda c: c.id == status.id)
            case StartContainer(started, attempt):
                self.start(started.name, attempt)

    def start(self, name: str, attempt: int) -> None:
        same = [c for c in self.containers if c.name == name]
        assert not any(c.state == "running" for c in same), f"{name} was started twice"
        assert attempt == len(same), "restart counts neither skip nor repeat"
        if name == "side":
            assert any(c.name == "i1" and c.exit_code == 0 and c.state == "exited" for c in self.containers)
        if any(c.name == name and c.state == "exited" for c in self.containers):
            found = self.pod.container(name)
            assert found is not None
            self.backoff.count(sync.backoff_key(self.pod, found), self.now)
        where = self.sandboxes[0].id
        new = ran(name, attempt=attempt, sandbox=where)
        self.containers.insert(0, msgspec.structs.replace(new, created=self.now + attempt))

    def end_all(self, which: Any, code: int = 137) -> None:
        self.containers = [
            msgspec.structs.replace(c, state="exited", exit_code=code, finished=self.now)
            if c.state == "running" and which(c) else c
            for c in self.containers
        ]  # fmt: skip

    @rule(index=st.integers(0, 3), code=st.sampled_from([0, 0, 1]))
    def end(self, index: int, code: int) -> None:
        running = [c for c in self.containers if c.state == "running"]
        if index < len(running):
            self.end_all(lambda c: c.id == running[index].id, code)

    @rule()
    @precondition(lambda self: self.sandboxes and self.sandboxes[0].ready)
    def break_sandbox(self) -> None:
        self.end_all(lambda c: True)
        self.sandboxes[0] = msgspec.structs.replace(self.sandboxes[0], ready=False)

    @rule(seconds=st.sampled_from([1.0, 10.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    def plan(self) -> Plan:
        return sync.plan(self.pod, self.seen(), self.verdicts(), self.backoff, {}, self.now)

    def seen(self) -> Observed:
        return Observed(sandboxes=tuple(self.sandboxes), containers=tuple(self.containers), network=NETWORK)

    def verdicts(self) -> dict[str, Verdict]:
        return {c.id: Verdict(started=True, ready=True) for c in self.containers if c.state == "running"}

    @invariant()
    def ordinary_containers_start_only_after_initialization(self) -> None:
        for action in self.plan().actions:
            if isinstance(action, StartContainer) and action.container.name in ("a", "b"):
                sandbox = self.sandboxes[0].id
                begun = any(c.sandbox == sandbox and c.name in ("a", "b") for c in self.containers)
                done = any(c.sandbox == sandbox and c.name == "i1" and c.exit_code == 0 for c in self.containers)
                assert begun or done

    @invariant()
    def whoever_waits_is_woken(self) -> None:
        found = self.plan()
        assert not found.waiting or found.wake is not None


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestLife = Life.TestCase
