"""Reading a kubeconfig: where the API is, and who we are there."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


class BadKubeconfig(Exception):
    """The file does not say where the API is and who we are."""


@dataclass(frozen=True)
class Access:
    """`token_file` is read again when it changes; with a certificate it stays empty."""

    server: str
    context: ssl.SSLContext
    token: str = ""
    token_file: Path | None = None


def load(path: Path) -> Access:
    """The access that the current context describes. Raises OSError, BadKubeconfig."""
    import yaml

    try:
        config = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"]
        return _access(cluster, user, path.parent)
    except (yaml.YAMLError, KeyError, TypeError, StopIteration, ValueError, ssl.SSLError) as error:
        raise BadKubeconfig(f"{path}: {error!r}") from error


def _named(config: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in config[section] if entry["name"] == name)
    return found


def _access(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> Access:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority := _content(cluster, "certificate-authority", folder):
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=authority.decode())
    certificate, key = (_content(user, name, folder) for name in ("client-certificate", "client-key"))
    if certificate and key:
        _load_chain(context, certificate, key)
    token_file = folder / user["tokenFile"] if user.get("tokenFile") else None
    return Access(cluster["server"].rstrip("/"), context, user.get("token", ""), token_file)


def _content(section: dict[str, Any], name: str, folder: Path) -> bytes:
    """A file's content, given in the config or by its name."""
    if data := section.get(f"{name}-data"):
        return base64.b64decode(data)
    return (folder / section[name]).read_bytes() if section.get(name) else b""


def _load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python loads chains from files alone: they exist for a moment, where only we can read them."""
    with TemporaryDirectory() as folder:
        chain, private = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        for path, content in ((chain, certificate), (private, key)):
            path.touch(mode=0o600)
            path.write_bytes(content)
        context.load_cert_chain(chain, private)
