"""Exact sums of resources, for what is shown to users: quotas and limit ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from longboat.machinery import quantity
from longboat.machinery.objects import Object, dig
from longboat.machinery.quantity import Quantity

Amounts = Mapping[str, Quantity]


def amounts(listed: Mapping[str, str] | None) -> dict[str, Quantity]:
    """A ResourceList."""
    return {name: quantity.parse(text) for name, text in (listed or {}).items()}


def written(found: Amounts) -> dict[str, str]:
    """As a ResourceList."""
    return {name: str(value) for name, value in found.items()}


def plus(one: Amounts, other: Amounts) -> dict[str, Quantity]:
    """The sum. What only one has is as it is there."""
    total = dict(one)
    for name, value in other.items():
        total[name] = total[name] + value if name in total else value
    return total


def most(one: Amounts, other: Amounts) -> dict[str, Quantity]:
    """The greater of each. What only one has is as it is there."""
    greatest = dict(one)
    for name, value in other.items():
        if name not in greatest or greatest[name] < value:
            greatest[name] = value
    return greatest


def only(found: Amounts, names: Iterable[str]) -> dict[str, Quantity]:
    """Those that are named."""
    wanted = set(names)
    return {name: value for name, value in found.items() if name in wanted}


def asked(container: Object, field: str) -> dict[str, Quantity]:
    """The requests or limits of a container."""
    return amounts(dig(container, "resources", field))


def of_pod(
    spec: Object, field: str, of_container: Callable[[Object, str], Amounts] = asked
) -> dict[str, Quantity]:  # fmt: skip
    """The requests or limits of a whole pod at its most demanding moment (KEP-753), pod-level ones first."""
    running: dict[str, Quantity] = {}
    sidecars: dict[str, Quantity] = {}
    starting: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        running = plus(running, of_container(container, field))
    for container in spec.get("initContainers") or ():
        wanted = of_container(container, field)
        if container.get("restartPolicy") == "Always":
            sidecars = plus(sidecars, wanted)
            starting = most(starting, sidecars)
        else:
            starting = most(starting, plus(wanted, sidecars))
    return {**most(plus(running, sidecars), starting), **amounts(dig(spec, "resources", field))}
