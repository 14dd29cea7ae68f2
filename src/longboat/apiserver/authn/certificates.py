"""Client certificates: CN is the user, O the groups.

TLS has seen that the client holds the key. Which root signed the chain decides what it is good for: the client CA and
the front-proxy CA are checked apart (security lesson 3).
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from longboat.aio.cache import BoundedCache
from longboat.aio.clock import Clock
from longboat.api import subjects
from longboat.apiserver.authn.identity import Authenticator, Rejected, known
from longboat.apiserver.request import Request
from longboat.machinery.user import User

MAX_CERTIFICATES, MAX_REMEMBERED = 1024, 4 << 20  # and bytes


class Verifier:
    """Checks leaf certificates against one root. Answers are kept by certificate, until it expires."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._store = Store(x509.load_pem_x509_certificates(root.read_bytes()))
        self._clock = clock
        self._leaf_policy = ExtensionPolicy.permit_all().may_be_present(
            x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_clients
        )
        self._checked: BoundedCache[bytes, tuple[x509.Certificate | None]] = BoundedCache(
            MAX_CERTIFICATES, MAX_REMEMBERED, lambda der, found: 2 * len(der)
        )

    def certificate(self, der: bytes) -> x509.Certificate | None:
        """The certificate, if the root vouches for it now."""
        known = self._checked.get(der)
        if known is None:
            known = (self._check(der),)
            self._checked.put(der, known)
        found = known[0]
        if found is not None and not found.not_valid_before_utc <= self._clock.now() <= found.not_valid_after_utc:
            return None
        return found

    def _check(self, der: bytes) -> x509.Certificate | None:
        try:
            leaf = x509.load_der_x509_certificate(der)
            self._verifier().verify(leaf, [])
        except (ValueError, VerificationError):
            return None
        return leaf

    def _verifier(self) -> x509.verification.ClientVerifier:
        builder = PolicyBuilder().store(self._store).time(self._clock.now())
        policies = builder.extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=self._leaf_policy
        )
        return policies.build_client_verifier()


def _for_clients(policy: object, certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    if usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise ValueError("the certificate is not for clients")


def client_certificates(root: Path, clock: Clock) -> Authenticator:
    verifier = Verifier(root, clock)
    users: BoundedCache[bytes, User] = BoundedCache(
        MAX_CERTIFICATES, MAX_REMEMBERED, lambda der, user: 2 * len(der) + 4096
    )

    async def identify(request: Request) -> User | None:
        der = request.peer_certificate
        if der is None:
            return None
        leaf = verifier.certificate(der)
        if leaf is None:
            users.pop(der)
            raise Rejected("the client certificate is not of this cluster")
        user = users.get(der)
        if user is None:
            user = subject(leaf)
            users.put(der, user)
        return user

    return identify


def subject(leaf: x509.Certificate) -> User:
    """Whom it names. Raises Rejected."""
    try:
        name, uid = subjects.name_of(leaf.subject), subjects.uid_of(leaf.subject)
    except subjects.BadSubject as error:
        raise Rejected(f"client certificate: {error}") from error
    if not name:
        raise Rejected("the certificate names nobody")
    return known(name, subjects.groups_of(leaf.subject), uid)
