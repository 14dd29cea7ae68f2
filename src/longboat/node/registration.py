"""Keeps the Node object: registers it, reports its status, renews its lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.api.resources import is_extended
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, micro_timestamp
from longboat.node import node_status
from longboat.node.admission import extended
from longboat.node.node_status import Facts, Health
from longboat.node.recorder import NORMAL, Recorder
from longboat.node.views.objects import Node

log = logging.getLogger(__name__)
LEASES = "kube-node-lease"
LEASE_SECONDS, RENEW = 40, 10.0
REPORT, CHECK, SOON = 300.0, 10.0, 0.1  # seconds between reports at least, between looks, and while not yet ready
PATIENCE = 30.0  # seconds from the start during which a node that is not ready is looked at often
LONGEST_RETRY = 7.0


class Registration:
    """`look` finds out how the node is; `seen` is shown the Node as the API has it, at each look."""

    def __init__(
        self, client: Client, clock: Clock, recorder: Recorder, facts: Facts, look: Callable[[], Awaitable[Health]],
        seen: Callable[[Node], None] = lambda node: None,
    ) -> None:  # fmt: skip
        self._client, self._clock, self._recorder = client, clock, recorder
        self._facts, self._look, self._seen = facts, look, seen
        self._key = Key("", facts.name)
        self._shown: Object = {}
        self._reported = 0.0
        self._uid = ""
        self.registered, self._changed = asyncio.Event(), asyncio.Event()
        self._then: list[Callable[[], None]] = []

    def heard(self, node: Node) -> None:
        """Somebody has changed the Node: resources that were added to it are soon to be given away."""
        if {name: text for name, text in node.status.allocatable.items() if is_extended(name)} != extended(node):
            self.look_again()

    def on_registered(self, then: Callable[[], None]) -> None:
        """Call this once the Node exists."""
        self._then.append(then)

    async def report(self) -> None:
        """Register, then report, until cancelled."""
        started = self._clock.monotonic()
        await self._persistently(self._register)
        self.registered.set()
        for then in self._then:
            then()
        self._recorder.node(NORMAL, "Starting", "Starting kubelet.")
        while True:
            health = await self._look()
            await self._persistently(lambda health=health: self._update(health))  # type: ignore[misc]
            young = self._clock.monotonic() - started < PATIENCE
            with suppress(TimeoutError):
                async with self._clock.timeout(SOON if young and node_status.ready_problem(health) else CHECK):
                    await self._changed.wait()
            self._changed.clear()

    def look_again(self) -> None:
        """Something has changed that is to be told soon."""
        self._changed.set()

    async def hold_lease(self) -> None:
        """Until cancelled."""
        await self.registered.wait()
        while True:
            await self._persistently(self._renew)
            await self._clock.sleep(RENEW)

    async def _persistently(self, work: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(first=0.1, longest=LONGEST_RETRY)
        while True:
            try:
                await work()
                return
            except (StatusError, OSError) as error:
                log.warning("node %s: %s; trying again", self._facts.name, error)
                await self._clock.sleep(backoff.next())

    async def _register(self) -> None:
        """Create the Node, or take over the one that is there."""
        made = node_status.node(self._facts, await self._look(), self._clock.now())
        try:
            await self._client.create(kinds.NODE, made)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            await self._client.patch(Node, self._key, {"metadata": {"labels": node_status.labels(self._facts)}})
        self._shown = {}

    async def _update(self, health: Health) -> None:
        now = self._clock.now()
        try:
            found = await self._client.get(Node, self._key)
            self._seen(found)
            # Others write conditions too: those of a node that was out of reach are made Unknown.
            before = found.status.conditions
            wanted = node_status.status(self._facts, health, before, now, extended(found))
            recent = self._clock.monotonic() - self._reported < REPORT
            if self._shown and recent and node_status.essence(wanted) == node_status.essence(self._shown):
                return
            body = {"status": _patch(wanted, found)}
            await self._client.patch(Node, self._key, body, style="strategic", subresource="status")
        except StatusError as error:
            if error.code == 404:  # somebody has deleted it
                await self._register()
            raise
        self._announce(wanted, {c.type: c.status for c in before} if self._shown else {})
        self._uid, self._shown, self._reported = found.metadata.uid, wanted, self._clock.monotonic()

    def _announce(self, wanted: Object, before: Mapping[str, str]) -> None:
        """Tell of conditions that have changed; of all of them at the start."""
        for condition in wanted["conditions"]:
            kind, status = condition["type"], condition["status"]
            if before.get(kind) != status:
                reason = condition["reason"].replace("Kubelet", "Node", 1)
                if kind == "Ready":
                    reason = "NodeReady" if status == "True" else "NodeNotReady"
                self._recorder.node(NORMAL, reason, f"Node {self._facts.name} status is now: {reason}")

    async def _renew(self) -> None:
        now = micro_timestamp(self._clock.now())
        spec = {"holderIdentity": self._facts.name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        try:
            await self._client.patch(kinds.LEASE, Key(LEASES, self._facts.name), {"spec": spec})
        except StatusError as error:
            if error.code != 404:
                raise
            await self._client.create(kinds.LEASE, self._lease(spec), namespace=LEASES)

    def _lease(self, spec: dict[str, Any]) -> Object:
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._facts.name, "uid": self._uid}
        metadata = {"name": self._facts.name, "namespace": LEASES, "ownerReferences": [owner] if self._uid else []}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _patch(status: Object, found: Node) -> Object:
    """A strategic merge patch: addresses are replaced, conditions merged by type; extended resources that are no longer
    in the capacity can no longer be given away."""
    gone = {name: None for name in found.status.allocatable if is_extended(name)}
    allocatable = {**gone, **status["allocatable"]}
    return {**status, "allocatable": allocatable, "addresses": [*status["addresses"], {"$patch": "replace"}]}
