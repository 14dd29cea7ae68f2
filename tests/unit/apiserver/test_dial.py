"""Where the API server connects to for somebody, and where it does not."""

from __future__ import annotations

import asyncio
import socket

import pytest

from longboat.aio.clock import SystemClock
from longboat.apiserver.dial import Dialer, NotAllowed, is_own
from longboat.machinery import addresses

RANGES = ["10.96.0.0/16", "fd01::/112"]
DIALER = Dialer(SystemClock(), {6443}, lambda: RANGES)


@pytest.mark.parametrize(
    "host", ["10.96.0.1", "::ffff:10.96.0.1", "fd01::1", "127.0.0.1", "::1", "", "localhost", "fe80::1%lo"]
)
def test_never(host: str) -> None:
    with pytest.raises(NotAllowed):
        DIALER.check(host, 10250)


@pytest.mark.parametrize("port", [0, -1, 65536, 1 << 40])
def test_no_port(port: int) -> None:
    with pytest.raises(NotAllowed, match="is not a port"):
        DIALER.check("192.0.2.1", port)


def test_elsewhere_is_fine_at_any_port() -> None:
    assert not is_own(addresses.parse("192.0.2.1"))
    for port in (80, 6443, 10250):
        assert str(DIALER.check("192.0.2.1", port)) == "192.0.2.1"
    assert str(DIALER.check("::ffff:192.0.2.1", 80)) == "192.0.2.1"


def test_who_may_mean_this_machine_says_so() -> None:
    assert is_own(addresses.parse("127.0.0.1"))
    assert str(DIALER.check("127.0.0.1", 6443, local=True)) == "127.0.0.1"
    for host in ("0.0.0.0", "169.254.169.254", "224.0.0.1"):
        with pytest.raises(NotAllowed):
            DIALER.check(host, 80, local=True)


def test_what_is_judged_is_what_is_connected_to() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(5)
            port = listener.getsockname()[1]
            _, writer = await DIALER.open("::ffff:127.0.0.1", port, local=True)
            assert writer.get_extra_info("peername") == ("127.0.0.1", port)
            writer.close()
            with pytest.raises(NotAllowed):
                await DIALER.open("::ffff:127.0.0.1", port)

    asyncio.run(scene())


def test_ranges_of_services_are_those_of_now() -> None:
    ranges = ["10.96.0.0/16"]
    dialer = Dialer(SystemClock(), services=lambda: ranges)
    assert str(dialer.check("203.0.113.9", 80)) == "203.0.113.9"
    ranges.append("203.0.113.0/24")
    with pytest.raises(NotAllowed, match="of Services"):
        dialer.check("203.0.113.9", 80)
