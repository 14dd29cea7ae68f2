"""The resources that hold for a container, as its status shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from longboat.api import resources as api
from longboat.api.resources import Resources
from longboat.machinery.quantity import Quantity
from longboat.node.cri.interface import ContainerStatus
from longboat.node.make import cgroups
from longboat.node.views.container import Container


def of(container: Container, last: ContainerStatus | None, behind: Mapping[str, Resources]) -> Resources:
    """What holds for a container: as the runtime says where it runs, else what it was or will be given."""
    given = container.resources
    if last is None or last.state != "running":
        return given
    if (found := last.resources) is None:
        return behind.get(container.name, given)
    requests = _with_cpu(given.requests, cgroups.milli_of_shares(found.cpu_shares), cgroups.MIN_SHARES)
    limit = cgroups.milli_of_quota(found.cpu_quota, found.cpu_period)
    limits = _with_cpu(given.limits, limit, cgroups.MIN_MILLI_LIMIT)
    if found.memory_limit and limits and api.amounts(limits).get("memory") != found.memory_limit:
        limits = {**limits, "memory": str(Quantity(Decimal(found.memory_limit), "BinarySI"))}
    return Resources(requests=requests, limits=limits)


def _with_cpu(given: dict[str, str], milli: int, least: int) -> dict[str, str]:
    """So much processor time, unless it is not to be told from what was given: nothing beneath `least` can be set."""
    had = api.amounts(given).get("cpu", 0)
    if not given or not milli or milli == had or max(milli, had) <= least:
        return given
    return {**given, "cpu": str(Quantity(Decimal(milli) / 1000))}
