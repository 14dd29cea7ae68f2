"""Scenes on a control plane in this process: a test that is `async def test_…(cluster)` is played in a fresh one.

    @pytest.mark.nodes("a", "b")
    async def test_a_pod_finds_a_node(cluster: Cluster) -> None: ...

The cluster is on a virtual clock and has the nodes of the closest `nodes` mark, ready, as an agent reports them. A
scene may take a minute of real time.
"""

from __future__ import annotations

import asyncio
import inspect

import pytest

from integration.workloads import add_node
from longboat.testing.cluster import Cluster

PATIENCE = 60.0  # seconds


@pytest.fixture
def cluster() -> Cluster:
    """Not entered yet: that is done on the loop of the test."""
    return Cluster()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    cluster = pyfuncitem.funcargs.get("cluster")
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or not isinstance(cluster, Cluster):
        return None
    mark = pyfuncitem.get_closest_marker("nodes")
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}

    async def play() -> None:
        async with asyncio.timeout(PATIENCE), cluster:
            for name in mark.args if mark else ():
                await add_node(cluster, name)
            await pyfuncitem.obj(**arguments)

    asyncio.run(play())
    return True
