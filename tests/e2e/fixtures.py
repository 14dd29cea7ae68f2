"""The cluster of tests that need real containers: one per process, for what does not disturb it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.host import Cluster, kubectl_versions
from images import build


@pytest.fixture(scope="session")
def images() -> dict[str, Path]:
    """The test images' archives by name."""
    return build.build()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: dict[str, Path]) -> Iterator[Cluster]:
    """Two nodes and the test images."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), nodes=2)
    try:
        cluster.up()
        for archive in (images["busybox"], images["web"]):
            cluster.import_image(archive)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(params=kubectl_versions())
def kubectl(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Cluster]:
    """The session's cluster, spoken to by each kubectl in turn."""
    before, cluster.kubectl_binary = cluster.kubectl_binary, request.param
    yield cluster
    cluster.kubectl_binary = before


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    name = (
        request.node.name.lower().replace("_", "-").replace("[", "-").replace("]", "").replace(".", "-")[:63].strip("-")
    )
    cluster.kubectl("create", "namespace", name).quiet()
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false").quiet()
