"""The heads of what is sent, and whole answers to what is no request to act on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from longboat.aio.http.exchange import Response

_START = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}
_BODILESS = frozenset((204, 304))
LAST_CHUNK = b"0\r\n\r\n"


def head(response: Response, date: str, *, keep_alive: bool, length: int | None, chunked: bool = False) -> bytes:
    """Status line and headers. `length` is the body's; None where it is not known beforehand."""
    status = response.status
    lines = [_START.get(status) or f"HTTP/1.1 {status} \r\n"]
    for name, value in response.headers.items():
        lines.append(f"{name}: {_one_line(value)}\r\n")
    for value in response.warnings:
        lines.append(f"Warning: {_one_line(value)}\r\n")
    if status not in _BODILESS:
        lines.append(f"Content-Type: {response.content_type}\r\n")
        if length is not None:
            lines.append(f"Content-Length: {length}\r\n")
        elif chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
    lines.append(f"Date: {date}\r\n\r\n" if keep_alive else f"Date: {date}\r\nConnection: close\r\n\r\n")
    return "".join(lines).encode("utf-8", "replace")


def switching(headers: Mapping[str, str]) -> bytes:
    """The head of a 101, after which the connection speaks another protocol."""
    fields = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n".encode("utf-8", "replace")


def plain(status: int, text: str) -> bytes:
    """A whole answer to what is not even a request, or not one to act on."""
    body = text.encode("utf-8", "replace")
    kind = "Content-Type: text/plain; charset=utf-8\r\n" if body else ""
    return f"{_START[status]}{kind}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def _one_line(value: str) -> str:
    """No header value starts another header."""
    if "\n" in value or "\r" in value:
        return value.replace("\r", " ").replace("\n", " ")
    return value
