"""Every example a user may apply works as it stands."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from e2e.host import Cluster

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_hello_answers_on_its_node_port(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("hello_image", EXAMPLES / "hello" / "image.py")
    assert spec is not None and spec.loader is not None
    hello = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hello)
    archive = tmp_path / "hello.tar"
    archive.write_bytes(hello.build())
    cluster.import_image(archive)
    manifest = str(EXAMPLES / "hello" / "hello.yaml")
    cluster.kubectl("-n", namespace, "apply", "-f", manifest).quiet()
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/hello", "--timeout=60s").quiet()
    for node in cluster.status()["nodes"]:
        page = cluster.host.run("curl", "-sS", "--max-time", "5", f"http://{node['address']}:30080/").quiet()
        assert page.startswith("Ahoy from hello-")
