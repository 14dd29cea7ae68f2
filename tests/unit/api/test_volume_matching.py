"""Which volume a claim gets (core/v1: PersistentVolumeClaim, binding)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api.storage import Volume, size
from longboat.api.volume_matching import Place, belongs_to, match, misfit
from unit.controllers.volumes.storage_objects import claim, on_nodes, volume

HERE = Place("a", {"kubernetes.io/hostname": "a"})


def chosen(asks: Any, *volumes: Volume, **how: Any) -> str | None:
    found = match(asks, volumes, **how)
    return found.metadata.name if found else None


def test_the_smallest_that_fits() -> None:
    volumes = volume("big", "10Gi"), volume("fits", "2Gi"), volume("small", "500Mi"), volume("fits-too", "3Gi")
    assert chosen(claim(size="1Gi"), *volumes) == "fits"


def test_a_volume_that_can_do_more_than_asked_is_kept_for_who_asks_for_it() -> None:
    both = volume("both", "1Gi", modes=("ReadWriteOnce", "ReadOnlyMany"))
    assert chosen(claim(), both, volume("one", "5Gi")) == "one"
    assert chosen(claim(modes=("ReadWriteOnce", "ReadOnlyMany")), both, volume("one", "5Gi")) == "both"


@pytest.mark.parametrize(
    "unfit",
    [
        volume(size="1023Mi"),
        volume(storage_class="fast"),
        volume(storage_class=""),
        volume(modes=("ReadWriteMany",)),
        volume(volumeMode="Block"),
        volume(phase="Pending"),
        volume(phase="Released", held_by=claim("gone")),
        volume(held_by=claim("other")),
        volume(reserved_for="other"),
        volume(held_by=claim("c", uid="another-of-that-name")),
        volume(deleted=True),
        volume(volumeAttributesClassName="gold"),
    ],
)
def test_what_does_not_fit_is_not_taken(unfit: Volume) -> None:
    assert chosen(claim(), unfit) is None


def test_a_reserved_volume_goes_before_better_ones() -> None:
    reserved = volume("reserved", "10Gi", reserved_for="c")
    assert chosen(claim(), volume("better"), reserved) == "reserved"
    assert chosen(claim(), volume("better"), volume("half", held_by=claim(), phase="Bound")) == "half"


def test_a_reservation_of_another_class_counts_nevertheless() -> None:
    assert chosen(claim(), volume("reserved", reserved_for="c", storage_class="fast")) == "reserved"


def test_a_selector_is_heeded() -> None:
    asks = claim(selector={"matchLabels": {"tier": "gold"}})
    assert chosen(asks, volume("plain"), volume("gold", "9Gi", labels={"tier": "gold"})) == "gold"
    assert chosen(asks, volume("plain")) is None


def test_who_waits_for_a_node_gets_only_what_is_reserved() -> None:
    assert chosen(claim(), volume("free"), delayed=True) is None
    assert chosen(claim(), volume("free"), delayed=True, place=HERE) == "free"
    assert chosen(claim(), volume("reserved", reserved_for="c"), delayed=True) == "reserved"


def test_on_a_node_only_what_reaches_it() -> None:
    there, here = volume("there", nodeAffinity=on_nodes("b")), volume("here", "5Gi", nodeAffinity=on_nodes("a", "c"))
    assert chosen(claim(), there, here, place=HERE) == "here"
    assert chosen(claim(), there, volume("bound", reserved_for="c", nodeAffinity=on_nodes("b")), place=HERE) is None


def test_what_is_meant_for_others_is_passed_over() -> None:
    assert chosen(claim(), volume("first"), volume("second", "2Gi"), taken={"first"}) == "second"


@pytest.mark.parametrize(
    ("asked_by_name", "why"),
    [
        (volume(), ""),
        (volume(size="1Mi"), "requested PV is too small"),
        (volume(storage_class="fast"), "storageClassName does not match"),
        (volume(volumeMode="Block"), "incompatible volumeMode"),
        (volume(modes=("ReadOnlyMany",)), "incompatible accessMode"),
    ],
)
def test_why_a_named_volume_will_not_do(asked_by_name: Volume, why: str) -> None:
    assert misfit(asked_by_name, claim()) == why


@given(st.lists(st.integers(1, 40), max_size=12), st.integers(1, 40))
def test_nothing_smaller_would_have_done(sizes: list[int], wanted: int) -> None:
    volumes = [volume(f"v{i}", f"{gigabytes}Gi") for i, gigabytes in enumerate(sizes)]
    asks = claim(size=f"{wanted}Gi")
    found = match(asks, volumes)
    enough = [s for s in sizes if s >= wanted]
    if found is None:
        assert not enough
    else:
        assert size(found.spec.capacity).value == min(enough) << 30
        assert not belongs_to(found, asks)
