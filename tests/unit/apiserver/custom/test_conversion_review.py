"""Whatever a conversion webhook answers, it is objects that can be taken, or told why not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.apiserver.custom.conversion import review
from longboat.apiserver.custom.conversion.checking import checked, parsed
from longboat.machinery.types.wording import Mistake

GIVEN: Any = {"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "a", "uid": "u", "labels": {"x": "y"}}}
GOOD: Any = GIVEN | {"apiVersion": "g/v2"}
REVIEW: Any = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
    "response": {"uid": "1", "result": {"status": "Success"}, "convertedObjects": [GOOD]},
}  # fmt: skip
NUMBERS = st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.sampled_from(["name", "status", "a"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
PLACES: list[tuple[str | int, ...]] = [
    (), ("kind",), ("apiVersion",), ("response",), ("response", "uid"), ("response", "result"),
    ("response", "result", "status"), ("response", "result", "message"), ("response", "convertedObjects"),
    ("response", "convertedObjects", 0), *(
        ("response", "convertedObjects", 0, *path)
        for path in (("kind",), ("apiVersion",), ("metadata",), ("metadata", "name"), ("metadata", "uid"),
                     ("metadata", "labels"), ("metadata", "annotations"), ("metadata", "labels", "x"))
    ),
]  # fmt: skip


def changed(value: Any, path: tuple[str | int, ...], to: Any) -> Any:
    if not path:
        return to
    found = list(value) if isinstance(value, list) else dict(value)
    here: Any = path[0]
    inner = found.get(here) if isinstance(found, dict) else found[here]
    found[here] = changed(inner if inner is not None else {}, path[1:], to)
    return found


def taken(answer: Any, version: str = "v1") -> list[Any]:
    """Raises Mistake."""
    return [checked(GIVEN, parsed(each), "g/v2") for each in review.read(msgspec.json.encode(answer), "1", version)]


def test_a_good_answer_is_taken() -> None:
    assert taken(REVIEW) == [GOOD]


@given(st.sampled_from(PLACES), VALUES, st.sampled_from(["v1", "v1beta1"]))
def test_an_odd_one_is_told_of(path: tuple[str | int, ...], value: Any, version: str) -> None:
    answer = changed(REVIEW | {"apiVersion": f"apiextensions.k8s.io/{version}"}, path, value)
    try:
        found = taken(answer, version)
    except Mistake as error:
        assert str(error)
        return
    for each in found:
        kept = {name: what for name, what in each["metadata"].items() if name not in ("labels", "annotations")}
        assert (each["apiVersion"], each["kind"], kept) == ("g/v2", "K", {"name": "a", "uid": "u"})
        for words in ("labels", "annotations"):
            assert all(isinstance(word, str) for word in each["metadata"].get(words, {}).values())


@given(st.binary(max_size=40))
def test_so_is_what_is_no_json(data: bytes) -> None:
    with pytest.raises(Mistake):
        review.read(data, "1", "v1")
