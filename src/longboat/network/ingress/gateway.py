"""Keeps the HAProxy of one node in step with Ingresses, Services, their endpoints and certificates.

Endpoints and renewed certificates change in the running process; routes by a reload that loses no connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.client.events import EventRecorder
from longboat.client.informer import Informer, Informers
from longboat.client.interface import Key
from longboat.network.ingress import config, routing
from longboat.network.ingress.certificates import pem, stand_in
from longboat.network.ingress.config import Settings, Slots, Structure
from longboat.network.ingress.haproxy import BINARY, Haproxy, HaproxyError
from longboat.network.ingress.routing import Problem, Table
from longboat.network.ingress.views import Certificate, Ingress, IngressClass
from longboat.network.views import EndpointSlice, Node, Service

log = logging.getLogger(__name__)
COALESCE = 0.01  # seconds: a rollout changes several endpoints at once
READ = 5.0  # seconds for certificates to be read before anything is shown
LOOK = 2.0  # seconds between looks whether HAProxy is there
RBAC = ("ingresses, ingressclasses: get list watch", "secrets named in spec.tls: get list watch (Node authorizer)")


class Gateway:
    """Run it in the node's network namespace."""

    def __init__(
        self, informers: Informers, clock: Clock, node: str, settings: Settings, events: EventRecorder
    ) -> None:
        self._informers, self._clock, self._node, self._events = informers, clock, node, events
        self._ingresses = informers.of(Ingress)
        self._classes = informers.of(IngressClass)
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._nodes = informers.of(Node)
        self._secrets: dict[Key, Informer[Certificate]] = {}
        self._settings, self._haproxy = settings, Haproxy(settings, clock)
        self._changed = asyncio.Event()
        self._shape, self._slots = Structure(), Slots()
        self._pems: dict[Key, bytes] = {}
        self._told: set[Problem] = set()
        self._adopted = False  # whether what runs is known to be as `_shape` and `_slots` say
        self._services_used: set[Key] = set()
        self._slices.index("service", lambda piece: [piece.service])
        for informer in (self._ingresses, self._classes):
            informer.on_change(lambda old, new: self._changed.set())
        self._services.on_change(lambda old, new: self._touch(new or old))
        self._slices.on_change(lambda old, new: self._touch_slice(new or old))

    async def run(self) -> None:
        """Until cancelled. HAProxy goes on when it ends."""
        for informer in (self._ingresses, self._classes, self._services, self._slices, self._nodes):
            await informer.synced()
        if not self._haproxy.is_installed():
            log.warning("%s is not there: this node serves no Ingress. apt install haproxy", BINARY)
            await asyncio.Event().wait()
        backoff = Backoff(first=1.0, longest=30.0)
        self._changed.set()
        while True:
            try:
                async with self._clock.timeout(LOOK):
                    await self._changed.wait()
            except TimeoutError:
                if self._told_nothing() or self._haproxy.is_running():
                    continue
                self._adopted = False
            await self._clock.sleep(COALESCE)
            self._changed.clear()
            try:
                await self._sync()
                backoff.reset()
            except (HaproxyError, OSError) as error:
                self._adopted = False
                log.warning("ingress: %s", error)
                self._about_node("IngressFailed", str(error))
                self._changed.set()
                await self._clock.sleep(backoff.next())

    def _told_nothing(self) -> bool:
        """Whether there has been no Ingress yet: then there is no HAProxy either."""
        return not self._adopted and not self._shape.backends

    async def _sync(self) -> None:
        """Raises HaproxyError, OSError."""
        table = self._table()
        self._follow(table)
        if not self._adopted:  # what goes on from before must not lose its certificates while they are read
            await self._read_certificates()
        problems = set(table.problems)
        pems = self._certificates(table, problems)
        self._report(problems)
        shape = config.structure(table, pems)
        if not shape.backends and not self._adopted:
            return  # nobody needs it yet
        if not self._adopted or shape != self._shape:
            await self._renew(table, shape, pems)
            return
        if (moves := config.moves(self._slots, table.backends)) is None:
            await self._renew(table, shape, pems)
            return
        await self._haproxy.tell(line for move in moves for line in config.commands(*move))
        for key in [key for key, content in pems.items() if self._pems.get(key) != content]:
            _write(self._settings.certificate(key), pems[key])
            await self._haproxy.replace_certificate(self._settings.certificate(key), pems[key])
            self._pems[key] = pems[key]
        if moves:  # should it be started anew, it must find what holds now
            _write(self._settings.file, config.text(self._settings, shape, self._slots).encode())

    async def _read_certificates(self) -> None:
        try:
            async with self._clock.timeout(READ):
                for informer in self._secrets.values():
                    await informer.synced()
        except TimeoutError:
            log.warning("ingress: some certificates cannot be read")

    async def _renew(self, table: Table, shape: Structure, pems: dict[Key, bytes]) -> None:
        """Write everything, and let a new worker read it."""
        slots = config.fresh_slots(table.backends)
        os.makedirs(self._settings.certificates, mode=0o700, exist_ok=True)
        if not self._settings.certificate(None).exists():
            _write(self._settings.certificate(None), stand_in(self._clock.now()))
        for key, content in pems.items():
            _write(self._settings.certificate(key), content)
        for path, text in config.files(self._settings, shape, slots).items():
            _write(path, text.encode())
        if self._haproxy.is_running():
            await self._haproxy.reload()
        else:
            await self._haproxy.start()
        kept = {self._settings.certificate(key) for key in (None, *pems)}
        for path in self._settings.certificates.iterdir():
            if path not in kept:
                path.unlink()
        self._shape, self._slots, self._pems, self._adopted = shape, slots, dict(pems), True

    def _table(self) -> Table:
        classes = {each.metadata.name: each for each in self._classes.values()}
        ours = [each for each in self._ingresses.values() if routing.is_ours(each, classes)]
        self._services_used = set()

        def service(key: Key) -> Service | None:
            self._services_used.add(key)
            return self._services.get(key)

        slices = lambda key: self._slices.by_index("service", str(key))  # noqa: E731
        return routing.table(ours, routing.Cluster(service, slices))

    def _follow(self, table: Table) -> None:
        """Watch the Secrets that are named, and no others."""
        for key in self._secrets.keys() - table.certificates.keys():
            self._informers.drop(self._secrets.pop(key))
        for key in table.certificates.keys() - self._secrets.keys():
            informer = self._secrets[key] = self._informers.single(Certificate, key)
            informer.on_change(lambda old, new: self._changed.set())

    def _certificates(self, table: Table, problems: set[Problem]) -> dict[Key, bytes]:
        """What each Secret holds; one that cannot be used goes on showing what it held last."""
        found: dict[Key, bytes] = {}
        for key in table.certificates:
            informer = self._secrets[key]
            secret = informer.get(key)
            if secret is None and not informer.has_synced:
                self._clock.call_later(1.0, self._changed.set)
                if key in self._pems:
                    found[key] = self._pems[key]
                continue
            try:
                if secret is None:
                    raise ValueError("not found")
                found[key] = pem(secret)
            except ValueError as error:
                why = f'Secret "{key}": {error}'
                problems |= {Problem(owner, "CertificateUnusable", why) for owner in self._users_of(key)}
                if key in self._pems and secret is not None:
                    found[key] = self._pems[key]
        return found

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
            self._changed.set()

    def _touch_slice(self, piece: EndpointSlice | None) -> None:
        if piece is not None:
            namespace, _, name = piece.service.partition("/")
            if Key(namespace, name) in self._services_used:
                self._changed.set()


def _write(path: Path, content: bytes) -> None:
    """Replace a file as one."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
    os.replace(new, path)
