"""The parameters of operations, as the API documents them: CreateOptions and its like, and those of connections.

The table is `openapi_parameters.txt`, whose head says how it is read.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from longboat.machinery.objects import Object

TABLE = Path(__file__).with_name("openapi_parameters.txt")


class Parameter(NamedTuple):
    """One of a query."""

    type: str
    text: str


@cache
def parameters() -> dict[str, Parameter]:
    """All of them by name; where several of a name differ, something follows it after an `@`."""
    lines = (line.split(" ", 2) for line in TABLE.read_text().splitlines() if not line.startswith("#"))
    return {name: Parameter(kind, text.replace("\\n", "\n")) for name, kind, text in lines}


def shared_name(parameter: Object) -> str:
    """The name of a parameter that several operations share, after its contents: FNV-1 of its JSON (kube-openapi)."""
    found = 0xCBF29CE484222325
    for byte in msgspec.json.encode(parameter):
        found = (found * 0x100000001B3 & 0xFFFF_FFFF_FFFF_FFFF) ^ byte
    return f"{parameter['name']}-{base64.urlsafe_b64encode(found.to_bytes(8, 'big')[:6]).decode()}"
