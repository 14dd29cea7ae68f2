"""What literals stand for."""

from __future__ import annotations

import math

from longboat.machinery.cel import lexer, types
from longboat.machinery.cel.lexer import BYTES, FLOAT, INT, UINT, Token
from longboat.machinery.cel.nodes import Const
from longboat.machinery.cel.values import INT_MAX, INT_MIN, UINT_MAX, Uint

_LONGEST = 30  # characters of an integer: what has more is too large


def literal(at: int, token: Token, sign: str) -> Const:
    """The value of a word, `sign` (of a number) before it. Raises ValueError in upstream's words."""
    text = sign + token.text
    match token.kind:
        case "true" | "false":
            return Const(at, token.kind == "true", types.BOOL)
        case "null":
            return Const(at, None, types.NULL)
        case kind if kind == BYTES:
            return Const(at, lexer.octets(text), types.BYTES)
        case kind if kind == INT:
            if len(text) > _LONGEST or not INT_MIN <= (number := _integer(text)) <= INT_MAX:
                raise ValueError("invalid int literal")
            return Const(at, number, types.INT)
        case kind if kind == UINT:
            if len(text) > _LONGEST or (number := _integer(text[:-1])) > UINT_MAX:
                raise ValueError("invalid uint literal")
            return Const(at, Uint(number), types.UINT)
        case kind if kind == FLOAT:
            value = float(text)
            if math.isinf(value):
                raise ValueError("invalid double literal")
            return Const(at, value, types.DOUBLE)
    return Const(at, lexer.string(text), types.STRING)


def _integer(text: str) -> int:
    return int(text, 16 if "0x" in text else 10)
