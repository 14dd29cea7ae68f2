"""What is signed is taken by those who are strict: of every signer, every usage it grants and every kind of key."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from longboat.aio.clock import SystemClock
from longboat.api.certificates import EXTENDED, KEY, leaf, subject
from longboat.apiserver.authn.certificates import client_certificates
from longboat.apiserver.pki import Authority, Pair, Pki
from longboat.apiserver.request import Request
from longboat.apiserver.serving import tls
from longboat.client.enrolment import USAGES as SIGNED
from longboat.controllers.certificates.requests import (
    CLIENT,
    LEGACY,
    NODE_CLIENT,
    NODE_SERVING,
    BadRequest,
    check,
    read,
)
from longboat.controllers.certificates.signing import Expired, Signer
from longboat.network.ingress.certificates import stand_in
from longboat.node.certificates import client_wish, network_wish, serving_wish, stop_gap
from longboat.node.serve.http import tls as node_tls
from longboat.registry.kinds.certificates.signing_request import USAGES
from unit.strictly import Side, by_openssl, shaken

CLOCK, PEM = SystemClock(), serialization.Encoding.PEM
KEYS: dict[str, Callable[[], Any]] = {
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "p-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
}
SIGNATURE, ENCIPHERMENT = "digital signature", "key encipherment"
GRANTED = {
    CLIENT: (("client auth",), (SIGNATURE, "client auth"), (ENCIPHERMENT, "client auth"),
             (SIGNATURE, ENCIPHERMENT, "client auth")),
    NODE_CLIENT: ((SIGNATURE, "client auth"), (SIGNATURE, ENCIPHERMENT, "client auth")),
    NODE_SERVING: ((SIGNATURE, "server auth"), (SIGNATURE, ENCIPHERMENT, "server auth")),
    LEGACY: (("client auth",), ("server auth", "client auth"), ("client auth", "email protection")),
}  # fmt: skip


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"), CLOCK)


def request_for(key: Any, *subject: tuple[x509.ObjectIdentifier, str], names: tuple[x509.GeneralName, ...] = ()) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    hashed = None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
    return base64.b64encode(builder.sign(key, hashed).public_bytes(serialization.Encoding.PEM)).decode()


def written(place: Path, certificate: str, key: Any, name: str = "made") -> Pair:
    pair = Pair(place / f"{name}.crt", place / f"{name}.key")
    pair.certificate.write_text(certificate)
    plain = serialization.NoEncryption()
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return pair


def signed(authority: Authority, request: str, usages: tuple[str, ...], seconds: int | None = None) -> str:
    return Signer(authority.certificate, authority.key).sign(read(request), list(usages), CLOCK.now(), seconds)


@pytest.mark.parametrize("kind", KEYS)
def test_who_is_strict_takes_what_is_signed(pki: Pki, tmp_path: Path, kind: str) -> None:
    """Before, a request with `client auth` alone, as the documentation has it, got an empty KeyUsage: of no use."""
    key, trusted = KEYS[kind](), pki.ca.pair.certificate
    server = tls(pki.serving(["localhost"]), [trusted, pki.front_proxy.pair.certificate])
    looked_at: dict[str, list[Path]] = {"sslclient": [], "sslserver": []}
    for signer, granted in GRANTED.items():
        node = signer in (NODE_CLIENT, NODE_SERVING)
        who = ((NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, "system:node:n")) if node else (
            (NameOID.COMMON_NAME, "jane"),
        )  # fmt: skip
        names = (x509.DNSName("n"),) if signer == NODE_SERVING else ()
        request = request_for(key, *who, names=names)
        for usages in granted:
            check(signer, read(request), usages)
            authority = pki.node_serving if signer == NODE_SERVING else pki.ca
            name = f"{signer.rpartition('/')[2]}-{'-'.join(usages).replace(' ', '_').replace('/', '_')}"
            pair = written(tmp_path, signed(authority, request, usages), key, name)
            looked_at["sslserver" if signer == NODE_SERVING else "sslclient"].append(pair.certificate)
            if signer == NODE_SERVING:
                served = node_tls(pair.certificate, pair.key, trusted)
                own = pki.client("kubelet-client", "kube-apiserver-kubelet-client")
                assert shaken(served, Side(own.certificate, own.key, trusted), authority.pair.certificate, "n")
                continue
            side = Side(pair.certificate, pair.key, trusted)
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                assert named(pki, shaken(server, side, trusted, "localhost", version)) == who[-1][1], name
    assert by_openssl(trusted, "sslclient", *looked_at["sslclient"]) == ""
    assert by_openssl(pki.node_serving.pair.certificate, "sslserver", *looked_at["sslserver"]) == ""


def named(pki: Pki, der: bytes) -> str:
    request = Request("GET", "/", {}, {}, nothing, peer_certificate=der)  # type: ignore[arg-type]
    user = asyncio.run(client_certificates(pki.ca.pair.certificate, CLOCK)(request))  # type: ignore[arg-type]
    assert user is not None
    return user.name


async def nothing() -> bytes:
    return b""


def test_a_certificate_says_of_its_key_what_was_asked_for(pki: Pki) -> None:
    """As upstream's signer does, for each usage that a request may name; no extension where there is nothing to say."""
    request = request_for(KEYS["p-256"](), (NameOID.COMMON_NAME, "jane"))
    assert {*KEY, *EXTENDED} == USAGES
    for usage in sorted(USAGES - {"encipher only", "decipher only"}):
        made = x509.load_pem_x509_certificate(signed(pki.ca, request, (usage,)).encode())
        found = {extension.oid: extension for extension in made.extensions}
        assert (x509.KeyUsage.oid in found) == (usage in KEY)
        assert (x509.ExtendedKeyUsage.oid in found) == (usage in EXTENDED)
        if usage in KEY:
            bits = made.extensions.get_extension_for_class(x509.KeyUsage)
            assert bits.critical and getattr(bits.value, KEY[usage])
        else:
            assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [EXTENDED[usage]]
    both = x509.load_pem_x509_certificate(signed(pki.ca, request, ("s/mime", "email protection", "any")).encode())
    assert list(both.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    ]  # fmt: skip
    bits = x509.load_pem_x509_certificate(signed(pki.ca, request, ("encipher only", "key agreement")).encode())
    assert bits.extensions.get_extension_for_class(x509.KeyUsage).value.encipher_only
    alone = x509.load_pem_x509_certificate(signed(pki.ca, request, ("encipher only",)).encode())
    assert not alone.extensions.get_extension_for_class(x509.KeyUsage).value.key_agreement


