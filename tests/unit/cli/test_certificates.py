"""Certificates that are replaced: what says the same, and what lies where."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from longboat.aio.clock import VirtualClock
from longboat.apiserver.pki import Pki
from longboat.cli.certificates import gathered
from longboat.client.kubeconfig import with_certificate

HOSTS = ["127.0.0.1", "kubernetes"]


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_another_pair_says_the_same_and_is_kept(tmp_path: Path) -> None:
    pki = Pki(tmp_path, VirtualClock())
    pairs = [
        pki.serving(HOSTS), pki.client("jane", "jane", ("a", "b")),
        pki.kubelet_serving("n", "system:node:n", ("system:nodes",), ["n"]),
    ]  # fmt: skip
    assert {pair.certificate.stem for pair in pki.issued()} == {"serving", "jane", "n"}
    for pair in pairs:
        before, key = read(pair.certificate), pair.key.read_bytes()
        pki.renew(pair)
        after = read(pair.certificate)
        assert after.serial_number != before.serial_number and pair.key.read_bytes() != key
        assert (after.subject, after.issuer) == (before.subject, before.issuer)
        for kind in (x509.ExtendedKeyUsage, x509.KeyUsage, x509.AuthorityKeyIdentifier):
            assert after.extensions.get_extension_for_class(kind) == before.extensions.get_extension_for_class(kind)
    serial = read(pairs[0].certificate).serial_number
    assert read(pki.serving(HOSTS).certificate).serial_number == serial, "nobody makes another at the next start"


def test_half_a_pair_is_made_anew(tmp_path: Path) -> None:
    """The power may go between the two files."""
    pki = Pki(tmp_path, VirtualClock())
    pair = pki.client("jane", "jane")
    first, other = read(pair.certificate), pki.client("joe", "joe")
    pair.key.write_bytes(other.key.read_bytes())
    assert read(pki.client("jane", "jane").certificate) != first


def test_what_lies_where(tmp_path: Path) -> None:
    clock = VirtualClock()
    pki = Pki(tmp_path / "pki", clock)
    admin = pki.client("admin", "kubernetes-admin", ("admins",))
    config = with_certificate("https://x", "", admin.certificate.read_bytes(), admin.key.read_bytes())
    (tmp_path / "admin.kubeconfig").write_text(config)
    (tmp_path / "other.kubeconfig").write_text("{}")
    (tmp_path / "pki" / "broken.crt").write_text("no")
    node = tmp_path / "nodes" / "node-1" / "pki"
    node.mkdir(parents=True)
    (node / "ca.crt").write_bytes(pki.ca.pair.certificate.read_bytes())
    found = {each.places[0]: each for each in gathered(tmp_path)}
    assert list(found)[:3] == ["pki/ca.crt", "pki/front-proxy-ca.crt", "pki/node-serving-ca.crt"]
    assert found["pki/ca.crt"].places == ["pki/ca.crt", "nodes/node-1/pki/ca.crt"]
    assert found["pki/ca.crt"].uses == ["authority"] and found["pki/ca.crt"].days_left(clock.now()) == 3650
    mine = found["pki/admin.crt"]
    assert mine.places == ["pki/admin.crt", "admin.kubeconfig"] and mine.uses == ["client auth"]
    assert (mine.subject, mine.issuer) == ("CN=kubernetes-admin,O=admins", "CN=longboat-ca")
