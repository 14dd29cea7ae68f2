"""YAML as the API reads it: one document, turned into JSON values by the rules of YAML 1.1 that upstream's parser has.

Built from libyaml's events rather than its node tree: events need no recursion in C, so that nesting, aliases and
what they expand to can be bounded here. All work is linear in the document and in what its aliases stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from longboat.machinery.text import MAX_COMPOUNDS, MAX_DEPTH, TOO_DEEP, TOO_MANY, Malformed

MAX_NODES = 1_000_000  # with every alias written out
MAX_REPEATED = 3 << 20  # bytes of keys and values that aliases may repeat: as many as a whole body may have
MAX_DIRECTIVES = 100  # before a document; libyaml compares each %TAG with all before it
MAX_COMPLAINTS = 100  # about repeated keys, as of other problems that decoding finds
EXCESSIVE = "yaml: document contains excessive aliasing"
_TOO_DEEP = "exceeded maximum nesting depth"  # in the words of libyaml, which since 0.2.6 has a bound of its own

_BOOLEANS = {
    name: value
    for value, names in ((True, "y yes true on"), (False, "n no false off"))
    for name in (form(word) for word in names.split() for form in (str.lower, str.capitalize, str.upper))
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_INTEGER = re.compile(r"([-+]?)(0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DIRECTIVES = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]*(?:#[^\r\n]*)?[\r\n]|%[^\r\n]*[\r\n])*")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_STRING, _BINARY = "tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"


def decode(data: bytes) -> tuple[Any, list[str]]:
    """The document, and upstream's complaints about keys given twice. Raises Malformed."""
    import yaml

    if data[:2] in _UTF16:  # which libyaml would read too, but not this module
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    if (start := _DIRECTIVES.match(data)) and start[0].count(b"%") > MAX_DIRECTIVES:
        raise Malformed(f"yaml: more than {MAX_DIRECTIVES} directives")
    loader = yaml.CSafeLoader(data)
    try:
        return _Builder(yaml).document(_events(loader, yaml))
    except yaml.YAMLError as error:
        raise Malformed(f"yaml: {_problem(error, yaml)}") from error
    except UnicodeDecodeError as error:
        raise Malformed("yaml: invalid Unicode character") from error
    finally:
        loader.dispose()


def _events(loader: Any, yaml: Any) -> Iterator[Any]:
    depth = 0
    while loader.check_event():
        event = loader.get_event()
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed(f"yaml: {TOO_DEEP}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        yield event


def _problem(error: Any, yaml: Any) -> str:
    """libyaml's error with the line upstream gives: parser errors count lines from zero."""
    if not isinstance(error, yaml.MarkedYAMLError):  # bytes that are no text
        return str(error.reason)
    if error.problem == _TOO_DEEP:
        return TOO_DEEP
    mark = next((m for m in (error.context_mark, error.problem_mark) if m is not None and m.line), None)
    what = error.problem or "unknown problem parsing YAML content"
    scanning = isinstance(error, yaml.scanner.ScannerError)
    return f"line {mark.line + scanning}: {what}" if mark else what


class _Builder:
    def __init__(self, yaml: Any) -> None:
        self._yaml = yaml
        # Value; nodes, compounds (maps and lists) and bytes in it, -1 while it is still open.
        self._anchors: dict[str, tuple[Any, int, int, int]] = {}
        self._nodes = 0
        self._compounds = 0
        self._bytes = 0  # of scalars, with every alias written out
        self._aliased = 0  # of these, what aliases repeat
        self._repeated: list[str] = []

    def document(self, events: Iterator[Any]) -> tuple[Any, list[str]]:
        yaml, value = self._yaml, None
        for event in events:
            if isinstance(event, yaml.DocumentEndEvent):
                break
            if not isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.StreamEndEvent)):
                value = self._value(event, events)
        return value, self._repeated

    def _value(self, event: Any, events: Iterator[Any]) -> Any:
        yaml, nodes, compounds, size = self._yaml, self._nodes, self._compounds, self._bytes
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._count(1, not isinstance(event, yaml.ScalarEvent))
        if event.anchor:
            self._anchors[event.anchor] = (None, -1, -1, -1)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
            self._bytes += len(event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
            while not isinstance(event_ := next(events), yaml.SequenceEndEvent):
                value.append(self._value(event_, events))
        else:
            value = self._mapping(events)
        if event.anchor:
            added = self._nodes - nodes, self._compounds - compounds, self._bytes - size
            self._anchors[event.anchor] = (value, *added)
        return value

    def _count(self, nodes: int, compounds: int) -> None:
        self._nodes += nodes
        self._compounds += compounds
        if self._nodes > MAX_NODES:
            raise Malformed(EXCESSIVE)
        if self._compounds > MAX_COMPOUNDS:
            raise Malformed(f"yaml: {TOO_MANY}")

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise Malformed(f"yaml: unknown anchor '{event.anchor}' referenced")
        value, nodes, compounds, size = self._anchors[event.anchor]
        if nodes < 0:
            raise Malformed(f"yaml: anchor '{event.anchor}' value contains itself")
        self._count(nodes, compounds)
        self._bytes += size
        self._aliased += size
        if self._aliased > MAX_REPEATED:
            raise Malformed(EXCESSIVE)
        return value

    def _mapping(self, events: Iterator[Any]) -> dict[str, Any]:
        yaml, found, merged = self._yaml, {}, []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            plain = isinstance(event, yaml.ScalarEvent) and not event.style
            key = self._value(event, events)
            value = self._value(next(events), events)
            if plain and key == "<<":
                merged += self._merged(value)
                continue
            name = _key(key)
            if name in found and len(self._repeated) < MAX_COMPLAINTS:
                self._repeated.append(f'line {line}: key "{name}" already set in map')
            found[name] = value
        for source in merged:
            for name, value in source.items():
                found.setdefault(name, value)
        return found

    @staticmethod
    def _merged(value: Any) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise Malformed("yaml: map merge requires map or sequence of maps as the value")
        return sources


def _key(key: Any) -> str:
    """A map's key as JSON has it."""
    match key:
        case str():
            return key
        case bool():
            return "true" if key else "false"
        case int() | float():
            return str(key)
        case None:
            return "null"
    raise Malformed("yaml: invalid map key: must be a scalar")


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.tag == _BINARY:
        import base64

        return base64.b64decode(text).decode("utf-8", "replace")
    if event.style or event.tag == _STRING:
        return text
    return plain(text)


def plain(text: str) -> Any:
    """What an unquoted scalar means."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    first = text[0]
    if first.isdigit() or first in "+-.":
        digits = text.replace("_", "")
        if (found := _INTEGER.fullmatch(digits)) and len(digits) < 100:
            return _integer(found)
        if _FLOAT.fullmatch(digits):
            return float(digits)
    return text


def _integer(found: re.Match[str]) -> int:
    sign, digits = found.groups()
    if len(digits) > 1 and digits[0] == "0":
        base = {"x": 16, "b": 2}.get(digits[1].lower(), 8)
        value = int(digits.lstrip("0").lstrip("xXbBoO") or "0", base)
    else:
        value = int(digits)
    return -value if sign == "-" else value
