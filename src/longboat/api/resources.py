"""What a pod asks of a node: resource requests summed over its containers (KEP-753 sidecars, KEP-2837 pod level)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from longboat.api.view import Part
from longboat.machinery import quantity

Amounts = dict[str, int]  # cpu in thousandths of a core, everything else in its own unit

# What the scheduler's scores assume of a container that asks for nothing (kube-scheduler, util/pod_resources).
DEFAULT_MILLI_CPU = 100
LONGEST = 128  # characters of a resource and its amount that are remembered
DEFAULT_MEMORY = 200 * 1024 * 1024


class Resources(Part):
    """requests and limits of a container, or of a pod as a whole."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class ResourceContainer(Part):
    """A container, as far as its resources go."""

    name: str = ""
    resources: Resources = Resources()
    restartPolicy: str = ""


class Held(Part):
    """What a container (or, by no name, a pod as a whole) has, as its status tells: what it was given, and what is in
    force."""

    name: str = ""
    resources: Resources = Resources()
    allocatedResources: dict[str, str] = {}


def amount(resource: str, text: str) -> int:
    """A quantity as the whole number that sums are made of, rounded up. Raises ValueError."""
    return _remembered(resource, text) if len(resource) + len(text) <= LONGEST else _amount(resource, text)


def _amount(resource: str, text: str) -> int:
    parsed = quantity.parse(text)
    return parsed.milli if resource == "cpu" else parsed.value


_remembered = lru_cache(maxsize=4096)(_amount)


def amounts(listed: Mapping[str, str]) -> Amounts:
    """A ResourceList as integers."""
    return {name: amount(name, text) for name, text in listed.items()}


def is_extended(name: str) -> bool:
    """Whether somebody else than Kubernetes defines the resource: nodes count it, and know nothing of it."""
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def add(into: Amounts, more: Mapping[str, int]) -> None:
    """Sum `more` into `into`."""
    for name, value in more.items():
        into[name] = into.get(name, 0) + value


def raise_to(into: Amounts, floor: Mapping[str, int]) -> None:
    """Raise each entry of `into` to at least that of `floor`."""
    for name, value in floor.items():
        if value > into.get(name, 0):
            into[name] = value


class Holdings:
    """What a pod holds while it is resized (KEP-1287): it counts with the greater of that and what it asks for, or,
    where its node can never give it what it asks for, with what it holds alone."""

    def __init__(self, containers: Iterable[Held] = (), whole: Held | None = None, *, infeasible: bool = False) -> None:
        self._held = {each.name: _in_hand(each) for each in containers}
        self._whole = _in_hand(whole) if whole is not None else {}
        self._infeasible = infeasible

    def counted(self, container: ResourceContainer) -> Amounts:
        return self._greater(amounts(container.resources.requests), self._held.get(container.name))

    def counted_whole(self, pod_level: Resources) -> Amounts:
        return self._greater(amounts(pod_level.requests), self._whole)

    def _greater(self, asked: Amounts, held: Amounts | None) -> Amounts:
        if not held:
            return asked
        if self._infeasible:
            return dict(held)
        raise_to(asked, held)
        return asked


NO_HOLDINGS = Holdings()


def _in_hand(held: Held) -> Amounts:
    found = amounts(held.resources.requests)
    raise_to(found, amounts(held.allocatedResources))
    return found


def requests(
    containers: Iterable[ResourceContainer],
    init_containers: Iterable[ResourceContainer] = (),
    overhead: Mapping[str, str] | None = None,
    pod_level: Resources | None = None,
    holdings: Holdings = NO_HOLDINGS,
) -> Amounts:
    """What a pod needs at its most demanding moment.

    Containers and sidecars (restartPolicy Always) run side by side; each ordinary init container runs beside the
    sidecars that started before it. Pod-level requests replace the sum for the resources they name.
    """
    return _peak(containers, init_containers, overhead, pod_level, holdings, holdings.counted)


def nonzero_requests(
    containers: Iterable[ResourceContainer],
    init_containers: Iterable[ResourceContainer] = (),
    overhead: Mapping[str, str] | None = None,
    pod_level: Resources | None = None,
    holdings: Holdings = NO_HOLDINGS,
) -> Amounts:
    """As `requests` for cpu and memory, with upstream's defaults for containers that ask for none."""

    def at_least_something(container: ResourceContainer) -> Amounts:
        counted = holdings.counted(container)
        return {"cpu": counted.get("cpu", DEFAULT_MILLI_CPU), "memory": counted.get("memory", DEFAULT_MEMORY)}

    return _peak(containers, init_containers, overhead, pod_level, holdings, at_least_something)


def _peak(
    containers: Iterable[ResourceContainer],
    init_containers: Iterable[ResourceContainer],
    overhead: Mapping[str, str] | None,
    pod_level: Resources | None,
    holdings: Holdings,
    asked: Callable[[ResourceContainer], Amounts],
) -> Amounts:
    total: Amounts = {}
    for container in containers:
        add(total, asked(container))
    sidecars: Amounts = {}
    during_init: Amounts = {}
    for container in init_containers:
        needed = asked(container)
        if container.restartPolicy == "Always":
            add(sidecars, needed)
            raise_to(during_init, sidecars)
        else:
            add(needed, sidecars)
            raise_to(during_init, needed)
    add(total, sidecars)
    raise_to(total, during_init)
    if pod_level is not None:
        total.update(holdings.counted_whole(pod_level))
    if overhead:
        add(total, amounts(overhead))
    return total
