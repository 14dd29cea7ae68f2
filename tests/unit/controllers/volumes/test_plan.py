"""What the binder does next (kube-controller-manager, persistentvolume-binder)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from longboat.api.storage import BOUND_BY_CONTROLLER, PROVISIONED_BY, SELECTED_NODE, Claim, StorageClass, Volume
from longboat.controllers.volumes import plan
from longboat.controllers.volumes.steps import (
    AskProvisioner,
    AssignClass,
    Bind,
    ClaimPhase,
    Step,
    Tell,
    Unbind,
    VolumePhase,
    Wake,
)
from unit.controllers.volumes.storage_objects import claim, storage_class, volume


class Here:
    """A cluster that holds just these objects."""

    def __init__(self, *objects: Any, pods: Iterable[str] = ()) -> None:
        self.objects, self.pods = objects, list(pods)

    def _all(self, kind: type[Any]) -> list[Any]:
        return [obj for obj in self.objects if isinstance(obj, kind)]

    def claim(self, namespace: str, name: str) -> Claim | None:
        return next((c for c in self._all(Claim) if c.metadata.name == name), None)

    def volume(self, name: str) -> Volume | None:
        return next((v for v in self._all(Volume) if v.metadata.name == name), None)

    def candidates(self, wanted: Claim) -> list[Volume]:
        return self._all(Volume)

    def storage_class(self, name: str) -> StorageClass | None:
        return next((c for c in self._all(StorageClass) if c.metadata.name == name), None)

    def default_class(self) -> StorageClass | None:
        return next((c for c in self._all(StorageClass) if "default" in c.metadata.name), None)

    def unscheduled_pods(self, wanted: Claim) -> list[str]:
        return self.pods


def told(steps: list[Step]) -> list[tuple[str, str, str]]:
    return [(s.note.type, s.note.reason, s.note.message) for s in steps if isinstance(s, Tell)]


def test_a_claim_is_bound_to_what_fits() -> None:
    asks, fits = claim(), volume()
    assert plan.for_claim(asks, Here(fits)) == [Bind(asks, fits)]


def test_without_volume_and_class_it_is_told_so() -> None:
    asks = claim(storage_class="")
    steps = plan.for_claim(asks, Here())
    what = "no persistent volumes available for this claim and no storage class is set"
    assert told(steps) == [("Normal", "FailedBinding", what)]
    assert steps[-1] == ClaimPhase(asks, "Pending")


def test_a_default_class_that_comes_later_is_assigned() -> None:
    asks = claim(storage_class=None)
    assert plan.for_claim(asks, Here(storage_class("default"))) == [AssignClass(asks, "default")]
    no_class = claim(storage_class="")
    assert AssignClass(no_class, "default") not in plan.for_claim(no_class, Here(storage_class("default")))


def test_a_class_without_object() -> None:
    steps = plan.for_claim(claim(), Here())
    assert told(steps) == [("Warning", "ProvisioningFailed", 'storageclass.storage.k8s.io "slow" not found')]


def test_a_class_that_nobody_provisions() -> None:
    steps = plan.for_claim(claim(), Here(storage_class(provisioner="kubernetes.io/no-provisioner")))
    what = "no volume plugin matched name: kubernetes.io/no-provisioner"
    assert told(steps) == [("Warning", "ProvisioningFailed", what)]


def test_the_provisioner_of_the_class_is_asked() -> None:
    asks = claim()
    assert plan.for_claim(asks, Here(storage_class()))[0] == AskProvisioner(asks, "example.com/disk")


@pytest.mark.parametrize(
    ("pods", "reason", "message"),
    [
        ((), "WaitForFirstConsumer", "waiting for first consumer to be created before binding"),
        (("p",), "WaitForPodScheduled", "waiting for pod p to be scheduled"),
        (("p", "q"), "WaitForPodScheduled", "waiting for pods p,q to be scheduled"),
    ],
)
def test_a_class_may_wait_for_a_pod(pods: tuple[str, ...], reason: str, message: str) -> None:
    asks = claim()
    steps = plan.for_claim(asks, Here(storage_class(waits=True), volume(), pods=pods))
    assert told(steps) == [("Normal", reason, message)]
    assert not any(isinstance(step, Bind) for step in steps)


def test_once_a_node_is_selected_it_is_provisioned() -> None:
    asks = claim(notes={SELECTED_NODE: "a"})
    assert plan.for_claim(asks, Here(storage_class(waits=True)))[0] == AskProvisioner(asks, "example.com/disk")


def test_a_named_volume() -> None:
    asks = claim(volume="v")
    fits, small = volume(), volume(size="1Mi")
    assert plan.for_claim(asks, Here()) == [ClaimPhase(asks, "Pending")]
    assert plan.for_claim(asks, Here(fits)) == [Bind(asks, fits)]
    what = 'Cannot bind to requested volume "v": requested PV is too small'
    assert told(plan.for_claim(asks, Here(small))) == [("Warning", "VolumeMismatch", what)]
    taken = volume(held_by=claim("other"))
    what = 'volume "v" already bound to a different claim.'
    assert told(plan.for_claim(asks, Here(taken))) == [("Warning", "FailedBinding", what)]
    reserved = volume(reserved_for="c", size="1Mi")
    assert plan.for_claim(asks, Here(reserved)) == [Bind(asks, reserved)], "the user knows best"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ((), "ClaimLost"),
        ((volume(held_by=claim("other")),), "ClaimMisbound"),
    ],
)
def test_a_bound_claim_can_be_lost(found: tuple[Volume, ...], reason: str) -> None:
    (step,) = plan.for_claim(claim(volume="v", bound=True), Here(*found))
    assert isinstance(step, ClaimPhase)
    assert (step.phase, step.note and step.note.reason) == ("Lost", reason)


def test_a_bound_claim_never_takes_another_volume() -> None:
    (step,) = plan.for_claim(claim(bound=True), Here(volume()))
    assert isinstance(step, ClaimPhase)
    assert step.note == plan.LOST_REFERENCE


def test_a_bound_pair_is_mended() -> None:
    asks, free = claim(volume="v", bound=True), volume()
    assert plan.for_claim(asks, Here(free)) == [Bind(asks, free)]


def test_a_free_volume_is_available() -> None:
    new = volume(phase="Pending")
    assert plan.for_volume(new, Here()) == [VolumePhase(new, "Available")]


def test_a_reserved_volume_is_available_and_its_claim_looked_at() -> None:
    reserved, asks = volume(reserved_for="c"), claim()
    assert plan.for_volume(reserved, Here(asks)) == [VolumePhase(reserved, "Available"), Wake(asks)]


def test_a_volume_and_its_claim() -> None:
    asks, bound = claim(), claim(volume="v")
    held = volume(held_by=asks)
    assert plan.for_volume(held, Here(asks)) == [Wake(asks)]
    assert plan.for_volume(held, Here(bound)) == [VolumePhase(held, "Bound")]


@pytest.mark.parametrize("left", [(), (claim(uid="another"),)])
def test_a_volume_whose_claim_is_gone_is_released_and_kept(left: tuple[Claim, ...]) -> None:
    held = volume(held_by=claim(), phase="Bound")
    assert plan.for_volume(held, Here(*left)) == [VolumePhase(held, "Released")]


def test_what_was_provisioned_is_left_to_who_made_it() -> None:
    held = volume(held_by=claim(), phase="Bound", policy="Delete", notes={PROVISIONED_BY: "example.com/disk"})
    assert plan.for_volume(held, Here()) == [VolumePhase(held, "Released")]


@pytest.mark.parametrize(
    ("policy", "reason", "message"),
    [
        ("Delete", "VolumeFailedDelete",
         'error getting deleter volume plugin for volume "v": no deletable volume plugin matched'),
        ("Recycle", "VolumeFailedRecycle", "No recycler plugin found for the volume!"),
    ],
)  # fmt: skip
def test_what_nobody_can_reclaim_has_failed(policy: str, reason: str, message: str) -> None:
    *_, step = plan.for_volume(volume(held_by=claim(), phase="Bound", policy=policy), Here())
    assert isinstance(step, VolumePhase)
    assert step.note is not None
    assert (step.phase, step.note.reason, step.note.message) == ("Failed", reason, message)


def test_a_failed_volume_stays_failed() -> None:
    held = volume(held_by=claim(), phase="Failed")
    assert plan.for_volume(held, Here()) == []


def test_a_claim_that_found_another_volume() -> None:
    elsewhere = claim(volume="other", bound=True)
    ours = volume(held_by=elsewhere, notes={BOUND_BY_CONTROLLER: "yes"})
    assert plan.for_volume(ours, Here(elsewhere)) == [Unbind(ours)]
    made = volume(held_by=elsewhere, notes={PROVISIONED_BY: "example.com/disk"}, policy="Delete", phase="Bound")
    assert plan.for_volume(made, Here(elsewhere)) == [VolumePhase(made, "Released")]
