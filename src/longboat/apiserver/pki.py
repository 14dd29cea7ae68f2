"""The cluster's keys and certificates: made on first start, kept, and renewed where they no longer fit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from longboat.aio.clock import Clock
from longboat.api import certificates, subjects

# What any API server's certificate is good for, wherever it listens. No node may be called so.
SERVING_NAMES = (
    "localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)  # fmt: skip
CA_YEARS, LEAF_YEARS = 10, 1
AUTHORITY = ("digital_signature", "key_cert_sign", "crl_sign")
RENEW_BEFORE = timedelta(days=30)
BACKDATED = timedelta(minutes=5)  # for clocks that are a little behind

Key = ec.EllipticCurvePrivateKey


class Unusable(Exception):
    """A file of the PKI is not what it should be. Says which."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM files."""

    certificate: Path
    key: Path

    def is_whole(self) -> bool:
        """Whether both are there, and belong together."""
        try:
            return certificates.belong_together(self.certificate.read_bytes(), self.key.read_bytes())
        except OSError:
            return False


@dataclass(frozen=True)
class Authority:
    """A certificate authority that can issue."""

    pair: Pair
    certificate: x509.Certificate
    key: Key

    def issue(
        self, pair: Pair, clock: Clock, name: str, groups: Iterable[str] = (), *,
        usages: Iterable[str] = certificates.CLIENT, hosts: Iterable[str] = (),
    ) -> Pair:  # fmt: skip
        """Write a new key and certificate. CN and O are the user name and the groups of a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = clock.now()
        until = now + timedelta(days=365 * LEAF_YEARS)
        builder = certificates.leaf(
            certificates.subject(name, groups), key.public_key(), usages, now - BACKDATED, until,
            issuer=self.certificate, names=[certificates.general_name(host) for host in hosts],
        )  # fmt: skip
        certificate = builder.sign(self.key, hashes.SHA256())
        write_private(pair.key, _key_pem(key))
        write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        return pair


class Pki:
    """The directory `pki/` of a cluster's data directory.

    Three authorities, each trusted for one thing: `ca` for clients and for the API server itself, `front_proxy` for who
    may speak for others, `node_serving` for what a node's port shows: with that nobody is taken for the API server,
    whatever names it holds.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ca = self._authority("ca", "longboat-ca")
        self.front_proxy = self._authority("front-proxy-ca", "longboat-front-proxy-ca")
        self.node_serving = self._authority("node-serving-ca", "longboat-node-serving-ca")
        self._service_accounts()

    def pair(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    @property
    def service_account_key(self) -> Path:
        return self.folder / "sa.key"

    def serving(self, hosts: Iterable[str], name: str = "serving") -> Pair:
        """The API server's serving certificate, good for these hosts."""
        return self._kept(self.ca, name, "kube-apiserver", (), certificates.SERVER, sorted(set(hosts)))

    def kubelet_serving(self, file: str, name: str, groups: Iterable[str], hosts: Iterable[str]) -> Pair:
        """What a node's port shows: who serves it, by subject, and the node's own names and addresses."""
        return self._kept(self.node_serving, file, name, groups, certificates.SERVER, sorted(set(hosts)))

    def client(self, file: str, name: str, groups: Iterable[str] = ()) -> Pair:
        """A client certificate for this user, made once."""
        return self._kept(self.ca, file, name, groups, certificates.CLIENT, [])

    def front_proxy_client(self, file: str, name: str) -> Pair:
        """As `client`, for who may speak for others."""
        return self._kept(self.front_proxy, file, name, (), certificates.CLIENT, [])

    def issued(self) -> list[Pair]:
        """Every pair here that one of the authorities has issued, as far as it can be read."""
        pairs = [Pair(path, path.with_suffix(".key")) for path in sorted(self.folder.glob("*.crt"))]
        return [pair for pair in pairs if pair.key.exists() and self._issuer(pair) is not None]

    def renew(self, pair: Pair) -> None:
        """Another key and certificate in place of these, that say the same. Raises Unusable, OSError."""
        authority = self._issuer(pair)
        if authority is None:
            raise Unusable(f"{pair.certificate} was issued by no authority of this cluster")
        old = _read_certificate(pair.certificate)
        usages = old.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        server = ExtendedKeyUsageOID.SERVER_AUTH in usages
        authority.issue(
            pair, self._clock, subjects.name_of(old.subject), subjects.groups_of(old.subject),
            usages=certificates.SERVER if server else certificates.CLIENT, hosts=_hosts(old),
        )  # fmt: skip

    def _issuer(self, pair: Pair) -> Authority | None:
        try:
            certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        except (OSError, ValueError):
            return None
        for authority in (self.ca, self.front_proxy, self.node_serving):
            if certificate != authority.certificate and _is_issued(certificate, authority.certificate):
                return authority
        return None

    def _kept(
        self,
        authority: Authority,
        file: str,
        name: str,
        groups: Iterable[str],
        usages: Iterable[str],
        hosts: list[str],
    ) -> Pair:
        pair, groups = self.pair(file), tuple(groups)
        if not self._good(pair, authority, certificates.subject(name, groups), hosts):
            authority.issue(pair, self._clock, name, groups, usages=usages, hosts=hosts)
        return pair

    def _good(self, pair: Pair, authority: Authority, subject: x509.Name, hosts: list[str]) -> bool:
        """Whether the pair is there, the authority's, far from its end, of this subject and for exactly these hosts."""
        if not pair.is_whole():
            return False  # or half of it is: it was being renewed when the power went
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        if not _is_issued(certificate, authority.certificate):
            return False
        if certificate.subject != subject or _hosts(certificate) != hosts:
            return False
        return certificate.not_valid_after_utc - self._clock.now() > RENEW_BEFORE

    def _authority(self, file: str, name: str) -> Authority:
        pair = self.pair(file)
        if pair.certificate.exists() and pair.key.exists():
            return Authority(pair, _read_certificate(pair.certificate), _read_key(pair.key))
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(name, key, self._clock.now())
        write_private(pair.key, _key_pem(key))
        write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        return Authority(pair, certificate, key)

    def _service_accounts(self) -> None:
        """The key that signs ServiceAccount tokens (ES256), and its public half."""
        if self.service_account_key.exists():
            _read_key(self.service_account_key)
            return
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(self.folder / "sa.pub", public)
        write_private(self.service_account_key, _key_pem(key))


def _is_issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise Unusable(f"{path} is not a certificate in PEM: {error}") from error


def _read_key(path: Path) -> Key:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise Unusable(f"{path} is not a private key in PEM: {error}") from error
    if not isinstance(key, Key):
        raise Unusable(f"{path} is not an elliptic-curve key")
    return key


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once, readable by its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    scratch.replace(path)


def _self_signed(name: str, key: Key, now: datetime) -> x509.Certificate:
    subject = certificates.subject(name)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=365 * CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(certificates.key_usage(AUTHORITY), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _hosts(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return sorted(str(name.value) for name in found)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
