"""Which certificate a node goes on serving with, and which it asks to have replaced at once."""

from __future__ import annotations

from pathlib import Path

from longboat.aio.clock import SystemClock
from longboat.api.certificates import SERVER
from longboat.apiserver.pki import Authority, Pki
from longboat.node.certificates import serving_life, stop_gap

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
