"""What runs beside an API server as its clients, each under its own name: controllers and scheduler."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from longboat.aio.clock import Clock
from longboat.client import figures
from longboat.client.informer import Informers
from longboat.client.interface import Transport
from longboat.client.rest import RestClient
from longboat.machinery.exposition import Source

if TYPE_CHECKING:
    from longboat.scheduler.scheduler import Scheduler

Connect = Callable[[str], Transport]
"""A user's way to the API."""

_PROGRAMS = (
    ("system:kube-scheduler", "kube-scheduler"), ("system:node:", "kubelet"), ("system:longboat:network", "kube-proxy"),
)  # fmt: skip
SERVICE_ACCOUNTS = ("system:serviceaccounts", "system:serviceaccounts:kube-system")


def groups(user: str) -> tuple[str, ...]:
    """Those of a component's user, but for that of all who are known."""
    return SERVICE_ACCOUNTS if user.startswith("system:serviceaccount:") else ()


def agent(user: str) -> str:
    """A component's User-Agent. It begins with the name of upstream's program, which so owns what it writes."""
    program = next((name for prefix, name in _PROGRAMS if user.startswith(prefix)), "kube-controller-manager")
    return f"{program}/longboat {user}"


def of_scheduler(scheduler: Scheduler, informers: Informers) -> Source:
    """What kube-scheduler shows at /metrics."""
    return lambda: [*scheduler.families(), *figures.of_informers({"kube-scheduler": informers})]


def scheduling(connect: Connect, clock: Clock, dice: random.Random | None = None) -> tuple[Scheduler, Informers]:
    """A scheduler, and the informers it goes by: they are started."""
    from longboat.scheduler.scheduler import Scheduler

    client = RestClient(connect(Scheduler.USER), clock)
    informers = Informers(client, clock, "scheduler")
    scheduler = Scheduler(client, informers, clock, dice=dice)
    informers.start()
    return scheduler, informers
