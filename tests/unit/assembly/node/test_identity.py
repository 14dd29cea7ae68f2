"""What a node goes by that has joined, and when it has to join anew."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from longboat.aio.clock import VirtualClock
from longboat.apiserver.pki import Pki
from longboat.assembly.errors import Failure
from longboat.assembly.node.identity import holds
from longboat.client.kubeconfig import with_certificate


def test_a_certificate_holds_until_its_end(tmp_path: Path) -> None:
    clock, kubeconfig = VirtualClock(), tmp_path / "kubelet.kubeconfig"
    assert not holds(kubeconfig, clock)
    pair = Pki(tmp_path / "pki", clock).client("n", "system:node:n", ("system:nodes",))
    kubeconfig.write_text(
        with_certificate("https://x", "", pair.certificate.read_bytes(), pair.key.read_bytes())
    )  # fmt: skip
    assert holds(kubeconfig, clock)
    clock.step(timedelta(days=366))
    assert not holds(kubeconfig, clock)


@pytest.mark.parametrize("text", ["{}", "users: []", "users: [{name: n, user: {client-certificate-data: '!'}}]", ""])
def test_one_that_names_no_certificate_is_made_anew(tmp_path: Path, text: str) -> None:
    kubeconfig = tmp_path / "kubelet.kubeconfig"
    kubeconfig.write_text(text)
    assert not holds(kubeconfig, VirtualClock())


@pytest.mark.parametrize("text", ["{", "just words", "- a list"])
def test_what_is_no_kubeconfig_is_not_overwritten(tmp_path: Path, text: str) -> None:
    kubeconfig = tmp_path / "kubelet.kubeconfig"
    kubeconfig.write_text(text)
    with pytest.raises(Failure, match="kubeconfig"):
        holds(kubeconfig, VirtualClock())
