"""What the agent tells the API: statuses of pods, the Node, its lease; and what it asks before it serves anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.backoffs import BackOff
from longboat.aio.clock import VirtualClock
from longboat.aio.http.message import Headers
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.node import node_status
from longboat.node.cri.interface import Condition
from longboat.node.images import normalized
from longboat.node.machine import SIMULATED, Pressure
from longboat.node.node_status import Facts, Health
from longboat.node.probes import Tally
from longboat.node.registration import Registration
from longboat.node.serve.authorize import Authorizer, attributes
from longboat.node.serve.http import Caller, HttpError, Request
from longboat.node.status_writer import SETTLE, ApiStatusWriter
from longboat.node.views.handlers import Probe
from longboat.node.views.objects import Node, NodeStatus
from longboat.node.views.pod import Pod
from unit.node.build import Told, pod

Status = dict[str, Any]
READY = (Condition("RuntimeReady", True), Condition("NetworkReady", True))
FACTS = Facts(name="n", addresses=("192.0.2.1",), port=10250, info=SIMULATED.info("x://1", "v1"),
              capacity=SIMULATED.capacity, allocatable=SIMULATED.allocatable(()))  # fmt: skip


class Api:
    """Takes in what is written; `refuse` raises it instead."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, Any]] = []
        self.refuse: StatusError | None = None
        self.objects: set[str] = set()
        self.allowed = False
        self.conditions: list[dict[str, Any]] = []  # of the Node
        self.capacity: dict[str, str] = {}
        self.allocatable: dict[str, str] = {}
        self.version = 0

    async def create(self, kind: Any, obj: Any, *, namespace: str = "", subresource: str = "", name: str = "") -> bytes:
        self._note("create", kind, obj)
        self.objects.add(obj.get("metadata", {}).get("name", ""))
        return msgspec.json.encode({"status": {"allowed": self.allowed}})

    async def patch(self, kind: Any, key: Key, patch: Any, *, style: str = "merge", subresource: str = "") -> bytes:
        if getattr(kind, "name", "") == "Lease" and key.name not in self.objects:
            raise StatusError(404, "NotFound", "no")
        self._note(f"patch {subresource}".strip(), kind, patch)
        self.conditions = patch.get("status", {}).get("conditions", self.conditions)
        self.version += 1
        return msgspec.json.encode({"metadata": {"resourceVersion": str(self.version)}})

    async def get(self, kind: Any, key: Key) -> Any:
        status = {"conditions": self.conditions, "capacity": self.capacity, "allocatable": self.allocatable}
        return msgspec.convert({"status": status}, kind)

    async def delete(self, kind: Any, key: Key, **options: Any) -> None:
        self._note("delete", kind, options)

    def _note(self, verb: str, kind: Any, body: Any) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.written.append((verb, getattr(kind, "KIND", kind).name, body))


