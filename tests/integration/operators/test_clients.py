"""Client libraries of Python as they are: each makes a definition, waits for it, writes, applies, watches and deletes.

A control plane alone, over TLS, as the administrator. Each client runs in a process of its own (`libraries.py`):
they warn of things that are no concern of ours, and leave threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.apiserver.process import ControlPlane, control_plane

pytestmark = [pytest.mark.slow]

TESTS = str(Path(__file__).parents[2])
CLIENTS = ("kubernetes", "kubernetes_asyncio", "lightkube", "kr8s", "pykube")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("clients"), "--only", "api") as found:
        yield found


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_library_works_with_custom_kinds(plane: ControlPlane, client: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "integration.operators.libraries", client], capture_output=True, text=True, timeout=60,
        env=os.environ | {"KUBECONFIG": str(plane.kubeconfig), "PYTHONPATH": TESTS},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    group = f"{client.replace('_', '-')}.example.com"
    assert told == {
        "established": True,
        "created": "small",
        "refused": 422,
        "applied": "large",
        "conflict": 409,
        "forced": "medium",
        "status": {"phase": "Ready"},
        "replicas": 3,
        "events": ["ADDED", "MODIFIED", "DELETED"],
        "gone": 404,
    }
    assert plane.ask("GET", f"/apis/{group}/v1")[0] == 200
