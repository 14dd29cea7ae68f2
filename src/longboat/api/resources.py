"""What a pod asks of a node: resource requests summed over its containers (KEP-753 sidecars, KEP-2837 pod level)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from longboat.api.view import Part
from longboat.machinery import quantity

Amounts = dict[str, int]  # cpu in thousandths of a core, everything else in its own unit

# What the scheduler's scores assume of a container that asks for nothing (kube-scheduler, util/pod_resources).
DEFAULT_MILLI_CPU = 100
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


@lru_cache(maxsize=4096)
def amount(resource: str, text: str) -> int:
    """A quantity as the whole number that sums are made of, rounded up. Raises ValueError."""
    parsed = quantity.parse(text)
    return parsed.milli if resource == "cpu" else parsed.value


def amounts(listed: Mapping[str, str]) -> Amounts:
    """A ResourceList as integers."""
    return {name: amount(name, text) for name, text in listed.items()}


def add(into: Amounts, more: Mapping[str, int]) -> None:
    """Sum `more` into `into`."""
    for name, value in more.items():
        into[name] = into.get(name, 0) + value


def raise_to(into: Amounts, floor: Mapping[str, int]) -> None:
    """Raise each entry of `into` to at least that of `floor`."""
    for name, value in floor.items():
        if value > into.get(name, 0):
            into[name] = value


def requests(
    containers: Iterable[ResourceContainer],
    init_containers: Iterable[ResourceContainer] = (),
    overhead: Mapping[str, str] | None = None,
    pod_level: Resources | None = None,
) -> Amounts:
    """What a pod needs at its most demanding moment.

    Containers and sidecars (restartPolicy Always) run side by side; each ordinary init container runs beside the
    sidecars that started before it. Pod-level requests replace the sum for the resources they name.
    """
    return _peak(containers, init_containers, overhead, pod_level, lambda c: amounts(c.resources.requests))


def nonzero_requests(
    containers: Iterable[ResourceContainer],
    init_containers: Iterable[ResourceContainer] = (),
    overhead: Mapping[str, str] | None = None,
    pod_level: Resources | None = None,
) -> Amounts:
    """As `requests` for cpu and memory, with upstream's defaults for containers that ask for none."""

    def at_least_something(container: ResourceContainer) -> Amounts:
        asked = container.resources.requests
        return {
            "cpu": amount("cpu", asked["cpu"]) if "cpu" in asked else DEFAULT_MILLI_CPU,
            "memory": amount("memory", asked["memory"]) if "memory" in asked else DEFAULT_MEMORY,
        }

    return _peak(containers, init_containers, overhead, pod_level, at_least_something)


def _peak(
    containers: Iterable[ResourceContainer],
    init_containers: Iterable[ResourceContainer],
    overhead: Mapping[str, str] | None,
    pod_level: Resources | None,
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
        total.update(amounts(pod_level.requests))
    if overhead:
        add(total, amounts(overhead))
    return total
