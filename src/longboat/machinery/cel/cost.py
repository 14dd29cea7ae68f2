"""What an expression costs at most, before it runs: of the sizes that the schema allows (cel-go, checker/cost).

A definition is refused where that is too much, so the figures are upstream's to the unit.
"""

from __future__ import annotations

from collections.abc import Callable

from longboat.machinery.cel import library_costs, types
from longboat.machinery.cel.estimates import (
    LIST,
    MAP,
    MOST,
    NOTHING,
    ONE,
    PATTERN,
    STRUCT,
    TEXT,
    UNKNOWN,
    Items,
    Range,
    fixed,
)
from longboat.machinery.cel.macros import ACCUMULATOR
from longboat.machinery.cel.nodes import Call, Const, Fold, Ident, ListOf, MapOf, Node, Select, StructOf
from longboat.machinery.cel.types import Type

Path = tuple[str, ...]
Sizes = Callable[[Path], int | None]  # the most that is at a path: `("self", "spec", "@items")`


def no_sizes(_: Path) -> int | None:
    """Nothing is known of any variable."""
    return None


def estimate(root: Node, sizes: Sizes) -> Range:
    """The least and the most that a checked expression may cost."""
    return _Estimate(sizes).cost(root)


class _Local:
    __slots__ = ("items", "path", "size")

    def __init__(self, path: Path | None, size: Range | None, items: Items | None) -> None:
        self.path, self.size, self.items = path, size, items


