"""Certificates that are replaced: what says the same, what is taken up and when, and what lies where."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from longboat.aio.clock import VirtualClock
from longboat.apiserver.pki import Pki
from longboat.assembly.control_plane.plane import RENEWED_EVERY, ControlPlane
from longboat.assembly.control_plane.settings import Settings
from longboat.assembly.following import Following
from longboat.cli.certificates import gathered, in_kubeconfig
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


def test_a_pair_is_taken_up_when_it_is_whole(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = VirtualClock()
        pki, following, taken = Pki(tmp_path, clock), Following(clock), []
        pair, single = pki.client("jane", "jane"), tmp_path / "config"
        single.write_text("a")

        async def use() -> None:
            taken.append(read(pair.certificate).serial_number)
            if len(taken) == 2:
                raise OSError("not this time")

        async def use_single() -> None:
            taken.append(0)

        following.pair(pair, use)
        following.file(single, use_single)
        task = asyncio.create_task(following.run())

        async def pass_by(seconds: int) -> None:
            for _ in range(seconds):
                await clock.advance(1)
                await asyncio.sleep(0.02)  # files are looked at in a thread

        try:
            await pass_by(3)
            assert taken == [read(pair.certificate).serial_number]
            certificate, key = pair.certificate.read_bytes(), pair.key.read_bytes()
            pki.renew(pair)
            new = pair.certificate.read_bytes()
            pair.certificate.write_bytes(certificate)  # as it is in between
            await pass_by(2)
            assert len(taken) == 1 and pair.key.read_bytes() != key
            pair.certificate.write_bytes(new)
            await pass_by(3)
            assert taken[1:] == [read(pair.certificate).serial_number] * 2, "tried again where it could not be used"
            single.write_text("bc")
            await pass_by(2)
            assert taken[3:] == [0]
        finally:
            task.cancel()

    asyncio.run(scene())


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


def test_a_control_plane_renews_what_nears_its_end_while_it_runs(tmp_path: Path) -> None:
    """Before, only when it started: after a year without a restart nobody could have spoken to it."""

    async def scene() -> None:
        plane = ControlPlane(Settings(data_dir=tmp_path / "data", listen=(("127.0.0.1", 16443),)))
        plane._keep_certificates()
        names = ("serving", "apiserver-kubelet-client", "apiserver-csi-client", "admin", "super-admin")
        before = {name: read(plane.pki.pair(name).certificate).serial_number for name in names}
        clock = VirtualClock(plane.clock.now() + timedelta(days=334))
        plane.clock = plane.pki._clock = clock  # type: ignore[assignment]
        renewing = asyncio.create_task(plane._renew())

        async def serials() -> dict[str, int]:
            await clock.advance(RENEWED_EVERY)
            await asyncio.to_thread(lambda: None)  # behind what that set off
            await asyncio.sleep(0.1)
            return {name: read(plane.pki.pair(name).certificate).serial_number for name in names}

        try:
            assert await serials() == before, "31 days before the end"
            clock.step(timedelta(days=2))
            after = await serials()
            assert all(after[name] != before[name] for name in names)
            assert in_kubeconfig(tmp_path / "data" / "admin.kubeconfig").serial_number == after["admin"]
        finally:
            renewing.cancel()
            await plane.close()

    asyncio.run(scene())
