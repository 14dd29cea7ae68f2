"""From text to a tree (Common Expression Language, "Grammar"), with upstream's words for what is none.

The messages are those of a parser that ANTLR makes of the grammar: it takes one word too many for such (`extraneous
input`), and otherwise stops at the first that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from longboat.machinery.cel import lexer, literals, macros, types
from longboat.machinery.cel.errors import CompileError, Issues
from longboat.machinery.cel.lexer import BYTES, END, ESCAPED, FLOAT, INT, NAME, STRING, UINT, Token
from longboat.machinery.cel.nodes import Call, Const, Entry, Ident, ListOf, MapOf, Node, Select, StructOf, qualified

DEEPEST, LONGEST = 250, 100_000  # levels, code points
_OPERAND = frozenset((
    "[", "{", "(", ".", "-", "!", "true", "false", "null", FLOAT, INT, UINT, STRING, BYTES, NAME,
))  # fmt: skip
_BINARY = {
    "||": (1, "_||_"), "&&": (2, "_&&_"),
    "<": (3, "_<_"), "<=": (3, "_<=_"), ">=": (3, "_>=_"), ">": (3, "_>_"), "==": (3, "_==_"), "!=": (3, "_!=_"),
    "in": (3, "@in"),
    "+": (4, "_+_"), "-": (4, "_-_"), "*": (5, "_*_"), "/": (5, "_/_"), "%": (5, "_%_"),
}  # fmt: skip
_RESERVED = frozenset(
    (
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
        "package", "namespace", "null", "return", "true", "var", "void", "while",
    )
)  # fmt: skip


class _Stop(Exception):
    """Nothing can be made of the rest."""


def parse(text: str, expand: bool = True, binds: bool = False) -> Node:
    """The tree. `expand`: macros are put in, of these `cel.bind` where it `binds`. Raises CompileError."""
    issues = Issues(text)
    if len(text) > LONGEST:
        issues.add(-1, f"expression code point size exceeds limit: size: {len(text)}, limit {LONGEST}")
        raise failed(issues)
    parser = _Parser(text, lexer.words(text, issues), issues, expand, binds)
    root: Node | None = None
    try:
        root = parser.expression()
        parser.take(END, frozenset())
    except _Stop:
        pass
    except (_TooDeep, RecursionError):
        issues.found.clear()
        issues.add(-1, f"expression recursion limit exceeded: {DEEPEST}")
    if issues or root is None:
        raise failed(issues)
    return root


def failed(issues: Issues) -> CompileError:
    return CompileError(str(issues), tuple(issues.found))


class _TooDeep(Exception):
    pass


class _Parser:
    def __init__(self, text: str, tokens: list[Token], issues: Issues, expand: bool, binds: bool) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0
        self._token = tokens[0]
        self._issues = issues
        self._expand, self._binds = expand, binds
        self._depth = 0
        self._recovering = False
        self._within = [frozenset((END,))]  # what ends each of the brackets that are open

    def _advance(self) -> Token:
        token = self._token
        self._recovering = False
        if token.kind != END:
            self._next += 1
            self._token = self._tokens[self._next]
        return token

    def _following(self) -> str:
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)].kind

    def _wrong(self, message: str) -> None:
        """Complain, unless it is of what has been complained of: until the next word that fits."""
        if not self._recovering:
            self._issues.add(self._token.at, f"Syntax error: {message}")
        self._recovering = True

    def _expect(self, expected: frozenset[str]) -> bool:
        """Whether the next word is one of these; one word too many before it is left out."""
        found = self._token
        if found.kind in expected:
            return True
        if found.kind != END and self._following() in expected:
            self._wrong(f"extraneous input '{found.text}' expecting {_set(expected)}")
            self._advance()
            return True
        self._wrong(f"mismatched input '{found.text}' expecting {_set(expected)}")
        return False

    def close(self, kind: str) -> Token:
        """The sign that ends what was begun, after which operators may come, or what the place around it allows."""
        self._within.pop()
        return self.take(kind, _OPERATORS | self._within[-1])

    def take(self, kind: str, follows: frozenset[str]) -> Token:
        """The next word, which has to be of this kind. Where only it is missing, and what is there may follow, it is
        as if it were there."""
        found = self._token
        if found.kind == kind:
            self._recovering = False
            return self._advance()
        if found.kind != END and self._following() == kind:
            self._wrong(f"extraneous input '{found.text}' expecting {_set((kind,))}")
            self._advance()
            self._recovering = False
            return self._advance()
        if found.kind in follows:
            self._wrong(f"missing {_set((kind,))} at '{found.text}'")
            return found
        self._wrong(f"mismatched input '{found.text}' expecting {_set((kind,))}")
        raise _Stop

    def _lost(self) -> Node:
        """What stands for an operand that is none: what follows may be read again from the next sign that ends one."""
        while self._token.kind not in _AFTER:
            self._advance()
        self._recovering = True
        return Const(self._token.at, None, types.NULL)

    def expression(self) -> Node:
        """With the ternary operator, which binds least."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise _TooDeep
        first = self._operators(1)
        if self._token.kind == "?":
            at = self._advance().at
            chosen = self._operators(1)
            self.take(":", _OPERAND)
            first = Call(at, "_?_:_", None, [first, chosen, self.expression()])
        self._depth -= 1
        return first

    def _operators(self, least: int) -> Node:
        """Operators that bind at least so much, from the left."""
        left = self._unary()
        chain = 0
        while (found := _BINARY.get(self._token.kind)) is not None and found[0] >= least:
            level, function = found
            at = self._advance().at
            right = self._operators(level + 1)
            if level <= 2:
                if isinstance(left, Call) and left.function == function and left.at < 0:
                    left.args.append(right)
                    continue
                left = Call(-1 - at, function, None, [left, right])  # below zero while it may grow
                continue
            chain += 1
            if chain > DEEPEST:
                raise _TooDeep
            left = Call(at, function, None, [left, right])
        if isinstance(left, Call) and left.at < 0:
            left.at = -1 - left.at
        return left

    def _unary(self) -> Node:
        kind = self._token.kind
        if kind not in ("!", "-"):
            return self._member()
        first = self._token
        if kind == "-" and self._following() in (INT, FLOAT):
            return self._member()
        count = 0
        while self._token.kind == kind:
            if kind == "-" and count and self._following() in (INT, FLOAT):
                break  # `--1` is the negation of a negative literal
            self._advance()
            count += 1
        if self._token.kind not in _OPERAND or (kind == "-" and self._token.kind == "!"):
            return self._no_operand(first)
        operand = self._member()
        if count % 2 == 0:
            return operand
        return Call(first.at, "!_" if kind == "!" else "-_", None, [operand])

    def _no_operand(self, first: Token) -> Node:
        found = self._token
        if first.kind == "!":
            self._wrong(f"extraneous input '{found.text}' expecting {_set(_OPERAND)}")
        else:
            self._wrong(f"no viable alternative at input '{self._text[first.at : found.end]}'")
            if found.kind == END:
                self._recovering = False
                self._wrong(f"mismatched input '{END}' expecting {_set(_OPERAND)}")
        self._advance()
        return self._lost()

    def _member(self) -> Node:
        node = self._primary()
        links = 0
        while (kind := self._token.kind) in (".", "[", "{"):
            if kind == "{" and not qualified(node):
                break
            links += 1
            if links > DEEPEST:
                raise _TooDeep
            if kind == ".":
                node = self._selected(node)
            elif kind == "[":
                at = self._advance().at
                node = self._indexed(node, at)
                continue
            else:
                at = self._advance().at
                node = StructOf(at, qualified(node), self._entries(fields=True))
        return node

    def _indexed(self, operand: Node, at: int) -> Node:
        self._within.append(frozenset(("]",)))
        if self._expect(_OPERAND | {"?"}):
            optional = self._optional()
            index = self.expression()
        else:
            optional, index = False, self._lost()
        self.close("]")
        return Call(at, "_[?_]" if optional else "_[_]", None, [operand, index])

    def _optional(self) -> bool:
        if self._token.kind == "?":
            self._advance()
            return True
        return False

    def _selected(self, operand: Node) -> Node:
        dot = self._advance()
        optional = self._optional()
        if self._token.kind == ESCAPED:
            self._issues.add(self._token.at, "unsupported syntax: '`'")
        elif self._token.kind != NAME:
            found = self._token
            if optional:
                self._wrong(f"mismatched input '{found.text}' expecting {_set((NAME, ESCAPED))}")
            else:
                self._wrong(f"no viable alternative at input '{self._text[dot.at : found.end]}'")
            raise _Stop
        name = self._advance().text
        if optional:
            return Call(dot.at, "_?._", None, [operand, Const(dot.at, name, types.STRING)])
        if self._token.kind != "(":
            return Select(dot.at, operand, name)
        at = self._advance().at
        args = self._arguments()
        expand = macros.RECEIVER.get((name, len(args))) if self._expand else None
        if self._binds and macros.is_bind(operand, name, args):
            expand = macros.bind
        if expand is None:
            return Call(at, name, operand, args)
        return self._expanded(lambda: expand(at, operand, args))

    def _expanded(self, expand: Callable[[], Node]) -> Node:
        try:
            return expand()
        except macros.Wrong as wrong:
            self._issues.add(wrong.at, wrong.message)
            return Const(wrong.at, None, types.NULL)

    def _arguments(self) -> list[Node]:
        args: list[Node] = []
        self._within.append(frozenset((")", ",")))
        if self._expect(_OPERAND | {")"}) and self._token.kind != ")":
            args.append(self.expression())
            while self._token.kind == ",":
                self._advance()
                args.append(self.expression())
        self.close(")")
        return args

    def _primary(self) -> Node:
        if self._token.kind not in _OPERAND:
            return self._unary() if self._expect(_OPERAND) else self._lost()
        token = self._token
        kind = token.kind
        if kind == "." and self._following() != NAME:
            after = self._tokens[self._next + 1]
            self._advance()
            self._wrong(f"no viable alternative at input '{self._text[token.at : after.end]}'")
            raise _Stop
        self._recovering = False
        self._advance()
        if kind == "(":
            self._within.append(frozenset((")",)))
            node = self.expression()
            self.close(")")
            return node
        if kind == "[":
            return self._list(token.at)
        if kind == "{":
            return MapOf(token.at, self._entries(fields=False))
        if kind == NAME:
            return self._named(token, token.text)
        if kind == ".":
            name = self._advance()
            return self._named(name, f".{name.text}")
        return self._literal(token)

    def _named(self, token: Token, name: str) -> Node:
        if token.text in _RESERVED:
            self._issues.add(token.at, f"reserved identifier: {token.text}")
        if self._token.kind != "(":
            return Ident(token.at, name)
        at = self._advance().at
        args = self._arguments()
        if name == "has" and len(args) == 1 and self._expand:
            return self._expanded(lambda: macros.has(at, args))
        return Call(at, name, None, args)

    def _literal(self, token: Token) -> Node:
        at, sign = token.at, ""
        if token.kind == "-":
            sign, token = "-", self._advance()
        try:
            return literals.literal(at, token, sign)
        except ValueError as error:
            self._issues.add(at, str(error))
            return Const(at, None, types.NULL)

    def _list(self, at: int) -> Node:
        items: list[Node] = []
        optional: set[int] = set()
        self._within.append(_NEXT_ITEM)
        while self._expect(_ITEM if not items else _NEXT_ITEM) and self._token.kind != "]":
            if self._token.kind == ",":
                self._advance()
                if self._token.kind not in _ITEM_BEGINS:
                    break
            if self._optional():
                optional.add(len(items))
            items.append(self.expression())
        if self._token.kind != "]" and self._recovering:
            raise _Stop
        self.close("]")
        return ListOf(at, items, frozenset(optional))

    def _entries(self, fields: bool) -> list[Entry]:
        entries: list[Entry] = []
        begins = _FIELD_BEGINS if fields else _ITEM_BEGINS
        self._within.append(_NEXT_ENTRY | {":"})
        while self._expect(begins | {"}", ","} if not entries else _NEXT_ENTRY) and self._token.kind != "}":
            if self._token.kind == ",":
                self._advance()
                if self._token.kind not in begins:
                    break
            optional = self._optional()
            key = self._advance().text if fields and self._token.kind == NAME else self.expression()
            at = self.take(":", _OPERAND).at
            entries.append(Entry(at, key, self.expression(), optional))
        if self._token.kind != "}" and self._recovering:
            raise _Stop
        self.close("}")
        return entries


_OPERATORS = frozenset((*_BINARY, "?", ".", "[", "{"))
_AFTER = _OPERATORS | {":", ",", ")", "]", "}", END}
_ITEM_BEGINS, _FIELD_BEGINS = _OPERAND | {"?"}, frozenset((NAME, "?", ESCAPED))
_ITEM = _ITEM_BEGINS | {"]", ","}
_NEXT_ITEM, _NEXT_ENTRY = frozenset(("]", ",")), frozenset(("}", ","))
_ORDER = {kind: i for i, kind in enumerate((
    "[", "]", "{", "}", "(", ")", ".", ",", "-", "!", "?", ":", "true", "false", "null", FLOAT, INT, UINT, STRING,
    BYTES, NAME, ESCAPED, END,
))}  # fmt: skip


def _set(kinds: Iterable[str]) -> str:
    """Kinds of words as ANTLR lists them."""
    shown = [kind if kind.isupper() or kind == END else f"'{kind}'" for kind in sorted(kinds, key=_ORDER.__getitem__)]
    return shown[0] if len(shown) == 1 else "{" + ", ".join(shown) + "}"
