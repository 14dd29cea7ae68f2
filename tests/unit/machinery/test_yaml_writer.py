"""YAML is written as go-yaml writes it. libyaml, of which its emitter is a port, is the oracle of the layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.yaml import decode, plain
from longboat.machinery.yaml_writer import encode, in_order

UUID = "3f6c1f2e-5b8c-4a53-9f57-9f6c0c5b8d11"
TEXTS = st.text(alphabet=st.sampled_from("ab 1-:#'\"\\.,%\n\té😀\x07y[{&*!|>?@`"), max_size=12)
WORDS = ["word", "w", " ", "it's", "a:b", "c: d", "\t", "\n", '"q"', "\\", "x" * 30]
LONG = st.lists(st.sampled_from(WORDS), max_size=30)
KEYS = TEXTS.filter(lambda key: "\n" not in key) | st.just("k" * 200)


def laid_out(value: Any) -> Iterator[yaml.Event]:
    if isinstance(value, dict):
        yield yaml.MappingStartEvent(None, None, True, flow_style=not value)
        for name in in_order(value):
            yield from laid_out(name)
            yield from laid_out(value[name])
        yield yaml.MappingEndEvent()
    elif isinstance(value, list):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=not value)
        for member in value:
            yield from laid_out(member)
        yield yaml.SequenceEndEvent()
    else:
        style = "|" if "\n" in value else "" if isinstance(plain(value), str) else '"'
        yield yaml.ScalarEvent(None, None, (True, True), value, style=style or None)


def by_libyaml(value: Any) -> str:
    events = [yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False), *laid_out(value)]
    events += [yaml.DocumentEndEvent(explicit=False), yaml.StreamEndEvent()]
    found: str = yaml.emit(events, Dumper=yaml.CDumper, allow_unicode=True, width=80)
    return found.removesuffix("...\n")  # go-yaml ends no document


@given(TEXTS)
def test_scalars_as_libyaml_lays_them_out(text: str) -> None:
    value = {"k": text, "n": [text, {"k": text}]}
    assert encode(value).decode() == by_libyaml(value)
    assert decode(encode(value)) == (value, [])


@given(LONG)
def test_long_lines_break_as_libyaml_breaks_them(words: list[str]) -> None:
    value = {"a": {"b": " ".join(words)}, "c": ["".join(words), ["".join(words)]]}
    assert encode(value).decode() == by_libyaml(value)
    assert decode(encode(value)) == (value, [])


@given(st.dictionaries(KEYS, st.just("v") | st.just(["x"]), min_size=1))
def test_keys(value: dict[str, Any]) -> None:
    assert encode(value).decode() == by_libyaml(value)
    assert decode(encode(value)) == (value, [])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (UUID, UUID),
        ("10.0.0.1", "10.0.0.1"),
        ("2026-11-30T13:40:01Z", '"2026-11-30T13:40:01Z"'),
        ("2026-11-30", '"2026-11-30"'),
        ("2026-13-30", "2026-13-30"),
        ("12:30", '"12:30"'),
        ("12:70", "12:70"),
        ("1e3", '"1e3"'),
        ("5", '"5"'),
        ("0x1F", '"0x1F"'),
        ("y", '"y"'),
        ("null", '"null"'),
        ("<<", '"<<"'),
        (".inf", '".inf"'),
        ("", '""'),
        ("app=nginx", "app=nginx"),
        ("nginx:1.27", "nginx:1.27"),
        ("a: b", "'a: b'"),
        ("it's: so", "'it''s: so'"),
        ("*", "'*'"),
        ("a\tb", '"a\\tb"'),
        ("😀", '"\\U0001F600"'),
        ("x\ny", "|-\n  x\n  y"),
        ("x\n", "|\n  x"),
        (" x\n\n", "|2+\n   x\n"),
    ],
)
def test_scalars(text: str, written: str) -> None:
    assert encode({"k": text}).decode() == f"k: {written}\n"


def test_keys_are_sorted_by_the_numbers_in_them() -> None:
    given = ["b", "a10", "a2", "a-1", "A", "a.b/c", "a02", "1", "10", "9", "_x"]
    assert in_order(given) == ["_x", "1", "9", "10", "A", "a-1", "a.b/c", "a2", "a02", "a10", "b"]
