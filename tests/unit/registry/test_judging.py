"""In which order a change is checked, and what is told more than once."""

import copy

import pytest
from tests.unit.registry.kinds.checks import BY_RESOURCE, CTX, Thing, made

from longboat.machinery.errors import StatusError
from longboat.registry import judging

META = {"name": "x", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z"}
VOLUME: Thing = {
    "metadata": {field: META[field] for field in ("name", "uid", "creationTimestamp")},
    "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "nfs": {"server": "s", "path": "/p"}},
}
CLAIM: Thing = {
    "metadata": META,
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def causes(resource: str, obj: Thing, **metadata: object) -> list[tuple[str, str]]:
    strategy = BY_RESOURCE[resource]
    old = made(strategy, obj)
    new = copy.deepcopy(old)
    new["metadata"] |= metadata
    with pytest.raises(StatusError) as refused:
        judging.judge_change(strategy, None, new, old, "x", CTX)
    return [(cause["field"].removeprefix("metadata."), cause["message"]) for cause in refused.value.details["causes"]]


STRANGE = (
    "finalizers[0]",
    'Invalid value: "other": name is neither a standard finalizer name nor is it fully qualified',
)


def test_what_upstream_looks_at_twice_is_told_twice():
    assert causes("persistentvolumes", VOLUME, finalizers=["other"]) == [STRANGE, STRANGE]
    assert causes("persistentvolumeclaims", CLAIM, finalizers=["other"]) == [STRANGE, STRANGE]


def test_metadata_is_told_as_often_as_all_kinds_and_this_one_look_at_it():
    found = [f"{field} {message}" for field, message in causes("persistentvolumes", VOLUME, finalizers=[""])]
    qualified = ['finalizers Invalid value: "": name part must be', 'finalizers Invalid value: "": name part must co']
    strange = ['finalizers[0] Invalid value: "": name is neithe']
    assert [line[: len(qualified[0])] for line in found] == [*qualified, *qualified, *strange, *qualified, *strange]


def test_both_finalizers_that_say_what_becomes_of_dependents_are_too_many():
    (first, *_) = causes("persistentvolumes", VOLUME, finalizers=["orphan", "foregroundDeletion"])
    assert first == ("finalizers", 'Invalid value: ["orphan","foregroundDeletion"]: '
                                   "finalizer foregroundDeletion and orphan cannot be both set")  # fmt: skip
