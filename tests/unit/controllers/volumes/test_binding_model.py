"""Binding in any order, with crashes between any two writes: it comes to rest, and no volume has two masters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.api.storage import BIND_COMPLETED, BOUND_BY_CONTROLLER, Claim, ObjectReference, Volume, size
from longboat.api.volume_matching import belongs_to
from longboat.controllers.volumes import plan
from longboat.controllers.volumes.steps import Bind, ClaimPhase, Step, Unbind, VolumePhase, Wake
from unit.controllers.volumes.storage_objects import claim, volume

MOST_TURNS = 400
change = msgspec.structs.replace


class Model:
    """A cluster of claims and volumes, and the writes the binder makes in it, one at a time."""

    def __init__(self, claims: list[Claim], volumes: list[Volume]) -> None:
        self.claims = {c.metadata.name: c for c in claims}
        self.volumes = {v.metadata.name: v for v in volumes}

    def claim(self, namespace: str, name: str) -> Claim | None:
        return self.claims.get(name)

    def volume(self, name: str) -> Volume | None:
        return self.volumes.get(name)

    def candidates(self, wanted: Claim) -> list[Volume]:
        return list(self.volumes.values())

    def storage_class(self, name: str) -> Any:
        return None

    def default_class(self) -> Any:
        return None

    def unscheduled_pods(self, wanted: Claim) -> list[str]:
        return []

    def plan(self, kind: str, name: str) -> list[Step]:
        if kind == "claim":
            return plan.for_claim(self.claims[name], self) if name in self.claims else []
        return plan.for_volume(self.volumes[name], self) if name in self.volumes else []

    def writes(self, step: Step) -> Iterator[None]:
        """Carry out a step; yields after each write, where a crash may come."""
        match step:
            case Bind(claim=asks, volume=found):
                asks, found = self.claims[asks.metadata.name], self.volumes[found.metadata.name]
                if not belongs_to(found, asks) or found.spec.claimRef is None or not found.spec.claimRef.uid:
                    notes = {} if belongs_to(found, asks) else {BOUND_BY_CONTROLLER: "yes"}
                    ref = ObjectReference(namespace="ns", name=asks.metadata.name, uid=asks.metadata.uid)
                    meta = change(found.metadata, annotations={**found.metadata.annotations, **notes})
                    found = self.keep(change(found, metadata=meta, spec=change(found.spec, claimRef=ref)))
                    yield
                found = self.keep(change(found, status=change(found.status, phase="Bound")))
                yield
                meta = change(asks.metadata, annotations={**asks.metadata.annotations, BIND_COMPLETED: "yes"})
                spec = change(asks.spec, volumeName=found.metadata.name)
                asks = self.keep(change(asks, metadata=meta, spec=spec))
                yield
                self.keep(change(asks, status=change(asks.status, phase="Bound")))
            case Unbind(volume=found):
                ours = BOUND_BY_CONTROLLER in found.metadata.annotations
                ref = None if ours else change(found.spec.claimRef or ObjectReference(), uid="")
                found = self.keep(change(found, spec=change(found.spec, claimRef=ref)))
                yield
                self.keep(change(found, status=change(found.status, phase="Available")))
            case ClaimPhase(claim=asks, phase=phase):
                self.keep(change(asks, status=change(asks.status, phase=phase)))
            case VolumePhase(volume=found, phase=phase):
                found = self.volumes[found.metadata.name]
                self.keep(change(found, status=change(found.status, phase=phase)))
            case Wake(claim=asks):
                for step_ in self.plan("claim", asks.metadata.name):
                    yield from self.writes(step_)
        yield

    def keep(self, obj: Any) -> Any:
        into: dict[str, Any] = self.claims if isinstance(obj, Claim) else self.volumes
        into[obj.metadata.name] = obj
        return obj

    def settle(self) -> None:
        for _ in range(MOST_TURNS):
            before = (dict(self.claims), dict(self.volumes))
            for kind, names in (("claim", list(self.claims)), ("volume", list(self.volumes))):
                for name in names:
                    for step in self.plan(kind, name):
                        for _write in self.writes(step):
                            pass
            if before == (self.claims, self.volumes):
                return
        raise AssertionError("it does not come to rest")


SIZES = st.integers(1, 3)


@settings(max_examples=200)
@given(
    asked=st.lists(SIZES, min_size=1, max_size=4),
    there=st.lists(st.tuples(SIZES, st.sampled_from(["", "c0", "c1"])), max_size=4),
    turns=st.lists(st.tuples(st.sampled_from(["claim", "volume"]), st.integers(0, 3), st.integers(0, 5)), max_size=12),
    leaves=st.lists(st.integers(0, 3), max_size=2),
    late=st.lists(st.integers(0, 3), max_size=2),
)
def test_no_volume_has_two_masters(
    asked: list[int],
    there: list[tuple[int, str]],
    turns: list[tuple[str, int, int]],
    leaves: list[int],
    late: list[int],
) -> None:
    model = Model(
        [claim(f"c{i}", f"{gigabytes}Gi", storage_class="") for i, gigabytes in enumerate(asked)],
        [volume(f"v{i}", f"{s}Gi", storage_class="", reserved_for=who, phase="Pending")
         for i, (s, who) in enumerate(there)],
    )  # fmt: skip
    for kind, number, most in turns:  # each may be cut short by a crash
        done = 0
        for step in model.plan(kind, f"{kind[0]}{number}"):
            for _write in model.writes(step):
                done += 1
                if done >= most:
                    break
            if done >= most:
                break
    for i, number in enumerate(late):  # a provisioner or the scheduler comes in between
        if (asks := model.claims.get(f"c{number}")) is not None:
            model.keep(volume(f"w{i}", "9Gi", storage_class="", held_by=asks, phase="Pending"))
    gone = [found for number in set(leaves) if (found := model.claims.pop(f"c{number}", None)) is not None]
    model.settle()

    for found in model.claims.values():
        if found.status.phase == "Bound":
            held = model.volumes[found.spec.volumeName]
            assert held.spec.claimRef is not None
            assert held.spec.claimRef.uid == found.metadata.uid
            assert held.status.phase == "Bound"
            assert size(held.spec.capacity) >= size(found.spec.resources.requests)
        else:
            assert found.status.phase == "Pending", "nothing is lost"
            fits = [v for v in model.volumes.values() if v.status.phase == "Available" and v.spec.claimRef is None]
            assert not [v for v in fits if size(v.spec.capacity) >= size(found.spec.resources.requests)], "nor left"
    for held in model.volumes.values():
        masters = [c for c in model.claims.values() if c.spec.volumeName == held.metadata.name]
        assert len(masters) <= 1
        if held.status.phase == "Released":
            assert not masters, "its claim has gone"
        ref = held.spec.claimRef
        alive = ref is not None and ref.uid and ref.name in model.claims
        assert not alive or masters, "what found no use is given back"
    for left in gone:
        if left.spec.volumeName:
            held = model.volumes[left.spec.volumeName]
            assert held.status.phase == "Released", "nobody else gets to see the data"
    for i, (_, who) in enumerate(there):
        ref = model.volumes[f"v{i}"].spec.claimRef
        assert not who or (ref is not None and ref.name == who), "a reservation holds"
