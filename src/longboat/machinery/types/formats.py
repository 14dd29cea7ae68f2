"""The formats of strings that a schema may ask for (CustomResourceDefinition, openAPIV3Schema's `format`).

A format that is not here says nothing about a value.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from longboat.machinery import duration, names, quantity
from longboat.machinery.types.scalars import bad_base64

_HEX = "[0-9a-fA-F]"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_PATTERNS = {
    "bsonobjectid": rf"{_HEX}{{24}}",
    "hexcolor": rf"#?(?:{_HEX}{{3}}|{_HEX}{{6}})",
    "rgbcolor": rf"rgb\(\s*{_BYTE}\s*,\s*{_BYTE}\s*,\s*{_BYTE}\s*\)",
    "ssn": r"\d{3}[- ]?\d{2}[- ]?\d{4}",
    "uuid": rf"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}",
    "uuid3": rf"{_HEX}{{8}}-?{_HEX}{{4}}-?3{_HEX}{{3}}-?{_HEX}{{4}}-?{_HEX}{{12}}",
    "uuid4": rf"{_HEX}{{8}}-?{_HEX}{{4}}-?4{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}-?{_HEX}{{12}}",
    "uuid5": rf"{_HEX}{{8}}-?{_HEX}{{4}}-?5{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}-?{_HEX}{{12}}",
    "mac": rf"{_HEX}{{2}}(?:[:-]{_HEX}{{2}}){{5}}(?:(?:[:-]{_HEX}{{2}}){{2}})?|{_HEX}{{4}}(?:\.{_HEX}{{4}}){{2,3}}",
}
_SHAPED = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_LOCAL = re.compile(r"[^\s@<>()\[\],;:\"\\]+")


def _date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _datetime(text: str) -> bool:
    found = _TIME.fullmatch(text)
    return found is not None and _date(found[1])


def _address(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return "%" not in text and ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return check


def _cidr(text: str) -> bool:
    address, slash, length = text.partition("/")
    try:
        return bool(slash) and length.isdecimal() and "%" not in address and bool(ipaddress.ip_interface(text))
    except ValueError:
        return False


def _duration(text: str) -> bool:
    try:
        duration.parse(text)
    except ValueError:
        return (
            re.fullmatch(r"\d+ ?(?:ns|us|µs|ms|s|m|h|hrs?|d|days?|w|weeks?|hours?|minutes?|seconds?)", text) is not None
        )
    return True


def _uri(text: str) -> bool:
    """What Go's url.ParseRequestURI takes: an absolute URI, or an absolute path."""
    if any(ord(sign) < 0x20 or sign == "\x7f" for sign in text):
        return False
    try:
        found = urlsplit(text)
        found.port  # noqa: B018 (raises where it is no number)
    except ValueError:
        return False
    return bool(found.scheme) if not text.startswith("/") else True


def _hostname(text: str) -> bool:
    host = text.removesuffix(".")
    return 0 < len(host) <= 253 and all(len(part) <= 63 and _HOST.fullmatch(part) for part in host.split("."))


def _email(text: str) -> bool:
    local, at, host = text.rpartition("@")
    return bool(at) and len(text) <= 1024 and _LOCAL.fullmatch(local) is not None and _hostname(host)


def _quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except ValueError:
        return False
    return True


def _digits(text: str) -> str:
    return text.replace("-", "").replace(" ", "")


def _isbn10(text: str) -> bool:
    digits = _digits(text)
    if not re.fullmatch(r"\d{9}[\dXx]", digits):
        return False
    return sum((10 - i) * (10 if d in "Xx" else int(d)) for i, d in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = _digits(text)
    return (
        bool(re.fullmatch(r"\d{13}", digits))
        and sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10 == 0
    )


_CARD = re.compile(
    r"4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|(?:2131|1800|35\d{3})\d{11}"
)


def _card(text: str) -> bool:
    """A number that some issuer gives, with Luhn's sum."""
    digits = re.sub("[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    return sum(int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(digits))) % 10 == 0


_CHECKS: dict[str, Callable[[str], bool]] = {
    "date": _date,
    "datetime": _datetime,
    "duration": _duration,
    "ipv4": _address(4),
    "ipv6": _address(6),
    "cidr": _cidr,
    "uri": _uri,
    "hostname": _hostname,
    "email": _email,
    "byte": lambda text: bad_base64(text) is None,
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "creditcard": _card,
    "quantity": _quantity,
    "k8sshortname": lambda text: not names.dns1123_label(text),
    "k8slongname": lambda text: not names.dns1123_subdomain(text),
}


def fits(name: str, text: str) -> bool:
    """Whether the text is of the format; of one that is unknown, every text is."""
    name = name.replace("-", "")
    shaped = _SHAPED.get(name)
    if shaped is not None:
        return shaped.fullmatch(text) is not None
    check = _CHECKS.get(name)
    return check is None or check(text)


KNOWN = frozenset((*_SHAPED, *_CHECKS, "password"))


def known(name: str, kind: str) -> bool:
    """Whether a format of values of this type is checked."""
    if kind in ("", "string"):
        return name.replace("-", "") in KNOWN
    return name in _NUMBERS.get(kind, ())


_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}
