"""The kernel's table of tracked flows, read and pruned through netlink."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.root]

SCRIPT = """
import json, socket
from longboat.network.families import IPV4
from longboat.network.proxy import conntrack
from longboat.network.proxy.fronts import Look

# Each datagram of a socket of its own is a flow, once something tracks them.
from longboat.network.nftables import Nftables
from longboat.network.overlay.loopback import bring_up
bring_up()
Nftables().run(
    "add table ip t\\nadd chain ip t c { type nat hook output priority -100; }\\n"
    "add rule ip t c ip daddr 127.0.0.9 dnat to 127.0.0.8"
)
for to, port, count in (("127.0.0.9", 53, 600), ("127.0.0.8", 53, 5), ("127.0.0.8", 54, 7)):
    for number in range(count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 20000 + number))
            s.sendto(b"x", (to, port))
eight, looked = socket.inet_aton("127.0.0.8"), []
def look(what, stale=lambda flow, is_local: False):
    seen = []
    gone = conntrack.forget([what], IPV4, lambda flow, is_local: seen.append(flow) or stale(flow, is_local))
    return len(seen), gone
found = [look(Look("UDP")), look(Look("UDP", backend=eight)), look(Look("UDP", port=53)), look(Look("SCTP"))]
whose, far = set(), socket.inet_aton("192.0.2.1")
look(Look("UDP", port=54), lambda flow, is_local: whose.add((is_local(flow.address), is_local(far))))
found.append(sorted(whose))
found += [look(Look("UDP"), lambda flow, is_local: flow.is_translated), look(Look("UDP"))]
def late(flow, is_local):  # gone before we come to it: no harm
    if not looked:
        looked.append(conntrack.forget([Look("UDP")], IPV4, lambda flow, is_local: True))
    return True
found += [conntrack.forget([Look("UDP")], IPV4, late), looked, look(Look("UDP"))]
print(json.dumps(found))
"""


def run() -> Any:
    command = ["unshare", "--net", sys.executable, "-c", SCRIPT]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_the_kernel_shows_what_is_asked_for_and_forgets_it() -> None:
    everything, by_backend, by_port, none, local, forgotten, left, late, meanwhile, end = run()
    assert everything == [612, 0] and none == [0, 0]
    assert by_backend == [612, 0], "what answers from there, translated or not"
    assert by_port == [5, 0], "untranslated ones only"
    assert local == [[True, False]]
    assert forgotten == [612, 600], "in several batches"
    assert left == [12, 0] and meanwhile == [12] and late == 12 and end == [0, 0]
