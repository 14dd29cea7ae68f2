"""Named formats: `format.dns1123Label().validate(…)` (Kubernetes' library format)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longboat.machinery import names
from longboat.machinery.cel import values
from longboat.machinery.cel.lib import urls
from longboat.machinery.cel.values import NONE, Optional
from longboat.machinery.types import formats


@dataclass(frozen=True, slots=True)
class Format:
    """`check` says what is wrong with a text; `pattern` is the length that its cost counts."""

    name: str
    check: Callable[[str], list[str]]
    pattern: int


values.register(Format, "kubernetes.NamedFormat")


def _prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Of a name that more is put behind: a dash may be its last sign."""
    return lambda text: check(f"{text[:-1]}a" if text.endswith("-") and len(text) > 1 else text)


def _fits(name: str, wrong: str) -> Callable[[str], list[str]]:
    return lambda text: [] if formats.fits(name, text) else [wrong]


def _uri(text: str) -> list[str]:
    try:
        urls.parse(text)
    except ValueError as error:
        return [str(error)]
    return []


_LONG_TIME = 156
_ALL: dict[str, tuple[str, Callable[[str], list[str]], int]] = {
    "dns1123Label": ("DNS1123Label", names.dns1123_label, 30),
    "dns1123Subdomain": ("DNS1123Subdomain", names.dns1123_subdomain, 60),
    "dns1035Label": ("DNS1035Label", names.dns1035_label, 30),
    "qualifiedName": ("QualifiedName", names.qualified_name, 60),
    "dns1123LabelPrefix": ("DNS1123LabelPrefix", _prefix(names.dns1123_label), 30),
    "dns1123SubdomainPrefix": ("DNS1123SubdomainPrefix", _prefix(names.dns1123_subdomain), 60),
    "dns1035LabelPrefix": ("DNS1035LabelPrefix", _prefix(names.dns1035_label), 30),
    "labelValue": ("LabelValue", names.label_value, 40),
    "uri": ("URI", _uri, 1500),
    "uuid": ("uuid", _fits("uuid", "does not match the UUID format"), 36),
    "byte": ("byte", _fits("byte", "invalid base64"), 94),
    "date": ("date", _fits("date", "invalid date"), _LONG_TIME),
    "datetime": ("datetime", _fits("datetime", "invalid datetime"), _LONG_TIME),
}
NAMED = {name: Format(*each) for name, each in _ALL.items()}


def _validate(format_: Format, text: str) -> Optional:
    wrong = format_.check(text)
    return Optional(wrong) if wrong else NONE


def _constant(format_: Format) -> Callable[[], Format]:
    return lambda: format_


TABLE = """
validate format-validate recv.(Format string) ?[string]
format.named format-named (string) ?Format
""" + "\n".join(f"format.{name} format.{name} () Format" for name in NAMED)
CALLS: dict[str, Callable[..., Any]] = {
    "format-validate": _validate,
    "format-named": lambda name: Optional(NAMED[name]) if name in NAMED else NONE,
    **{f"format.{name}": _constant(format_) for name, format_ in NAMED.items()},
}
