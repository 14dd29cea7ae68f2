"""What breaks a rule in CEL and is as it was: it may stay, and whoever writes the object is warned (KEP-4008)."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from longboat.machinery.types import enforced


def ruled(rule: str, **about: Any) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": rule}], **about}


SMALL = ruled("self < 10", type="integer")
SCHEMA = {
    "type": "object",
    "properties": {
        "a": SMALL,
        "b": {"type": "string"},
        "broken": ruled("self / 0 == 1", type="integer"),
        "back": ruled("self == oldSelf", type="integer"),
        "list": {"type": "array", "items": SMALL},
        "keyed": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": SMALL}},
        },
    },
}  # fmt: skip
DIVIDED = 'broken: Invalid value: "integer": division by zero evaluating rule: self / 0 == 1'
FAILED = "Invalid value: 10: failed rule: self < 10"


def judged(new: Any, *old: Any) -> tuple[list[str], list[str]]:
    """What is said against an object, and warned of."""
    place, err = enforced.places(SCHEMA), Errors()
    assert place is not None
    enforced.check(place, new, err, *old)
    return list(map(str, err.causes)), err.warned


@pytest.mark.parametrize(
    ("new", "old", "refused", "warned"),
    [
        ({"a": 10}, None, [f"a: {FAILED}"], []),
        ({"a": 10}, {"a": 10}, [], [f"a: {FAILED}"]),
        ({"a": 10, "b": "x"}, {"a": 10}, [], [f"a: {FAILED}"]),
        ({"a": 10}, {"a": 11}, [f"a: {FAILED}"], []),
        ({"a": 9}, {"a": 10}, [], []),
        ({"broken": 1}, {"broken": 1}, [], [DIVIDED]),
        ({"broken": 1}, {"broken": 2}, [DIVIDED], []),
        ({"list": [10]}, {"list": [10]}, [], [f"list[0]: {FAILED}"]),
        ({"list": [10, 1]}, {"list": [10]}, [f"list[0]: {FAILED}"], []),  # items are known by nothing
        ({"keyed": [{"k": "x", "v": 10}, {"k": "y", "v": 1}]}, {"keyed": [{"k": "x", "v": 10}]}, [],
         [f"keyed[0].v: {FAILED}"]),
        ({"keyed": [{"k": "x", "v": 10}]}, {"keyed": [{"k": "y", "v": 10}]}, [f"keyed[0].v: {FAILED}"], []),
        ({"a": 10, "back": 2}, {"a": 10, "back": 1}, ["back: Invalid value: 2: failed rule: self == oldSelf"],
         [f"a: {FAILED}"]),
    ],
)  # fmt: skip
def test_what_is_as_it_was_is_warned_of(new: Any, old: Any, refused: list[str], warned: list[str]) -> None:
    assert judged(new, *([] if old is None else [old])) == (refused, warned)


def test_what_is_spent_is_never_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longboat.machinery.cel.REQUEST_BUDGET", 0)
    refused, warned = judged({"a": 10}, {"a": 10})
    assert len(refused) == 1
    assert "running out of cost budget" in refused[0]
    assert warned == []
