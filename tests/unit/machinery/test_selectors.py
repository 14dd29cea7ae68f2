"""Label and field selectors: grammar, matching, and what upstream says of mistakes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery import fields, selectors
from longboat.machinery.selectors import LabelSelector, Requirement, from_api, parse

LABELS = {"app": "web", "tier": "front", "level": "7", "empty": ""}

MATCHES = [
    ("", True), ("app", True), ("!app", False), ("nope", False), ("!nope", True),
    ("app=web", True), ("app==web", True), ("app=db", False), ("app!=db", True), ("nope!=x", True), ("app!=web", False),
    ("app in (web,db)", True), ("app in (db)", False), ("nope in (x)", False),
    ("app notin (db)", True), ("app notin (web)", False), ("nope notin (x)", True),
    ("level>6", True), ("level>7", False), ("level<8", True), ("app>1", False), ("nope>1", False),
    ("empty=", True), ("empty in ()", True), ("nope=", False),
    ("app=web,tier=front", True), ("app=web,tier=back", False), ("app,tier,!nope", True),
]  # fmt: skip
PRINTED = [
    ("", ""), (" b = c , a ", "a,b=c"), ("a in (c,b)", "a in (b,c)"),
    ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"),
    ("!a", "!a"), ("a!=b", "a!=b"), ("a==b", "a==b"), ("a>1,b<2", "a>1,b<2"), ("in=notin", "in=notin"),
    ("example.com/a in (in)", "example.com/a in (in)"),
]  # fmt: skip
REFUSED = [
    ("a,", "found '', expected: identifier after ','"),
    ("a,,b", "found ',', expected: identifier after ','"),
    ("=a", "found '=', expected: !, identifier, or 'end of string'"),
    ("a=b=c", "found '=', expected: ',' or 'end of string'"),
    ("!a=b", "found '=', expected: ',' or 'end of string'"),
    ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    ("a in b", "unable to parse requirement: found 'b' expected: '('"),
    ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
    ("a=(", "unable to parse requirement: found '(', expected: identifier"),
    (
        "a<x",
        "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, "
        "the value must be an integer",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MATCHES)
def test_matching(text: str, expected: bool) -> None:
    assert parse(text).matches(LABELS) is expected


@pytest.mark.parametrize(("text", "printed"), PRINTED)
def test_printing(text: str, printed: str) -> None:
    assert str(parse(text)) == printed


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["-a=b", "a=-b", f"{'a' * 64}=b", f"a={'b' * 64}", "/a", "a/b/c", "é"])
def test_keys_and_values_must_be_labels(text: str) -> None:
    with pytest.raises(ValueError, match=r"unable to parse requirement: .*Invalid value: "):
        parse(text)


def test_none_selects_nothing_and_empty_everything() -> None:
    assert not from_api(None).matches({})
    assert not from_api(None).empty
    assert from_api({}).matches(LABELS)
    assert from_api({}).empty


def test_a_label_selector_of_the_api() -> None:
    selector = from_api(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "nope", "operator": "DoesNotExist"},
                {"key": "level", "operator": "Exists"},
                {"key": "app", "operator": "NotIn", "values": ["db"]},
            ],
        }
    )
    assert selector.matches(LABELS)
    assert not selector.matches({**LABELS, "nope": "1"})
    assert str(selector) == "app=web,app notin (db),level,!nope,tier in (back,front)"


keys = st.sampled_from(["a", "b", "example.com/c", "in"])
values = st.sampled_from(["", "x", "y", "1", "7", "notin"])
requirements = st.one_of(
    st.builds(Requirement, keys, st.sampled_from(["exists", "!"])),
    st.builds(
        Requirement, keys, st.sampled_from(["in", "notin"]), st.frozensets(values, min_size=1, max_size=3)
    ),
    st.builds(Requirement, keys, st.sampled_from(["=", "==", "!="]), values.map(lambda v: frozenset((v,)))),
    st.builds(Requirement, keys, st.sampled_from(["gt", "lt"]), st.integers(0, 9).map(lambda n: frozenset((str(n),)))),
)  # fmt: skip


@given(st.lists(requirements, max_size=4), st.dictionaries(keys, values))
def test_what_is_printed_reads_back_as_the_same(found: list[Requirement], labels: dict[str, str]) -> None:
    selector = LabelSelector(tuple(sorted(found, key=lambda r: r.key)))
    again = parse(str(selector))
    assert again == selector
    assert again.matches(labels) == all(r.matches(labels) for r in found) == selector.matches(labels)


@given(st.text(alphabet="ab=!,()<> in", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse(text)


FIELDS = {"metadata.name": "web", "status.phase": "Running"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True), ("metadata.name=web", True), ("metadata.name==web", True), ("metadata.name!=web", False),
        ("status.phase!=Failed,metadata.name=web", True), ("status.phase=", False), ("spec.nodeName=", True),
        ("spec.nodeName!=", False), (",,metadata.name=web,", True),
    ],
)  # fmt: skip
def test_field_selectors(text: str, expected: bool) -> None:
    assert fields.parse(text).matches(FIELDS) is expected


def test_field_values_are_escaped() -> None:
    selector = fields.parse(r"a=b\,c\=d\\,e=f")
    assert [(r.field, r.value) for r in selector.requirements] == [("a", "b,c=d\\"), ("e", "f")]
    assert str(selector) == r"a=b\,c\=d\\,e=f"
    assert selector.exactly("e") == "f"
    assert selector.exactly("x") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\b", r"invalid field selector: invalid escape sequence: \b"),
        ("a=\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_mistakes_in_field_selectors(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        fields.parse(text)
    assert str(caught.value) == message


def test_everything_and_nothing() -> None:
    assert selectors.EVERYTHING.empty
    assert not selectors.NOTHING.empty
    assert not selectors.NOTHING.matches({"a": "b"})
