"""Kernel parameters of pods (sig-node)."""

from __future__ import annotations

import pytest

from conformance.node.pods import Pods, container, pod
from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.errors import StatusError
from longboat.testing.cluster import Cluster

NAME = "kernel.shm_rmid_forced"
VALUE = f"cat /proc/sys/{NAME.replace('.', '/')}"
START = [
    pod("forced", container(VALUE), securityContext={"sysctls": [{"name": NAME, "value": "1"}]}),
    pod("plain", container(VALUE)),
]


@pytest.mark.containers
def test_a_parameter_is_set(pods: Pods) -> None:
    """Conformance: Sysctl, test sysctls"""
    assert pods.said("forced") == ["1"]
    assert pods.said("plain") == ["0"]  # it is the pod's alone


@inside
async def test_names_that_are_none(cluster: Cluster) -> None:
    """Conformance: Sysctls, reject invalid sysctls"""
    pods = Verbs(cluster, "pod")
    listed = [{"name": name, "value": "1"} for name in ("foo-", "kernel.shmmax", "bar..")]
    with pytest.raises(StatusError) as refused:
        await pods.create("pod", pod("pod", securityContext={"sysctls": listed}))
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    message = str(refused.value)
    assert 'Invalid value: "foo-"' in message and 'Invalid value: "bar.."' in message
    assert "kernel.shmmax" not in message
    assert await pods.is_gone("pod")
