"""URLs, as Go's url.ParseRequestURI takes them apart (Kubernetes' library kubernetes.urls)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from longboat.machinery.cel import values
from longboat.machinery.cel.errors import EvalError
from longboat.machinery.fieldpath import quoted

TABLE = """
url string_to_url (string) URL
isURL is_url_string (string) bool
getScheme url_get_scheme recv.(URL) string
getHost url_get_host recv.(URL) string
getHostname url_get_hostname recv.(URL) string
getPort url_get_port recv.(URL) string
getEscapedPath url_get_escaped_path recv.(URL) string
getQuery url_get_query recv.(URL) {string:[string]}
"""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.S)
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_KEPT = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/\[\]%]*")
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@")


@dataclass(frozen=True, slots=True)
class Url:
    """What a URL is made of; `query` is as it was written."""

    text: str
    scheme: str = ""
    host: str = ""
    path: str = ""
    query: str = ""


values.register(Url, "kubernetes.URL")


def parse(text: str) -> Url:
    """Raises ValueError in Go's words."""
    try:
        return _parsed(text)
    except ValueError as error:
        raise ValueError(f"parse {quoted(text)}: {error}") from error


def _parsed(text: str) -> Url:
    if _CONTROL.search(text):
        raise ValueError("net/url: invalid control character in URL")
    if not text:
        raise ValueError("empty url")
    if text == "*":
        return Url(text, path="*")
    if text[0] == ":":
        raise ValueError("missing protocol scheme")
    found = _SCHEME.match(text)
    scheme, rest = (found[1].lower(), text[found.end() :]) if found else ("", text)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if not scheme:
            raise ValueError("invalid URI for request")
        return Url(text, scheme, query=query)  # opaque: `mailto:a@b`
    host = ""
    if scheme and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest, host = slash + path, _host(authority)
    if bad := _BAD_ESCAPE.search(rest):
        raise ValueError(f"invalid URL escape {quoted(bad[0])}")
    return Url(text, scheme, host, rest, query)


def _host(authority: str) -> str:
    user, _, host = authority.rpartition("@")
    if not _USER.fullmatch(user):
        raise ValueError("net/url: invalid userinfo")
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            raise ValueError("missing ']' in host")
        port = host[end + 1 :]
    else:
        colon = host.rfind(":")
        port = host[colon:] if colon >= 0 else ""
    if port and not (port[0] == ":" and (len(port) == 1 or (port[1:].isascii() and port[1:].isdigit()))):
        raise ValueError(f"invalid port {quoted(port)} after host")
    for sign in host:
        if sign in ' "<>^`{}|\\':
            raise ValueError(f"invalid character {quoted(sign)} in host name")
    if "%" in host and not host.startswith("[") and (bad := _BAD_ESCAPE.search(host)):
        raise ValueError(f"invalid URL escape {quoted(bad[0])}")
    return host


def _port_at(host: str) -> int:
    colon = host.rfind(":")
    return len(host) if colon < 0 or host.endswith("]") else colon


def _hostname(url: Url) -> str:
    name = url.host[: _port_at(url.host)]
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def _escaped_path(url: Url) -> str:
    if _KEPT.fullmatch(url.path):
        return url.path
    return "".join(chr(each) if each in _SAFE or each == 0x25 else f"%{each:02X}" for each in url.path.encode())


def _query(url: Url) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in url.query.split("&"):
        if not part or ";" in part or _BAD_ESCAPE.search(part):
            continue
        key, _, value = part.partition("=")
        found.setdefault(unquote_plus(key), []).append(unquote_plus(value))
    return found


def _url(text: str) -> Url:
    try:
        return parse(text)
    except ValueError as error:
        raise EvalError(f"URL parse error during conversion from string: {error}") from error


def _is_url(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


CALLS: dict[str, Callable[..., Any]] = {
    "string_to_url": _url, "is_url_string": _is_url,
    "url_get_scheme": lambda url: url.scheme, "url_get_host": lambda url: url.host,
    "url_get_hostname": _hostname, "url_get_port": lambda url: url.host[_port_at(url.host) + 1 :],
    "url_get_escaped_path": _escaped_path, "url_get_query": _query,
}  # fmt: skip
