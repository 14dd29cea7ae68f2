"""Field selectors: equality on the fields that a kind makes selectable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from longboat.aio.cache import short_lru

_OPERATOR = re.compile("!=|==|=")


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    field: str
    value: str
    equal: bool = True

    def __str__(self) -> str:
        return f"{self.field}{'=' if self.equal else '!='}{_escape(self.value)}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements must hold; none matches everything."""

    requirements: tuple[FieldRequirement, ...] = ()
    _equal: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    _unequal: tuple[tuple[str, frozenset[str]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Testing costs what there is of fields, not what is asked of each.
        unequal: dict[str, set[str]] = {}
        for r in self.requirements:
            if not r.equal:
                unequal.setdefault(r.field, set()).add(r.value)
        equal = dict.fromkeys((r.field, r.value) for r in self.requirements if r.equal)
        object.__setattr__(self, "_equal", tuple(equal))
        object.__setattr__(self, "_unequal", tuple((name, frozenset(values)) for name, values in unequal.items()))

    @property
    def empty(self) -> bool:
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        """An absent field counts as empty."""
        for name, value in self._equal:
            if fields.get(name, "") != value:
                return False
        return all(fields.get(name, "") not in values for name, values in self._unequal)

    def exactly(self, field: str) -> str | None:
        """The one value this field must have, if the selector says so."""
        return next((r.value for r in self.requirements if r.equal and r.field == field), None)

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements)


@short_lru(maxsize=1024, longest=256)
def parse(text: str) -> FieldSelector:
    """Read `a=b,c!=d`; a backslash escapes a comma, an equals sign or itself. Raises ValueError."""
    found: dict[FieldRequirement, None] = {}
    for term in filter(None, _terms(text)):
        split = _OPERATOR.search(term)
        if split is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{term}'")
        value = _unescape(term[split.end() :])
        found[FieldRequirement(term[: split.start()], value, equal=split[0] != "!=")] = None
    return FieldSelector(tuple(found))


def required(text: str) -> tuple[tuple[str, str], ...]:
    """The fields, and their values, that a selector requires to be equal: authorization may grant just that. A selector
    that cannot be read requires nothing; others complain of it."""
    try:
        return tuple((each.field, each.value) for each in parse(text).requirements if each.equal)
    except ValueError:
        return ()


def _terms(text: str) -> Iterator[str]:
    if "\\" not in text:
        yield from text.split(",")
        return
    start, at = 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == ",":
            yield text[start:at]
            start = at + 1
        at += 1
    yield text[start:]


def _unescape(value: str) -> str:
    out, at = [], 0
    while at < len(value):
        if value[at] == "\\":
            following = value[at + 1 : at + 2]
            if following not in (",", "=", "\\"):
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{following}")
            out.append(following)
            at += 2
        elif value[at] in ",=":
            raise ValueError(f"invalid field selector: unescaped character in value: {ord(value[at])}")
        else:
            out.append(value[at])
            at += 1
    return "".join(out)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
