"""Literals that cannot be what they are given for: durations, timestamps, patterns, formats, lists of mixed types."""

from __future__ import annotations

from collections.abc import Callable

from longboat.machinery.cel import types
from longboat.machinery.cel.errors import EvalError, Issues
from longboat.machinery.cel.lib import formatting, regex, times
from longboat.machinery.cel.nodes import Call, Const, ListOf, MapOf, Node, children
from longboat.machinery.cel.types import Type


def validate(root: Node, issues: Issues, mixed: bool) -> None:
    """Complain of literals of a checked tree. `mixed`: lists of several types are well."""
    pending: list[tuple[Node, bool]] = [(root, mixed)]
    while pending:
        node, exempt = pending.pop()
        if isinstance(node, Call):
            _call(node, issues)
            exempt = exempt or node.function == "format"
        elif isinstance(node, ListOf) and not exempt:
            _alike([(item, i in node.optional) for i, item in enumerate(node.items)], issues)
        elif isinstance(node, MapOf) and not exempt:
            _alike([(entry.key, False) for entry in node.entries], issues)
            _alike([(entry.value, entry.optional) for entry in node.entries], issues)
        pending.extend((each, exempt) for each in children(node))


def _literal(node: Node | None) -> str | None:
    return node.value if isinstance(node, Const) and isinstance(node.value, str) else None


def _call(node: Call, issues: Issues) -> None:
    name = node.function
    if name in _CHECKED and node.target is None and len(node.args) == 1:
        _try(_CHECKED[name], node.args[0], name, issues)
    elif name == "matches":
        _try(regex.check, node.args[-1], name, issues)
    elif name == "format" and node.overloads == ("string_format",) and isinstance(node.args[0], ListOf):
        _format(node, node.args[0], issues)


_CHECKED: dict[str, Callable[[str], object]] = {"duration": times.duration, "timestamp": times.timestamp}


def _try(check: Callable[[str], object], node: Node, name: str, issues: Issues) -> None:
    text = _literal(node)
    if text is None:
        return
    try:
        check(text)
    except (ValueError, EvalError):
        issues.add(node.at, f"invalid {name} argument")


def _format(node: Call, args: ListOf, issues: Issues) -> None:
    text = _literal(node.target)
    if text is None:
        return
    try:
        verbs = [verb for _, verb, _ in formatting.clauses(text) if verb]
    except EvalError as error:
        issues.add(node.at, error.message)
        return
    for i, verb in enumerate(verbs):
        if i >= len(args.items):
            issues.add(node.at, f"index {i} out of range")
            return
        given = args.items[i].type
        clause, allowed, kinds = _VERBS[verb]
        if not types.is_dyn_or_error(given) and kinds and given.kind not in kinds:
            issues.add(
                args.items[i].at,
                f"error during formatting: {clause} clause can only be used on {allowed}, was given {given.name}",
            )
            return
    if len(args.items) > len(verbs):
        issues.add(
            node.at,
            f"too many arguments supplied to string.format (expected {len(verbs)}, got {len(args.items)})",
        )


_VERBS: dict[str, tuple[str, str, frozenset[str]]] = {
    "s": ("string", "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps", frozenset(
        ("string", "bool", "bytes", "int", "uint", "double", "map", "list", "type", "duration", "timestamp", "null"))),
    "d": ("decimal", "integers", frozenset(("int", "uint", "double"))),
    "f": ("fixed-point", "doubles", frozenset(("double", "string", "int", "uint"))),
    "e": ("scientific", "doubles", frozenset(("double", "string", "int", "uint"))),
    "b": ("binary", "integers and bools", frozenset(("int", "uint", "bool"))),
    "x": ("hex", "integers, byte buffers, and strings", frozenset(("int", "uint", "string", "bytes"))),
    "X": ("hex", "integers, byte buffers, and strings", frozenset(("int", "uint", "string", "bytes"))),
    "o": ("octal", "integers", frozenset(("int", "uint"))),
}  # fmt: skip


def _alike(items: list[tuple[Node, bool]], issues: Issues) -> None:
    first: Type | None = None
    for node, optional in items:
        type_ = node.type.params[0] if optional and types.is_optional(node.type) else node.type
        if first is None:
            first = type_
        elif type_ != first:
            issues.add(node.at, f"expected type '{first}' but found '{type_}'")
            return
