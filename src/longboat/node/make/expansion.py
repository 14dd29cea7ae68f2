"""$(VAR) in commands, arguments and variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\)|)")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value. $$ is a literal $; what names no variable stays as it is (Container v1)."""
    if "$" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        whole, name = found.group(0), found.group(1)
        if whole == "$$":
            return "$"
        return whole if name is None else variables.get(name, whole)

    return _REFERENCE.sub(value, text)


def expand_strictly(text: str, variables: Mapping[str, str]) -> str:
    """As `expand`, for paths: raises KeyError with the name of a variable there is not."""
    for found in _REFERENCE.finditer(text):
        if (name := found.group(1)) is not None and name not in variables:
            raise KeyError(name)
    return expand(text, variables)
