"""URLs as Go reads them (net/url), with its words for those that are none, which clients are told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_PORT = re.compile(r"(:[0-9]*)?")
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_IN_USER = "$&+,;=-_.~!'()*"  # what stands for itself in a name or password; Go escapes the rest
_IN_HOST = re.compile(r"[A-Za-z0-9!$&'()*+,;=:\[\]<>\"%._~-]|[^\x00-\x7f]")
_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Url:
    scheme: str
    user: str | None  # with the password
    host: str  # with the port
    query: str
    fragment: str


def parse(text: str) -> Url:
    """Raises ValueError: `parse "…": what is wrong`."""
    whole, _, fragment = text.partition("#")
    try:
        scheme, user, host, query = _parsed(whole)
    except ValueError as error:
        raise ValueError(f"parse {_quoted(whole)}: {error}") from None
    try:
        _check_escapes(fragment)
    except ValueError as error:
        raise ValueError(f"parse {_quoted(text)}: {error}") from None
    return Url(scheme, user, host, query, fragment)


def _parsed(text: str) -> tuple[str, str | None, str, str]:
    if any(sign < " " or sign == "\x7f" for sign in text):
        raise ValueError("net/url: invalid control character in URL")
    if text == "*":
        return "", None, "", ""
    scheme, rest = _scheme(text)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return scheme, None, "", query
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    user, host = None, ""
    if (scheme or not rest.startswith("///")) and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, host = _authority(authority)
    _check_escapes(rest)
    return scheme, user, host, query


def _scheme(text: str) -> tuple[str, str]:
    if text.startswith(":"):
        raise ValueError("missing protocol scheme")
    found = _SCHEME.match(text)
    return (found[1].lower(), text[found.end() :]) if found else ("", text)


def _authority(text: str) -> tuple[str | None, str]:
    before, at, after = text.rpartition("@")
    host = _host(after)
    if not at:
        return None, host
    if not _USER.fullmatch(before):
        raise ValueError("net/url: invalid userinfo")
    _check_escapes(before)
    name, colon, password = before.partition(":")
    return f"{quote(name, _IN_USER + '%')}{colon}{quote(password, _IN_USER + '%')}", host


def _host(text: str) -> str:
    if text.startswith("["):
        inside, bracket, port = text.rpartition("]")
        if not bracket:
            raise ValueError("missing ']' in host")
        if not _PORT.fullmatch(port):
            raise ValueError(f"invalid port {_quoted(port)} after host")
        text = f"{inside}]{port}"
    elif ":" in text and not _PORT.fullmatch(port := text[text.rindex(":") :]):
        raise ValueError(f"invalid port {_quoted(port)} after host")
    _check_escapes(text)
    for sign in text:
        if not _IN_HOST.fullmatch(sign):
            raise ValueError(f"invalid character {_quoted(sign)} in host name")
    return text


def _check_escapes(text: str) -> None:
    if wrong := _ESCAPE.search(text):
        raise ValueError(f"invalid URL escape {_quoted(wrong[0])}")


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
