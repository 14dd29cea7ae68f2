"""The types of expressions, and which of them fits where (Common Expression Language, "Gradual Type Checking")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Type:
    """A type: its kind, its name (as `type()` gives it at run time) and what it is made of."""

    __slots__ = ("kind", "name", "params")

    def __init__(self, kind: str, name: str = "", params: tuple[Type, ...] = ()) -> None:
        self.kind, self.name, self.params = kind, name or kind, params

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Type)
            and self.kind == other.kind
            and self.name == other.name
            and self.params == other.params
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.name))

    def __deepcopy__(self, memo: object) -> Type:
        return self

    def __str__(self) -> str:
        """As messages have it: `map(string, int)`."""
        if self.kind == "null":
            return "null"
        if self.kind == "error":
            return "!error!"
        if not self.params:
            return self.kind if self.kind in _SHOWN else self.name
        return f"{self.name}({', '.join(map(str, self.params))})"

    __repr__ = __str__

    @property
    def declared(self) -> str:
        """As messages about a whole expression have it: `list(google.protobuf.Duration)`."""
        if self.kind == "error":
            return "!error!"
        own = self.name or self.kind
        return f"{own}({', '.join(each.declared for each in self.params)})" if self.params else own


_SHOWN = frozenset(("duration", "timestamp", "any"))


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object: its type, and the key that it has in JSON."""

    type: Type
    key: str
    convert: Callable[[Any], Any] | None = None  # of a JSON value, where that is not the value already


class Struct(Type):
    """An object with known fields. Two are the same when they have the same name."""

    __slots__ = ("_fields",)

    def __init__(self, name: str, fields: Mapping[str, Field] | None = None) -> None:
        super().__init__("struct", name)
        self._fields = {} if fields is None else fields

    def field(self, name: str) -> Field | None:
        return self._fields.get(name)


DYN, ERROR, NULL = Type("dyn"), Type("error"), Type("null", "null_type")
BOOL, INT, UINT, DOUBLE = Type("bool"), Type("int"), Type("uint"), Type("double")
STRING, BYTES = Type("string"), Type("bytes")
ANY = Type("any", "google.protobuf.Any")  # as dyn, but nothing walks over it
DURATION = Type("duration", "google.protobuf.Duration")
TIMESTAMP = Type("timestamp", "google.protobuf.Timestamp")
TYPE = Type("type")
IP, CIDR = Type("opaque", "net.IP"), Type("opaque", "net.CIDR")
QUANTITY, URL = Struct("kubernetes.Quantity"), Struct("kubernetes.URL")
FORMAT, SEMVER = Struct("kubernetes.NamedFormat"), Struct("kubernetes.Semver")
AUTHORIZER = Struct("kubernetes.authorization.Authorizer")
PATH_CHECK = Struct("kubernetes.authorization.PathCheck")
GROUP_CHECK = Struct("kubernetes.authorization.GroupCheck")
RESOURCE_CHECK = Struct("kubernetes.authorization.ResourceCheck")
DECISION = Struct("kubernetes.authorization.Decision")

SIMPLE = {
    each.kind: each for each in (DYN, BOOL, INT, UINT, DOUBLE, STRING, BYTES, DURATION, TIMESTAMP, TYPE, NULL)
} | {
    "IP": IP, "CIDR": CIDR, "Quantity": QUANTITY, "URL": URL, "Format": FORMAT, "Semver": SEMVER,
    "Authorizer": AUTHORIZER, "PathCheck": PATH_CHECK, "GroupCheck": GROUP_CHECK, "ResourceCheck": RESOURCE_CHECK,
    "Decision": DECISION,
}  # fmt: skip
SCALARS = frozenset(("bool", "double", "duration", "int", "timestamp", "uint"))
_PRIMITIVE = frozenset(("bool", "int", "uint", "double", "string", "bytes"))
_NULLABLE = frozenset(("opaque", "struct", "null", "duration", "timestamp", "any", "wrapper"))


