"""Name checks: each returns upstream's messages for what is wrong, an empty list where nothing is."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_QUALIFIED})?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_C_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"

_compiled = {
    name: re.compile(rf"{pattern}\Z")
    for name, pattern in {
        "label": _LABEL, "subdomain": _SUBDOMAIN, "dns1035": _DNS1035, "qualified": _QUALIFIED, "value": _VALUE,
        "config": _CONFIG_KEY, "identifier": _C_IDENTIFIER, "wildcard": _WILDCARD,
    }.items()
}  # fmt: skip


def _longer_than(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def _shape(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{e}'" for e in examples)
    shown = ", ".join(f"'{e}', " if i else f"'{e}'" for i, e in enumerate(examples)) if False else shown
    return f"{message} (e.g. {_examples(examples)}, regex used for validation is '{pattern}')"


def _examples(examples: tuple[str, ...]) -> str:
    return ",  or ".join(f"'{e}'" for e in examples)
