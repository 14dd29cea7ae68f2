"""A node's certificates: the one it is known by and the one it serves with, each renewed while it is in use (KEP-266).

A certificate is asked for again when 70 to 90 percent of its life have passed: not all nodes at the same moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.api import certificates
from longboat.client.enrolment import CLIENT, NODE_CLIENT, NODE_SERVING, Refused, Wish, obtain, wish
from longboat.client.interface import Transport
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import parse_timestamp

log = logging.getLogger(__name__)

PATIENCE = 600.0  # seconds until a request that nobody answers is made anew
STOP_GAP = timedelta(days=1)
LATEST, EARLIEST = 0.9, 0.7  # share of a certificate's life after which it is renewed
# Annotation of a Node: what was signed before this moment (RFC 3339) is renewed (`longboat certs rotate`).
NOT_BEFORE = "longboat.dev/certificates-not-before"
BACKDATED = timedelta(minutes=5)  # by which a certificate says that it began before it was signed


class Renewal:
    """Keeps one certificate in time. `ends` says when and since when the present one holds, None: there is none."""

    def __init__(
        self, transport: Transport, clock: Clock, signer: str, make_wish: Callable[[], Wish],
        held: Callable[[], tuple[datetime, datetime] | None], use: Callable[[bytes, bytes], Awaitable[None]],
        seconds: int = 0, dice: random.Random | None = None,
    ) -> None:  # fmt: skip
        self._transport, self._clock, self._signer, self._seconds = transport, clock, signer, seconds
        self._make_wish, self._held, self._use = make_wish, held, use
        self._dice = dice or random.Random()
        self._asked: datetime | None = None  # for what was signed before this to be renewed
        self._answered: datetime | None = None  # for which moment that has been done
        self._woken = asyncio.Event()

    def renew_before(self, moment: datetime) -> None:
        """Renew at once what was signed before this moment. Asked twice for the same moment, it does so once."""
        if moment != self._asked:
            self._asked = moment
            self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        backoff = Backoff(first=1.0, longest=300.0)
        while True:
            held = self._held()
            if held is not None:
                await self._until_due(*held)
            asked = self._asked
            try:
                wished = self._make_wish()
                certificate = await obtain(
                    self._transport, self._clock, self._signer, wished, PATIENCE, self._seconds
                )  # fmt: skip
                await self._use(certificate, wished.key)
            except (Refused, StatusError, ConnectionError, OSError) as error:
                log.warning("no new certificate of %s yet: %s", self._signer, error)
                await self._clock.sleep(backoff.next())
            else:
                log.info("the certificate of %s is new", self._signer)
                backoff.reset()
                self._answered = asked

    async def _until_due(self, since: datetime, until: datetime) -> None:
        due = renew_at(since, until, self._dice)
        while not self._is_too_old(since) and (left := (due - self._clock.now()).total_seconds()) > 0:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(left):
                    await self._woken.wait()

    def _is_too_old(self, since: datetime) -> bool:
        """Whatever a signer's clock says: a moment that was asked for is answered with one certificate."""
        asked = self._asked
        return asked is not None and asked != self._answered and since + BACKDATED < asked


def not_before(annotations: Mapping[str, str]) -> datetime | None:
    """The moment before which nothing may have been signed that a node goes on using; None where nobody has said."""
    try:
        return parse_timestamp(annotations[NOT_BEFORE])
    except (KeyError, ValueError):
        return None


def client_wish(node: str) -> Wish:
    return wish(f"system:node:{node}", ["system:nodes"])


def serving_wish(node: str, addresses: tuple[str, ...]) -> Wish:
    return wish(f"system:node:{node}", ["system:nodes"], [node, *addresses])


def client_renewal(
    transport: Transport, clock: Clock, node: str, held: Callable[[], tuple[datetime, datetime] | None],
    use: Callable[[bytes, bytes], Awaitable[None]], seconds: int = 0,
) -> Renewal:  # fmt: skip
    return Renewal(transport, clock, NODE_CLIENT, lambda: client_wish(node), held, use, seconds)


def network_wish(node: str) -> Wish:
    return wish(f"system:longboat:network:{node}", ["system:longboat:network"])


def network_renewal(
    transport: Transport, clock: Clock, node: str, held: Callable[[], tuple[datetime, datetime] | None],
    use: Callable[[bytes, bytes], Awaitable[None]],
) -> Renewal:  # fmt: skip
    """Asked for by the node."""
    return Renewal(transport, clock, CLIENT, lambda: network_wish(node), held, use)


def serving_renewal(
    transport: Transport, clock: Clock, node: str, addresses: tuple[str, ...],
    held: Callable[[], tuple[datetime, datetime] | None], use: Callable[[bytes, bytes], Awaitable[None]],
    seconds: int = 0,
) -> Renewal:  # fmt: skip
    return Renewal(transport, clock, NODE_SERVING, lambda: serving_wish(node, addresses), held, use, seconds)


def renew_at(since: datetime, until: datetime, dice: random.Random) -> datetime:
    return since + (until - since) * dice.uniform(EARLIEST, LATEST)


def stop_gap(node: str, now: datetime) -> tuple[bytes, bytes]:
    """A certificate nobody trusts, and its key (PEM), to serve with until there is a signed one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = certificates.subject(node)
    builder = certificates.leaf(
        name, key.public_key(), certificates.SERVER, now, now + STOP_GAP,
        names=[certificates.general_name(node)],
    )  # fmt: skip
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), pem


def serving_life(path: Path, authority: Path) -> tuple[datetime, datetime] | None:
    """The life of the certificate in this file; None where the API server does not take it for the node's.

    It does not take one that nobody else has signed (a stop gap), nor one that the cluster's own `authority` has, which
    nodes had to serve with in earlier versions.
    """
    try:
        content = path.read_bytes()
        found, of_cluster = (x509.load_pem_x509_certificate(each) for each in (content, authority.read_bytes()))
        if _issued_by(found, found) or _issued_by(found, of_cluster):
            return None
        return life(content)
    except (OSError, ValueError):
        return None


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def life(certificate: bytes) -> tuple[datetime, datetime]:
    """Since and until when a certificate (PEM) holds. Raises ValueError."""
    found = x509.load_pem_x509_certificate(certificate)
    return found.not_valid_before_utc, found.not_valid_after_utc


async def store(path: Path, content: bytes) -> None:
    """Replace a private file in one step. Raises OSError."""
    await asyncio.to_thread(_store, path, content)


async def store_serving(pki: Path, certificate: bytes, key: bytes) -> None:
    """Replace what a node's port is served with. Raises OSError."""
    await store(pki / "serving.key", key)
    await store(pki / "serving.crt", certificate)


def can_serve(pki: Path) -> bool:
    """Whether there is a certificate with its own key: the power may have gone when half of it was new."""
    try:
        certificate, key = ((pki / f"serving.{end}").read_bytes() for end in ("crt", "key"))
    except OSError:
        return False
    return certificates.belong_together(certificate, key)


def _store(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)
