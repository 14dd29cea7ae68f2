"""A structural schema as a type: what is pruned, what is put in, and what stays."""

from __future__ import annotations

import gc
import json
from time import perf_counter
from typing import Any

import pytest

from longboat.machinery.errors import StatusError
from longboat.machinery.fieldpath import Errors
from longboat.machinery.kinds import Kind
from longboat.machinery.types import formats, patterns, rules, schema, structural
from longboat.machinery.types.settle import MOST_DEFAULTS
from longboat.machinery.types.structural import DEEPEST, TooDeep

BOAT = Kind("sea.example.com", "v1", "Boat", "boats")
HEAD = {"kind": "Boat", "apiVersion": "sea.example.com/v1"}


def known(**properties: Any) -> schema.Schema:
    """A schema that has boats, whose spec has these fields."""
    spec = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    whole = schema.load()
    return whole.beside({BOAT: whole.compile(BOAT, spec)})


def settled(spec: Any, **properties: Any) -> Any:
    obj, _ = known(**properties).decode(BOAT, json.dumps(HEAD | {"spec": spec}).encode())
    return obj["spec"]


def complaints(value: Any, old: Any = rules.ABSENT, **about: Any) -> list[str]:
    err = Errors()
    rule = rules.compile_rule({"type": "object", "properties": {"f": about}})
    rules.check(rule, {"f": value}, err, rules.ABSENT if old is rules.ABSENT else {"f": old})
    return [str(cause) for cause in err]


STRING, ANYTHING = {"type": "string"}, {"x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    ("about", "sent", "kept"),
    [
        (STRING, "a", "a"),
        ({"type": "object", "properties": {"a": STRING}}, {"b": 1, "a": "x"}, {"a": "x"}),
        ({"type": "object"}, {"b": 1}, {}),
        ({"type": "object", **ANYTHING}, {"b": {"d": 1, "c": None}}, {"b": {"c": None, "d": 1}}),
        (ANYTHING, [1, {"b": None}], [1, {"b": None}]),
        ({"type": "object", "additionalProperties": STRING}, {"b": "x", "a": None}, {"b": "x"}),
        ({"type": "object", "additionalProperties": STRING | {"nullable": True}}, {"a": None}, {"a": None}),
        ({"type": "object", "additionalProperties": STRING | {"default": "d"}}, {"a": None}, {"a": "d"}),
        ({"type": "object", "additionalProperties": True}, {"a": {"b": 1}, "c": 1}, {"a": {}, "c": 1}),
        ({"type": "array", "items": STRING | {"default": "d"}}, ["a", None], ["a", "d"]),
        ({"type": "array", "items": STRING}, ["a", None], ["a", None]),
        ({"type": "array", "items": {"type": "object", "properties": {"a": STRING}}}, [{"b": 1}, 3], [{}, 3]),
        ({"x-kubernetes-int-or-string": True}, 5, 5),
        ({"type": "number"}, 2.0, 2),
        (STRING, {"a": 1}, {}),
        (STRING | {"nullable": True}, None, None),
    ],
)
def test_what_is_kept(about: Any, sent: Any, kept: Any) -> None:
    assert settled({"f": sent}, f=about) == {"f": kept}
    if isinstance(kept, dict):
        assert list(settled({"f": sent}, f=about)["f"]) == sorted(kept)


def test_defaults() -> None:
    inner = {"type": "object", "default": {}, "properties": {"p": {"type": "integer", "default": 7}}}
    assert settled({}, o=inner) == {"o": {"p": 7}}
    assert settled({"o": None}, o=inner) == {"o": {"p": 7}}
    assert settled({"n": None}, n=STRING | {"nullable": True, "default": "x"}) == {"n": None}
    first, second = settled({}, o=inner), settled({}, o=inner)
    first["o"]["p"] = 8
    assert second == {"o": {"p": 7}}


def test_defaults_do_not_make_much_of_little() -> None:
    items = {"type": "array", "items": {"type": "object", "properties": {"d": STRING | {"default": "x" * 10_000}}}}
    assert len(settled({"l": [{}] * 100}, l=items)["l"]) == 100
    with pytest.raises(StatusError, match=f"more than {MOST_DEFAULTS} bytes"):
        settled({"l": [{}] * 1000}, l=items)


def test_embedded_resources() -> None:
    about = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}}
    sent = {"kind": "P", "apiVersion": "v1", "metadata": {"name": "a", "labels": None, "odd": 1}, "other": 1}
    assert settled({"e": sent}, e=about) == {"e": {"kind": "P", "apiVersion": "v1", "metadata": {"name": "a"}}}
    err = Errors()
    known(e=about)._beside[BOAT].validate({"spec": {"e": {"kind": "-", "metadata": {"name": "a/b"}}}}, err)
    assert [cause.field for cause in err] == ["spec.e.apiVersion", "spec.e.kind", "spec.e.metadata.name"]


def test_stored_and_read_it_is_the_same() -> None:
    boats = known(b=STRING, a={"type": "object", **ANYTHING}, n=STRING | {"nullable": True})
    obj, _ = boats.decode(BOAT, json.dumps(HEAD | {"spec": {"n": None, "b": "x", "a": {"z": 1, "y": []}}}).encode())
    stored = boats.canonical(BOAT, obj)
    assert boats.read(BOAT, stored) == obj
    assert boats.canonical(BOAT, boats.read(BOAT, stored)) == stored
    assert stored.startswith(b'{"kind":"Boat","apiVersion":"sea.example.com/v1","spec":{"a":{"y":[],"z":1},"b":"x"')


