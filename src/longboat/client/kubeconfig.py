"""Reading a kubeconfig: where the API is, and who we are there."""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

UNSUPPORTED = ("exec", "auth-provider", "username", "password")  # ways to authenticate that we do not have


class BadKubeconfig(Exception):
    """The file does not say where the API is and who we are."""


@dataclass(frozen=True)
class Access:
    """`token_file` is read again when it changes; with a certificate it stays empty."""

    server: str
    context: ssl.SSLContext
    token: str = ""
    token_file: Path | None = None
    server_name: str = ""  # that the server's certificate must have, where it is not the URL's


def load(path: Path) -> Access:
    """The access that the current context describes. Raises OSError, BadKubeconfig."""
    config = read(path)
    try:
        context = _named(config, "context", _text(config, "current-context"))
        cluster = _named(config, "cluster", _text(context, "cluster"))
        user = _named(config, "user", _text(context, "user"))
        return _access(cluster, user, path.parent)
    except (BadKubeconfig, ValueError, ssl.SSLError) as error:
        raise BadKubeconfig(f"{path}: {error}") from error


@dataclass(frozen=True)
class Credential:
    """How a user is known: by a token, or by a certificate and its key, in PEM. `token_file` is read each time."""

    token: str = ""
    token_file: Path | None = None
    certificate: bytes = b""
    key: bytes = b""

    def headers(self) -> list[tuple[str, str]]:
        """Raises OSError."""
        token = self.token or (self.token_file.read_text().strip() if self.token_file else "")
        return [("Authorization", f"Bearer {token}")] if token else []

    def show(self, context: ssl.SSLContext) -> None:
        """Have connections with this context show the certificate. Raises ssl.SSLError."""
        if self.certificate and self.key:
            load_chain(context, self.certificate, self.key)


def credentials(path: Path) -> tuple[dict[str, Credential], Credential | None]:
    """Every user's, by name, and the current context's. Raises OSError, BadKubeconfig."""
    config = read(path)
    found: dict[str, Credential] = {}
    try:
        for entry in config.get("users") or ():
            name = _text(entry, "name")
            found[name] = _credential(entry.get("user") or {}, path.parent)
        current = config.get("current-context")
        named = _named(config, "context", current).get("user") if current else None
    except (BadKubeconfig, ValueError, AttributeError, ssl.SSLError) as error:
        raise BadKubeconfig(f"{path}: {error}") from error
    return found, found.get(named) if named else None


def _credential(user: dict[str, Any], folder: Path) -> Credential:
    """Raises BadKubeconfig, OSError, ssl.SSLError."""
    for name in UNSUPPORTED:
        if user.get(name):
            raise BadKubeconfig(f"the user authenticates by {name}, which Longboat's components do not")
    certificate, key = (_content(user, name, folder) for name in ("client-certificate", "client-key"))
    token_file = folder / user["tokenFile"] if user.get("tokenFile") else None
    made = Credential(user.get("token") or "", token_file, certificate, key)
    made.show(ssl.create_default_context())
    return made


def read(path: Path) -> Any:
    """What stands in the file. Raises OSError, BadKubeconfig."""
    import yaml

    try:
        return yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError) as error:
        raise BadKubeconfig(f"{path} is not YAML: {error}") from error


def with_certificate(
    server: str, authority: str, certificate: bytes, key: bytes, *, user: str = "node", context: str = "node"
) -> str:
    """A kubeconfig (JSON, which is YAML) of somebody known by a certificate. `authority`, `certificate` and `key` are
    PEM; `user` and `context` are what the entries are called."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    credentials = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    cluster = {"server": server, "certificate-authority-data": encoded(authority.encode())}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "longboat", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": context, "context": {"cluster": "longboat", "user": user}}],
        "current-context": context,
    }
    return json.dumps(config, indent=1) + "\n"


def _text(section: Any, name: str) -> str:
    """A field that must be there."""
    found = section.get(name) if isinstance(section, dict) else None
    if not isinstance(found, str) or not found:
        raise BadKubeconfig(f"{name} is missing")
    return found


def _named(config: Any, what: str, name: str) -> dict[str, Any]:
    for entry in config.get(f"{what}s") or ():
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry.get(what) or {}
    raise BadKubeconfig(f"there is no {what} {name!r}")


def _access(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> Access:
    for name in UNSUPPORTED:
        if user.get(name):
            raise BadKubeconfig(f"the user authenticates by {name}, which Longboat's components do not")
    authority = _content(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=authority.decode() if authority else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = (_content(user, name, folder) for name in ("client-certificate", "client-key"))
    if certificate and key:
        load_chain(context, certificate, key)
    return Access(
        _text(cluster, "server").rstrip("/"),
        context,
        user.get("token") or "",
        folder / user["tokenFile"] if user.get("tokenFile") else None,
        cluster.get("tls-server-name") or "",
    )


def _content(section: dict[str, Any], name: str, folder: Path) -> bytes:
    """A file's content, given in the config or by its name."""
    if data := section.get(f"{name}-data"):
        return base64.b64decode(data)
    return (folder / section[name]).read_bytes() if section.get(name) else b""


def load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python loads chains from files alone: they exist for a moment, where only we can read them."""
    with TemporaryDirectory() as folder:
        chain, private = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        for path, content in ((chain, certificate), (private, key)):
            path.touch(mode=0o600)
            path.write_bytes(content)
        context.load_cert_chain(chain, private)
