"""Keeps the HAProxy of one node in step with Ingresses, Services, their endpoints and certificates.

Endpoints and renewed certificates change in the running process; routes by a reload that loses no connection.
"""

from __future__ import annotations

import asyncio
import logging
import os

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.reconciler import Reconciler
from longboat.aio.tasks import Tasks
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.ingress import config, routing
from longboat.network.ingress.certificates import Pair, stand_in
from longboat.network.ingress.config import Settings, Slots, Structure
from longboat.network.ingress.haproxy import BINARY, LONGEST_COMMAND, Haproxy, HaproxyError, Refused, write
from longboat.network.ingress.routing import Problem, Table
from longboat.network.ingress.secrets import Secrets
from longboat.network.ingress.views import Ingress, IngressClass
from longboat.network.views import EndpointSlice, Node, Service

log = logging.getLogger(__name__)
COALESCE = 0.01  # seconds: a rollout changes several endpoints at once
RELOADS = 0.5  # seconds from one reload to the next: whoever changes an Ingress all the time is not the only one here
READ = 5.0  # seconds for certificates to be read before anything is shown
LOOK = 2.0  # seconds between looks whether HAProxy is there


class Gateway:
    """Run it in the node's network namespace."""

    def __init__(
        self, informers: Informers, clock: Clock, node: str, settings: Settings, events: EventRecorder
    ) -> None:
        self._clock, self._node, self._events = clock, node, events
        self._ingresses = informers.of(Ingress)
        self._classes = informers.of(IngressClass)
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._nodes = informers.of(Node)
        self._settings, self._haproxy = settings, Haproxy(settings, clock)
        self._reconciler = Reconciler(
            clock, coalesce=COALESCE, retry=Backoff(first=1.0, longest=30.0), look=LOOK
        )  # fmt: skip
        self._secrets = Secrets(informers, clock, self._haproxy, self._reconciler.wake)
        self._shape, self._slots = Structure(), Slots()
        self._pairs: dict[Key, Pair] = {}  # as they are shown
        self._told: set[Problem] = set()
        self._adopted = False  # whether what runs is known to be as `_shape` and `_slots` say
        self._next_reload = 0.0
        self._services_used: set[Key] = set()
        self._slices.index("service", lambda piece: [piece.service])
        for informer in (self._ingresses, self._classes):
            informer.on_change(lambda old, new: self._reconciler.wake())
        self._services.on_change(lambda old, new: self._touch(new or old))
        self._slices.on_change(lambda old, new: self._touch_slice(new or old))

    async def run(self) -> None:
        """Until cancelled. HAProxy goes on when it ends."""
        for informer in (self._ingresses, self._classes, self._services, self._slices, self._nodes):
            await informer.synced()
        if not self._haproxy.is_installed():
            log.warning("%s is not there: this node serves no Ingress. apt install haproxy", BINARY)
            await asyncio.Event().wait()
        self._adopted = False
        async with Tasks("ingress") as tasks:
            routes = self._reconciler.run(self._keep_up, self._look)
            work = tasks.spawn("certificates", self._secrets.run()), tasks.spawn("routes", routes)
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def _keep_up(self) -> bool:
        try:
            await self._sync()
        except (HaproxyError, OSError) as error:
            self._adopted = False
            log.warning("ingress: %s", error)
            self._about_node("IngressFailed", str(error))
            return False
        return True

    async def _look(self) -> bool:
        """Whether HAProxy should be there, and is not."""
        if self._told_nothing() or self._haproxy.is_running():
            return False
        self._adopted = False
        return True

    def _told_nothing(self) -> bool:
        """Whether there has been no Ingress yet: then there is no HAProxy either."""
        return not self._adopted and not self._shape.backends

    async def _sync(self) -> None:
        """Raises HaproxyError, OSError."""
        table = self._table()
        self._secrets.follow(table.certificates)
        if not self._adopted:  # what goes on from before must not lose its certificates while they are read
            await self._read_certificates()
        problems = set(table.problems)
        pairs = self._certificates(table, problems)
        self._report(problems)
        shape = config.structure(table, pairs)
        if not shape.backends and not self._adopted:
            return  # nobody needs it yet
        renewed = {key: pairs[key] for key in shape.certificates if self._pairs.get(key) != pairs[key]}
        moves = config.moves(self._slots, table.backends) if self._adopted and shape == self._shape else None
        if moves is None or any(len(each.pem) > LONGEST_COMMAND for each in renewed.values()):
            await self._renew(table, shape, pairs)
            return
        await self._haproxy.tell(line for move in moves for line in config.commands(*move))
        for key, pair in renewed.items():
            await self._replace(key, pair)
        if moves:  # should it be started anew, it must find what holds now
            write(self._settings.file, config.text(self._settings, shape, self._slots).encode())

    async def _replace(self, key: Key, pair: Pair) -> None:
        """Raises HaproxyError, OSError."""
        file = self._settings.certificate(key)
        try:
            await self._haproxy.replace_certificate(file, pair.pem)
        except Refused as error:
            log.warning("ingress: the certificate of Secret %s stays as it was: %s", key, error)
            self._secrets.refuse(key)
            self._reconciler.wake()  # to tell those who use it
            return
        write(file, pair.pem)
        self._pairs[key] = pair

    async def _read_certificates(self) -> None:
        try:
            async with self._clock.timeout(READ):
                await self._secrets.settled()
        except TimeoutError:
            log.warning("ingress: some certificates cannot be read")

    async def _renew(self, table: Table, shape: Structure, pairs: dict[Key, Pair]) -> None:
        """Write everything, and let a new worker read it."""
        slots = config.fresh_slots(table.backends)
        os.makedirs(self._settings.jail, mode=0o500, exist_ok=True)
        os.makedirs(self._settings.certificates, mode=0o700, exist_ok=True)
        if not self._settings.certificate(None).exists():
            write(self._settings.certificate(None), stand_in(self._clock.now()))
        for key in shape.certificates:
            write(self._settings.certificate(key), pairs[key].pem)
        for path, text in config.files(self._settings, shape, slots).items():
            write(path, text.encode())
        if self._haproxy.is_running():
            await self._clock.sleep(max(0.0, self._next_reload - self._clock.monotonic()))
            await self._haproxy.reload()
            self._next_reload = self._clock.monotonic() + RELOADS
        else:
            await self._haproxy.start()
        kept = {self._settings.certificate(key) for key in (None, *shape.certificates)}
        for path in self._settings.certificates.iterdir():
            if path not in kept:
                path.unlink()
        self._shape, self._slots, self._adopted = shape, slots, True
        self._pairs = {key: pairs[key] for key in shape.certificates}

    def _table(self) -> Table:
        classes = {each.metadata.name: each for each in self._classes.values()}
        ours = [each for each in self._ingresses.values() if routing.is_ours(each, classes)]
        self._services_used = set()

        def service(key: Key) -> Service | None:
            self._services_used.add(key)
            return self._services.get(key)

        slices = lambda key: self._slices.by_index("service", str(key))  # noqa: E731
        shares = lambda ingress: routing.shares_hosts(ingress, classes)  # noqa: E731
        return routing.table(ours, routing.Cluster(service, slices), shares)

    def _certificates(self, table: Table, problems: set[Problem]) -> dict[Key, Pair]:
        """What each Secret holds; one that cannot be used goes on showing what it held last."""
        found, wrong, unknown = self._secrets.found()
        if unknown:
            self._clock.call_later(1.0, self._reconciler.wake)
        for key, why in wrong.items():
            problems |= self._about(key, "CertificateUnusable", why)
        for key, pair in found.items():
            if pair.end < self._clock.now():
                problems |= self._about(key, "CertificateExpired", f"shown although it has expired at {pair.end}")
        for key in (wrong.keys() | unknown) & self._pairs.keys():
            if not self._secrets.is_gone(key):
                found[key] = self._pairs[key]
        return {key: found[key] for key in table.certificates if key in found}

    def _about(self, secret: Key, reason: str, why: str) -> set[Problem]:
        return {Problem(each, reason, f'Secret "{secret}": {why}') for each in self._users_of(secret)}

    def _users_of(self, secret: Key) -> list[Key]:
        return [
            Key(each.metadata.namespace, each.metadata.name)
            for each in self._ingresses.values()
            if each.metadata.namespace == secret.namespace and secret.name in {t.secretName for t in each.spec.tls}
        ]

    def _report(self, problems: set[Problem]) -> None:
        """Tell what is new; of all nodes only the first by name does."""
        new, self._told = problems - self._told, problems
        if self._node != min((node.metadata.name for node in self._nodes.values()), default=self._node):
            return
        for problem in new:
            ingress = self._ingresses.get(problem.ingress)
            if ingress is not None:
                self._events.event(ingress, "Warning", problem.reason, problem.message)

    def _about_node(self, reason: str, message: str) -> None:
        node = self._nodes.get(Key("", self._node))
        if node is not None:
            self._events.event(node, "Warning", reason, message)

    def _touch(self, service: Service | None) -> None:
        if service is not None and Key(service.metadata.namespace, service.metadata.name) in self._services_used:
            self._reconciler.wake()

    def _touch_slice(self, piece: EndpointSlice | None) -> None:
        if piece is not None:
            namespace, _, name = piece.service.partition("/")
            if Key(namespace, name) in self._services_used:
                self._reconciler.wake()
