"""Runs the controllers of a control plane, each under its own identity, over shared informers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from longboat.aio.clock import Clock
from longboat.aio.parts import Parts
from longboat.client import figures
from longboat.client.informer import Informers
from longboat.client.interface import Transport
from longboat.client.rest import RestClient
from longboat.controllers.catalog import controllers
from longboat.controllers.runtime import Controller
from longboat.machinery.exposition import Family

log = logging.getLogger(__name__)

Connect = Callable[[str], Transport]
"""From a user name to that user's way to the API."""

COMPONENT = "kube-controller-manager"
MANAGER = f"system:{COMPONENT}"


class Manager:
    """`options` are given to the controllers that ask for them by attribute name (cluster CIDR, root CA…)."""

    def __init__(self, connect: Connect, clock: Clock, **options: Any) -> None:
        self._clock = clock
        self.informers = Informers(RestClient(connect(MANAGER), clock), clock, "controllers")
        self.controllers: list[Controller] = []
        for kind in controllers():
            client = RestClient(connect(f"system:serviceaccount:kube-system:{kind.identity()}"), clock)
            controller = kind(client, self.informers, clock)
            for name in kind.options:
                setattr(controller, name, options[name])
            self.controllers.append(controller)

    def families(self) -> list[Family]:
        """What kube-controller-manager shows at /metrics."""
        queues = {each.queue_name or each.name.replace("-", "_"): each.queue for each in self.controllers}
        return [*figures.of_queues(queues), *figures.of_informers({COMPONENT: self.informers})]

    async def run(self) -> None:
        """Until cancelled."""
        self.informers.start()
        parts = Parts("controllers", self._clock)
        for controller in self.controllers:
            parts.start(controller.name, controller.run)
        try:
            await asyncio.Event().wait()
        finally:
            await parts.close()
            await self.informers.close()