def timed(test: Callable[[VirtualClock, Api], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test(VirtualClock(), Api()))  # type: ignore[arg-type]

    return run


def phase(name: str, **more: Any) -> Status:
    state = {"waiting": {"reason": "ContainerCreating"}} if name == "Pending" else {"running": {}}
    return {"phase": name, "containerStatuses": [{"name": "c", "state": state, "restartCount": 0}], **more}


@timed
async def test_only_the_newest_status_is_written_and_only_once(clock: VirtualClock, api: Api) -> None:
    writer, given = ApiStatusWriter(api, clock), pod()  # type: ignore[arg-type]
    writer.submit(given, phase("Pending"))
    await clock.advance(SETTLE / 2)
    assert api.written == []
    writer.submit(given, phase("Running"))
    await clock.advance(SETTLE)
    writer.submit(given, phase("Running"))
    await clock.advance(SETTLE)
    assert [(verb, body["status"]["phase"]) for verb, _, body in api.written] == [("patch status", "Running")]
    assert api.written[0][2]["metadata"] == {"uid": given.uid}


@timed
async def test_a_status_that_was_refused_is_written_later(clock: VirtualClock, api: Api) -> None:
    writer = ApiStatusWriter(api, clock)  # type: ignore[arg-type]
    api.refuse = StatusError(500, "InternalError", "no")
    writer.submit(pod(), phase("Running"))
    await clock.advance(3)
    api.refuse = None
    await clock.advance(2)
    assert len(api.written) == 1


@timed
async def test_a_pod_is_deleted_after_its_last_status(clock: VirtualClock, api: Api) -> None:
    writer, given = ApiStatusWriter(api, clock), pod()  # type: ignore[arg-type]
    writer.submit(given, phase("Succeeded"))
    writer.delete(given)
    await clock.advance(1)
    assert [(verb, kind) for verb, kind, _ in api.written] == [("patch status", "Pod"), ("delete", "Pod")]
    assert api.written[1][2] == {"uid": given.uid, "grace": 0}


def told_by_others(of: Pod, version: int, ready: str) -> Pod:
    """The pod as the API has it after somebody has written its Ready condition."""
    conditions = [{"type": "Ready", "status": ready}, {"type": "theirs", "status": "False"}]
    return pod(metadata={"uid": of.uid, "resourceVersion": str(version)}, status={"conditions": conditions})


@timed
async def test_what_others_have_said_of_a_pod_meanwhile_is_corrected(clock: VirtualClock, api: Api) -> None:
    """The node lifecycle controller marks pods of a node that it does not hear of; nobody else takes that back."""
    writer, given = ApiStatusWriter(api, clock), pod()  # type: ignore[arg-type]
    status = phase("Running", conditions=[{"type": "Ready", "status": "True"}])
    writer.submit(given, status)
    await clock.advance(1)
    assert api.version == 1
    for older_or_agreeing in (told_by_others(given, 1, "False"), told_by_others(given, 5, "True")):
        writer.seen(older_or_agreeing)
        await clock.advance(1)
        assert api.version == 1
    api.version = 6
    writer.seen(told_by_others(given, 6, "False"))
    await clock.advance(1)
    assert api.version == 7 and api.written[-1][2]["status"]["conditions"] == status["conditions"]
    writer.seen(told_by_others(given, 6, "False"))  # an answer that has been overtaken
    await clock.advance(1)
    assert api.version == 7


@timed
async def test_what_others_say_while_a_status_is_written_is_corrected_too(clock: VirtualClock, api: Api) -> None:
    writer, given = ApiStatusWriter(api, clock), pod()  # type: ignore[arg-type]
    writer.submit(given, phase("Running", conditions=[{"type": "Ready", "status": "True"}]))
    api.version = 6
    writer.seen(told_by_others(given, 8, "False"))
    await clock.advance(1)
    assert len(api.written) == 2


@timed
async def test_addresses_replace_those_before(clock: VirtualClock, api: Api) -> None:
    writer = ApiStatusWriter(api, clock)  # type: ignore[arg-type]
    writer.submit(pod(), phase("Running", podIPs=[{"ip": "10.0.0.2"}]))
    await clock.advance(1)
    assert api.written[0][2]["status"]["podIPs"] == [{"ip": "10.0.0.2"}, {"$patch": "replace"}]


@timed
async def test_a_node_registers_reports_and_holds_its_lease(clock: VirtualClock, api: Api) -> None:
    health, told = [Health(runtime=(READY[0], Condition("NetworkReady", False, "r", "m")))], Told()

    async def look() -> Health:
        return health[0]

    registration = Registration(api, clock, told, FACTS, look)  # type: ignore[arg-type]
    tasks = [asyncio.create_task(registration.report()), asyncio.create_task(registration.hold_lease())]
    await clock.advance(0.5)
    assert [w[:2] for w in api.written[:2]] == [("create", "Node"), ("patch status", "Node")]
    ready = api.written[1][2]["status"]["conditions"][-1]
    assert ready["message"] == "container runtime network not ready: NetworkReady=false reason:r message:m"
    health[0] = Health(runtime=READY)
    await clock.advance(0.5)
    assert told.reasons[-1] == "NodeReady"
    count = len(api.written)
    await clock.advance(100)
    later = [w[:2] for w in api.written[count:]]
    assert later == [("patch", "Lease")] * 10  # nothing has changed: no report
    await clock.advance(300)
    assert ("patch status", "Node") in [w[:2] for w in api.written[count:]]
    for task in tasks:
        task.cancel()


@timed
async def test_what_changes_suddenly_is_told_at_once(clock: VirtualClock, api: Api) -> None:
    health, told = [Health(runtime=READY)], Told()

    async def look() -> Health:
        return health[0]

    registration = Registration(api, clock, told, FACTS, look)  # type: ignore[arg-type]
    task = asyncio.create_task(registration.report())
    await clock.advance(31)
    health[0] = Health(runtime=READY, pressure=Pressure(disk=True))
    registration.look_again()
    await clock.advance(0.1)
    assert told.reasons[-1] == "NodeHasDiskPressure"
    task.cancel()


@timed
async def test_resources_that_others_add_can_be_given_away(clock: VirtualClock, api: Api) -> None:
    async def look() -> Health:
        return Health(runtime=READY)

    registration = Registration(api, clock, Told(), FACTS, look)  # type: ignore[arg-type]
    task = asyncio.create_task(registration.report())
    await clock.advance(1)
    count = len(api.written)
    api.capacity = {"cpu": "4", "example.com/foo": "2"}
    registration.heard(Node(status=NodeStatus(capacity=api.capacity)))
    await clock.advance(0.1)
    (written,) = api.written[count:]
    assert written[2]["status"]["allocatable"] == {**FACTS.allocatable, "example.com/foo": "2"}
    api.allocatable, api.capacity = written[2]["status"]["allocatable"], {"cpu": "4"}
    registration.heard(Node(status=NodeStatus(capacity=api.capacity, allocatable=api.allocatable)))
    await clock.advance(0.1)
    assert api.written[-1][2]["status"]["allocatable"] == {**FACTS.allocatable, "example.com/foo": None}
    task.cancel()


@timed
async def test_a_node_that_was_given_up_says_that_it_is_back(clock: VirtualClock, api: Api) -> None:
    async def look() -> Health:
        return Health(runtime=READY)

    told = Told()
    task = asyncio.create_task(Registration(api, clock, told, FACTS, look).report())  # type: ignore[arg-type]
    await clock.advance(30)
    count, told.reasons[:] = len(api.written), []
    given_up = {"status": "Unknown", "lastTransitionTime": "2020-01-01T00:00:00Z"}
    api.conditions = [{**condition, **given_up} for condition in api.conditions]
    await clock.advance(11)
    assert [w[:2] for w in api.written[count:]] == [("patch status", "Node")]
    assert {c["status"] for c in api.conditions if c["type"] == "Ready"} == {"True"} and "NodeReady" in told.reasons
    task.cancel()


@pytest.mark.parametrize(
    ("health", "kind", "expected"),
    [
        (Health(runtime=READY), "Ready", ("True", "KubeletReady", "kubelet is posting ready status")),
        (Health(problem="x"), "Ready", ("False", "KubeletNotReady", "container runtime is down: x")),
        (Health(runtime=READY, pressure=Pressure(disk=True)), "DiskPressure",
         ("True", "KubeletHasDiskPressure", "kubelet has disk pressure")),
        (Health(runtime=READY), "MemoryPressure",
         ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available")),
    ],
)  # fmt: skip
def test_conditions_of_a_node(health: Health, kind: str, expected: tuple[str, str, str]) -> None:
    listed = node_status.conditions(health, (), VirtualClock().now())
    found = next(c for c in listed if c["type"] == kind)
    assert (found["status"], found["reason"], found["message"]) == expected


def request(path: str, method: str = "GET", *groups: str) -> Request:
    return Request(method=method, path=path, query={}, headers=Headers(), caller=Caller("somebody", groups))


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/pods", "GET", ("get", ["pods", "proxy"])),
        ("/metrics/resource", "GET", ("get", ["metrics"])),
        ("/stats/summary", "GET", ("get", ["stats"])),
        ("/containerLogs/a/b/c", "GET", ("get", ["proxy"])),
        ("/exec/a/b/c", "GET", ("create", ["proxy"])),
        ("/portForward/a/b", "GET", ("create", ["proxy"])),
        ("/healthz", "GET", ("get", ["healthz", "proxy"])),
    ],
)
def test_what_a_path_asks_for(path: str, method: str, expected: tuple[str, list[str]]) -> None:
    assert attributes(request(path, method)) == expected


