"""Images as volumes, pulled from a registry (sig-node)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from conformance.node.pods import SLEEP, Pods, container, pod
from e2e.host import Cluster
from e2e.registry import ADDRESS, Registry, needs_registry, on_node
from longboat.assembly import archive
from longboat.assembly.archive import Layer

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]
PICTURES = f"{ADDRESS}/pictures:1"


@pytest.fixture
def pictures(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """The name of an image that no node has, but a registry beside each."""
    system = Layer().directory("etc").file("etc/os-release", b"NAME=Pictures\n")
    content = archive.layered(PICTURES, [system, Layer().file("data.json", b'["kitten.jpg"]\n')], {})
    with ExitStack() as stack:
        for node in ("node-1", "node-2"):
            folder = tmp_path / node
            folder.mkdir()
            registry = stack.enter_context(closing(Registry(on_node(cluster, node), folder)))
            registry.push(content, PICTURES)
        yield PICTURES


@needs_registry
def test_an_image_that_is_always_pulled(pods: Pods, pictures: str) -> None:
    """Conformance: Image Volume"""
    volume = {"name": "volume", "image": {"reference": pictures, "pullPolicy": "Always"}}
    main = container(SLEEP, volumeMounts=[{"name": "volume", "mountPath": "/volume"}])
    pods.create(pod("test-pod", main, restartPolicy="Always", volumes=[volume]))
    found = pods.until("test-pod", lambda found: found["status"].get("phase") == "Running")
    again = pod("again", main, nodeName=found["spec"]["nodeName"], volumes=[volume])
    pods.create(again)  # where the image is by now
    pods.until("again", lambda found: found["status"].get("phase") == "Running")
    for name in ("test-pod", "again"):
        assert ("Pulling", f'Pulling image "{pictures}"') in pods.events(name)
        assert pods.sh(name, "cat /volume/data.json /volume/etc/os-release") == '["kitten.jpg"]\nNAME=Pictures\n'
        pods.delete(name)
        pods.until_gone(name)