def test_a_type_goes_with_who_holds_it() -> None:
    def structures() -> int:
        gc.collect()
        return sum(isinstance(each, structural.Structural) for each in gc.get_objects())

    before = structures()
    boats = known(f=STRING)
    assert boats.type(BOAT) is not None
    assert schema.load().type(BOAT) is None
    assert structures() > before
    del boats
    assert structures() == before


def test_a_schema_that_is_too_deep() -> None:
    about: Any = STRING
    for _ in range(DEEPEST + 1):
        about = {"type": "object", "properties": {"f": about}}
    with pytest.raises(TooDeep):
        known(f=about)


@pytest.mark.parametrize(
    ("about", "value", "wrong"),
    [
        ({"type": "integer", "format": "int32"}, 1 << 31, ["<nil>: Invalid value: \"\": Checked value must be of type "
                                                         "integer with format int32 in f"]),
        ({"type": "integer", "maximum": 1000000}, 1000001, ["f: Invalid value: 1000001: f in body should be less than "
                                                            "or equal to 1e+06"]),
        ({"type": "number", "multipleOf": 0.1}, 0.3, []),
        ({"type": "integer", "multipleOf": 0}, 3, ["f: Invalid value: 3: f in body should be a multiple of 0"]),
        ({"x-kubernetes-int-or-string": True}, True, ['f: Invalid value: "boolean": f in body must be of type '
                                                      'integer,string: "boolean"']),
        ({"type": "integer"}, True, ['f: Invalid value: "boolean": f in body must be of type integer: "boolean"']),
        ({"type": "string", "format": "ipv4"}, "1.2.3", ['f: Invalid value: "1.2.3": f in body must be of type ipv4: '
                                                         '"1.2.3"']),
        ({"type": "string", "format": "nonsense"}, "1.2.3", []),
        ({"type": "integer", "enum": [1.0]}, 1, []),
        ({"type": "object", "additionalProperties": False}, {"a": 1}, ['f.a: Invalid value: "": f.a in body is a '
                                                                       'forbidden property']),
    ],
)  # fmt: skip
def test_rules(about: Any, value: Any, wrong: list[str]) -> None:
    """Beyond those that are recorded."""
    assert complaints(value, **about) == wrong


def test_an_attempt_is_judged_by_its_own_faults() -> None:
    """What is wrong with a value for another reason is not held against one of its alternatives."""
    about = {"type": "integer", "anyOf": [{"minimum": 1}, {"maximum": 0}], "not": {"minimum": 10}}
    assert len(complaints(5.5, **about)) == 2, "of another type, which is said twice"
    assert complaints(5, **about) == []
    assert complaints(12, **about) == ['<nil>: Invalid value: "": "f" must not validate the schema (not)']


def test_what_was_wrong_before_may_stay() -> None:
    about = {"type": "array", "items": {"type": "string", "maxLength": 1}, "maxItems": 2}
    assert complaints(["aa", "b", "c"], ["aa", "b", "c"], **about) == []
    found = complaints(["aa", "bb", "c"], ["aa", "b", "c"], **about)
    assert [text.partition(":")[0] for text in found] == ["f", "f[0]", "f[1]"], (
        "items of a list are not known by their place"
    )
    keyed = {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": STRING, "v": {"type": "integer", "maximum": 1}}},
    }  # fmt: skip
    assert complaints([{"k": "b", "v": 1}, {"k": "a", "v": 5}], [{"k": "a", "v": 5}], **keyed) == []
    assert len(complaints([{"k": "b", "v": 5}], [{"k": "a", "v": 5}], **keyed)) == 1
    assert complaints(True, 1, type="integer") != []


def test_a_pattern_takes_no_longer_than_its_text() -> None:
    started = perf_counter()
    assert not patterns.matches("^(a+)+$", "a" * 100_000 + "b")
    assert not patterns.matches("(x+x+)+y", "x" * 100_000)
    assert perf_counter() - started < 5  # a backtracking engine needs longer than the universe has
    for bad in ("(", "(?=a)", r"(a)\1", "((a{1000}){1000}){1000}"):
        with pytest.raises(patterns.BadPattern):
            patterns.check(bad)


@pytest.mark.parametrize("name", sorted(formats.KNOWN - {"password"}))
def test_formats_refuse_something(name: str) -> None:
    assert not formats.fits(name, "\x00 no such thing %")


GOOD = {
    "bsonobjectid": "507f1f77bcf86cd799439011", "hexcolor": "#ff00aa", "rgbcolor": "rgb(1, 2,255)",
    "ssn": "111-22-3333", "uuid": "123e4567-e89b-12d3-a456-426614174000", "mac": "01:23:45:67:89:ab",
    "uuid4": "123e4567-e89b-42d3-a456-426614174000", "date": "2024-02-29",
    "datetime": "2024-02-29T10:00:00.5+01:00", "duration": "1h30m", "ipv4": "10.0.0.1", "ipv6": "fe80::1",
    "cidr": "10.0.0.0/8", "uri": "https://example.com/a?b", "hostname": "a.example.com", "email": "a@example.com",
    "byte": "aGk=", "isbn": "978-0-306-40615-7", "isbn10": "0-306-40615-2", "isbn13": "9780306406157",
    "creditcard": "4111111111111111", "k8sshortname": "a-b", "k8slongname": "a.b", "quantity": "10Gi",
    "uuid3": "123e4567-e89b-32d3-a456-426614174000", "uuid5": "123e4567-e89b-52d3-a456-426614174000",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(formats.KNOWN - {"password"}))
def test_formats_take_what_is_good(name: str) -> None:
    assert formats.fits(name, GOOD[name])


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_CHECKS", 100)
    about = {"type": "array", "items": {"type": "integer", "anyOf": [{"minimum": 5}] * 10}}
    assert complaints([1] * 50, **about)[-1] == "<nil>: Invalid value: it takes too long to check"
