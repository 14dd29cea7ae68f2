"""Where an etcd is, and what may be written there: `etcd://host:port,host:port/prefix`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SCHEME = "etcd://"
PREFIX = "/registry"  # as upstream's `--etcd-prefix`
PORT = 2379


@dataclass(frozen=True)
class Address:
    """`endpoints` are `host:port`. With any of the files the connection is TLS; without `ca`, by the system's roots."""

    endpoints: tuple[str, ...]
    prefix: str = PREFIX
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def tls(self) -> bool:
        return self.ca is not None or self.certificate is not None

    def __str__(self) -> str:
        return f"{SCHEME}{','.join(self.endpoints)}{self.prefix}"


def parse(text: str, *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> Address:
    """Raises ValueError, whose message says what is wrong."""
    if not text.startswith(SCHEME):
        raise ValueError(f"{text} does not begin with {SCHEME}")
    if (certificate is None) != (key is None):
        raise ValueError("a certificate and its key belong together")
    hosts, slash, path = text.removeprefix(SCHEME).partition("/")
    prefix = f"/{path.strip('/')}" if slash and path.strip("/") else PREFIX
    if "//" in prefix or any(part in (".", "..") for part in prefix.split("/")):
        raise ValueError(f"{prefix} is not a prefix of keys")
    endpoints = tuple(dict.fromkeys(map(_endpoint, hosts.split(","))))
    return Address(endpoints, prefix, ca, certificate, key)


def _endpoint(text: str) -> str:
    """Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if text.endswith("]") or not colon:
        host, port = text, str(PORT)
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or any(each in bare for each in "@?# ") or (":" in bare) != host.startswith("["):
        raise ValueError(f"{text!r} is not HOST:PORT")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return f"{host}:{port}"
