"""A control plane without its commands: it renews its certificates, and lets go of all that it holds."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from longboat.aio.clock import VirtualClock
from longboat.assembly import keys
from longboat.assembly.control_plane.plane import RENEWED_EVERY, ControlPlane
from longboat.assembly.control_plane.settings import MEMORY, Settings
from longboat.cli.certificates import in_kubeconfig


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


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
            for _ in range(1000):
                if clock._heap:  # it has looked, and sleeps again
                    break
                await asyncio.sleep(0.01)
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


def test_one_that_cannot_start_lets_go_of_what_it_has_taken(tmp_path: Path) -> None:
    """Its store process would go on, and nobody could change the keys of Secrets any more."""
    data, token_file = tmp_path / "data", tmp_path / "tokens"

    async def scene(store: str) -> None:
        plane = ControlPlane(Settings(data_dir=data, listen=(("127.0.0.1", 0),), store=store, token_file=token_file))
        with pytest.raises(FileNotFoundError):
            await plane.start()
        lock = keys.Lock(data)
        assert not lock.take(alone=True), "it holds the keys"
        assert (data / "run" / "store.sock").exists() == (store != MEMORY)
        await plane.close()
        assert lock.take(alone=True)
        lock.close()
        assert not (data / "run" / "store.sock").exists()

    for store in (MEMORY, ""):
        asyncio.run(scene(store))
