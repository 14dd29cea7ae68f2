"""Certificates that are replaced while they are used: what is taken up, and when."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cryptography import x509

from longboat.aio.clock import VirtualClock
from longboat.apiserver.pki import Pki
from longboat.assembly.following import Following


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


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
