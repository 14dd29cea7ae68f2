"""What every controller shares: watches that enqueue keys, workers that reconcile them, and retries.

A controller says what it watches and what it may touch, and reconciles one key at a time. Reconciling reads the
informers' copies, compares, and writes through the client; running it once too often must do no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from longboat.aio.clock import Clock
from longboat.aio.parts import Parts
from longboat.aio.tasks import Tasks
from longboat.aio.workqueue import Closed, WorkQueue
from longboat.api.view import View, controller_of
from longboat.client.events import EventRecorder
from longboat.client.informer import Informer, Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError

V = TypeVar("V", bound=View)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Requeue:
    """Reconcile the key again after so many seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class Watch:
    """Changes of `view` put the keys that `keys` gives for the object into the queue.

    `when` passes over objects it is false for. Both versions of a changed object are asked. `fields` (a selector)
    spares the copy of all the others.
    """

    view: type[Any]
    keys: Callable[[Any], Iterable[Key]]
    when: Callable[[Any], bool] | None = None
    fields: str = ""


def own_key(obj: View) -> Iterable[Key]:
    """The object's own key."""
    return (Key(obj.metadata.namespace, obj.metadata.name),)


def controller_key(kind: str) -> Callable[[View], Iterable[Key]]:
    """The key of the object's controller, if it is of this kind."""

    def keys(obj: View) -> Iterable[Key]:
        owner = controller_of(obj.metadata)
        return (Key(obj.metadata.namespace, owner.name),) if owner and owner.kind == kind else ()

    return keys


def namespace_is_going(error: StatusError) -> bool:
    """Whether a creation failed only because its namespace is being deleted: nothing is wrong then."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())


class Controller:
    """Subclass, set the class attributes, write `reconcile`."""

    name: ClassVar[str]
    watches: ClassVar[tuple[Watch, ...]] = ()
    reads: ClassVar[tuple[type[Any], ...]] = ()  # views it looks at without being woken by them
    rights: ClassVar[str] = ""  # what it may do, as lines (`api/rights.py`); a new cluster's roles come of it
    rights_within: ClassVar[Mapping[str, str]] = {}  # what it may do in one namespace only
    workers: ClassVar[int] = 5
    component: ClassVar[str] = ""  # the source of its events; default "<name>-controller"
    queue_name: ClassVar[str] = ""  # of its queue among the metrics, kube-controller-manager's; default: the name's
    account: ClassVar[str] = ""  # its ServiceAccount in kube-system; default "<name>-controller"
    options: ClassVar[tuple[str, ...]] = ()  # attributes the manager sets from the control plane's settings

    def __init__(self, client: RestClient, informers: Informers, clock: Clock) -> None:
        self.client = client
        self.clock = clock
        self.informers = informers
        self.queue: WorkQueue[Key] = WorkQueue(clock)
        self.events = EventRecorder(client, clock, self.component or f"{self.name}-controller")
        self.failures = 0
        for view in self.reads:
            informers.of(view)
        for watch in self.watches:
            informers.of(watch.view, fields=watch.fields).on_change(self._enqueuer(watch))
        self.setup()

    @classmethod
    def identity(cls) -> str:
        return cls.account or f"{cls.name}-controller"

    def setup(self) -> None:
        """Indexes and further state."""

    async def reconcile(self, key: Key) -> Requeue | None:
        raise NotImplementedError(f"{type(self).__name__} has no reconcile")

    def cache(self, view: type[V]) -> Informer[V]:
        """The informer of a view, as it is watched."""
        fields = next((watch.fields for watch in self.watches if watch.view is view), "")
        return self.informers.of(view, fields=fields)

    async def run(self) -> None:
        """Work until cancelled."""
        for view in (*self.reads, *(watch.view for watch in self.watches)):
            await self.cache(view).synced()
        parts = Parts(self.name, self.clock)
        parts.start("background", self.background)
        async with Tasks(self.name) as tasks:
            running = [tasks.spawn(f"worker-{number}", self._work()) for number in range(self.workers)]
            try:
                for task in running:
                    await task
            finally:
                await parts.close()
                await self.events.close()

    async def background(self) -> None:
        """What the controller does beside reconciling keys, until it is cancelled. Started again should it fail."""
        await asyncio.Event().wait()

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except Closed:
                return
            try:
                await self._reconcile(key)
            finally:
                self.queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        try:
            again = await self.reconcile(key)
        except (StatusError, ConnectionError) as error:
            delay = self.queue.retry(key)
            # A conflict only means that the copy was behind; it is on its way.
            level = logging.DEBUG if isinstance(error, StatusError) and error.code in (404, 409) else logging.WARNING
            log.log(level, "%s: %s failed, again in %.3fs: %s", self.name, key, delay, error)
        except Exception:
            self.failures += 1
            delay = self.queue.retry(key)
            log.exception("%s: %s failed, again in %.3fs", self.name, key, delay)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again.after)

    def _enqueuer(self, watch: Watch) -> Callable[[Any, Any], None]:
        keys, when, queue = watch.keys, watch.when, self.queue

        def enqueue(old: Any, new: Any) -> None:
            for obj in (old, new):
                if obj is not None and (when is None or when(obj)):
                    for key in keys(obj):
                        queue.add(key)

        return enqueue
