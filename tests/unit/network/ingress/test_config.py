"""What HAProxy is given: it takes it, and moves end where writing anew would."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.client.interface import Key
from longboat.network.ingress import config
from longboat.network.ingress.certificates import Pair, pair, stand_in
from longboat.network.ingress.config import Settings, Structure
from longboat.network.ingress.routing import Address, Table
from longboat.network.ingress.views import Certificate

addresses = st.lists(st.tuples(st.integers(1, 9).map(lambda n: f"10.0.0.{n}"), st.just(80)), unique=True).map(tuple)


@given(addresses, st.lists(addresses, max_size=6))
def test_moves_end_where_they_should_and_leave_alone_what_stays(
    first: tuple[Address, ...], later: list[tuple[Address, ...]]
) -> None:
    slots = config.fresh_slots({"b": first})
    for wanted in later:
        before = list(slots["b"])
        moves = config.moves(slots, {"b": wanted})
        if moves is None:
            assert len(set(wanted) - set(before)) > before.count(None) and slots["b"] == before
            continue
        assert sorted(each for each in slots["b"] if each) == sorted(wanted)
        kept = [number for number, each in enumerate(before) if each in wanted]
        assert all(slots["b"][number] == before[number] for number in kept)
        assert {number for _, number, _ in moves}.isdisjoint(kept)


def test_a_server_gets_an_address_before_it_gets_requests() -> None:
    assert config.commands("b", 3, ("10.0.0.1", 80)) == [
        "set server b/s3 addr 10.0.0.1 port 80", "set server b/s3 state ready", "set server b/s3 health up",
    ]  # fmt: skip
    assert config.commands("b", 3, None) == ["set server b/s3 state maint"]


@pytest.mark.skipif(shutil.which("haproxy", path="/usr/sbin") is None, reason="needs haproxy")
@pytest.mark.parametrize("default", ["", "n_web_80"])
def test_haproxy_takes_it(tmp_path: Path, default: str) -> None:
    settings = Settings(tmp_path)
    settings.certificates.mkdir()
    for secret in (None, Key("n", "tls")):
        settings.certificate(secret).write_bytes(stand_in(datetime.datetime.now(datetime.UTC)))
    shape = Structure(
        {"a.b/x": "n_web_80"}, {"*.b/": "n_web_80", "*/": "n_api_http"}, default,
        frozenset(("n_web_80", "n_api_http")), {Key("n", "tls"): (("a.b",), ("*.b", "!c.b"))}, {"a.b": "n", "*.b": "*"},
    )  # fmt: skip
    slots = config.fresh_slots({"n_web_80": (("10.0.0.1", 80),), "n_api_http": ()})
    for path, text in config.files(settings, shape, slots).items():
        path.write_text(text)
    said = subprocess.run(["/usr/sbin/haproxy", "-c", "-f", settings.file], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, ""), said.stderr


def test_a_certificate_is_for_the_hosts_that_are_open_to_its_namespace() -> None:
    table = Table(
        certificates={Key("n", "named"): ("a.b", "*.b", "taken.c"), Key("n", "all"): (), Key("n", "no"): ("x",)}
    )
    assert table.hosts.claim("taken.c", "other") and table.hosts.claim("d.b", "other")
    usable = {key: Pair(b"", ("e.f", "taken.c")) for key in (Key("n", "named"), Key("n", "all"))}
    assert config.structure(table, usable).certificates == {
        Key("n", "named"): (("*.b", "!d.b"), ("a.b",)), Key("n", "all"): (("e.f",),),
    }  # fmt: skip


def test_only_what_fits_together_is_a_certificate() -> None:
    now = datetime.datetime.now(datetime.UTC)
    one, other = stand_in(now), stand_in(now)
    at = one.index(b"-----BEGIN PRIVATE")
    parts = {"tls.crt": one[:at], "tls.key": one[at:]}

    def secret(**changes: bytes | None) -> Certificate:
        data = {**parts, **{name.replace("_", "."): value for name, value in changes.items()}}
        return Certificate(data={name: b64encode(value).decode() for name, value in data.items() if value is not None})

    assert pair(secret()).pem == one
    assert pair(secret(tls_crt=b"\xff\n" + one + b"\xff")).pem == one, "what stands around it stays behind"
    for broken, why in (
        (secret(tls_key=None), "tls.key is missing"), (secret(tls_crt=b"no"), "tls.crt holds no certificate"),
        (secret(tls_key=b"no"), "tls.key holds no private key that can be used"),
        (secret(tls_key=other[other.index(b"-----BEGIN PRIVATE"):]), "is not the key of the first certificate"),
        (secret(tls_crt=parts["tls.crt"] * 11), "tls.crt holds 11 certificates: more than 10"),
        (secret(tls_crt=parts["tls.crt"] * 200), "bytes: more than 65536"),
        (Certificate(data={"tls.crt": "!", "tls.key": "!"}), "tls.crt is not base64"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=why.replace(".", r"\.")):
            pair(broken)