class _Estimate:
    def __init__(self, sizes: Sizes) -> None:
        self._known = sizes
        self._paths: dict[Node, Path] = {}
        self._sizes: dict[Node, Range] = {}
        self._items: dict[Node, Items] = {}
        self._locals: dict[str, list[_Local]] = {}

    def cost(self, node: Node) -> Range:
        match node:
            case Const():
                return NOTHING
            case Ident():
                local = self._local(node.name)
                self._paths[node] = (local.path or ()) if local else (node.name,)
                return ONE
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListOf():
                return self._list(node)
            case MapOf():
                return self._map(node)
            case StructOf():
                total = NOTHING
                for entry in node.entries:
                    total = total.plus(self.cost(entry.value))
                return total.plus(fixed(STRUCT))
            case Fold():
                return self._bind(node) if node.macro == "bind" else self._fold(node)

    # What is known of a node

    def _local(self, name: str) -> _Local | None:
        stack = self._locals.get(name)
        return stack[-1] if stack else None

    def path(self, node: Node) -> Path:
        if isinstance(node, Ident) and (local := self._local(node.name)):
            return local.path or ()
        return self._paths.get(node, ())

    def size(self, node: Node) -> Range | None:
        if node in self._sizes:
            return self._sizes[node]
        found = _written(node)
        if found is not None:
            return found
        found = self.sized(self.path(node))
        if found is not None:
            self._sizes[node] = found
            return found
        if node.type.kind in types.SCALARS or (types.is_optional(node.type) and _scalar(node.type)):
            return ONE
        if isinstance(node, Ident) and (local := self._local(node.name)):
            return local.size
        return None

    def sized(self, path: Path) -> Range | None:
        """What the schema allows at a path."""
        if not path or path[0] in (ACCUMULATOR, "__result__"):
            return None
        most = self._known(path)
        return None if most is None else Range(0, most)

    def size_or_unknown(self, node: Node) -> Range:
        return self.size(node) or UNKNOWN

    def items(self, node: Node) -> Items | None:
        found = self._items.get(node)
        if found is None and isinstance(node, Ident) and (local := self._local(node.name)):
            return local.items
        return found

    def visible(self, node: Node) -> Path:
        """The path from a variable that the schema is asked of; none from what is being added up."""
        path = self.path(node)
        return () if path and path[0] in (ACCUMULATOR, "__result__") else path

    # Costs

    def _select(self, node: Select) -> Range:
        total = self.cost(node.operand)
        if node.test:
            return total  # has() costs nothing, as before cel-go 0.17.7
        if node.operand.type.kind in ("map", "struct", "param"):
            total = total.plus(ONE)
        self._paths[node] = (*self.path(node.operand), node.field)
        return total

    def _list(self, node: ListOf) -> Range:
        total, size = NOTHING, Range(MOST if node.items else 0, 0)
        for item in node.items:
            total = total.plus(self.cost(item))
            size = size.or_(self.size_or_unknown(item))
        self._items[node] = Items("list", ONE, size)
        return total.plus(fixed(LIST))

    def _map(self, node: MapOf) -> Range:
        total = NOTHING
        key = value = Range(MOST if node.entries else 0, 0)
        for entry in node.entries:
            total = total.plus(self.cost(entry.key)).plus(self.cost(entry.value))
            key, value = key.or_(self.size_or_unknown(entry.key)), value.or_(self.size_or_unknown(entry.value))
        self._items[node] = Items("map", key, value)
        return total.plus(fixed(MAP))

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _bind(self, node: Fold) -> Range:
        total = self.cost(node.over).plus(self.cost(node.start))
        self._push(node.accumulator, _Local(self.path(node.start), self.size(node.start), self.items(node.start)))
        total = total.plus(self.cost(node.result))
        self._locals[node.accumulator].pop()
        self._copy(node, node.result)
        return total

    def _copy(self, node: Node, source: Node) -> None:
        if (size := self.size(source)) is not None:
            self._sizes[node] = size
        if (items := self.items(source)) is not None:
            self._items[node] = items

    def _fold(self, node: Fold) -> Range:
        total = self.cost(node.over).plus(self.cost(node.start))
        self._push(node.accumulator, _Local(self.path(node.start), self.size(node.start), self.items(node.start)))
        over, path = self.items(node.over), self.path(node.over)
        is_list = (over.kind if over else node.over.type.kind) == "list"
        key = _Local((*path, "@indices" if is_list else "@keys"), over.key if over else None, None)
        value = _Local((*path, "@items" if is_list else "@values"), over.value if over else None, None)
        if len(node.variables) == 2:
            held = (key, value)
        else:
            held = (value,) if is_list else (key,)  # type: ignore[assignment]
        for name, local in zip(node.variables, held, strict=True):
            self._push(name, local)
        each = self.cost(node.proceed).plus(self.cost(node.step))
        for name in node.variables:
            self._locals[name].pop()
        total = total.plus(self.cost(node.result))
        self._locals[node.accumulator].pop()
        count = self.size_or_unknown(node.over)
        if isinstance(node.start, Const):
            if (size := self.size(node.start)) is not None:
                self._sizes[node] = size
        else:
            self._sizes[node] = count
            if (items := self.items(node.step)) is not None:
                self._items[node] = items
        return total.plus(count.times(each))

    def _call(self, node: Call) -> Range:
        if node.function == "dyn" and len(node.args) == 1:
            total = self.cost(node.args[0]).plus(ONE)
            self._copy(node, node.args[0])
            return total
        costs = [self.cost(arg) for arg in node.args]
        if not node.overloads:
            return NOTHING
        total = self.cost(node.target) if node.target is not None else NOTHING
        most = Range(MOST, 0)
        size: Range | None = None
        for overload in node.overloads:
            cost, result = self._overload(node, overload, costs)
            most = most.or_(cost)
            if result is not None:
                size = result if size is None else size.or_(result)
            if overload in ("index_list", "index_map"):
                held = self.items(node.args[0])
                size = held.value if held else None
                self._paths[node] = (*self.path(node.args[0]), "@items" if overload == "index_list" else "@values")
            if size is None:
                size = self.size(node)
        if size is not None:
            self._sizes[node] = size
        return total.plus(most)

    def _overload(self, node: Call, overload: str, costs: list[Range]) -> tuple[Range, Range | None]:
        args = NOTHING
        for cost in costs:
            args = args.plus(cost)
        found = library_costs.estimate(self, node, overload)
        if found is not None:
            return found[0].plus(args), found[1]
        cost, result = self._standard(node, overload, costs)
        return (cost if overload in _BRANCHING else cost.plus(args)), result

    def _standard(self, node: Call, overload: str, costs: list[Range]) -> tuple[Range, Range | None]:
        args = node.args
        size = self.size_or_unknown
        match overload:
            case "string_format":
                return (size(node.target).by(TEXT) if node.target else ONE), None
            case "string_to_bytes":
                found = size(args[0])
                return found.by(TEXT), Range(found.least, found.most * 4 & MOST)
            case "bytes_to_string":
                found = size(args[0])
                return found.by(TEXT), Range(found.least // 4, found.most)
            case "strings_quote":
                found = size(args[0])
                return found.by(TEXT), Range(found.least + 2, (found.most * 2 + 2) & MOST)
            case "starts_with_string" | "ends_with_string":
                return size(args[0]).by(TEXT), None
            case "in_list":
                return size(args[1]).by(1), None
            case "matches_string" if node.target is not None:
                return size(node.target).plus(ONE).by(TEXT).times(size(args[0]).by(PATTERN)), None
            case "contains_string" if node.target is not None:
                return size(node.target).by(TEXT).times(size(args[0]).by(TEXT)), None
            case "logical_or" | "logical_and":
                total = NOTHING
                for cost in costs:
                    total = total.plus(cost)
                return Range(costs[0].least, total.most), None
            case "conditional":
                one, other = self.items(args[1]), self.items(args[2])
                if one is not None and (items := one.or_(other)) is not None:
                    self._items[node] = items
                return costs[0].plus(costs[1].or_(costs[2])), size(args[1]).or_(size(args[2]))
            case "add_string" | "add_bytes" | "add_list":
                result = size(args[0]).plus(size(args[1]))
                one, other = self.items(args[0]), self.items(args[1])
                if one is not None and (items := one.or_(other)) is not None:
                    self._items[node] = items
                return (ONE if overload == "add_list" else result.by(TEXT)), result
        if overload in _COMPARED:
            smallest = min(size(args[0]).most, size(args[1]).most)
            return Range(1 if smallest else 0, smallest).by(TEXT), None
        return ONE, None


_BRANCHING = frozenset(("logical_or", "logical_and", "conditional"))
_COMPARED = frozenset(
    f"{name}_{kind}" for name in ("less", "greater", "less_equals", "greater_equals") for kind in ("string", "bytes")
) | {"equals", "not_equals"}


def _written(node: Node) -> Range | None:
    """The size of what the expression itself says."""
    match node:
        case Const():
            if isinstance(node.value, (str, bytes)):
                return fixed(len(node.value))
            return ONE
        case ListOf():
            return fixed(len(node.items))
        case MapOf():
            return fixed(len(node.entries))
    return None


def _scalar(type_: Type) -> bool:
    while types.is_optional(type_):
        type_ = type_.params[0]
    return type_.kind in types.SCALARS
