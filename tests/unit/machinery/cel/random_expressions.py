"""Random well-typed expressions, evaluated by us and by the language's C++ runtime (`cel-expr-python`).

By hand, for as long as one likes: `PYTHONPATH=tests python -m unit.machinery.cel.random_expressions SECONDS`.
"""

from __future__ import annotations

import math
import random
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from longboat.machinery import cel
from longboat.machinery.cel import types, values

oracle = pytest.importorskip("cel_expr_python.cel")

GIVEN: dict[str, Any] = {
    "n": 3, "m": -7, "s": "héllo", "t": "", "b": True, "d": 2.5, "l": [3, 1, 2], "k": {"a": 1, "b": 2},
    "ss": ["x", "yy"], "w": b"ab\xff", "x": {"a": [1, "q", None], "b": {"c": 2.0}}, "ll": [[1], [], [2, 3]],
}  # fmt: skip
DECLARED = {
    "n": types.INT, "m": types.INT, "s": types.STRING, "t": types.STRING, "b": types.BOOL, "d": types.DOUBLE,
    "l": types.list_of(types.INT), "k": types.map_of(types.STRING, types.INT), "ss": types.list_of(types.STRING),
    "w": types.BYTES, "x": types.DYN, "ll": types.list_of(types.list_of(types.INT)),
}  # fmt: skip
NAMES = {"int": ("n", "m"), "string": ("s", "t"), "bool": ("b",), "double": ("d",), "ints": ("l",), "map": ("k",),
         "strings": ("ss",), "bytes": ("w",), "dyn": ("x", "x.a", "x.b"), "lists": ("ll",)}  # fmt: skip
