"""Label selectors: the text form of queries and the LabelSelector of specs, matched alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from longboat.machinery import names

OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `operator`: in, notin, exists, !, gt, lt (and = == !=, which print as written)."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in" | "=" | "==":
                return value is not None and value in self.values
            case "notin" | "!=":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        try:
            left, right = int(value), int(next(iter(self.values)))
        except ValueError:
            return False
        return left > right if self.operator == "gt" else left < right

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{next(iter(self.values))}"
        return f"{self.key}{self.operator}{next(iter(self.values))}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold. `nothing` matches no object at all (a nil selector)."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.nothing and all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements)


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def from_api(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A metav1.LabelSelector. None selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    found = [Requirement(key, "=", frozenset((value,))) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = OPERATORS.get(expression.get("operator", ""), "in")
        found.append(Requirement(expression.get("key", ""), operator, frozenset(expression.get("values") or ())))
    return LabelSelector(tuple(sorted(found, key=lambda r: r.key)))


def from_map(labels: Mapping[str, str]) -> LabelSelector:
    """Every one of these labels."""
    return from_api({"matchLabels": labels})


_TOKEN = re.compile(r"\s*(==|!=|=|!|<|>|,|\(|\)|[^\s=!<>,()]+)")


@lru_cache(maxsize=1024)
def parse(text: str) -> LabelSelector:
    """Read the text form (`a=b,c in (d,e),!f,g>1`). Raises ValueError with upstream's wording."""
    return LabelSelector(tuple(sorted(_Parser(text).requirements(), key=lambda r: r.key)))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def requirements(self) -> Iterable[Requirement]:
        if not self._tokens:
            return
        while True:
            if self._peek() == "":
                return
            yield self._requirement()
            token = self._take()
            if token == "":
                return
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
            if self._peek() in ("", ","):
                raise ValueError(f"found '{self._peek()}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._take()
            return checked(Requirement(self._key(), "!"))
        key = self._key()
        operator = self._peek()
        if operator in ("", ","):
            return checked(Requirement(key, "exists"))
        self._take()
        if operator in ("in", "notin"):
            return checked(Requirement(key, operator, frozenset(self._values())))
        if operator in ("=", "==", "!=", ">", "<"):
            named = {">": "gt", "<": "lt"}.get(operator, operator)
            return checked(Requirement(key, named, frozenset((self._value(),))))
        raise ValueError(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")

    def _key(self) -> str:
        key = self._take()
        if key in ("", ",", "=", "==", "!=", "<", ">", "(", ")", "!"):
            raise ValueError(f"found '{key}', expected: !, identifier, or 'end of string'")
        return key

    def _value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        value = self._take()
        if value in ("=", "==", "!=", "<", ">", "(", ")", "!"):
            raise ValueError(f"found '{value}', expected: identifier")
        return value

    def _values(self) -> Iterable[str]:
        if (opening := self._take()) != "(":
            raise ValueError(f"found '{opening}' expected: '('")
        while True:
            yield "" if self._peek() in (",", ")") else self._value()
            token = self._take()
            if token == ")":
                return
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or ')'")


def checked(requirement: Requirement) -> Requirement:
    """The requirement itself, its key and values being legal labels. Raises ValueError."""
    shown = msg = None
    if wrong := names.qualified_name(requirement.key):
        shown, msg = f'key: Invalid value: "{requirement.key}"', wrong
    elif requirement.operator in ("gt", "lt"):
        value = next(iter(requirement.values))
        if not re.fullmatch(r"[+-]?[0-9]+", value):
            shown, msg = (
                f'values[0]: Invalid value: "{value}"',
                ["for 'Gt', 'Lt' operators, the value must be an integer"],
            )
    else:
        for i, value in enumerate(sorted(requirement.values)):
            if wrong := names.label_value(value):
                shown, msg = f'values[{i}][{requirement.key}]: Invalid value: "{value}"', wrong
                break
    if msg:
        raise ValueError(f"{shown}: {'; '.join(msg)}")
    return requirement
