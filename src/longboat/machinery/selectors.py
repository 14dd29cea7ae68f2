"""Label selectors: the text form, metav1.LabelSelector, and whether labels match."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from longboat.aio.cache import short_lru
from longboat.machinery import names

OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}  # of metav1.LabelSelector
BINARY = ("in", "notin", "=", "==", "!=", "gt", "lt")  # as upstream lists them to who uses none of them

MANY = 16  # requirements of a selector that are put together

Test = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `operator`: in, notin, exists, !, gt, lt, =, == or != (which print as written)."""

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
        left, right = integer(value), integer(self._only)
        if left is None or right is None:
            return False
        return left > right if self.operator == "gt" else left < right

    @property
    def _only(self) -> str:
        return next(iter(self.values), "")

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{self._only}"
        return f"{self.key}{self.operator}{self._only}"


class Together:
    """Many requirements, put together by label: testing costs what the object has of labels, not what is asked."""

    def __init__(self, requirements: Iterable[Requirement]) -> None:
        self._one_of: dict[str, frozenset[str]] = {}
        self._none_of: dict[str, set[str]] = {}
        self._above: dict[str, int] = {}
        self._below: dict[str, int] = {}
        self._there: set[str] = set()
        self._absent: set[str] = set()
        for r in requirements:
            match r.operator:
                case "in" | "=" | "==":
                    known = self._one_of.get(r.key)
                    self._one_of[r.key] = r.values if known is None else known & r.values
                case "notin" | "!=":
                    self._none_of.setdefault(r.key, set()).update(r.values)
                case "exists":
                    self._there.add(r.key)
                case "!":
                    self._absent.add(r.key)
                case "gt":
                    self._above[r.key] = max(self._above.get(r.key, _LEAST), _bound(r, _MOST))
                case "lt":
                    self._below[r.key] = min(self._below.get(r.key, _MOST), _bound(r, _LEAST))
        self._needed = self._there | self._one_of.keys() | self._above.keys() | self._below.keys()

    def match(self, labels: Mapping[str, str]) -> bool:
        if len(self._needed) > len(labels) or not all(key in labels for key in self._needed):
            return False
        return all(self._suits(key, value) for key, value in labels.items())

    def _suits(self, key: str, value: str) -> bool:
        if key in self._absent or value in self._none_of.get(key, ()):
            return False
        if (wanted := self._one_of.get(key)) is not None and value not in wanted:
            return False
        if key not in self._above and key not in self._below:
            return True
        number = integer(value)
        return number is not None and self._above.get(key, _LEAST) < number < self._below.get(key, _MOST)


_LEAST, _MOST = -(1 << 64), 1 << 64  # beyond every label's number


def _bound(requirement: Requirement, impossible: int) -> int:
    """The number that `gt` or `lt` compares with; one that nothing passes where it is none."""
    found = integer(next(iter(requirement.values), ""))
    return impossible if found is None else found


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold. `nothing` matches no object at all (a nil selector)."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    _pairs: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    _others: tuple[Requirement, ...] = field(init=False, repr=False, compare=False)
    _together: Together | None = field(init=False, repr=False, compare=False)  # of many

    def __post_init__(self) -> None:
        # Nearly every selector asks for given values: those are compared without asking what the operator was.
        pairs, others = [], []
        for r in self.requirements:
            if r.operator in ("=", "==", "in") and len(r.values) == 1:
                pairs.append((r.key, next(iter(r.values))))
            else:
                others.append(r)
        object.__setattr__(self, "_pairs", tuple(pairs))
        object.__setattr__(self, "_others", tuple(others))
        object.__setattr__(self, "_together", Together(self.requirements) if len(self.requirements) > MANY else None)

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements and not self.nothing

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Labels that have to be there, with these values; there may be more that it asks."""
        return self._pairs

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self._together is not None:
            return not self.nothing and self._together.match(labels)
        for key, value in self._pairs:
            if labels.get(key) != value:
                return False
        for requirement in self._others:
            if not requirement.matches(labels):
                return False
        return not self.nothing

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements)


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def integer(text: str) -> int | None:
    """A 64-bit number as Go's ParseInt reads one, or None."""
    if not re.fullmatch(r"[+-]?[0-9]{1,25}", text, re.ASCII):
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None


