"""The scene of all tests of traffic: made once, used by all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.network.scene import Scene
from conformance.node.api import Api
from conformance.node.pods import namespaced
from e2e.host import Cluster


@pytest.fixture(scope="session")
def scene(cluster: Cluster, api: Api) -> Iterator[Scene]:
    with namespaced(cluster, api, "network") as pods:
        scene = Scene(pods)
        scene.set_up()
        yield scene
