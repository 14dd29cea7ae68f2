"""Macros: calls that stand for a comprehension, or for a test that is none of a value (Common Expression Language,
"Macros"; and the optional and two-variable ones that Kubernetes enables)."""

from __future__ import annotations

from collections.abc import Callable

from longboat.machinery.cel import types
from longboat.machinery.cel.nodes import Call, Const, Fold, Ident, ListOf, MapOf, Node, Select, copied

ACCUMULATOR = "@result"
_RESERVED = frozenset((ACCUMULATOR, "__result__"))


class Wrong(Exception):
    """A macro that is not used as it must be."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


class _Maker:
    """Nodes at the place of the macro."""

    def __init__(self, at: int) -> None:
        self.at = at

    def bool(self, value: bool) -> Const:
        return Const(self.at, value, types.BOOL)

    def int(self, value: int) -> Const:
        return Const(self.at, value, types.INT)

    def sum(self) -> Ident:
        return Ident(self.at, ACCUMULATOR)

    def call(self, function: str, *args: Node) -> Call:
        return Call(self.at, function, None, list(args))

    def member(self, target: Node, function: str, *args: Node) -> Call:
        return Call(self.at, function, target, list(args))

    def list(self, *items: Node) -> ListOf:
        return ListOf(self.at, list(items))

    def bind(self, name: str, value: Node, within: Node) -> Fold:
        return Fold(
            self.at, "bind", ("#unused",), self.list(), name, value, self.bool(False), Ident(self.at, name), within
        )


def _name(node: Node) -> str:
    if not isinstance(node, Ident) or node.name.startswith("."):
        raise Wrong(node.at, "argument must be a simple name")
    if node.name in _RESERVED:
        raise Wrong(node.at, "iteration variable overwrites accumulator variable")
    return node.name


def _names(args: list[Node], count: int) -> tuple[str, ...]:
    names = tuple(_name(arg) for arg in args[:count])
    if len(set(names)) < count:
        raise Wrong(args[1].at, f"duplicate variable name: {names[0]}")
    return names


def has(at: int, args: list[Node]) -> Node:
    """`has(a.b)`"""
    operand = args[0]
    if not isinstance(operand, Select) or operand.test:
        raise Wrong(operand.at, "invalid argument to has() macro")
    return Select(at, operand.operand, operand.field, test=True)


def _quantifier(macro: str, count: int) -> Callable[[int, Node, list[Node]], Node]:
    def expand(at: int, target: Node, args: list[Node]) -> Node:
        make, names, predicate = _Maker(at), _names(args, count), args[count]
        start: Node
        if macro == "all":
            start, proceed = make.bool(True), make.call("@not_strictly_false", make.sum())
            step: Node = make.call("_&&_", make.sum(), predicate)
        else:
            start = make.bool(False)
            proceed = make.call("@not_strictly_false", make.call("!_", make.sum()))
            step = make.call("_||_", make.sum(), predicate)
        return Fold(at, macro, names, target, ACCUMULATOR, start, proceed, step, make.sum(), predicate)

    return expand


def _exists_one(count: int) -> Callable[[int, Node, list[Node]], Node]:
    def expand(at: int, target: Node, args: list[Node]) -> Node:
        make, names, predicate = _Maker(at), _names(args, count), args[count]
        step = make.call("_?_:_", predicate, make.call("_+_", make.sum(), make.int(1)), make.sum())
        result = make.call("_==_", make.sum(), make.int(1))
        return Fold(at, "exists_one", names, target, ACCUMULATOR, make.int(0), make.bool(True), step, result, predicate)

    return expand


def _lister(count: int, filters: bool) -> Callable[[int, Node, list[Node]], Node]:
    """map, filter and transformList."""

    def expand(at: int, target: Node, args: list[Node]) -> Node:
        make, names = _Maker(at), _names(args, count)
        condition = args[count] if filters or len(args) == count + 2 else None
        given = Ident(args[0].at, names[0]) if filters else args[-1]
        step: Node = make.call("_+_", make.sum(), make.list(given))
        if condition is not None:
            step = make.call("_?_:_", condition, step, make.sum())
        return Fold(
            at, "map", names, target, ACCUMULATOR, make.list(), make.bool(True), step, make.sum(), given, condition
        )

    return expand


def _mapper(entries: bool) -> Callable[[int, Node, list[Node]], Node]:
    """transformMap and transformMapEntry."""

    def expand(at: int, target: Node, args: list[Node]) -> Node:
        make, names = _Maker(at), _names(args, 2)
        condition, given = (args[2] if len(args) == 4 else None), args[-1]
        put = (given,) if entries else (Ident(at, names[0]), given)
        step: Node = make.call("cel.@mapInsert", make.sum(), *put)
        if condition is not None:
            step = make.call("_?_:_", condition, step, make.sum())
        macro = "mapEntry" if entries else "mapValue"
        return Fold(
            at, macro, names, target, ACCUMULATOR, MapOf(at, []), make.bool(True), step, make.sum(), given, condition
        )

    return expand


def _opt_map(flat: bool) -> Callable[[int, Node, list[Node]], Node]:
    def expand(at: int, target: Node, args: list[Node]) -> Node:
        make, name = _Maker(at), _name(args[0])
        bound: Node = make.bind(name, make.member(copied(target), "value"), args[1])
        found = bound if flat else make.call("optional.of", bound)
        return make.call("_?_:_", make.member(target, "hasValue"), found, make.call("optional.none"))

    return expand


def _sort_by(at: int, target: Node, args: list[Node]) -> Node:
    if not isinstance(target, (ListOf, Select, Ident, Fold, Call)):
        raise Wrong(
            target.at, "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        )
    make, given = _Maker(at), "@__sortBy_input__"
    keys = _lister(1, filters=False)(at, Ident(at, given), args)
    return make.bind(given, target, make.member(Ident(at, given), "@sortByAssociatedKeys", keys))


def is_bind(target: Node, name: str, args: list[Node]) -> bool:
    return name == "bind" and len(args) == 3 and isinstance(target, Ident) and target.name == "cel"


def bind(at: int, target: Node, args: list[Node]) -> Node:
    """`cel.bind(name, value, within)`"""
    if not isinstance(args[0], Ident) or args[0].name.startswith("."):
        raise Wrong(args[0].at, "cel.bind() variable names must be simple identifiers")
    return _Maker(at).bind(args[0].name, args[1], args[2])


RECEIVER: dict[tuple[str, int], Callable[[int, Node, list[Node]], Node]] = {
    ("all", 2): _quantifier("all", 1),
    ("exists", 2): _quantifier("exists", 1),
    ("exists_one", 2): _exists_one(1),
    ("existsOne", 2): _exists_one(1),
    ("map", 2): _lister(1, filters=False),
    ("map", 3): _lister(1, filters=False),
    ("filter", 2): _lister(1, filters=True),
    ("all", 3): _quantifier("all", 2),
    ("exists", 3): _quantifier("exists", 2),
    ("exists_one", 3): _exists_one(2),
    ("existsOne", 3): _exists_one(2),
    ("transformList", 3): _lister(2, filters=False),
    ("transformList", 4): _lister(2, filters=False),
    ("transformMap", 3): _mapper(entries=False),
    ("transformMap", 4): _mapper(entries=False),
    ("transformMapEntry", 3): _mapper(entries=True),
    ("transformMapEntry", 4): _mapper(entries=True),
    ("optMap", 2): _opt_map(flat=False),
    ("optFlatMap", 2): _opt_map(flat=True),
    ("sortBy", 2): _sort_by,
}
