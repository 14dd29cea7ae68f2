"""Routes to other nodes' pods, in a real kernel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.host import Host

pytestmark = [pytest.mark.root]

APPLY = """
import sys
from longboat.network.overlay.routes import Routes, change
routes = Routes()
routes.apply(change(routes.present(), eval(sys.argv[1])))
print(routes.present())
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    for command in ("link add eth0 type bridge", "addr add 172.30.0.11/24 dev eth0", "link set eth0 up"):
        host.run("ip", *command.split()).ok()
    yield host
    host.close()


def test_routes_come_change_and_go_and_others_stay(host: Host) -> None:
    def apply(want: dict[str, str]) -> None:
        assert eval(host.run(sys.executable, "-c", APPLY, repr(want)).ok().out) == want

    host.run("ip", "route", "add", "10.9.0.0/24", "via", "172.30.0.1").ok()
    apply({})
    apply({"10.244.1.0/24": "172.30.0.12", "10.244.2.0/24": "172.30.0.13"})
    apply({"10.244.1.0/24": "172.30.0.14"})
    routes = host.run("ip", "route").quiet()
    assert "10.244.1.0/24 via 172.30.0.14" in routes and "10.244.2.0/24" not in routes
    apply({})
    assert "10.9.0.0/24 via 172.30.0.1" in host.run("ip", "route").quiet()


def test_a_gateway_that_cannot_be_is_an_error(host: Host) -> None:
    done = host.run(sys.executable, "-c", APPLY, repr({"10.244.1.0/24": "192.0.2.1"}))
    assert done.code and "OSError" in done.err
