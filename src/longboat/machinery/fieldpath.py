"""Where in an object something is wrong, and what: field paths and the errors collected along them.

The wording is upstream's (apimachinery, field.Error): clients and tests match on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

# What is told of one object: so many complaints, so many characters of each and of all. An object of 3 MiB can have
# 300,000 of them, and each may show a value as long as itself.
_SPELLED = tuple((sign, f"\\u{ord(sign):04x}") for sign in "<>&\u2028\u2029")

MOST, LONGEST, ALL = 1000, 64 << 10, 1 << 20


class Path:
    """An immutable field path: `Path("spec").at("containers").index(0).at("name")` is `spec.containers[0].name`."""

    __slots__ = ("_text",)

    def __init__(self, *names: str) -> None:
        self._text = ".".join(names)

    def at(self, *names: str) -> Path:
        """The path of a field beneath this one."""
        return Path(self._text, *names) if self._text else Path(*names)

    def index(self, position: int) -> Path:
        return Path(f"{self._text}[{position}]")

    def key(self, name: str) -> Path:
        """The path of a map's entry: `data[name]`."""
        return Path(f"{self._text}[{name}]")

    def __str__(self) -> str:
        return self._text or "<nil>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Path({self._text!r})"


NOWHERE = Path("[]")  # how upstream writes the path of no field at all; that of nothing said is `<nil>`


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of a Status's `details.causes`."""

    reason: str
    field: str
    message: str  # without the field's name

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def escaped(json: str) -> str:
    """JSON as Go writes it: fit for a page of HTML."""
    for sign, code in _SPELLED:
        if sign in json:
            json = json.replace(sign, code)
    return json


def quoted(value: Any) -> str:
    """A value as upstream prints it inside an Invalid message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, (int, float)):
        return str(value)
    return escaped(msgspec.json.encode(value).decode())


class Enough(Exception):
    """So much is wrong that nobody will read more of it."""


@dataclass(slots=True)
class Errors:
    """Collects what is wrong with one object; empty means valid. Beyond a bound complaints are only counted, and within
    `enough` not even looked for. `warned`: what is wrong, and may stay as it is.
    """

    causes: list[Cause] = field(default_factory=list)
    untold: int = 0  # complaints that there was no room for
    warned: list[str] = field(default_factory=list)
    _room: int = ALL
    _bounded: bool = False

    @contextmanager
    def enough(self) -> Iterator[None]:
        """Ends its body at the first complaint that there is no room for: nobody will read what else is wrong."""
        self._bounded = True
        try:
            yield
        except Enough:
            pass
        finally:
            self._bounded = False

    def __bool__(self) -> bool:
        return bool(self.causes)

    @property
    def count(self) -> int:
        """How many complaints there have been, told or not."""
        return len(self.causes) + self.untold

    def __iter__(self) -> Iterator[Cause]:
        return iter(self.causes)

    def _add(self, reason: str, path: Path, message: str) -> None:
        where = str(path)
        if len(message) > LONGEST:
            message = f"{message[:LONGEST]}..."
        if self.causes and (len(self.causes) >= MOST or len(where) + len(message) > self._room):
            self.untold += 1
            if self._bounded:
                raise Enough
            return
        self._room -= len(where) + len(message)
        self.causes.append(Cause(reason, where if len(where) <= LONGEST else f"{where[:LONGEST]}...", message))

    def merge(self, others: Errors, beneath: Path | None = None) -> None:
        """Take up the complaints of an attempt: of a whole object, or of what is at the path `beneath`."""
        for cause in others.causes:
            inner = () if cause.field == "<nil>" else (cause.field,)
            self._add(cause.reason, (beneath or Path()).at(*inner) if inner else beneath or Path(), cause.message)
        self.untold += others.untold
        self.warned += others.warned

    def extend(self, path: Path, messages: Iterable[str], value: Any = ...) -> None:
        """Record a name check's messages as Invalid at `path` (value defaults to the path's last key)."""
        shown = str(path).rpartition("[")[2].rstrip("]") if value is ... else value
        for message in messages:
            self.invalid(path, shown, message)

    def required(self, path: Path, detail: str = "") -> None:
        self._add("FieldValueRequired", path, f"Required value: {detail}" if detail else "Required value")

    def invalid(self, path: Path, value: Any, detail: str) -> None:
        self._add("FieldValueInvalid", path, f"Invalid value: {quoted(value)}" + (f": {detail}" if detail else ""))

    def invalid_whole(self, path: Path, detail: str) -> None:
        """Of something with too much in it to show."""
        self._add("FieldValueInvalid", path, f"Invalid value: {detail}")

    def duplicate(self, path: Path, value: Any, detail: str = "") -> None:
        self._add("FieldValueDuplicate", path, f"Duplicate value: {quoted(value)}{detail and f': {detail}'}")

    def not_supported(self, path: Path, value: Any, supported: Iterable[str], *, as_given: bool = False) -> None:
        """What is supported is told in order, or as it is given."""
        names = ", ".join(quoted(s) for s in (supported if as_given else sorted(supported)))
        self._add("FieldValueNotSupported", path, f"Unsupported value: {quoted(value)}: supported values: {names}")

    def forbidden(self, path: Path, detail: str) -> None:
        self._add("FieldValueForbidden", path, f"Forbidden: {detail}" if detail else "Forbidden")

    def not_found(self, path: Path, value: Any, detail: str = "") -> None:
        self._add("FieldValueNotFound", path, f"Not found: {quoted(value)}{f': {detail}' if detail else ''}")

    def too_long(self, path: Path, limit: int) -> None:
        self._add("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")

    def too_many(self, path: Path, count: int, limit: int) -> None:
        self._add("FieldValueTooMany", path, f"Too many: {count}: must have at most {limit} items")

    def type_invalid(self, path: Path, value: Any, detail: str) -> None:
        self._add("FieldValueTypeInvalid", path, f"Invalid value: {quoted(value)}: {detail}")

    def internal(self, path: Path, detail: str) -> None:
        self._add("InternalError", path, f"Internal error: {detail}")
