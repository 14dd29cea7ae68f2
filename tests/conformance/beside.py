"""Scenes on real nodes that run beside each other: for most of their time they wait for nodes.

A test `@beside` is a scene of its module, with a namespace and a connection of its own. The first of a module's tests
starts all of them, a few at a time; each waits for its own scene, and fails as that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.node.api import Api
from conformance.node.pods import namespaced
from conformance.work import Work
from e2e.host import Cluster

AT_ONCE = 8
Scene = Callable[[Work], None]
Scenes = dict[str, Future[None]]


def beside(scene: Scene) -> Callable[[Scenes], None]:
    def run(scenes: Scenes) -> None:
        scenes[scene.__name__].result()

    run.__name__, run.__doc__ = scene.__name__, scene.__doc__
    run.scene = scene  # type: ignore[attr-defined]
    return run


@contextmanager
def started(cluster: Cluster, api: Api, request: pytest.FixtureRequest) -> Iterator[Scenes]:
    """The scenes of those tests of the module that are to run."""
    module: Any = request.module
    functions = [getattr(item, "function", None) for item in request.session.items if item.path == request.path]
    file = Path(module.__file__)
    stem = file.stem.removeprefix("test_").removesuffix("_on_nodes")

    def play(scene: Scene) -> None:
        own = Api(api.path)
        name = f"{file.parent.name}-{stem}-{scene.__name__.removeprefix('test_')}".replace("_", "-")
        try:
            with namespaced(cluster, own, name) as pods:
                scene(Work(pods.cluster, own, name))
        finally:
            own.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        scenes = [function.scene for function in functions if hasattr(function, "scene")]
        yield {scene.__name__: pool.submit(play, scene) for scene in scenes}