def list_of(item: Type) -> Type:
    return Type("list", "list", (item,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", "map", (key, value))


def optional_of(value: Type) -> Type:
    return Type("opaque", "optional_type", (value,))


def type_of(value: Type) -> Type:
    return Type("type", "type", (value,))


def wrapper_of(value: Type) -> Type:
    return Type("wrapper", "wrapper", (value,))


def is_optional(type_: Type) -> bool:
    return type_.name == "optional_type" and type_.kind == "opaque"


def is_dyn(type_: Type) -> bool:
    return type_.kind in ("dyn", "any")


def is_dyn_or_error(type_: Type) -> bool:
    return type_.kind in ("dyn", "any", "error")


class Bindings:
    """What the parameters of types have turned out to be, in one expression."""

    def __init__(self) -> None:
        self._bound: dict[str, Type] = {}
        self._fresh = 0

    def fresh(self) -> Type:
        """A parameter that nothing is known of."""
        self._fresh += 1
        return Type("param", f"_var{self._fresh}")

    def assignable(self, one: Type, other: Type) -> bool:
        """Whether a value of one type is one of the other; what that says of parameters is kept if so."""
        before = self._bound.copy()
        if self._assignable(one, other):
            return True
        self._bound = before
        return False

    def all_assignable(self, some: list[Type], others: tuple[Type, ...]) -> bool:
        if len(some) != len(others):
            return False
        before = self._bound.copy()
        if all(self._assignable(one, other) for one, other in zip(some, others, strict=True)):
            return True
        self._bound = before
        return False

    def substitute(self, type_: Type, free: bool = False) -> Type:
        """The type with its parameters filled in; `free` ones become dyn."""
        if type_.kind == "param":
            found = self._bound.get(type_.name)
            if found is not None:
                return self.substitute(found, free)
            return DYN if free else type_
        if not type_.params:
            return type_
        return Type(type_.kind, type_.name, tuple(self.substitute(each, free) for each in type_.params))

    def _assignable(self, one: Type, other: Type) -> bool:
        if one is other and one.kind != "param":
            return True
        if other.kind == "param":
            valid, known = self._binds(one, other)
            if valid:
                return True
            if known:
                return False
        if one.kind == "param":
            return self._binds(other, one)[0]
        if is_dyn_or_error(one) or is_dyn_or_error(other):
            return True
        kind = one.kind
        if kind == "null":
            return other.kind in _NULLABLE
        if kind in _PRIMITIVE:
            return other.kind == kind or (other.kind == "wrapper" and other.params[0].kind == kind)
        if kind == "wrapper":
            return self._assignable(one.params[0], other)
        if kind != other.kind:
            return False
        if kind == "type":
            return True
        if one.name != other.name or len(one.params) != len(other.params):
            return False
        return all(self._assignable(a, b) for a, b in zip(one.params, other.params, strict=True))

    def _binds(self, value: Type, param: Type) -> tuple[bool, bool]:
        """Whether the parameter can be this type, and whether it was known to be some already."""
        if value == param:
            return True, True
        found = self._bound.get(param.name)
        if found is not None:
            if value == found:
                return True, True
            if self._assignable(value, found):
                self._bound[param.name] = most_general(value, found)
                return True, True
            return False, True
        if self._absent(param, value):
            self._bound[param.name] = value
            return True, False
        return False, False

    def _absent(self, param: Type, within: Type) -> bool:
        if within == param:
            return False
        if within.kind == "param":
            found = self._bound.get(within.name)
            return found is None or self._absent(param, found)
        return all(self._absent(param, each) for each in within.params)


def most_general(one: Type, other: Type) -> Type:
    return one if _less_specific(one, other) else other


def _less_specific(one: Type, other: Type) -> bool:
    if is_dyn(one) or one.kind == "param":
        return True
    if is_dyn(other) or other.kind == "param" or one.kind != other.kind:
        return False
    if one.kind == "type":
        return True
    if one.name != other.name or len(one.params) != len(other.params):
        return False
    return all(_less_specific(a, b) for a, b in zip(one.params, other.params, strict=True))
