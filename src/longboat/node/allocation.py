"""What a pod has been given of its node, which need not be what it asks for now (KEP-1287). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from longboat.api import resources as api
from longboat.api.resources import Resources
from longboat.node.make import cgroups
from longboat.node.state import Waiting
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

DEFERRED, INFEASIBLE = "Deferred", "Infeasible"
COMPUTE = ("cpu", "memory")


class Given(msgspec.Struct, frozen=True):
    """Requests and limits by container, and those of the pod as a whole."""

    containers: dict[str, Resources] = {}
    whole: Resources | None = None


class Allocation(msgspec.Struct, frozen=True):
    """`behind` are containers that have been set up with something else, and with what; `pod_behind` says that the
    pod's own cgroup has not been adjusted yet."""

    given: Given = Given()
    behind: dict[str, Resources] = {}
    pod_behind: bool = False

    def of(self, container: Container) -> Resources:
        """What a container was set up with."""
        return self.behind.get(container.name, container.resources)

    def next(self, given: Given) -> Allocation:
        """Something else is given; nothing of it has been done yet."""
        before = {**self.given.containers, **self.behind}
        behind = {
            name: before[name]
            for name, wanted in given.containers.items()
            if name in before and differ(before[name], wanted)
        }
        return Allocation(given, behind, pod_behind=True)

    def caught_up(self, name: str, now: Resources | None = None) -> Allocation:
        """A container has been set up with what was given, or at least with `now`."""
        behind = {other: had for other, had in self.behind.items() if other != name}
        if now is not None:
            behind[name] = now
        return msgspec.structs.replace(self, behind=behind)


def asked(pod: Pod) -> Given:
    """What a pod asks for."""
    return Given({c.name: c.resources for c in (*pod.spec.initContainers, *pod.spec.containers)}, pod.spec.resources)


def differ(one: Resources | None, other: Resources | None) -> bool:
    """Whether two say different things, however they write them."""
    one, other = one or Resources(), other or Resources()
    return (api.amounts(one.requests), api.amounts(one.limits)) != (
        api.amounts(other.requests), api.amounts(other.limits),
    )  # fmt: skip


def is_given(pod: Pod, given: Given) -> bool:
    """Whether the pod has what it asks for."""
    found = asked(pod)
    return not differ(found.whole, given.whole) and not any(
        differ(wanted, given.containers.get(name)) for name, wanted in found.containers.items()
    )


def applied(pod: Pod, given: Given) -> Pod:
    """The pod as it is to be run: asking for what it has been given."""
    if is_given(pod, given):
        return pod
    spec = msgspec.structs.replace(
        pod.spec,
        containers=[_with(c, given) for c in pod.spec.containers],
        initContainers=[_with(c, given) for c in pod.spec.initContainers],
        resources=given.whole,
    )
    return msgspec.structs.replace(pod, spec=spec)


def _with(container: Container, given: Given) -> Container:
    resources = given.containers.get(container.name, container.resources)
    return msgspec.structs.replace(container, resources=resources)


class Shortage(msgspec.Struct, frozen=True):
    """A resource of which there is too little (cpu in thousandths); as text, in the kubelet's words."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def missing(self) -> int:
        return self.requested + self.used - self.capacity

    def __str__(self) -> str:
        figures = f"requested: {self.requested}, used: {self.used}, capacity: {self.capacity}"
        return f"Node didn't have enough resource: {self.resource}, {figures}"


def shortages(
    wanted: api.Amounts, used: api.Amounts, offered: api.Amounts, resources: Iterable[str]
) -> Iterator[Shortage]:  # fmt: skip
    """Those of the resources that are wanted and do not suffice."""
    for name in resources:
        short = Shortage(name, wanted.get(name, 0), used.get(name, 0), offered.get(name, 0))
        if short.requested and short.missing > 0:
            yield short


def refusal(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, str]) -> Waiting | None:
    """Why a pod cannot have what it asks for beside the others, which ask for what they have: never, or not yet."""
    offered, wanted = api.amounts(allocatable), cgroups.requests(pod)
    for name in reversed(COMPUTE):
        if wanted.get(name, 0) > offered.get(name, 0):
            lacking = f"{name}, requested: {wanted[name]}, capacity: {offered.get(name, 0)}"
            return Waiting(INFEASIBLE, f"Node didn't have enough capacity: {lacking}")
    used: api.Amounts = {}
    for other in others:
        api.add(used, cgroups.requests(other))
    short = next(shortages(wanted, used, offered, COMPUTE), None)
    return Waiting(DEFERRED, str(short)) if short else None


def turn(pod: Pod, given: Given, since: float) -> tuple[bool, int, bool, float]:
    """Sorts pods that wait for room: first who takes no more than before, then by priority, class of service and how
    long they have waited."""
    before, wanted = cgroups.requests(applied(pod, given)), cgroups.requests(pod)
    grows = any(wanted.get(name, 0) > before.get(name, 0) for name in COMPUTE)
    return (grows, -pod.spec.priority, cgroups.qos(pod) != cgroups.GUARANTEED, since)
