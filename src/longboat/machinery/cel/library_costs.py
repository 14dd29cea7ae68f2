"""What the functions of the libraries cost: before they run, of the sizes there may be; and when they run, of those
there are (Kubernetes, apiserver/pkg/cel/library; the lists extension, version 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from longboat.machinery.cel import types
from longboat.machinery.cel.estimates import (
    LIST,
    MOST,
    NOTHING,
    ONE,
    PATTERN,
    STRUCT,
    TEXT,
    UNKNOWN,
    Range,
    fixed,
    scaled,
)
from longboat.machinery.cel.lib.formats import Format
from longboat.machinery.cel.lib.lists import MOST_RANGE
from longboat.machinery.cel.nodes import Call, Const, Node
from longboat.machinery.cel.values import Uint, size

CHECK = 350_000  # of an authorization: two in one expression
_LONGEST_FORMAT, _LONGEST_PATTERN = 64, 128
_SELECTOR = LIST + STRUCT  # for each requirement of a selector, which has two characters at least
_NOMINAL = frozenset(
    [
        "serviceAccount",
        "path",
        "group",
        "resource",
        "subresource",
        "namespace",
        "name",
        "allowed",
        "reason",
        "error",
        "errored",
        "masked",
        "prefixLength",
        "family",
        "isUnspecified",
        "isLoopback",
        "isLinkLocalMulticast",
        "isLinkLocalUnicast",
        "isGlobalUnicast",
        "sign",
        "asInteger",
        "isInteger",
        "asApproximateFloat",
        "isGreaterThan",
        "isLessThan",
        "compareTo",
        "add",
        "sub",
        "major",
        "minor",
        "patch",
        "getScheme",
        "getHostname",
        "getHost",
        "getPort",
        "getEscapedPath",
        "getQuery",
        "format.named",
    ]
)
_WALKED = frozenset(["isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"])
_PARSED = frozenset(["cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver", "ip"])
_COPIED = frozenset(["lowerAscii", "upperAscii", "substring", "trim"])
_OPAQUE = frozenset(("net.IP", "net.CIDR"))
_SIMPLE_STRUCTS = frozenset(
    each.name
    for each in (
        types.QUANTITY, types.AUTHORIZER, types.PATH_CHECK, types.GROUP_CHECK, types.RESOURCE_CHECK, types.DECISION,
        types.SEMVER, types.FORMAT, types.URL,
    )
)  # fmt: skip


class Sized(Protocol):
    """What is known of nodes."""

    def size(self, node: Node) -> Range | None: ...
    def visible(self, node: Node) -> tuple[str, ...]: ...
    def sized(self, path: tuple[str, ...]) -> Range | None: ...


Estimate = tuple[Range, Range | None]  # of the call, and of the size of its result


def estimate(known: Sized, node: Call, overload: str) -> Estimate | None:
    """The cost of a call without that of its arguments; None for a function that is not of a library."""
    name, target, args = node.function, node.target, node.args

    def sized(each: Node) -> Range:
        return known.size(each) or known.sized(known.visible(each)) or UNKNOWN

    extension = _EXTENSION.get(overload)
    if extension is not None:
        return extension(sized, node)
    if name == "check":
        return fixed(CHECK), None
    if name in _NOMINAL:
        return ONE, None
    if name in ("fieldSelector", "labelSelector") and len(args) == 1:
        length = sized(args[0])
        return fixed(LIST).plus(length.by(TEXT)).plus(length.by(0.5).by(_SELECTOR)), None
    if name in ("url", "jsonpatch.escapeKey") and len(args) == 1:
        return sized(args[0]).by(TEXT), sized(args[0])
    if name == "_==_" and len(args) == 2:
        return _equality(args[0], args[1])
    if name in _PARSED and args:
        return sized(args[0]).by(TEXT), None
    if name == "ip.isCanonical":
        return sized(args[0]).by(2 * TEXT), None
    if target is None:
        return None
    if name in _WALKED:
        return _walked(known, target, sized), None
    if name in _COPIED:
        return sized(target).by(TEXT), sized(target)
    if name == "replace" and len(args) >= 2:
        return sized(target).by(2 * TEXT), _replaced(sized(target), sized(args[0]), sized(args[1]))
    if name == "split":
        most = sized(target).most
        if len(args) > 1 and isinstance(args[1], Const) and isinstance(args[1].value, int):
            most = args[1].value & MOST
        return sized(target).by(2 * TEXT), Range(0, most)
    if name == "join":
        joined = _joined(known, target, args, sized)
        return joined.by(TEXT), joined
    if name in ("find", "findAll") and args:
        return sized(target).plus(ONE).by(TEXT).times(sized(args[0]).by(PATTERN)), Range(0, sized(target).most)
    if name == "ip":
        return ONE, None
    if name in ("containsIP", "containsCIDR") and args:
        return _contained(name, overload, sized(args[0])), None
    if name == "validate" and args:
        return sized(args[0]).by(TEXT).by(_LONGEST_PATTERN * PATTERN), None
    return None


def _equality(one: Node, other: Node) -> Estimate | None:
    if one.type != other.type:
        return None
    if one.type.name in _OPAQUE:
        return ONE, None
    if one.type.kind == "struct" and one.type.name in _SIMPLE_STRUCTS:
        most = _LONGEST_FORMAT if one.type.name == types.FORMAT.name else 1
        return (Range(1, most).by(TEXT) if one.type.name in (types.FORMAT.name, types.URL.name) else ONE), None
    return None


def _item(known: Sized, items: Node) -> Range | None:
    """The size of what is in a list; None for what is no list."""
    if not items.type.params:
        return None
    path = known.visible(items)
    return (known.sized((*path, "@items")) if path else None) or UNKNOWN


def _walked(known: Sized, target: Node, sized: Callable[[Node], Range]) -> Range:
    item = _item(known, target)
    if item is None:
        return sized(target).by(TEXT)  # a string has indexOf too
    each = ONE
    if target.type.params[0].kind in ("string", "bytes"):
        each = each.plus(item.by(TEXT))
    return sized(target).times(each)


def _replaced(text: Range, old: Range, new: Range) -> Range:
    """The shortest and the longest result."""
    if old.least == 0:
        most = min(MOST, min(MOST, min(MOST, text.most + 1) * new.most) + text.most)
    elif new.most <= old.least:
        most = text.most
    else:
        most = min(MOST, math.ceil(float(text.most) / float(old.least)) * new.most)
    if old.most == 0:
        least = min(MOST, (text.least + 1) * new.least + text.least)
    elif old.most <= new.least:
        least = text.least
    else:
        least = min(MOST, math.ceil(float(text.least) / float(old.most)) * new.least)
    return Range(least, most)


def _joined(known: Sized, target: Node, args: list[Node], sized: Callable[[Node], Range]) -> Range:
    count, item = sized(target), _item(known, target)
    total = NOTHING if item is None else count.times(item)
    if args:
        total = total.plus(sized(args[0]).times(Range(max(0, count.least - 1), max(0, count.most - 1))))
    return total


def _contained(name: str, overload: str, other: Range) -> Range:
    octets = Range(4, 16)
    cost = octets.plus(octets).by(TEXT)
    if name == "containsCIDR":
        cost = cost.plus(octets.by(TEXT)).plus(ONE)
    return cost.plus(other.by(TEXT)) if overload.endswith("_string") else cost


# The lists extension


def _made(factor: float, count: Range, result: Range | None = None) -> Estimate:
    return count.by(factor).plus(ONE).plus(fixed(LIST)), result or count


def _number(node: Node, otherwise: int) -> int:
    if isinstance(node, Const) and isinstance(node.value, int) and node.value >= 0:
        return node.value
    return otherwise


def _slice(sized: Callable[[Node], Range], node: Call) -> Estimate:
    assert node.target is not None
    end = _number(node.args[1], sized(node.target).most)
    return _made(1, fixed((end - _number(node.args[0], 0)) & MOST))


def _flatten(sized: Callable[[Node], Range], node: Call) -> Estimate:
    assert node.target is not None
    return _made(_number(node.args[0], MOST) if node.args else 1, sized(node.target))


def _squared(of_text: bool, keys: bool) -> Callable[[Callable[[Node], Range], Call], Estimate]:
    def cost(sized: Callable[[Node], Range], node: Call) -> Estimate:
        assert node.target is not None
        found = sized(node.args[0] if keys else node.target)
        return _made(2 + (TEXT if of_text else 0), found.times(found))

    return cost


_EXTENSION: dict[str, Callable[[Callable[[Node], Range], Call], Estimate]] = {
    "list_slice": _slice, "list_flatten": _flatten, "list_flatten_int": _flatten,
    "lists_range": lambda sized, node: _made(1, fixed(_number(node.args[0], MOST))),
    "list_reverse": lambda sized, node: _made(1, sized(node.target)),  # type: ignore[arg-type]
    "list_distinct": _squared(of_text=False, keys=False),
    "list_sets_contains_list": lambda sized, node: _sets(sized, node, 1),
    "list_sets_intersects_list": lambda sized, node: _sets(sized, node, 1),
    "list_sets_equivalent_list": lambda sized, node: _sets(sized, node, 2),
}  # fmt: skip
_KINDS = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
for _kind in _KINDS:
    _text = _kind in ("string", "bytes")
    _EXTENSION[f"list_{_kind}_sort"] = _squared(_text, keys=False)
    _EXTENSION[f"list_{_kind}_sortByAssociatedKeys"] = _squared(_text, keys=True)


def _sets(sized: Callable[[Node], Range], node: Call, factor: int) -> Estimate:
    return sized(node.args[0]).times(sized(node.args[1])).by(factor).plus(ONE), None


# When it runs


def _ceil(count: int, factor: float) -> int:
    return math.ceil(count * factor)


_UNSIZED = frozenset((int, float, bool, Uint))


def walk(value: Any) -> int:
    """The cost of going through all of a value."""
    if isinstance(value, (str, bytes)):
        length = len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else len(value)
        return int(length * TEXT)
    if isinstance(value, list):
        kinds = set(map(type, value))
        if kinds == {str}:
            return sum(
                [
                    int((len(each) if each.isascii() else len(each.encode("utf-8", "surrogatepass"))) * TEXT)
                    for each in value
                ]
            )
        return len(value) if kinds <= _UNSIZED else sum(map(walk, value))
    if isinstance(value, dict):
        return sum(walk(key) + walk(each) for key, each in value.items())
    return 1


def _compares_itself(items: Any) -> int:
    count = size(items)
    factor = 2 + (TEXT if count and isinstance(items[0], (str, bytes)) else 0)
    return int(count * count * factor) + 1 + LIST


def _searched(args: list[Any], _: Any) -> int:
    return _ceil(size(args[0]) + 1, TEXT) * _ceil(size(args[1]), PATTERN)


def _validated(args: list[Any], _: Any) -> int:
    longest = args[0].pattern if isinstance(args[0], Format) else _LONGEST_PATTERN
    return _ceil(size(args[1]) + 1, TEXT) * _ceil(longest, PATTERN)


def _found_in(cidr: bool, text: bool) -> Callable[[list[Any], Any], int]:
    def cost(args: list[Any], _: Any) -> int:
        octets = size(args[0])
        total = _ceil(octets * 2, TEXT)
        if cidr:
            total += _ceil(octets, TEXT) + 1
        return total + _ceil(size(args[1]), TEXT) if text else total

    return cost


def _length_joined(args: list[Any]) -> int:
    parts, between = args[0], args[1] if len(args) > 1 else ""
    return sum(map(len, parts)) + max(0, len(parts) - 1) * len(between)


# Calls that are too dear to be begun where they could not be paid: what they cost hangs on their arguments alone.
KNOWN_BEFORE = frozenset(
    ("join", "lists.range", "distinct", "sort", "@sortByAssociatedKeys", "sets.contains", "sets.equivalent",
     "sets.intersects")
)  # fmt: skip
Actual = Callable[[list[Any], Any], int]
_ONCE: Actual = lambda args, _: _ceil(size(args[0]), TEXT)  # noqa: E731
_TWICE: Actual = lambda args, _: _ceil(size(args[0]), 2 * TEXT)  # noqa: E731
_RESULT: Actual = lambda args, result: size(result) + 1 + LIST  # noqa: E731
_BY_NAME: dict[str, Actual | int] = {
    **dict.fromkeys(_NOMINAL, 1), "check": CHECK,
    **dict.fromkeys(("fieldSelector", "labelSelector"),
        lambda args, _: LIST + _ceil(size(args[1]), TEXT) + scaled(_ceil(size(args[1]), 0.5), _SELECTOR)),
    **dict.fromkeys(_WALKED, lambda args, _: walk(args[0])),
    **dict.fromkeys((*_PARSED, *_COPIED, "url", "jsonpatch.escapeKey"), _ONCE),
    "replace": _TWICE, "split": _TWICE, "ip.isCanonical": _TWICE,
    "join": lambda args, _: _ceil(_length_joined(args), 2 * TEXT),
    "find": _searched, "findAll": _searched, "validate": _validated,
}  # fmt: skip
_BY_OVERLOAD: dict[str, Actual | int] = {
    "cidr_ip": 1,
    "cidr_contains_ip_string": _found_in(cidr=False, text=True),
    "cidr_contains_ip_ip": _found_in(cidr=False, text=False),
    "cidr_contains_cidr_string": _found_in(cidr=True, text=True),
    "cidr_contains_cidr": _found_in(cidr=True, text=False),
    "list_slice": _RESULT, "list_reverse": _RESULT,
    "lists_range": lambda args, _: (args[0] if 0 <= args[0] <= MOST_RANGE else 1) + 1 + LIST,
    "list_flatten": lambda args, _: size(args[0]) + 1 + LIST,
    "list_flatten_int": lambda args, _: size(args[0]) * args[1] + 1 + LIST,
    "list_distinct": lambda args, _: _compares_itself(args[0]),
    "list_sets_contains_list": lambda args, _: size(args[0]) * size(args[1]) + 1,
    "list_sets_intersects_list": lambda args, _: size(args[0]) * size(args[1]) + 1,
    "list_sets_equivalent_list": lambda args, _: 2 * size(args[0]) * size(args[1]) + 1,
    **dict.fromkeys(
        ("starts_with_string", "ends_with_string", "string_to_bytes", "bytes_to_string", "strings_quote",
         "string_format"), _ONCE),
    "in_list": lambda args, _: size(args[1]),
    **dict.fromkeys(
        ("equals", "not_equals", *(f"{name}_{kind}" for kind in ("string", "bytes")
         for name in ("less", "less_equals", "greater", "greater_equals"))),
        lambda args, _: _ceil(min(size(args[0]), size(args[1])), TEXT)),
    **dict.fromkeys(("add_string", "add_bytes"), lambda args, _: _ceil(size(args[0]) + size(args[1]), TEXT)),
    "matches_string": _searched,
    "contains_string": lambda args, _: _ceil(size(args[0]), TEXT) * _ceil(size(args[1]), TEXT),
}  # fmt: skip
for _kind in _KINDS:
    _BY_OVERLOAD[f"list_{_kind}_sort"] = lambda args, _: _compares_itself(args[0])
    _BY_OVERLOAD[f"list_{_kind}_sortByAssociatedKeys"] = lambda args, _: _compares_itself(args[1])


def actual(function: str, overloads: tuple[str, ...]) -> Actual | int:
    """The cost of a call when it runs: a number, or what tells it from the arguments and the result."""
    overload = overloads[0] if len(overloads) == 1 else ""
    if function in ("_==_", "_!=_"):
        overload = "equals"
    if overload in _BY_OVERLOAD:
        return _BY_OVERLOAD[overload]
    found = _BY_NAME.get(function)
    if found is not None:
        return found
    return 1
