"""Who speaks for others to this server, and whom it shows extension servers that it is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from cryptography import x509

from longboat.apiserver.authn.front_proxy import FrontProxy
from longboat.apiserver.pki import Pair, Unusable
from longboat.assembly.control_plane.settings import RequestHeader


def front_proxy(given: RequestHeader, ours: Path) -> FrontProxy:
    """`ours`: the authority if none is given. Raises Unusable."""
    said = asdict(given)
    authority = said.pop("authority") or ours
    try:
        x509.load_pem_x509_certificates(authority.read_bytes())
    except (OSError, ValueError) as error:
        raise Unusable(f"--requestheader-client-ca-file: {authority}: {error}") from error
    return FrontProxy(authority, **said)


def client(given: tuple[Path, Path] | None) -> Pair | None:
    """Raises Unusable."""
    if given is None:
        return None
    pair = Pair(*given)
    for flag, file in (("--proxy-client-cert-file", pair.certificate), ("--proxy-client-key-file", pair.key)):
        if not file.is_file():
            raise Unusable(f"{flag}: {file} is not there")
    try:
        whole = pair.is_whole()
    except ValueError as error:
        raise Unusable(f"--proxy-client-cert-file: {pair.certificate}: {error}") from error
    if not whole:
        raise Unusable(f"--proxy-client-cert-file and --proxy-client-key-file: {pair.key} is not {pair.certificate}'s")
    return pair
