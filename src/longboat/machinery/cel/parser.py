"""From text to a tree (Common Expression Language, "Grammar"), with upstream's words for what is none.

The messages are those of a parser that ANTLR makes of the grammar: it takes one word too many for such (`extraneous
input`), and otherwise stops at the first that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable

from longboat.machinery.cel import lexer, macros, types
from longboat.machinery.cel.errors import CompileError, Issues
from longboat.machinery.cel.lexer import BYTES, END, FLOAT, INT, NAME, STRING, UINT, Token
from longboat.machinery.cel.nodes import Call, Const, Entry, Ident, ListOf, MapOf, Node, Select, StructOf, qualified
from longboat.machinery.cel.values import Uint

DEEPEST, LONGEST = 250, 100_000  # levels, code points
_OPERAND = (
    "[", "{", "(", ".", "-", "!", "true", "false", "null", FLOAT, INT, UINT, STRING, BYTES, NAME,
)  # fmt: skip
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


def parse(text: str, expand: bool = True) -> Node:
    """The tree. `expand`: macros are put in. Raises CompileError."""
    issues = Issues(text)
    if len(text) > LONGEST:
        issues.add(-1, f"expression code point size exceeds limit: size: {len(text)}, limit {LONGEST}")
        raise failed(issues)
    parser = _Parser(lexer.words(text, issues), issues, expand)
    root: Node | None = None
    try:
        root = parser.expression()
        parser.take(END)
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
    def __init__(self, tokens: list[Token], issues: Issues, expand: bool) -> None:
        self._tokens = tokens
        self._next = 0
        self._token = tokens[0]
        self._issues = issues
        self._expand = expand
        self._depth = 0

    def _advance(self) -> Token:
        token = self._token
        if token.kind != END:
            self._next += 1
            self._token = self._tokens[self._next]
        return token

    def _following(self) -> str:
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)].kind

    def _syntax(self, message: str) -> None:
        self._issues.add(self._token.at, f"Syntax error: {message}")

    def _refuse(self, expected: tuple[str, ...]) -> None:
        """Take a word for one too many if the next fits; else give up."""
        found = self._token
        if found.kind != END and self._following() in expected:
            self._syntax(f"extraneous input '{found.text}' expecting {_set(expected)}")
            self._advance()
            return
        self._syntax(f"mismatched input '{found.text}' expecting {_set(expected)}")
        raise _Stop

    def take(self, kind: str, *others: str) -> Token:
        """The next word, which has to be of this kind; `others` could have stood there too."""
        if self._token.kind != kind:
            self._refuse((kind, *others))
            if self._token.kind != kind:
                raise _Stop
        return self._advance()

    def expression(self) -> Node:
        """With the ternary operator, which binds least."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise _TooDeep
        first = self._operators(1)
        if self._token.kind == "?":
            at = self._advance().at
            chosen = self._operators(1)
            self.take(":")
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
        operand = self._member()
        if count % 2 == 0:
            return operand
        return Call(first.at, "!_" if kind == "!" else "-_", None, [operand])

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
                optional = self._optional()
                index = self.expression()
                self.take("]")
                node = Call(at, "_[?_]" if optional else "_[_]", None, [node, index])
            else:
                at = self._advance().at
                node = StructOf(at, qualified(node), self._entries(fields=True))
        return node

    def _optional(self) -> bool:
        if self._token.kind == "?":
            self._advance()
            return True
        return False

    def _selected(self, operand: Node) -> Node:
        dot = self._advance()
        optional = self._optional()
        if self._token.kind != NAME:
            so_far = "." + ("?" if optional else "") + ("" if self._token.kind == END else self._token.text)
            self._syntax(f"no viable alternative at input '{so_far}'")
            raise _Stop
        name = self._advance().text
        if optional:
            return Call(dot.at, "_?._", None, [operand, Const(dot.at, name, types.STRING)])
        if self._token.kind != "(":
            return Select(dot.at, operand, name)
        at = self._advance().at
        args = self._arguments()
        expand = macros.RECEIVER.get((name, len(args))) if self._expand else None
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
        if self._token.kind != ")":
            args.append(self.expression())
            while self._token.kind == ",":
                self._advance()
                args.append(self.expression())
        self.take(")", *(() if not args else (",",)))
        return args

    def _primary(self) -> Node:
        if self._token.kind not in _OPERAND:
            self._refuse(_OPERAND)
            return self._unary()
        token = self._advance()
        kind = token.kind
        if kind == "(":
            node = self.expression()
            self.take(")")
            return node
        if kind == "[":
            return self._list(token.at)
        if kind == "{":
            return MapOf(token.at, self._entries(fields=False))
        if kind == NAME:
            return self._named(token, token.text)
        if kind == ".":
            name = self.take(NAME)
            return self._named(name, f".{name.text}")
        if kind in ("-", INT, UINT, FLOAT):
            return self._number(token)
        if kind == "!":
            self._syntax(f"mismatched input '!' expecting {_set(_OPERAND)}")
            raise _Stop
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

    def _number(self, token: Token) -> Node:
        at, sign = token.at, ""
        if token.kind == "-":
            sign, token = "-", self._advance()
        text = sign + token.text
        if token.kind == FLOAT:
            value = float(text)
            if value in (float("inf"), float("-inf")):
                self._issues.add(at, "invalid double literal")
            return Const(at, value, types.DOUBLE)
        if token.kind == UINT:
            number = int(text[:-1], 16 if "0x" in text else 10) if len(text) < 30 else 1 << 64
            if number >> 64:
                self._issues.add(at, "invalid uint literal")
            return Const(at, Uint(number), types.UINT)
        number = int(text, 16 if "0x" in text else 10) if len(text) < 30 else 1 << 64
        if not -(1 << 63) <= number < 1 << 63:
            self._issues.add(at, "invalid int literal")
        return Const(at, number, types.INT)

    def _literal(self, token: Token) -> Node:
        match token.kind:
            case "true" | "false":
                return Const(token.at, token.kind == "true", types.BOOL)
            case "null":
                return Const(token.at, None, types.NULL)
        try:
            if token.kind == BYTES:
                return Const(token.at, lexer.octets(token.text), types.BYTES)
            return Const(token.at, lexer.string(token.text), types.STRING)
        except ValueError as error:
            self._issues.add(token.at, f"invalid unicode code point: {error}")
            return Const(token.at, "", types.STRING)

    def _list(self, at: int) -> Node:
        items: list[Node] = []
        optional: set[int] = set()
        while self._token.kind != "]":
            if items:
                self.take(",", "]")
                if self._token.kind == "]":
                    break
            if self._optional():
                optional.add(len(items))
            items.append(self.expression())
        self._advance()
        return ListOf(at, items, frozenset(optional))

    def _entries(self, fields: bool) -> list[Entry]:
        entries: list[Entry] = []
        while self._token.kind != "}":
            if entries:
                self.take(",", "}")
                if self._token.kind == "}":
                    break
            elif fields and self._token.kind not in (NAME, "?"):
                self._refuse(("}", ",", "?", NAME))
                continue
            optional = self._optional()
            key = self.take(NAME).text if fields else self.expression()
            at = self.take(":").at
            entries.append(Entry(at, key, self.expression(), optional))
        self._advance()
        return entries


def _set(kinds: tuple[str, ...]) -> str:
    shown = [kind if kind.isupper() or kind == END else f"'{kind}'" for kind in kinds]
    return shown[0] if len(shown) == 1 else "{" + ", ".join(shown) + "}"
