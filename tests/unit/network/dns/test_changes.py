"""Kept answers are never older than the objects: whatever changes, the answer is that of a server that just started."""

from __future__ import annotations

from typing import Any

import dns.message
import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from longboat.api.view import View
from unit.network.dns.book import RANGES, Desk, endpoint, lines, namespace, piece, service

NAMES, SPACES = st.sampled_from(["x", "y"]), st.sampled_from(["shop", "void"])
ADDRESSES = ["10.244.0.1", "10.244.0.2", "fd10::1"]
CLUSTER = ["10.96.0.1", "10.96.0.2"]
HOSTS = st.sampled_from(["", "h-0", "h-1"])
PORTS = st.sampled_from(["", "p/tcp/1", "q/udp/2", "p/tcp/1 /tcp/3"])
endpoints = st.builds(endpoint, st.sampled_from(ADDRESSES[:2]), hostname=HOSTS, ready=st.booleans())
QUESTIONS = [
    *(
        (f"{name}.{space}.svc.cluster.local", kind)
        for name in ("x", "y", "h-0.x", "10-244-0-1.y", "_p._tcp.x", "_tcp.y")
        for space in ("shop", "void")
        for kind in ("A", "SRV", "CNAME")
    ),
    *((f"{above}.cluster.local", "A") for above in ("shop.svc", "void.pod", "1-2-3-4.shop.pod")),
    *((f"{n}.0.{net}.in-addr.arpa", "PTR") for n in (1, 2) for net in ("96.10", "244.10")),
]


class Changes(RuleBasedStateMachine):
    """Each change is made to one lasting desk; a fresh one is set up from the same objects for comparison."""

    @initialize()
    def begin(self) -> None:
        self.desk = Desk()
        self.objects: dict[Any, View] = {}

    def put(self, key: Any, obj: View) -> None:
        self.objects[key] = obj
        self.desk.book.put(obj)

    @rule(name=SPACES)
    def add_namespace(self, name: str) -> None:
        self.put(name, namespace(name))

    @rule(name=NAMES, space=SPACES, addresses=st.lists(st.sampled_from(CLUSTER), max_size=2, unique=True), ports=PORTS)
    def set_service(self, name: str, space: str, addresses: list[str], ports: str) -> None:
        self.put((name, space), service(name, *addresses, space=space, ports=ports))

    @rule(name=NAMES, space=SPACES, other=st.sampled_from(["x.shop.svc.cluster.local", "y.void.svc.cluster.local"]))
    def set_alias(self, name: str, space: str, other: str) -> None:
        self.put((name, space), service(name, space=space, type="ExternalName", externalName=other))

    @rule(of=NAMES, space=SPACES, number=st.integers(1, 2), found=st.lists(endpoints, max_size=3), ports=PORTS)
    def set_slice(self, of: str, space: str, number: int, found: list[Any], ports: str) -> None:
        self.put((of, space, number), piece(of, *found, space=space, ports=ports, number=number))

    @rule(space=SPACES, of=NAMES, to=NAMES)
    def hand_over_slice(self, space: str, of: str, to: str) -> None:
        """A slice's label may change."""
        if (old := self.objects.get((of, space, 1))) is not None:
            new = piece(to, *old.endpoints, space=space)  # type: ignore[attr-defined]
            named = msgspec.structs.replace(new.metadata, name=old.metadata.name)
            self.put((of, space, 1), msgspec.structs.replace(new, metadata=named))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.objects:
            key = data.draw(st.sampled_from(sorted(self.objects, key=str)))
            self.desk.book.remove(self.objects.pop(key))

    @invariant()
    def answers_are_fresh(self) -> None:
        if not hasattr(self, "desk"):
            return
        fresh = Desk(*self.objects.values(), ranges=RANGES)
        for name, kind in QUESTIONS:
            query = dns.message.make_query(name, kind)
            kept, new = self.desk.send(query), fresh.send(query)
            assert kept.rcode() == new.rcode(), (name, kind)
            assert sorted(lines(kept.answer)) == sorted(lines(new.answer)), (name, kind)


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=settings().max_examples // 5, stateful_step_count=20)
