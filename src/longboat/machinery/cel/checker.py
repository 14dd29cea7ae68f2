"""Which type each part of an expression has, and what its names stand for; cel-go's words for what does not fit."""

from __future__ import annotations

from typing import Any

from longboat.machinery.cel import types
from longboat.machinery.cel.environment import Environment
from longboat.machinery.cel.errors import Issues
from longboat.machinery.cel.functions import Overload
from longboat.machinery.cel.nodes import (
    Call,
    Const,
    Fold,
    Ident,
    ListOf,
    MapOf,
    Node,
    Select,
    StructOf,
    children,
    qualified,
)
from longboat.machinery.cel.types import BOOL, DYN, ERROR, INT, STRING, Bindings, Struct, Type
from longboat.machinery.cel.values import TypeValue


def check(root: Node, environment: Environment, issues: Issues) -> Node:
    """Give every node its type. The root returned may be another: a qualified name becomes one word."""
    checker = _Checker(environment, issues)
    root = checker.check(root)
    checker.settle(root)
    return root


class _Checker:
    def __init__(self, environment: Environment, issues: Issues) -> None:
        self._environment = environment
        self._issues = issues
        self._bindings = Bindings()
        self._locals: list[tuple[str, Type]] = []

    def settle(self, node: Node) -> None:
        """Put in what the parameters of types turned out to be; dyn where nothing is known."""
        node.type = self._bindings.substitute(node.type, free=True)
        for each in children(node):
            self.settle(each)

    def check(self, node: Node) -> Node:
        match node:
            case Const():
                return node
            case Ident():
                return self._ident(node)
            case Select():
                return self._select(node)
            case Call():
                self._call(node)
            case ListOf():
                self._list(node)
            case MapOf():
                self._map(node)
            case StructOf():
                self._struct(node)
            case Fold():
                self._fold(node)
        return node

    # Names

    def _local(self, name: str) -> Type | None:
        return next((type_ for each, type_ in reversed(self._locals) if each == name), None)

    def _found(self, name: str) -> tuple[str, Type] | None:
        local = self._local(name)
        return (name, local) if local is not None else self._environment.variable(name)

    def _undeclared(self, at: int, name: str) -> None:
        self._issues.add(at, f"undeclared reference to '{name}' (in container '{self._environment.container}')")

    def _ident(self, node: Ident) -> Node:
        found = self._found(node.name)
        if found is None:
            node.type = ERROR
            self._undeclared(node.at, node.name)
            return node
        node.name, node.type = found
        if node.type.kind == "type" and node.type.params and node.name not in self._environment.variables:
            node.constant = TypeValue(node.type.params[0].name)
        return node

    def _select(self, node: Select) -> Node:
        name = "" if node.test else qualified(node)
        if name and self._local(name.partition(".")[0]) is None:
            found = self._environment.variable(name)
            if found is not None:
                return self._ident(Ident(node.at, found[0]))
        node.operand = self.check(node.operand)
        result = self._field(node.at, node.operand, node.field)
        node.type = BOOL if node.test else result
        return node

    def _field(self, at: int, operand: Node, name: str, optional: bool = False) -> Type:
        target = self._bindings.substitute(operand.type)
        held = target.params[0] if types.is_optional(target) else target
        result = DYN
        if held.kind == "map":
            result = held.params[1]
        elif held.kind == "struct":
            result = self._struct_field(at, held, name)
        elif held.kind == "param":
            self._bindings.assignable(DYN, held)
        elif not types.is_dyn_or_error(held):
            self._issues.add(at, f"type '{held}' does not support field selection")
        return types.optional_of(result) if optional or held is not target else result

    def _struct_field(self, at: int, struct: Type, name: str) -> Type:
        found = struct.field(name) if isinstance(struct, Struct) else None
        if found is None:
            self._issues.add(at, f"undefined field '{name}'")
            return ERROR
        return found.type

    # Calls

    def _call(self, node: Call) -> None:
        if node.function == "_?._":
            node.args[0] = self.check(node.args[0])
            node.type = self._field(node.at, node.args[0], node.args[1].value, optional=True)  # type: ignore[union-attr]
            node.overloads = ("select_optional_field",)
            return
        node.args = [self.check(arg) for arg in node.args]
        if node.target is not None:
            prefix = qualified(node.target)
            if prefix:
                found = self._environment.function(f"{prefix}.{node.function}")
                if found is not None:
                    node.target = None
                    self._resolve(node, *found)
                    return
            node.target = self.check(node.target)
        found = self._environment.function(node.function)
        if found is None:
            node.type = ERROR
            self._undeclared(node.at, node.function)
            return
        self._resolve(node, *found)

    def _resolve(self, node: Call, name: str, overloads: list[Overload]) -> None:
        node.function = name
        if name in ("_&&_", "_||_"):
            self._logical(node, overloads[0].id)
            return
        given = [each.type for each in node.operands]
        result: Type | None = None
        fitting: list[str] = []
        for overload in overloads:
            if overload.member != (node.target is not None) or len(overload.args) != len(given):
                continue
            wanted, gives = overload.args, overload.result
            if overload.params:
                fresh = {each: self._bindings.fresh() for each in overload.params}
                wanted, gives = tuple(_filled(each, fresh) for each in wanted), _filled(gives, fresh)
            if not self._bindings.all_assignable(given, wanted):
                continue
            fitting.append(overload.id)
            gives = self._bindings.substitute(gives)
            if result is None:
                result = gives
            elif not types.is_dyn(result) and gives != result:
                result = DYN
        if result is None:
            self._no_overload(node, name)
            return
        node.type, node.overloads = result, tuple(fitting)

    def _no_overload(self, node: Call, name: str) -> None:
        shown = [str(self._bindings.substitute(each.type, free=True)) for each in node.operands]
        if node.target is not None:
            applied = f"{shown[0]}.({', '.join(shown[1:])})"
        else:
            applied = f"({', '.join(shown)})"
        self._issues.add(node.at, f"found no matching overload for '{name}' applied to '{applied}'")
        node.type = ERROR

    def _logical(self, node: Call, overload: str) -> None:
        node.type, node.overloads = BOOL, (overload,)
        for arg in node.args:
            if not self._bindings.assignable(arg.type, BOOL):
                self._mismatch(arg, BOOL, arg.type)
                node.type = ERROR

    def _mismatch(self, node: Node, wanted: Type, found: Type) -> None:
        wanted, found = self._bindings.substitute(wanted, free=True), self._bindings.substitute(found, free=True)
        self._issues.add(node.at, f"expected type '{wanted}' but found '{found}'")

    # What is made

    def _joined(self, node: Node, before: Type | None, type_: Type) -> Type:
        if before is None:
            return type_
        if self._bindings.assignable(before, type_):
            return types.most_general(before, type_)
        if self._environment.mixed:
            return DYN
        self._mismatch(node, before, type_)
        return ERROR

    def _held(self, node: Node, optional: bool) -> Type:
        """The type of an item; of one that may be none, what it holds."""
        if not optional:
            return node.type
        type_ = self._bindings.substitute(node.type)
        if types.is_optional(type_):
            return type_.params[0]
        if not types.is_dyn(type_):
            self._mismatch(node, types.optional_of(type_), type_)
        return type_

    def _list(self, node: ListOf) -> None:
        joined: Type | None = None
        for i, item in enumerate(node.items):
            node.items[i] = item = self.check(item)
            joined = self._joined(item, joined, self._held(item, i in node.optional))
        node.type = types.list_of(joined or self._bindings.fresh())

    def _map(self, node: MapOf) -> None:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            entry.key = self.check(entry.key)
            key = self._joined(entry.key, key, entry.key.type)
            entry.value = self.check(entry.value)
            value = self._joined(entry.value, value, self._held(entry.value, entry.optional))
        node.type = types.map_of(key or self._bindings.fresh(), value or self._bindings.fresh())

    def _struct(self, node: StructOf) -> None:
        found = self._environment.variable(node.name)
        if found is None:
            self._undeclared(node.at, node.name)
            node.type = ERROR
            return
        node.name, named = found
        made: Type = ERROR
        if named.kind != "type" or not named.params:
            self._issues.add(node.at, f"'{named.name}' is not a type")
        elif named.params[0].kind != "struct":
            self._issues.add(node.at, f"'{named.params[0].name}' is not a message type")
        else:
            made = named.params[0]
        node.type = made
        for entry in node.entries:
            entry.value = self.check(entry.value)
            wanted = ERROR if made is ERROR else self._struct_field(entry.at, made, entry.key)
            given = self._held(entry.value, entry.optional)
            if not self._bindings.assignable(wanted, given):
                self._issues.add(
                    entry.at, f"expected type of field '{entry.key}' is '{wanted}' but provided type is '{given}'"
                )

    # Comprehensions

    def _fold(self, node: Fold) -> None:
        node.over = self.check(node.over)
        node.start = self.check(node.start)
        over = self._bindings.substitute(node.over.type)
        depth = len(self._locals)
        self._locals.append((node.accumulator, node.start.type))
        self._locals.extend(zip(node.variables, self._items(node, over), strict=True))
        node.proceed = self.check(node.proceed)
        if not self._bindings.assignable(node.proceed.type, BOOL):
            self._mismatch(node.proceed, BOOL, node.proceed.type)
        node.step = self.check(node.step)
        if not self._bindings.assignable(node.start.type, node.step.type):
            self._mismatch(node.step, node.start.type, node.step.type)
        del self._locals[depth + 1 :]
        node.result = self.check(node.result)
        del self._locals[depth:]
        node.type = self._bindings.substitute(node.result.type)
        _resettle(node)

    def _items(self, node: Fold, over: Type) -> list[Type]:
        """The types of the variables."""
        two = len(node.variables) == 2
        if over.kind == "list":
            return [INT, over.params[0]] if two else [over.params[0]]
        if over.kind == "map":
            return list(over.params) if two else [over.params[0]]
        if over.kind == "param":
            self._bindings.assignable(DYN, over)
            return [DYN] * len(node.variables)
        if over.kind not in ("dyn", "error"):
            self._issues.add(
                node.over.at,
                f"expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)",
            )
            return [ERROR] * len(node.variables)
        return [DYN] * len(node.variables)


def _resettle(node: Fold) -> None:
    """A checked node may be another than it was: what the macro was made of follows."""
    step: Any = node.step
    if node.condition is not None:
        node.condition, step = step.args[0], step.args[1]
    if node.macro in ("all", "exists"):
        node.given = step.args[-1]
    elif node.macro == "exists_one":
        node.given = step.args[0]
    elif node.macro == "map":
        node.given = step.args[1].items[0] if isinstance(step.args[1], ListOf) else node.given
    elif node.macro in ("mapValue", "mapEntry"):
        node.given = step.args[-1]


def _filled(type_: Type, fresh: dict[str, Type]) -> Type:
    if type_.kind == "param":
        return fresh.get(type_.name, type_)
    if not type_.params:
        return type_
    return Type(type_.kind, type_.name, tuple(_filled(each, fresh) for each in type_.params))


__all__ = ["STRING", "check"]