LITERALS = {
    "int": ("0", "1", "-2", "9223372036854775807", "0x1f"), "string": ("'a'", "''", "'x\\n'", '"é"', "'a,b,a'"),
    "bool": ("true", "false"), "double": ("0.5", "-1.0", "1e3", "9.3e18"), "ints": ("[5]", "[1, 2]", "[2, 2, -1]"),
    "map": ("{'a': 4}", "{'z': 0}"), "uint": ("0u", "7u", "18446744073709551615u"), "bytes": ("b''", "b'x\\xff'"),
    "strings": ("['a']", "['', 'b']"),
    "time": ("timestamp('2024-02-29T23:59:59Z')", "timestamp('1969-12-31T00:00:00-05:00')"),
    "span": ("duration('90m')", "duration('-15s')", "duration('0s')"),
    "dyn": ("dyn(1)", "dyn('a')", "dyn(null)", "dyn(2u)"),
    "maybe": ("optional.of(4)", "[1][?7]", "k[?'a']", "l[?9]"), "lists": ("[[4], [4, 5]]",),
}  # fmt: skip
_SETS = tuple((f"sets.{name}(@, @)", ("ints", "ints")) for name in ("contains", "equivalent", "intersects"))
_PARTS = (
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes",
    "getSeconds", "getMilliseconds",
)  # fmt: skip
# `@` stands for an expression of the next type named.
FORMS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "int": (
        ("(@ + @)", ("int", "int")), ("(@ - @)", ("int", "int")), ("(@ * @)", ("int", "int")),
        ("(@ / @)", ("int", "int")), ("(@ % @)", ("int", "int")), ("size(@)", ("string",)), ("@.size()", ("ints",)),
        ("size(@)", ("map",)), ("(@ ? @ : @)", ("bool", "int", "int")), ("@[@]", ("ints", "int")),
        ("@[@]", ("map", "string")), ("int(@)", ("double",)), ("int(string(@))", ("int",)), ("(-@)", ("int",)),
        ("int(@)", ("uint",)), ("size(@)", ("bytes",)), ("@.indexOf(@)", ("string", "string")),
        ("@.lastIndexOf(@)", ("string", "string")), ("@.indexOf('a', 0)", ("string",)),
        ("@.orValue(@)", ("maybe", "int")), ("@.value()", ("maybe",)), ("int(@)", ("time",)),
        *((f"@.{part}()", ("time",)) for part in _PARTS),
        *((f"@.{part}('+05:30')", ("time",)) for part in _PARTS[::3]),
        ("@.getHours('America/New_York')", ("time",)),
        ("@.getHours()", ("span",)), ("@.getMinutes()", ("span",)), ("@.getSeconds()", ("span",)),
        ("@.filter(v, v > @)[0]", ("ints", "int")),
    ),
    "uint": (
        ("(@ + @)", ("uint", "uint")), ("(@ - @)", ("uint", "uint")), ("(@ * @)", ("uint", "uint")),
        ("(@ / @)", ("uint", "uint")), ("(@ % @)", ("uint", "uint")), ("uint(@)", ("int",)), ("uint(@)", ("double",)),
    ),
    "string": (
        ("(@ + @)", ("string", "string")), ("string(@)", ("int",)), ("string(@)", ("bool",)), ("string(@)", ("uint",)),
        ("(@ ? @ : @)", ("bool", "string", "string")), ("@[@]", ("strings", "int")), ("string(@)", ("bytes",)),
        ("@.charAt(@)", ("string", "int")), ("@.lowerAscii()", ("string",)), ("@.upperAscii()", ("string",)),
        ("@.trim()", ("string",)), ("@.replace(@, @)", ("string", "string", "string")),
        ("@.join(@)", ("strings", "string")),
        ("@.replace(@, @, @)", ("string", "string", "string", "int")), ("@.substring(@)", ("string", "int")),
        ("strings.quote(@)", ("string",)), ("string(@)", ("time",)),
        ("'%s|%d'.format([dyn(@), dyn(@)])", ("string", "int")), ("'%x'.format([@])", ("int",)),
        ("'%X'.format([@])", ("string",)),
        ("'%b'.format([@])", ("int",)), ("'%o'.format([@])", ("int",)), ("'%s'.format([@])", ("ints",)),
        ("'%.3f'.format([@])", ("double",)), ("'%.2e'.format([@])", ("double",)), ("'%s'.format([@])", ("map",)),
        ("'%s'.format([@])", ("strings",)), ("'%s'.format([@])", ("bool",)), ("'%s'.format([@])", ("time",)),
        ("'%s%%'.format([@])", ("uint",)), ("'%d'.format([@])", ("uint",)), ("'%x'.format([@])", ("bytes",)),
    ),
    "bytes": (("(@ + @)", ("bytes", "bytes")), ("bytes(@)", ("string",))),
    "double": (
        ("(@ + @)", ("double", "double")), ("double(@)", ("int",)), ("(@ * @)", ("double", "double")),
        ("(@ / @)", ("double", "double")), ("(@ - @)", ("double", "double")), ("double(@)", ("uint",)),
        ("double(string(@))", ("int",)), ("(-@)", ("double",)),
    ),
    "time": (("(@ + @)", ("time", "span")), ("(@ - @)", ("time", "span")), ("timestamp(string(@))", ("time",))),
    "span": (
        ("(@ + @)", ("span", "span")), ("(@ - @)", ("span", "span")), ("(@ - @)", ("time", "time")),
    ),
    "bool": (
        *((f"(@ {sign} @)", (kind, kind)) for sign in ("<", "<=", ">", ">=", "==", "!=")
          for kind in ("int", "uint", "double", "string", "bytes", "time", "span", "bool")),
        ("(dyn(@) < @)", ("int", "double")), ("(dyn(@) >= @)", ("uint", "int")), ("(dyn(@) > @)", ("double", "uint")),
        ("(@ == @)", ("ints", "ints")), ("(@ != @)", ("map", "map")), ("(@ && @)", ("bool", "bool")),
        ("(@ || @)", ("bool", "bool")), ("(!@)", ("bool",)), ("@.startsWith(@)", ("string", "string")),
        ("@.contains(@)", ("string", "string")), ("@.endsWith(@)", ("string", "string")), ("(@ in @)", ("int", "ints")),
        ("(@ in @)", ("string", "map")), ("@.all(v, v > @)", ("ints", "int")), ("@.exists(v, v == @)", ("ints", "int")),
        ("@.exists_one(v, v < @)", ("ints", "int")), ("@.all(v, v.size() < @)", ("map", "int")),
        ("(type(@) == type(@))", ("int", "string")), ("has(k.a)", ()), ("has(x.a)", ()), ("has(x.b.nope)", ()),
        ("@.matches('^[a-z]+$')", ("string",)), ("(dyn(@) == dyn(@))", ("int", "double")), ("(@ == @)", ("dyn", "dyn")),
        ("(dyn(@) == dyn(@))", ("uint", "int")), ("(@ in @)", ("string", "strings")), ("@.hasValue()", ("maybe",)),
        ("(@ == @)", ("maybe", "maybe")), ("@.all(i, v, v >= i + @)", ("ints", "int")),
        ("@.exists(i, v, i == v)", ("ints",)), ("@.exists(p, v, p == @ && v > @)", ("map", "string", "int")),
        ("@.existsOne(i, v, v > @)", ("ints", "int")), ("@.all(p, v, size(p) == v)", ("map",)), *_SETS,
        ("@.exists(a, a.exists(v, v == @))", ("lists", "int")), ("@.all(v, v != null)", ("dyn",)),
        ("bool(string(@))", ("bool",)), ("(@ in dyn(@))", ("dyn", "ints")), ("@.all(a, size(a) < @)", ("lists", "int")),
        ("@.all(i, v, i != v)", ("dyn",)), ("(@ == @)", ("lists", "lists")), ("(@ <= @)", ("dyn", "dyn")),
    ),
    "ints": (
        ("@.map(v, v + @)", ("ints", "int")), ("@.filter(v, v > @)", ("ints", "int")), ("(@ + @)", ("ints", "ints")),
        ("[@, @]", ("int", "int")), ("@.map(v, v != @, v * @)", ("ints", "int", "int")), ("@.reverse()", ("ints",)),
        ("@.transformList(i, v, i + v)", ("ints",)), ("@.transformList(i, v, v > @, v)", ("ints", "int")),
        ("@.sort()", ("ints",)), ("@.distinct()", ("ints",)), ("@.slice(@, @)", ("ints", "int", "int")),
        ("@.flatten().map(v, int(v))", ("lists",)), ("lists.range(size(@) % 7)", ("string",)),
        ("@.sortBy(v, -v)", ("ints",)),
        ("[?@, 1]", ("maybe",)), ("@.transformList(p, v, v).sort()", ("map",)), ("@.map(a, size(a))", ("lists",)),
    ),
    "lists": (("[@, @]", ("ints", "ints")), ("@.map(v, [v, @])", ("ints", "int")),
    ("@.filter(a, size(a) > 1)", ("lists",))),
    "map": (("{'q': @, 'r': @}", ("int", "int")), ("{?'q': @, 'r': 1}", ("maybe",))),
    "maybe": (
        ("optional.of(@)", ("int",)), ("optional.ofNonZeroValue(@)", ("int",)), ("@[?@]", ("ints", "int")),
        ("@[?@]", ("map", "string")), ("@.optMap(o, o + @)", ("maybe", "int")), ("k.?a", ()),
        ("@.or(@)", ("maybe", "maybe")),
        ("@.optFlatMap(o, o > @ ? optional.of(o) : optional.none())", ("maybe", "int")),
    ),
    "strings": (
        ("@.map(v, string(v))", ("ints",)), ("(@ + @)", ("strings", "strings")), ("@.split('a')", ("string",)),
        ("@.split(',', @)", ("string", "int")), ("@.sort()", ("strings",)),
        ("@.map(p, p + @).sort()", ("map", "string")),
        ("@.filter(v, v.contains(@))", ("strings", "string")), ("@.distinct()", ("strings",)),
    ),
    "dyn": (
        ("dyn(@)", ("int",)), ("dyn(@)", ("ints",)), ("dyn(@)", ("double",)), ("@[@]", ("dyn", "int")),
        ("(@ ? dyn(@) : dyn(@))", ("bool", "int", "string")), ("dyn(@)", ("map",)), ("@.a", ("dyn",)),
    ),
}  # fmt: skip
SHOWN = ("int", "uint", "string", "bytes", "double", "bool", "ints", "map", "strings", "lists")  # what it can give out


