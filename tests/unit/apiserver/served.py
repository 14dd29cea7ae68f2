"""The table of what is served, as any server begins with it, without the stores behind it."""

from __future__ import annotations

from longboat.apiserver.resources import Resource, Resources
from longboat.registry import catalog


def built_in() -> Resources:
    resources = Resources()
    for strategy in catalog.strategies():
        resources.install(Resource(strategy))
    return resources


BUILT_IN = built_in()
