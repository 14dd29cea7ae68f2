"""Client libraries at a pod on a real node, each in a process of its own; they play beside each other.

@kubernetes/client-node plays all of its scene here; those of Python have another part of theirs in test_clients.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import shell_pod
from published import NODE, published

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

TESTS = Path(__file__).parents[1]
NAMESPACE, POD = "streams", "box"
SERVES = "/web >/dev/null 2>&1 & until wget -qO- http://localhost:8080/ >/dev/null; do sleep 0.1; done"
SCRIPT = f"{SERVES}; echo started; wait"
FAILED = ["oops\n", 7]
SEEN: dict[str, Any] = {
    "kubernetes": {
        "hostname": "box\n", "read": "hello\n", "failed": FAILED, "log": "started\n", "page": [200, True],
        "told": ["kubernetes-before", "kubernetes-after"],
    },
    "kubernetes_asyncio": {"hostname": "box\n", "failed": ["oops\n"], "log": "started\n"},
    "lightkube": {
        "hostname": "box\n", "read": "hello\n", "failed": FAILED, "log": "started\n",
        "told": ["lightkube-before", "lightkube-after"],
    },
    "kr8s": {
        "hostname": "box\n", "failed": FAILED, "log": "started\n", "page": [200, True],
        "told": ["kr8s-before", "kr8s-after"],
    },
    "client-node": {
        "established": True, "created": "small", "refused": 422, "applied": "large", "conflict": 409,
        "events": ["add a small", "update a large", "delete a large"], "lists": 1,
        "renewed": True, "stale": 409, "holder": "one",
        "hostname": "box\n", "read": "hello\n",
        "failed": ["oops\n", "Failure", "7"], "log": "started\n", "page": [200, True],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def playing(cluster: Cluster) -> Iterator[dict[str, subprocess.Popen[str]]]:
    cluster.kubectl("create", "namespace", NAMESPACE).quiet()
    pod = shell_pod(POD, SCRIPT)
    cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=json.dumps(pod)).quiet()
    cluster.kubectl("wait", "-n", NAMESPACE, "--for=condition=Ready", f"pod/{POD}", "--timeout=60s").quiet()
    python = ["env", f"PYTHONPATH={TESTS}", sys.executable, "-m", "integration.operators.streams"]
    node = [str(published(NODE) / "bin/node"), str(TESTS / "integration/operators/client_node/scene.mjs")]
    commands = {name: [*python, name] for name in SEEN} | {"client-node": [*node, str(published("client-node-1.4"))]}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = {name: cluster.host.start(*command, NAMESPACE, POD, **pipes) for name, command in commands.items()}
    try:
        yield started
    finally:
        for process in started.values():
            process.kill()
            process.communicate()
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false").quiet()


@pytest.mark.parametrize("client", SEEN)
def test_a_client_library_at_a_pod(playing: dict[str, subprocess.Popen[str]], client: str) -> None:
    out, err = playing[client].communicate(timeout=60)
    assert playing[client].returncode == 0, err[-3000:]
    assert json.loads(out) == SEEN[client]
