"""What the controllers that call drivers share: one identity, the drivers, and patience with calls that fail."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

from longboat.aio.backoff import doubling
from longboat.api.storage import CSIDriver, CSINode, controller_scope
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue
from longboat.controllers.volumes.csi.calls import RpcError
from longboat.controllers.volumes.csi.drivers import Drivers
from longboat.controllers.volumes.views import Node

FIRST, LONGEST = 1.0, 300.0  # seconds between calls that fail (upstream's sidecars)
AT_ONCE = 10  # objects that are served for one driver: one that does not answer holds up no other
SOON = 1.0  # seconds until another look whether there is room

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """How often in a row a call has failed, until when it is not made again, and what it asked."""

    count: int
    until: float
    about: object


class CSIController(Controller):
    """Subclass, and write `serve`. A call that fails is made again, ever later; the first Event says why."""

    account = "csi-controller"
    # Upstream's drivers bring sidecars with roles of their own; ours are called through their nodes (nodes/csi).
    rights = """
        get list watch: pods nodes storage/storageclasses storage/csinodes storage/csidrivers
        get: secrets
        create: nodes/csi
    """
    reads: ClassVar[tuple[type[Any], ...]] = (CSIDriver, CSINode, Node)
    workers = 5 * AT_ONCE

    def setup(self) -> None:
        self._served: Counter[str] = Counter()
        self.drivers = Drivers(self.client, self.informers, self.clock)
        self._failures: dict[Key, Failure] = {}
        self.informers.of(CSINode).on_change(self._nodes_changed)
        self.informers.of(CSIDriver).on_change(self._drivers_changed)

    async def reconcile(self, key: Key) -> Requeue | None:
        now, about, before = self.clock.monotonic(), self.about(key), self._failures.get(key)
        if before is not None and before.about == about and before.until > now:
            return Requeue(before.until - now)  # woken by what we wrote ourselves
        driver = self.driver_of(key)
        if self._served[driver] >= AT_ONCE:
            return Requeue(SOON)
        self._served[driver] += 1
        try:
            again = await self.serve(key)
        except RpcError as error:
            count = before.count + 1 if before is not None and before.about == about else 1
            delay = doubling(count, FIRST, LONGEST)
            self._failures[key] = Failure(count, self.clock.monotonic() + delay, about)
            log.info("%s: %s: %s; again in %.0fs", self.name, key, error, delay)
            return Requeue(delay)
        finally:
            self._served[driver] -= 1
        self._failures.pop(key, None)
        return again

    def driver_of(self, key: Key) -> str:
        """The driver an object is served by; "" where it is none's."""
        raise NotImplementedError(f"{type(self).__name__} has no driver_of")

    def about(self, key: Key) -> object:
        """What a call for this key would ask. Where it asks something else, a failure before does not count."""
        return None

    async def serve(self, key: Key) -> Requeue | None:
        """One pass over one object. Raises RpcError to be called again later."""
        raise NotImplementedError(f"{type(self).__name__} has no serve")

    def wake(self) -> None:
        """Drivers have come or gone, or become ours: enqueue what may have waited for them."""

    def _drivers_changed(self, old: CSIDriver | None, new: CSIDriver | None) -> None:
        if controller_scope(old) != controller_scope(new):
            self._failures.clear()
            self.wake()

    def _nodes_changed(self, old: CSINode | None, new: CSINode | None) -> None:
        if old is None or new is None or (old.spec, old.metadata.annotations) != (new.spec, new.metadata.annotations):
            self._failures.clear()
            self.wake()