def from_api(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A metav1.LabelSelector, which validation has seen. None selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    found = [Requirement(key, "=", frozenset((value,))) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            return NOTHING  # upstream makes an error of it; what cannot be understood selects nothing
        found.append(Requirement(expression.get("key", ""), operator, frozenset(expression.get("values") or ())))
    return _ordered(found)


def from_map(labels: Mapping[str, str]) -> LabelSelector:
    """Every one of these labels."""
    return from_api({"matchLabels": labels})


def _ordered(requirements: Iterable[Requirement]) -> LabelSelector:
    return LabelSelector(tuple(sorted(requirements, key=lambda r: r.key)))


@short_lru(maxsize=1024, longest=256)
def parse(text: str) -> LabelSelector:
    """Read the text form (`a=b,c in (d,e),!f,g>1`). Raises ValueError with upstream's wording."""
    return _ordered(_Parser(text).requirements())


_TOKEN = re.compile(r"[ \t\r\n]*(?:([=!(),<>]+)|([^ \t\r\n=!(),<>]+))")
_SYMBOL = re.compile(r"==|!=|[=!(),<>]")
_WORD = re.compile(r"[^=!(),<>]")


def _tokens(text: str) -> Iterator[str]:
    """Symbols and words; at last "" for the end."""
    for symbols, word in _TOKEN.findall(text):
        if word:
            yield word
        else:
            yield from _SYMBOL.findall(symbols)
    yield ""


def _is_word(token: str) -> bool:
    return bool(_WORD.match(token))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def requirements(self) -> Iterator[Requirement]:
        while token := self._peek():
            if token != "!" and not _is_word(token):
                raise ValueError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                yield self._requirement()
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from error
            token = self._take()
            if token not in ("", ","):
                raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
            following = self._peek()
            if token == "," and following != "!" and not _is_word(following):
                raise ValueError(f"found '{following}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        absent = self._peek() == "!"
        if absent:
            self._take()
        key = self._take()
        if not _is_word(key):
            raise ValueError(f"found '{key}', expected: identifier")
        if wrong := names.qualified_name(key):
            raise ValueError(f'<nil>: Invalid value: "{key}": {"; ".join(wrong)}')
        if absent or self._peek() in ("", ","):
            return Requirement(key, "!" if absent else "exists")
        operator = self._take()
        if operator in ("in", "notin"):
            return checked(Requirement(key, operator, frozenset(self._values())))
        if operator in ("=", "==", "!=", ">", "<"):
            named = {">": "gt", "<": "lt"}.get(operator, operator)
            return checked(Requirement(key, named, frozenset((self._value(),))))
        raise ValueError(f"found '{operator}', expected: {', '.join(BINARY)}")

    def _value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        value = self._take()
        if not _is_word(value):
            raise ValueError(f"found '{value}', expected: identifier")
        return value

    def _values(self) -> Iterator[str]:
        """The words between brackets; nothing between two commas is a value too."""
        if (opening := self._take()) != "(":
            raise ValueError(f"found '{opening}' expected: '('")
        if self._peek() not in (",", ")") and not _is_word(self._peek()):
            raise ValueError(f"found '{self._peek()}', expected: ',', ')' or identifier")
        while True:
            token = self._take()
            if token in (",", ")"):
                yield ""
            elif _is_word(token):
                yield token
                token = self._take()
                if token not in (",", ")"):
                    raise ValueError(f"found '{token}', expected: ',' or ')'")
            else:
                raise ValueError(f"found '{token}', expected: ',', or identifier")
            if token == ")":
                return


def checked(requirement: Requirement) -> Requirement:
    """The requirement itself, its values being what its operator takes. Raises ValueError."""
    said = []
    for i, value in enumerate(sorted(requirement.values)):
        if requirement.operator in ("gt", "lt") and integer(value) is None:
            said.append(
                f"values[{i}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
        if wrong := names.label_value(value):
            said.append(f'values[{i}][{requirement.key}]: Invalid value: "{value}": {"; ".join(wrong)}')
    if said:
        raise ValueError(said[0] if len(said) == 1 else f"[{', '.join(said)}]")
    return requirement