@timed
async def test_the_api_server_decides_who_may_use_the_port(clock: VirtualClock, api: Api) -> None:
    authorizer = Authorizer(api, clock, "n")  # type: ignore[arg-type]
    with pytest.raises(HttpError) as caught:
        await authorizer.check(request("/exec/a/b/c"))
    assert caught.value.text == "Forbidden (user=somebody, verb=create, resource=nodes, subresource(s)=[proxy])\n"
    asked = api.written[0][2]["spec"]["resourceAttributes"]
    assert (asked["verb"], asked["resource"], asked["subresource"], asked["name"]) == ("create", "nodes", "proxy", "n")
    api.allowed = True
    with pytest.raises(HttpError):
        await authorizer.check(request("/exec/a/b/c"))  # the answer is still believed
    await clock.advance(31)
    await authorizer.check(request("/exec/a/b/c"))
    await authorizer.check(request("/exec/a/b/c", "GET", "system:masters"))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("busybox", "busybox:latest"), ("a/b:1", "a/b:1"), ("localhost:5000/x", "localhost:5000/x:latest"),
        ("r.io/x@sha256:" + "a" * 64, "r.io/x@sha256:" + "a" * 64), ("UPPER", None), ("a//b", None), ("", None),
    ],
)  # fmt: skip
def test_image_names(image: str, expected: str | None) -> None:
    if expected is not None:
        assert normalized(image) == expected
    else:
        with pytest.raises(ValueError, match="couldn't parse image name"):
            normalized(image)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_a_verdict_needs_its_threshold_in_a_row(outcomes: list[bool], successes: int, failures: int) -> None:
    probe, tally = Probe(successThreshold=successes, failureThreshold=failures), Tally()
    expected = None
    for n, outcome in enumerate(outcomes, start=1):
        tally.count(outcome, probe)
        needed = successes if outcome else failures
        if n >= needed and all(past == outcome for past in outcomes[n - needed : n]):
            expected = outcome
        assert tally.passed is expected


def test_waits_are_forgotten_after_a_long_peace() -> None:
    backoff = BackOff()
    for now in (0.0, 20.0, 60.0):
        backoff.count("k", now)
    assert backoff.delay("k") == 40.0
    assert backoff.remaining("k", 65.0, 70.0) == 35.0
    assert backoff.remaining("k", 1000.0, 1000.0) == 0.0
    backoff.count("k", 1000.0)
    assert backoff.delay("k") == 10.0
