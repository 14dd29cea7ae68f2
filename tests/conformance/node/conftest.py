"""What the tests of pods on real nodes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.node.api import Api, proxied
from conformance.node.pods import Pods, namespaced
from e2e.host import Cluster
from images import build
from longboat.cli import archive

TOOLS = "longboat.local/tools:1"  # the entrypoint echoes; beside busybox `euid` (set-uid root) and `health` (gRPC)


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    with proxied(cluster) as api:
        yield api


@pytest.fixture(scope="module")
def pods(cluster: Cluster, api: Api, request: pytest.FixtureRequest) -> Iterator[Pods]:
    """A namespace for a module, in which every object its list `START` names has been made."""
    name = f"node-{Path(request.module.__file__).stem.removeprefix('test_').replace('_', '-')}"
    with namespaced(cluster, api, name) as pods:
        pods.create(*getattr(request.module, "START", ()))
        yield pods


@pytest.fixture(scope="session")
def tools(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image with the helpers above, on every node."""
    layer = archive.busybox_layer(build.BUSYBOX, build.applets())
    for name, mode in (("euid", 0o4755), ("health", 0o755)):
        layer.file(name, build.compiled(Path(__file__).parent / f"{name}.c"), mode)
    config = {"Entrypoint": ["/bin/echo", "entrypoint"], "Cmd": ["default", "arguments"], "Env": ["PATH=/bin"]}
    path = tmp_path_factory.mktemp("tools") / "tools.tar"
    path.write_bytes(archive.image(TOOLS, layer, config))
    cluster.import_image(path)
    return TOOLS
