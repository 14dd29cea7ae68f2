"""Kernel parameters that a node lets pods set, and those it does not."""

from __future__ import annotations

import pytest

from longboat.node import sysctls
from longboat.node.state import Waiting
from unit.node.build import changed, pod
from unit.node.test_pod_workers import GONE, Simulated, on_a_node


def asking(*names: str) -> dict[str, object]:
    return {"securityContext": {"sysctls": [{"name": name, "value": "1"} for name in names]}}


@pytest.mark.parametrize(
    ("names", "allowed", "forbidden"),
    [
        ((), (), ""),
        (("kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies", "net/ipv4/tcp_wmem"), (), ""),
        (("kernel.msgmax",), (), "kernel.msgmax"),
        (("kernel/msgmax",), (), "kernel.msgmax"),
        (("kernel.msgmax",), ("kernel.msgmax",), ""),
        (("net.core.somaxconn", "kernel.shm_rmid_forced"), ("net.core.*",), ""),
        (("net.core.somaxconn", "net.ipv4.ip_forward"), ("net.core.*",), "net.ipv4.ip_forward"),
        (("net.core.somaxconn",), ("net.core",), "net.core.somaxconn"),
    ],
)
def test_what_is_refused(names: tuple[str, ...], allowed: tuple[str, ...], forbidden: str) -> None:
    message = f'forbidden sysctl: "{forbidden}" not allowlisted'
    wanted = Waiting("SysctlForbidden", message) if forbidden else None
    assert sysctls.refusal(pod(**asking(*names)), allowed) == wanted


def test_what_may_be_allowed() -> None:
    assert sysctls.check("net.core.*") == "net.core.*"
    assert sysctls.check("kernel/msgmax") == "kernel.msgmax"
    for wrong in ("", "*", "vm.swappiness", "kernel.pid_max", "net.*.core"):
        with pytest.raises(ValueError):
            sysctls.check(wrong)


@on_a_node
async def test_a_refused_pod_fails_before_it_runs(node: Simulated) -> None:
    refused = pod("p", **asking("kernel.msgmax"))
    await node.run(refused)
    status = node.statuses.of["p"]
    assert (status["phase"], status["reason"]) == ("Failed", "SysctlForbidden")
    assert status["message"] == 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert "containerStatuses" not in status
    assert node.told.of("SysctlForbidden") == ['forbidden sysctl: "kernel.msgmax" not allowlisted']
    assert not await node.runtime.sandboxes()
    await node.run(changed(refused, **GONE))
    assert node.told.reasons == ["SysctlForbidden"]


@on_a_node
async def test_a_pod_with_safe_parameters_runs(node: Simulated) -> None:
    await node.run(pod("p", **asking("kernel.shm_rmid_forced")))
    assert node.statuses.phase() == "Running"
