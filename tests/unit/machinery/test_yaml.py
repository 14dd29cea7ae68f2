"""YAML is read by the rules of YAML 1.1, as upstream's parser has them, and within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.text import MAX_DEPTH, Malformed
from longboat.machinery.yaml import decode, plain
from longboat.machinery.yaml_writer import encode


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("nuLL", "nuLL"),
        ("true", True), ("yes", True), ("On", True), ("y", True), ("no", False), ("OFF", False), ("tRue", "tRue"),
        ("0", 0), ("-12", -12), ("+7", 7), ("0x1F", 31), ("0o17", 15), ("017", 15), ("0b101", 5), ("1_000", 1000),
        ("1.5", 1.5), ("-.5", -0.5), ("1e3", 1000.0), ("089", 89.0), ("1.", 1.0),
        ("2026-01-01", "2026-01-01"), ("12:30", "12:30"), ("1.2.3", "1.2.3"), ("-", "-"), ("1Gi", "1Gi"), ("٣", "٣"),
    ],
)  # fmt: skip
def test_plain_scalars(text: str, value: Any) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: '1'\nb: \"yes\"\nc: |\n  x\n  y\n", {"a": "1", "b": "yes", "c": "x\ny\n"}),
        ("1: a\ntrue: b\nnull: c\n", {"1": "a", "true": "b", "null": "c"}),
        ("x: &x {a: 1}\nz: *x\n", {"x": {"a": 1}, "z": {"a": 1}}),
        ("x: &x {a: 1, b: 2}\nz: {<<: *x, b: 3}\n", {"x": {"a": 1, "b": 2}, "z": {"b": 3, "a": 1}}),
        ("a: !!str 5\nb: !!binary aGk=\n", {"a": "5", "b": "hi"}),
        ("- 1\n- [2, {a: b}]\n", [1, [2, {"a": "b"}]]),
        ("--- \na: 1\n--- \nb: 2\n", {"a": 1}),
        ("# nothing\n", None),
    ],
)
def test_documents(text: str, value: Any) -> None:
    assert decode(text.encode())[0] == value


def test_keys_given_twice_are_told_with_their_lines() -> None:
    found, repeated = decode(b"a: 1\nb:\n  c: 1\n  c: 2\na: 2\n")
    assert found == {"a": 2, "b": {"c": 2}}
    assert repeated == ['line 4: key "c" already set in map', 'line 5: key "a" already set in map']


def bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: b: c", "yaml: mapping values are not allowed in this context"),
        (b"a: 1\nb: [", "yaml: line 2: did not find expected node content"),
        (b"x: 1\ny: 2\n  z: 3\n", "yaml: line 3: mapping values are not allowed in this context"),
        (b"a: &x [*x]", "yaml: anchor 'x' value contains itself"),
        (b"a: *x", "yaml: unknown anchor 'x' referenced"),
        (b"? [a]\n: b", "yaml: invalid map key: must be a scalar"),
        (b"a: {<<: 5}", "yaml: map merge requires map or sequence of maps as the value"),
        (b"\x00", "yaml: control characters are not allowed"),
        (bomb(9), "yaml: document contains excessive aliasing"),
        (b"[" * 200_000, "yaml: exceeded max depth"),
        (b"{a: " * 200_000, "yaml: exceeded max depth"),
        (b"- " * 200_000, "yaml: exceeded max depth"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)  # fmt: skip
def test_what_is_no_yaml(data: bytes, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(data)
    assert str(caught.value) == message


def test_nesting_up_to_the_bound_is_read() -> None:
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)[0]


words = st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs", "Cn"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@given(values)
def test_json_is_yaml(value: Any) -> None:
    assert decode(json.dumps(value, ensure_ascii=False).encode())[0] == value


@given(values)
def test_what_is_written_reads_back_as_the_same(value: Any) -> None:
    assert decode(encode(value)) == (value, [])


def test_written_yaml_is_upstreams_to_read() -> None:
    assert encode({"b": ["y", "089", 1], "a": {"on": "x" * 200}}).decode() == (
        f'a:\n  "on": {"x" * 200}\nb:\n- "y"\n- "089"\n- 1\n'
    )
