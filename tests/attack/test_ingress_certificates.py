"""One tenant's certificate never stands in the way of another's, nor of anybody's routes."""

from __future__ import annotations

import asyncio
import datetime
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from attack.site import Site, until

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]
NOW = datetime.datetime.now(datetime.UTC)
EC = ec.generate_private_key(ec.SECP256R1())
Pair = tuple[bytes, bytes]


def key_pem(key: CertificateIssuerPrivateKeyTypes, password: bytes = b"") -> bytes:
    secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


def certificate(
    key: CertificateIssuerPrivateKeyTypes, *names: str, days: tuple[int, int] = (-1, 90),
    signer: CertificateIssuerPrivateKeyTypes | None = None,
) -> bytes:  # fmt: skip
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an issuer")]) if signer else subject
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(NOW + datetime.timedelta(days[0])).not_valid_after(NOW + datetime.timedelta(days[1]))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return made.sign(signer or key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def pair(*names: str) -> Pair:
    return certificate(EC, *names), key_pem(EC)


def by_openssl(folder: Path, *make: str, sign: str = "-sha256") -> Pair:
    """What `cryptography` would not make."""
    key, made = folder / "odd.key", folder / "odd.crt"
    subprocess.run(["openssl", make[0], "-out", key, *make[1:]], check=True, capture_output=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-new", "-key", key, sign, "-subj", "/CN=odd", "-days", "9", "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made.read_bytes(), key.read_bytes()


def re_encoded(certificate: bytes, old: bytes, new: bytes) -> bytes:
    """With other bytes in its DER; its signature holds no longer, but nobody looks at that."""
    der = x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)
    assert old in der
    text = b64encode(der.replace(old, new, 1))
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"\n-----END CERTIFICATE-----\n"


def oversized() -> Pair:
    """Of RSA with 8,192 bits: no product of primes, which would take as long to make as it takes to check."""
    e, p, q = 65537, (1 << 4095) + 1, (1 << 4095) + 3
    public = rsa.RSAPublicNumbers(e, p * q)
    private = rsa.RSAPrivateNumbers(p, q, 3, 3, 3, 3, public).private_key(unsafe_skip_rsa_key_validation=True)
    return certificate(private, "odd.example.com", signer=EC), key_pem(private)


def odd_ones(folder: Path) -> dict[str, Pair]:
    """What a tenant may put into a Secret that should not be shown."""
    good, key = pair("odd.example.com")
    weak = by_openssl(folder, "genrsa", "512")
    curve = by_openssl(folder, "ecparam", "-name", "sect163k1", "-genkey", "-noout")
    return {
        "rsa-512": weak,
        "rsa-1024": by_openssl(folder, "genrsa", "1024"),
        "rsa-8192": oversized(),
        "unknown-curve": curve,
        "unknown-curve-other-key": (curve[0], key),
        "weak-curve": by_openssl(folder, "ecparam", "-name", "prime192v1", "-genkey", "-noout"),
        "weak-link": (good + weak[0], key),
        "odd-version": (re_encoded(good, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"), key),
        "no-utf8": (b"\xff\xfe\x00", b"\xff\xfe\x00"),
        "mismatch": (good, key_pem(ec.generate_private_key(ec.SECP256R1()))),
        "encrypted": (good, key_pem(EC, b"secret")),
        "order": (certificate(ec.generate_private_key(ec.SECP256R1()), "ca") + good, key),
        "huge-chain": (good * 200, key),
        "broken-link": (good + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key),
    }


def tls(name: str, *hosts: str) -> dict[str, object]:
    return {"tls": [{"hosts": list(hosts), "secretName": name}]}


async def shows(site: Site, host: str, wanted: bytes) -> bool:
    return await site.shown(host) == x509.load_pem_x509_certificate(wanted)


async def attacked(site: Site, folder: Path) -> None:
    await site.namespace("a", "b")
    first, second = pair("a.example.com"), pair("a.example.com")
    await site.secret("a/web", *first)
    await site.ingress("a/web", "a.example.com/", **tls("web", "a.example.com"))
    await until(lambda: shows(site, "a.example.com", first[0]))
    odd = odd_ones(folder)
    for name, found in odd.items():
        await site.secret(f"b/{name}", *found)
        await site.ingress(f"b/{name}", f"{name}.b.example.com/", **tls(name, f"{name}.b.example.com"))
    await site.ingress("a/more", "more.a.example.com/")
    await until(lambda: reached(site, "more.a.example.com"))
    await site.secret("a/web", *second)
    await until(lambda: shows(site, "a.example.com", second[0]))
    expired = certificate(EC, "old.a.example.com", days=(-30, -1))
    await site.secret("a/old", expired, key_pem(EC))
    await site.ingress("a/old", "old.a.example.com/", **tls("old", "old.a.example.com"))
    await until(lambda: shows(site, "old.a.example.com", expired))
    assert 'Secret "a/old"' in str((await until_told(site, "a/old", "CertificateExpired"))["message"])
    stand_in = await site.shown("nobody.example.com")
    for name in odd:
        told = await until_told(site, f"b/{name}")
        assert (told["type"], told.get("count", 1)) == ("Warning", 1), told
        assert f'Secret "b/{name}"' in told["message"] and "PRIVATE" not in told["message"]
        assert await reached(site, f"{name}.b.example.com"), "its route is served"
        assert await site.shown(f"{name}.b.example.com") == stand_in, name


async def reached(site: Site, host: str, path: str = "/") -> bool:
    return await site.status(host, path) == 503


async def until_told(site: Site, at: str, reason: str = "CertificateUnusable") -> dict[str, object]:
    found: list[dict[str, object]] = []

    async def told() -> bool:
        found[:] = [each for each in await site.events(at) if each["reason"] == reason]
        return bool(found)

    await until(told)
    return found[0]


def test_a_certificate_that_cannot_be_shown_is_left_out_alone(tmp_path: Path) -> None:
    async def play() -> None:
        async with Site() as site:
            await attacked(site, tmp_path)
            assert not site.serving.done()

    asyncio.run(play())


def test_what_surrounds_a_certificate_never_reaches_haproxy() -> None:
    """Bytes that are no UTF-8 ended the gateway at a renewal; a second key took the place of the first."""

    async def play() -> None:
        async with Site() as site:
            await site.namespace("a", "b")
            await site.secret("b/web", *pair("b.example.com"))
            await site.ingress("b/web", "b.example.com/", **tls("web", "b.example.com"))
            await until(lambda: reached(site, "b.example.com"))
            made, key = pair("b.example.com")
            other = key_pem(ec.generate_private_key(ec.SECP256R1()))
            dh = b"-----BEGIN DH PARAMETERS-----\nMAYCAQcCAQI=\n-----END DH PARAMETERS-----\n"
            await site.secret("b/web", b"\xff\xfe\n" + other + made + b"\n\n\n\xff" + dh, key)
            await until(lambda: shows(site, "b.example.com", made))
            await site.ingress("a/web", "a.example.com/")
            await until(lambda: reached(site, "a.example.com"))

    asyncio.run(play())
