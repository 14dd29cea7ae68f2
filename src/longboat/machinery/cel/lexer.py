"""The words of an expression (Common Expression Language, "Syntax"), and what is said of signs that are none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from longboat.machinery.cel.errors import Issues

# Names of kinds of words in upstream's messages; words that are signs stand for themselves, in quotes.
END, NAME, INT, UINT, FLOAT = "<EOF>", "IDENTIFIER", "NUM_INT", "NUM_UINT", "NUM_FLOAT"
STRING, BYTES, ESCAPED = "STRING", "BYTES", "ESC_IDENTIFIER"
KEYWORDS = frozenset(("true", "false", "null", "in"))


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is the word itself for signs and keywords. `at` and `end` are offsets in code points."""

    kind: str
    text: str
    at: int
    end: int


_ESCAPE = r"""\\(?:[abfnrtv"'`?\\]|x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7][0-7])"""
_QUOTED = rf"""
    [rR](?:\"\"\"(?:.|\n)*?\"\"\"|'''(?:.|\n)*?'''|"[^"\n\r]*"|'[^'\n\r]*')
    |\"\"\"(?:{_ESCAPE}|[^\\])*?\"\"\"|'''(?:{_ESCAPE}|[^\\])*?'''
    |"(?:{_ESCAPE}|[^\\"\n\r])*"|'(?:{_ESCAPE}|[^\\'\n\r])*'
"""
_WORD = re.compile(
    rf"""
    (?P<space>(?:[\t \r\n\f]+|//[^\n]*)+)
    |(?P<bytes>[bB](?:{_QUOTED}))
    |(?P<string>{_QUOTED})
    |(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])
    |(?P<int>0x[0-9a-fA-F]+|[0-9]+)
    |(?P<escaped>`[A-Za-z0-9_.\-/ ]+`)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>==|!=|<=|>=|&&|\|\||[<>\[\]{{}}().,\-!?:+*/%])
    """,
    re.VERBOSE,
)
_KINDS = {"bytes": BYTES, "string": STRING, "float": FLOAT, "uint": UINT, "int": INT, "escaped": ESCAPED}
_OPEN = re.compile(
    rf"""[bB]?(?:[rR]["'][^\n\r]*|(?P<quote>["'])(?:{_ESCAPE}|[^\\\n\r])*)(?:\\(?:[xXuU]?[0-9a-fA-F]{{0,7}}))?(?:.|\n)?"""
)


def words(text: str, issues: Issues) -> list[Token]:
    """The words, the last of which is the end. Linear in the text."""
    found: list[Token] = []
    at, end = 0, len(text)
    while at < end:
        match = _WORD.match(text, at)
        if match is None:
            at = _unreadable(text, at, issues)
            continue
        kind, word = match.lastgroup or "", match[0]
        if kind == "name":
            found.append(Token(word if word in KEYWORDS else NAME, word, at, match.end()))
        elif kind == "sign":
            found.append(Token(word, word, at, match.end()))
        elif kind != "space":
            found.append(Token(_KINDS[kind], word, at, match.end()))
        at = match.end()
    found.append(Token(END, END, end, end))
    return found


def _unreadable(text: str, at: int, issues: Issues) -> int:
    """Complain of a sign that begins no word, or of a word that is not finished; where to go on."""
    open_ = _OPEN.match(text, at)
    if open_ is not None:
        stop = open_.end()
    elif text[at] in "|&=":
        stop = min(at + 2, len(text))
    else:
        stop = at + 1
    shown = text[at:stop].replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    issues.add(at, f"Syntax error: token recognition error at: '{shown}'")
    return stop


_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPES = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7][0-7])|(.))", re.S)


def string(word: str) -> str:
    """What a string literal stands for. Raises ValueError."""
    body, raw = _body(word)
    if raw or "\\" not in body:
        return body

    def put(match: re.Match[str]) -> str:
        short, four, eight, octal, simple = match.groups()
        if simple is not None:
            return _SIMPLE.get(simple, simple)
        code = int(octal, 8) if octal is not None else int(short or four or eight, 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise ValueError("invalid unicode code point")
        return chr(code)

    return _ESCAPES.sub(put, body)


def octets(word: str) -> bytes:
    """What a bytes literal stands for. Raises ValueError."""
    body, raw = _body(word[1:])
    if raw or "\\" not in body:
        return body.encode()
    made, at = bytearray(), 0
    for match in _ESCAPES.finditer(body):
        made += body[at : match.start()].encode()
        short, four, eight, octal, simple = match.groups()
        if four is not None or eight is not None:
            raise ValueError("unable to unescape string")
        if simple is not None:
            made += _SIMPLE.get(simple, simple).encode()
        else:
            made.append(int(octal, 8) if octal is not None else int(short, 16))
        at = match.end()
    return bytes(made + body[at:].encode())


def _body(word: str) -> tuple[str, bool]:
    raw = word[0] in "rR"
    if raw:
        word = word[1:]
    mark = 3 if word[:3] in ('"""', "'''") and len(word) >= 6 else 1
    return word[mark:-mark].replace("\r\n", "\n").replace("\r", "\n"), raw
