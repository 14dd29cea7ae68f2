"""An image for the tests of sig-node's entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.host import Cluster
from images import build
from longboat.assembly import archive

TOOLS = "longboat.local/tools:1"  # the entrypoint echoes; beside busybox `euid` (set-uid root) and `health` (gRPC)


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
