"""The cluster's own certificates: made once, renewed where they no longer fit, readable by their owner alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from longboat.aio.clock import VirtualClock
from longboat.apiserver.pki import LEAF_YEARS, RENEW_BEFORE, Pair, Pki, Unusable

HOSTS = ["kubernetes", "10.96.0.1", "127.0.0.1", "::1"]


def certificate(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def serial(pair: Pair) -> int:
    return certificate(pair).serial_number


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki", VirtualClock())
    pki.serving(HOSTS)
    pki.client("admin", "kubernetes-admin", ("system:masters",))
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "pki").iterdir()} == {0o600}
    assert {"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub"} <= {
        path.name for path in (tmp_path / "pki").iterdir()
    }


def test_a_client_certificate_says_who_and_in_which_groups(tmp_path: Path) -> None:
    pki = Pki(tmp_path, VirtualClock())
    found = certificate(pki.client("node", "system:node:a", ("system:nodes", "others")))
    names = [a.value for a in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [a.value for a in found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert (names, groups) == (["system:node:a"], ["system:nodes", "others"])
    found.verify_directly_issued_by(pki.ca.certificate)


def test_nothing_is_made_twice(tmp_path: Path) -> None:
    clock = VirtualClock()
    first, second = Pki(tmp_path, clock), Pki(tmp_path, clock)
    assert first.ca.certificate == second.ca.certificate
    assert serial(first.serving(HOSTS)) == serial(second.serving(reversed(HOSTS)))
    assert serial(first.client("admin", "a")) == serial(second.client("admin", "a"))


def test_a_serving_certificate_follows_its_hosts_and_its_time(tmp_path: Path) -> None:
    clock = VirtualClock()
    pki = Pki(tmp_path, clock)
    first = serial(pki.serving(HOSTS))
    second = serial(pki.serving([*HOSTS, "192.0.2.1"]))
    assert first != second
    later = VirtualClock(clock.now() + timedelta(days=365 * LEAF_YEARS) - RENEW_BEFORE + timedelta(days=1))
    assert serial(Pki(tmp_path, later).serving([*HOSTS, "192.0.2.1"])) != second


def test_a_certificate_of_another_authority_is_replaced(tmp_path: Path) -> None:
    clock = VirtualClock()
    old = serial(Pki(tmp_path, clock).serving(HOSTS))
    for name in ("ca.crt", "ca.key"):
        (tmp_path / name).unlink()
    pki = Pki(tmp_path, clock)
    new = pki.serving(HOSTS)
    assert serial(new) != old
    certificate(new).verify_directly_issued_by(pki.ca.certificate)


def test_half_a_pair_is_made_whole(tmp_path: Path) -> None:
    pki = Pki(tmp_path, VirtualClock())
    pair = pki.serving(HOSTS)
    pair.key.unlink()
    pair = pki.serving(HOSTS)
    assert pair.key.exists()
    pair.certificate.write_text("not a certificate")
    assert certificate(pki.serving(HOSTS))


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "front-proxy-ca.key", "sa.key"])
def test_what_cannot_be_read_is_named_and_never_replaced(tmp_path: Path, name: str) -> None:
    Pki(tmp_path, VirtualClock())
    (tmp_path / name).write_text("junk")
    with pytest.raises(Unusable, match=name):
        Pki(tmp_path, VirtualClock())
    assert (tmp_path / name).read_text() == "junk"
