"""A fresh cluster for each test of volumes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from longboat.testing.cluster import Cluster

Test = Callable[[Cluster], Awaitable[None]]


def inside(test: Test) -> Callable[[], None]:
    """Run a test in a whole control plane without nodes, on a virtual clock."""

    def run() -> None:
        async def main() -> None:
            async with Cluster() as cluster:
                await test(cluster)

        asyncio.run(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run
