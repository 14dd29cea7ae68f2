"""Which certificate a node goes on serving with, and which it asks to have replaced at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.api.certificates import SERVER
from longboat.apiserver.pki import Authority, Pki
from longboat.client.enrolment import NODE_CLIENT
from longboat.node.agent import serving_context
from longboat.node.certificates import (
    BACKDATED,
    NOT_BEFORE,
    Renewal,
    client_wish,
    not_before,
    serving_life,
    stop_gap,
    store_serving,
)

NAME, GROUPS = "system:node:n", ("system:nodes",)


def test_only_one_of_the_nodes_own_authority_is_kept(tmp_path: Path) -> None:
    pki, clock = Pki(tmp_path, SystemClock()), SystemClock()
    authority, served = pki.ca.pair.certificate, pki.pair("serving")

    def life(signer: Authority) -> bool:
        signer.issue(served, clock, NAME, GROUPS, usages=SERVER, hosts=["n"])
        return serving_life(served.certificate, authority) is not None

    assert life(pki.node_serving)
    assert not life(pki.ca), "as it was when the cluster's authority signed them"
    served.certificate.write_bytes(stop_gap("n", clock.now())[0])
    assert serving_life(served.certificate, authority) is None
    served.certificate.write_text("junk")
    assert serving_life(served.certificate, authority) is None
    served.certificate.unlink()
    assert serving_life(served.certificate, authority) is None


class Signed:
    """A renewal whose signer answers at once, by a clock that may be behind."""

    def __init__(self, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, behind: timedelta = timedelta()) -> None:
        self.clock, self.behind, self.made = clock, behind, 0
        self.since = clock.now() - BACKDATED

        async def obtain(*given: object) -> bytes:
            self.made += 1
            self.since = clock.now() - BACKDATED - behind
            return b""

        async def use(certificate: bytes, key: bytes) -> None:
            pass

        monkeypatch.setattr("longboat.node.certificates.obtain", obtain)
        self.renewal = Renewal(
            Nobody(), clock, NODE_CLIENT, lambda: client_wish("n"),  # type: ignore[arg-type]
            lambda: (self.since, self.since + timedelta(days=365)), use,
        )  # fmt: skip


class Nobody:
    """A transport that is not asked."""


@pytest.mark.parametrize("behind", [timedelta(), timedelta(days=2)])
def test_what_was_signed_before_a_moment_is_renewed_once(monkeypatch: pytest.MonkeyPatch, behind: timedelta) -> None:
    async def scene() -> None:
        clock = VirtualClock()
        signed = Signed(clock, monkeypatch, behind)
        task = asyncio.create_task(signed.renewal.run())
        try:
            await clock.advance(timedelta(hours=1))
            assert signed.made == 0
            moment = clock.now()
            for _ in range(3):  # as often as the node looks at its Node
                signed.renewal.renew_before(moment)
                await clock.advance(10)
            assert signed.made == 1
            signed.renewal.renew_before(moment - timedelta(days=9))
            await clock.advance(10)
            assert signed.made == 1, "what it has was signed later"
            signed.renewal.renew_before(clock.now())
            await clock.advance(10)
            assert signed.made == 2
            await clock.advance(timedelta(days=330))
            assert signed.made == 3, "and in time, as ever"
        finally:
            task.cancel()

    asyncio.run(scene())


def test_the_moment_is_an_annotation() -> None:
    assert not_before({NOT_BEFORE: "2026-01-02T03:04:05Z"}) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert not_before({}) is None and not_before({NOT_BEFORE: "now"}) is None


def test_half_of_what_a_node_serves_with_does_not_keep_it_from_serving(tmp_path: Path) -> None:
    """It serves with what nobody trusts, and asks for another: before, it could not start for ever after."""

    async def scene() -> None:
        pki, clock = Pki(tmp_path / "cluster", SystemClock()), SystemClock()
        place = tmp_path / "node"
        place.mkdir()
        (place / "ca.crt").write_bytes(pki.ca.pair.certificate.read_bytes())
        pair = pki.kubelet_serving("n", NAME, GROUPS, ["n"])
        await store_serving(place, pair.certificate.read_bytes(), pair.key.read_bytes())
        await serving_context(place, "n", clock)
        assert serving_life(place / "serving.crt", place / "ca.crt") is not None
        (place / "serving.key").write_bytes(pki.client("other", "other").key.read_bytes())
        await serving_context(place, "n", clock)
        assert serving_life(place / "serving.crt", place / "ca.crt") is None

    asyncio.run(scene())
