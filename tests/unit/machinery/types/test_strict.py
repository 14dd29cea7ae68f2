"""Repeated fields are never missed, and the quick test for them is right about ordinary documents."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.types import strict

names = st.sampled_from(["a", "b", 'q"', "c:", "back\\", "é", '":', "\\u0022:"])
scalars = st.none() | st.booleans() | st.integers() | st.text('ab":\\ \n{}é', max_size=6)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(names, inner), max_size=4).map(strict.Members),
    max_leaves=15,
)


def written(value: Any, colon: str, ascii_only: bool) -> str:
    """JSON text of Members, repeated names and all."""
    if isinstance(value, strict.Members):
        pairs = (
            f"{json.dumps(name, ensure_ascii=ascii_only)}{colon}{written(member, colon, ascii_only)}"
            for name, member in value
        )
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(written(member, colon, ascii_only) for member in value)}]"
    return json.dumps(value, ensure_ascii=ascii_only)


def really_repeats(value: Any) -> bool:
    if isinstance(value, strict.Members):
        members = [name for name, _ in value]
        return len(set(members)) < len(members) or any(really_repeats(member) for _, member in value)
    return isinstance(value, list) and any(really_repeats(member) for member in value)


def escaped(text: str) -> str:
    """Quotes and colons spelled as escapes, where that is another spelling of the same string."""
    return text.replace('\\"', "\\u0022")


@given(documents, st.sampled_from([":", ": ", " :", "\n:\t"]), st.booleans(), st.booleans())
def test_repeated_fields_are_never_missed(document: Any, colon: str, ascii_only: bool, hidden: bool) -> None:
    text = written(document, colon, ascii_only)
    data = (escaped(text) if hidden and "\\\\" not in text else text).encode()
    decoded = msgspec.json.decode(data)
    if really_repeats(document):
        assert strict.repeats(data, decoded)
        assert any(problem.startswith("duplicate") for problem in strict.problems(None, strict.as_written(data)))
    else:
        assert strict.problems(None, strict.as_written(data)) == []
        if colon in (":", ": ") and not re.search(rb'"\s+:', data) and b"\\u00" not in data:
            assert not strict.repeats(data, decoded)


def test_no_more_than_a_hundred_problems_are_named() -> None:
    body = {f"field{i}": 1 for i in range(1000)}
    from longboat.api import kinds
    from longboat.machinery.types import schema

    assert len(strict.problems(schema.load().type(kinds.POD), body)) == 100