@pytest.mark.parametrize(
    ("seconds", "ends"),
    [
        (None, timedelta(days=365, minutes=-5)), (600, timedelta(minutes=10)), (1, timedelta(minutes=10)),
        (8 * 3600 - 1, timedelta(seconds=8 * 3600 - 1)), (8 * 3600, timedelta(hours=8, minutes=-5)),
        (366 * 86400, timedelta(days=365, minutes=-5)),
    ],
)  # fmt: skip
def test_how_long_a_certificate_lives(pki: Pki, seconds: int | None, ends: timedelta) -> None:
    request, now = read(request_for(KEYS["p-256"](), (NameOID.COMMON_NAME, "jane"))), CLOCK.now().replace(microsecond=0)
    pem = Signer(pki.ca.certificate, pki.ca.key).sign(request, ["client auth"], now, seconds)
    made = x509.load_pem_x509_certificate(pem.encode())
    assert made.not_valid_before_utc == now - timedelta(minutes=5)
    assert made.not_valid_after_utc == now + ends


def test_nothing_outlives_its_authority_and_one_that_has_ended_signs_nothing(pki: Pki) -> None:
    request, last = (
        read(request_for(KEYS["p-256"](), (NameOID.COMMON_NAME, "jane"))),
        pki.ca.certificate.not_valid_after_utc,
    )
    signer = Signer(pki.ca.certificate, pki.ca.key)
    late = signer.sign(request, ["client auth"], last - timedelta(hours=1), None)
    assert x509.load_pem_x509_certificate(late.encode()).not_valid_after_utc == last
    with pytest.raises(Expired, match="refusing to sign a certificate that expired in the past"):
        signer.sign(request, ["client auth"], last, None)


def test_names_go_over_and_are_critical_where_there_is_no_subject(pki: Pki, tmp_path: Path) -> None:
    """RFC 5280, 4.2.1.6. Kinds of names that Go's signers do not know are left behind."""
    key, uri = KEYS["p-256"](), x509.UniformResourceIdentifier("spiffe://example.com/jane")
    odd = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
    for who in ((), ((NameOID.COMMON_NAME, "jane"),)):
        pem = signed(pki.ca, request_for(key, *who, names=(uri, odd)), ("client auth",))
        found = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        assert list(found.value) == [uri] and found.critical == (not who)
        pair = written(tmp_path, pem, key)
        assert by_openssl(pki.ca.pair.certificate, "sslclient", pair.certificate) == ""