def expression(chance: random.Random, kind: str, depth: int) -> str:
    if depth <= 0 or chance.random() < 0.15:
        return chance.choice((*NAMES.get(kind, ()), *LITERALS[kind]))
    form, holes = chance.choice(FORMS[kind])
    parts = [expression(chance, hole, depth - 1) for hole in holes]
    return re.sub("@", lambda match: parts.pop(0), form)


def _declared(type_: types.Type) -> Any:
    if type_.kind == "list":
        return oracle.Type.List(_declared(type_.params[0]))
    if type_.kind == "map":
        return oracle.Type.Map(*map(_declared, type_.params))
    return getattr(oracle.Type, type_.kind.upper())


_LIBRARIES = ("strings", "optional", "lists", "sets", "two-var-comprehensions")
ENVIRONMENT = oracle.NewEnv(
    config=oracle.NewEnvConfigFromYaml("extensions:\n" + "".join(f"- name: {name}\n" for name in _LIBRARIES)),
    variables={name: _declared(type_) for name, type_ in DECLARED.items()},
)


def _theirs(text: str) -> tuple[bool, Any]:
    found = ENVIRONMENT.compile(text).eval(data=GIVEN)
    failed = found.type() == oracle.Type.ERROR
    return not failed, None if failed else found.plain_value()


def _ours(text: str) -> tuple[bool, Any]:
    try:
        return True, cel.compile(text, DECLARED).evaluate(GIVEN)[0]
    except cel.EvalError:
        return False, None


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(theirs, float):
        return mine == theirs or (math.isnan(mine) and math.isnan(theirs))
    return values.equal(mine, bytes(theirs) if isinstance(theirs, bytearray) else theirs)


def differences(seed: int, count: int) -> Iterator[tuple[str, Any, Any] | bool]:
    """For each of `count` expressions: whether it has a value, or itself and both values where they differ."""
    chance = random.Random(seed)
    for _ in range(count):
        text = expression(chance, chance.choice(SHOWN), 4)
        try:
            mine, theirs = _ours(text), _theirs(text)
        except cel.CompileError as error:
            if error.issues:
                yield text, error.message, None
            continue  # a constant without a value: cel-go says so at once
        except Exception as error:
            if "undeclared reference" not in str(error) or ".transform" not in text or ".opt" not in text:
                yield text, None, error
            continue  # it loses the second variable where a macro copies a macro
        yield mine[0] if mine[0] == theirs[0] and _same(mine[1], theirs[1]) else (text, mine, theirs)


def main() -> None:
    ends, seed, told = time.monotonic() + float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000, 0
    while time.monotonic() < ends:
        for found in differences(seed, 100):
            if not isinstance(found, bool):
                told += 1
                print(seed, *found, sep="\n  ", flush=True)
        seed += 1
    print(f"{told} differences up to seed {seed}")


if __name__ == "__main__":
    main()