def test_no_signer_grants_what_is_not_its_own(pki: Pki) -> None:
    request = read(request_for(KEYS["p-256"](), (NameOID.COMMON_NAME, "jane")))
    for usages, why in (
        (("client auth", "server auth"), "invalid usage for client certificate: server auth"),
        (("digital signature",), "missing required usage for client certificate: client auth"),
    ):
        with pytest.raises(BadRequest, match=why):
            check(CLIENT, request, usages)


def test_what_the_cluster_gives_itself_is_taken_too(pki: Pki, tmp_path: Path) -> None:
    """Its own clients and servers; and what stands in for others is well-formed, if not trusted."""
    for client in (pki.client("admin", "kubernetes-admin", ("g",)), pki.client("node", "system:node:n")):
        assert by_openssl(pki.ca.pair.certificate, "sslclient", client.certificate) == ""
    served = pki.serving(["localhost", "127.0.0.1", "::1"])
    assert by_openssl(pki.ca.pair.certificate, "sslserver", served.certificate) == ""
    kubelet = pki.kubelet_serving("n", "system:node:n", ("system:nodes",), ["n", "192.0.2.1"])
    assert by_openssl(pki.node_serving.pair.certificate, "sslserver", kubelet.certificate) == ""
    for pair, authority, host in ((served, pki.ca, "localhost"), (kubelet, pki.node_serving, "n")):
        leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        verifier = PolicyBuilder().store(Store([authority.certificate])).build_server_verifier(x509.DNSName(host))
        assert len(verifier.verify(leaf, [])) == 2
    for made in (stop_gap("n", CLOCK.now())[0], stand_in(CLOCK.now())):
        place = tmp_path / "alone.crt"
        place.write_bytes(made)
        assert by_openssl(place, "sslserver", place) == ""


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
def test_a_node_may_have_a_name_as_long_as_there_are(pki: Pki, tmp_path: Path) -> None:
    """Clouds give theirs more than 40 characters. Before, such a machine could not ask for a certificate at all."""
    node = ".".join(("a" * 63, "b" * 63, "c" * 63, "d" * 61))
    assert len(node) == 253
    wishes = ((CLIENT, network_wish(node)), (NODE_CLIENT, client_wish(node)), (NODE_SERVING, serving_wish(node, ())))
    for signer, wished in wishes:
        wanted = read(base64.b64encode(wished.request).decode())
        check(signer, wanted, SIGNED[signer])
        authority = pki.node_serving if signer == NODE_SERVING else pki.ca
        pem = Signer(authority.certificate, authority.key).sign(wanted, list(SIGNED[signer]), CLOCK.now(), None)
        pair = Pair(tmp_path / "made.crt", tmp_path / "made.key")
        pair.certificate.write_text(pem)
        pair.key.write_bytes(wished.key)
        purpose = "sslserver" if signer == NODE_SERVING else "sslclient"
        assert by_openssl(authority.pair.certificate, purpose, pair.certificate) == ""
        if signer != NODE_SERVING:
            server = tls(pki.serving(["localhost"]), [pki.ca.pair.certificate])
            side = Side(pair.certificate, pair.key, pki.ca.pair.certificate)
            der = shaken(server, side, pki.ca.pair.certificate, "localhost")
            assert named(pki, der) == wanted.name and wanted.name.endswith(node)
    assert pki.client("long", f"system:node:{node}").certificate.exists()
    assert x509.load_pem_x509_certificate(stop_gap(node, CLOCK.now())[0])


def test_who_is_strict_does_not_take_an_empty_key_usage(pki: Pki, tmp_path: Path) -> None:
    """Those who look at certificates here can say no: to what was signed before, beside one that is well."""
    key, now = KEYS["p-256"](), CLOCK.now()
    empty = x509.KeyUsage(*[False] * 9)
    good = leaf(subject("jane"), key.public_key(), ["client auth"], now, now + timedelta(1), issuer=pki.ca.certificate)
    pairs = [
        written(tmp_path, made.sign(pki.ca.key, hashes.SHA256()).public_bytes(PEM).decode(), key, name)
        for name, made in (("good", good), ("bad", good.add_extension(empty, critical=True)))
    ]
    trusted = pki.ca.pair.certificate
    assert "bad.crt: verification failed" in by_openssl(trusted, "sslclient", *(pair.certificate for pair in pairs))
    server = tls(pki.serving(["localhost"]), [trusted])
    with pytest.raises(ssl.SSLError):
        shaken(server, Side(pairs[1].certificate, pairs[1].key, trusted), trusted, "localhost")
